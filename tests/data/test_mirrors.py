import io
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from pipeline.data.mirrors import Limits, Source, fetch, find_sources, probe, sha256_of
from pipeline.errors import PipelineError
from tests.helpers.images import Mirror, mirror_of, write_small_mnist

QUICK = Limits(attempts=3, back_off_seconds=0.01, connect_seconds=2, read_seconds=2, total_seconds=20)
LABELS = "train-labels-idx1-ubyte.gz"


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("origin")
    write_small_mnist(folder)
    return folder


@pytest.fixture
def files(origin: Path) -> dict[str, tuple[str, ...]]:
    return {path.name: (sha256_of(path),) for path in sorted(origin.iterdir())}


@pytest.fixture
def mirror(origin: Path) -> Iterator[Mirror]:
    with mirror_of(origin) as server:
        yield server


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=80)


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def from_mirror(mirror: Mirror, *manners: str) -> list[Source]:
    return [Source(manner, mirror.url(manner)) for manner in manners]


@pytest.mark.parametrize("manner", ["good", "labelled", "flaky"])
def test_files_come_from_the_first_mirror_bit_for_bit(
    manner: str, mirror: Mirror, origin: Path, files: dict[str, tuple[str, ...]], tmp_path: Path, console: Console
) -> None:
    assert fetch(files, from_mirror(mirror, manner, "altered"), tmp_path / "raw", console, QUICK) == [manner]
    assert sorted(path.name for path in (tmp_path / "raw").iterdir()) == sorted(files)
    for name in files:
        assert (tmp_path / "raw" / name).read_bytes() == (origin / name).read_bytes()
        assert mirror.requests[f"/{manner}/{name}"] == (3 if manner == "flaky" else 1)
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]
    assert f"{LABELS}: " in printed(console)


def test_a_folder_is_a_source(
    origin: Path, files: dict[str, tuple[str, ...]], tmp_path: Path, console: Console
) -> None:
    empty = tmp_path / "empty"
    sources = [Source("MNIST_MIRROR (folder)", str(empty)), Source("second", str(origin))]
    assert fetch(files, sources, tmp_path / "raw", console, QUICK) == ["second"]
    assert f"gave up on {empty}: t10k-images-idx3-ubyte.gz: No such file or directory" in printed(console)


def test_what_is_in_place_is_not_fetched_again(
    mirror: Mirror, files: dict[str, tuple[str, ...]], tmp_path: Path, console: Console
) -> None:
    fetch(files, from_mirror(mirror, "good"), tmp_path, console, QUICK)
    assert fetch(files, from_mirror(mirror, "good"), tmp_path, console, QUICK) == []
    (tmp_path / LABELS).write_bytes(b"damaged")
    assert fetch(files, from_mirror(mirror, "good"), tmp_path, console, QUICK) == ["good"]
    assert {path: count for path, count in mirror.requests.items() if count > 1} == {f"/good/{LABELS}": 2}
    assert sha256_of(tmp_path / LABELS) == files[LABELS][0]


@pytest.mark.parametrize(
    ("manner", "reason", "requests"),
    [
        ("truncated", "truncated or altered: its sha256 is {actual}, expected {expected}", 1),
        ("altered", "truncated or altered: its sha256 is {actual}, expected {expected}", 1),
        ("breaking", "the connection broke off (IncompleteRead(100 bytes read, {rest} more expected)) (3 attempts)", 3),
        ("failing", "HTTP 503 Service Unavailable (3 attempts)", 3),
        ("missing", "HTTP 404 Not Found", 1),
    ],
)
def test_a_bad_mirror_is_given_up_with_a_sentence_and_the_next_one_serves(
    manner: str,
    reason: str,
    requests: int,
    mirror: Mirror,
    origin: Path,
    files: dict[str, tuple[str, ...]],
    tmp_path: Path,
    console: Console,
) -> None:
    name = "t10k-images-idx3-ubyte.gz"
    assert fetch(files, from_mirror(mirror, manner, "good"), tmp_path, console, QUICK) == ["good"]
    content = (origin / name).read_bytes()
    broken = {"truncated": content[: len(content) // 2], "altered": content[:-1] + bytes((content[-1] ^ 1,))}
    (tmp_path / "broken").write_bytes(broken.get(manner, b""))
    actual = sha256_of(tmp_path / "broken")
    sentence = reason.format(actual=actual, expected=files[name][0], rest=len(content) - 100)
    assert f"gave up on {manner}: {name}: {sentence}\n" in printed(console)
    assert mirror.requests[f"/{manner}/{name}"] == requests
    assert sha256_of(tmp_path / name) == files[name][0]


def test_when_every_source_fails_one_line_says_so_and_nothing_has_changed(
    mirror: Mirror, files: dict[str, tuple[str, ...]], tmp_path: Path, console: Console
) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / LABELS).write_bytes(b"from an earlier run")
    closed = Source("closed", "http://127.0.0.1:1")
    sources = [closed, *from_mirror(mirror, "altered", "missing"), Source("nonsense", "nonsense://x")]
    with pytest.raises(PipelineError) as failure:
        fetch(files, sources, raw, console, QUICK)
    message = str(failure.value)
    assert "\n" not in message
    assert "closed: t10k-images-idx3-ubyte.gz: no connection (3 attempts)" in message
    assert "altered: t10k-images-idx3-ubyte.gz: truncated or altered" in message
    assert "missing: t10k-images-idx3-ubyte.gz: HTTP 404" in message
    assert "nonsense: t10k-images-idx3-ubyte.gz: No connection adapters" in message
    assert "MNIST_MIRROR" in message
    assert "`make quick`" in message
    assert [(path.name, path.read_bytes()) for path in raw.iterdir()] == [(LABELS, b"from an earlier run")]
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


@pytest.mark.parametrize("manner", ["dripping", "dripping-header", "silent"])
def test_the_total_time_limit_holds_against_a_slow_mirror(
    manner: str, mirror: Mirror, files: dict[str, tuple[str, ...]], tmp_path: Path, console: Console
) -> None:
    start = time.monotonic()
    limits = Limits(attempts=2, back_off_seconds=0.01, read_seconds=60, total_seconds=0.5)
    with pytest.raises(PipelineError, match=r"not there within the time limit of 0\.5 s"):
        fetch({LABELS: files[LABELS]}, from_mirror(mirror, manner, "good"), tmp_path, console, limits)
    assert 0.4 < time.monotonic() - start < 4  # the mirrors would take longer
    assert list(tmp_path.iterdir()) == []


def test_a_body_without_end_is_given_up(
    mirror: Mirror, files: dict[str, tuple[str, ...]], tmp_path: Path, console: Console
) -> None:
    limits = Limits(attempts=1, file_bytes=1_000_000)
    sources = from_mirror(mirror, "endless", "good")
    assert fetch({LABELS: files[LABELS]}, sources, tmp_path / "raw", console, limits) == ["good"]
    assert f"gave up on endless: {LABELS}: it sends more than 1,000,000 bytes" in printed(console)


def test_proxies_and_certificates_are_told_apart(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    spoken_to = Source("plain", mirror.url("good").replace("http://", "https://"))
    assert probe(spoken_to, LABELS).startswith("its certificate is not trusted, or it speaks no TLS")
    monkeypatch.setenv("http_proxy", "http://me:c4n4ry@127.0.0.1:9")
    assert probe(Source("far", "http://mirror.example"), LABELS).startswith("the proxy does not answer")


def test_the_pause_doubles_after_each_attempt(
    mirror: Mirror, files: dict[str, tuple[str, ...]], tmp_path: Path, console: Console
) -> None:
    start = time.monotonic()
    limits = Limits(attempts=4, back_off_seconds=0.1)
    with pytest.raises(PipelineError, match="503"):
        fetch({LABELS: files[LABELS]}, from_mirror(mirror, "failing"), tmp_path, console, limits)
    assert time.monotonic() - start >= 0.7  # 0.1 + 0.2 + 0.4


@pytest.mark.parametrize(
    ("own", "name"),
    [
        ("/home/somebody/mnist", "MNIST_MIRROR (folder)"),
        ("../mnist", "MNIST_MIRROR (folder)"),
        ("https://somebody:secret@mirror.example:8443/a/b?token=c", "MNIST_MIRROR (https://mirror.example:8443)"),
    ],
)
def test_own_mirror_comes_first_and_its_name_gives_nothing_away(
    own: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_MIRROR", own)
    assert find_sources(["https://public.example"]) == [
        Source(name, own),
        Source("https://public.example", "https://public.example"),
    ]
    monkeypatch.delenv("MNIST_MIRROR")
    assert [source.name for source in find_sources(["https://public.example"])] == ["https://public.example"]


def test_probe_tells_what_a_source_answers(mirror: Mirror, origin: Path) -> None:
    size = f"{(origin / LABELS).stat().st_size:,}"
    assert probe(Source("good", mirror.url("good")), LABELS) == f"ok, {size} bytes"
    assert probe(Source("folder", str(origin)), LABELS) == f"ok, {size} bytes"
    assert probe(Source("missing", mirror.url("missing")), LABELS) == "HTTP 404 Not Found"
    started = time.monotonic()
    assert probe(Source("slow", mirror.url("dripping-header")), LABELS, timeout_seconds=0.5) == "no answer in time"
    assert time.monotonic() - started < 4
    assert probe(Source("closed", "http://127.0.0.1:1"), LABELS) == "no connection"
    assert probe(Source("folder", "/nowhere"), LABELS) == f"/nowhere/{LABELS} not found"
    assert probe(Source("nonsense", "nonsense://x"), LABELS).startswith("InvalidSchema: ")
