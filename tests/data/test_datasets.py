import gzip
import hashlib
import io
import os
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from pipeline.data.datasets import IMAGE_DATASETS, TEST_LABELS, TRAIN_IMAGES, Manifest, download, load, read_idx
from pipeline.data.mirrors import Limits
from pipeline.errors import PipelineError
from tests.helpers.images import idx, mirror_of, small_mnist
from tests.helpers.own import settings, write_ts

QUICK = Limits(attempts=1, back_off_seconds=0.01, total_seconds=20)
NOBODY = "http://127.0.0.1:1"  # a mirror that does not answer
CONSOLE = Console(file=io.StringIO())
OWN_MIRROR = os.environ.get("MNIST_MIRROR", "")


@pytest.fixture(autouse=True)
def no_own_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MNIST_MIRROR", raising=False)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def write_sequences(path: Path, count: int = 12) -> Path:
    np.savez(path, x=np.arange(count * 6, dtype=np.float64).reshape(count, 3, 2), y=np.arange(count) % 3 * 10)
    return path


def test_images_are_downloaded_described_and_decoded(tmp_path: Path) -> None:
    origin, raw = tmp_path / "origin", tmp_path / "raw"
    with mirror_of(_small(origin)) as mirror:
        dataset = small_mnist(origin, mirror.url("altered"), mirror.url("good"))
        done = download(settings("mnist"), CONSOLE, raw, {"mnist": dataset}, QUICK)
        assert done.source == mirror.url("good")
        manifest = done.manifest
        assert manifest == Manifest(
            dataset="mnist",
            source=mirror.url("altered"),  # the first, whichever has served the files
            files={name: sums[0] for name, sums in dataset.files.items()},
            licence="none",
        )
        assert Manifest.read(raw / "manifest.json") == manifest
        assert sorted(contents(raw)) == sorted([*dataset.files, "manifest.json"])
        before = contents(raw)
        download(settings("mnist"), CONSOLE, raw, {"mnist": dataset}, QUICK)  # nothing to fetch
        assert contents(raw) == before
    data = load(settings("mnist"), raw)
    assert (data.train_x.shape, data.train_x.dtype) == ((60, 28, 28), np.uint8)
    assert data.test_x is not None
    assert data.test_y is not None
    assert (data.test_x.shape, data.test_y.shape, data.test_y.dtype) == ((20, 28, 28), (20,), np.int64)
    assert data.labels == (0, 1, 2, 3, 4)
    assert np.bincount(data.train_y).tolist() == [12] * 5
    assert gzip.decompress((origin / TRAIN_IMAGES).read_bytes())[16:] == data.train_x.tobytes()


def _small(folder: Path) -> Path:
    small_mnist(folder)
    return folder


def test_own_mirror_is_used_first_and_others_when_it_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mirror_of(_small(tmp_path / "origin")) as mirror:
        known = {"mnist": small_mnist(tmp_path / "origin", mirror.url("good"))}
        monkeypatch.setenv("MNIST_MIRROR", str(tmp_path / "origin"))
        assert download(settings("mnist"), CONSOLE, tmp_path / "a", known, QUICK).source == "MNIST_MIRROR (folder)"
        assert not mirror.requests
        monkeypatch.setenv("MNIST_MIRROR", "http://127.0.0.1:1")
        assert download(settings("mnist"), CONSOLE, tmp_path / "b", known, QUICK).source == mirror.url("good")
        monkeypatch.setenv("MNIST_MIRROR", mirror.url("good"))
        source = f"MNIST_MIRROR (http://127.0.0.1:{mirror.server_port})"
        assert download(settings("mnist"), CONSOLE, tmp_path / "c", known, QUICK).source == source


def test_a_failed_download_leaves_the_earlier_dataset(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    download(settings(write_sequences(tmp_path / "mine.npz")), CONSOLE, raw)
    before = contents(raw)
    known = {"mnist": small_mnist(tmp_path / "origin", NOBODY)}
    with pytest.raises(PipelineError, match=r"MNIST_MIRROR.*`make quick`"):
        download(settings("mnist"), CONSOLE, raw, known, QUICK)
    with pytest.raises(PipelineError, match=r"none\.npz: not found"):
        download(settings(tmp_path / "none.npz"), CONSOLE, raw)
    assert contents(raw) == before


def test_another_dataset_replaces_the_files_of_the_last_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw, mine = tmp_path / "raw", write_sequences(tmp_path / "mine.npz")
    monkeypatch.setenv("MNIST_MIRROR", str(tmp_path / "origin"))
    known = {"mnist": small_mnist(tmp_path / "origin", NOBODY)}
    download(settings("mnist"), CONSOLE, raw, known, QUICK)
    manifest = download(settings(mine), CONSOLE, raw, known, QUICK).manifest
    assert sorted(contents(raw)) == ["manifest.json", "sequences.npz"]
    assert (raw / "sequences.npz").read_bytes() == mine.read_bytes()
    assert manifest.source == "mine.npz"
    assert manifest.files == {"sequences.npz": hashlib.sha256(mine.read_bytes()).hexdigest()}
    data = load(settings(mine), raw)
    assert (data.train_x.shape, data.train_x.dtype, data.test_x) == ((12, 3, 2), np.float32, None)
    assert (data.train_y.tolist(), data.labels) == ([0, 1, 2] * 4, (0, 10, 20))
    with pytest.raises(PipelineError, match=r"holds '/.*mine\.npz', not 'mnist' \(params\.yaml: data\.dataset"):
        load(settings("mnist"), raw)


def test_both_parts_of_the_archives_format_are_copied_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw, lines = tmp_path / "raw", [f"{number},{number}:{'ab'[number % 2]}" for number in range(6)]
    monkeypatch.setenv("HOME", str(tmp_path))
    parts = [write_ts(tmp_path / "toy_TRAIN.ts", *lines[:4]), write_ts(tmp_path / "toy_TEST.ts", *lines[4:])]
    manifest = download(settings("~/toy_TEST.ts"), CONSOLE, raw).manifest
    assert manifest.dataset == "~/toy_TEST.ts"
    names = ["sequences_TRAIN.ts", "sequences_TEST.ts"]
    assert manifest.files == {
        name: hashlib.sha256(part.read_bytes()).hexdigest() for name, part in zip(names, parts, strict=True)
    }
    for part in parts:
        part.unlink()
    data = load(settings("~/toy_TEST.ts"), raw)
    assert data.test_x is not None
    assert data.test_y is not None
    assert data.train_x[:, 0, 0].tolist() == [0, 1, 2, 3]
    assert data.test_x[:, 0, 0].tolist() == [4, 5]
    assert (data.train_y.tolist(), data.test_y.tolist(), data.labels) == ([0, 1, 0, 1], [0, 1], ("a", "b"))
    assert (data.groups, data.test_groups, data.feature_names, data.notes) == (None, None, ("dimension 1",), ())
    download(settings(write_sequences(tmp_path / "mine.npz")), CONSOLE, raw)
    assert sorted(contents(raw)) == ["manifest.json", "sequences.npz"]


def test_groups_go_with_their_samples(tmp_path: Path) -> None:
    raw, path, x = tmp_path / "raw", tmp_path / "a.npz", np.zeros((4, 2))
    np.savez(path, x=x, y=[0, 1] * 2, groups=[7, 8, 9, 7], split=["train", "test", "test", "train"])
    download(settings(path), CONSOLE, raw)
    data = load(settings(path), raw)
    assert (data.groups, data.test_groups) == ((7, 7), (8, 9))
    assert data.train_y.tolist() == [0, 1]
    assert data.notes == ("x has the shape (4, 2): read as 4 sequences of 2 steps with one feature",)
    np.savez(path, x=x, y=[0, 1] * 2, groups=[7, 8, 9, 7])
    download(settings(path), CONSOLE, raw)
    data = load(settings(path), raw)
    assert (data.groups, data.test_groups, data.test_x) == ((7, 8, 9, 7), None, None)


def test_a_file_that_does_not_fit_the_settings_is_refused_before_it_replaces_anything(tmp_path: Path) -> None:
    raw, path = tmp_path / "raw", tmp_path / "a.npz"
    download(settings(write_sequences(tmp_path / "mine.npz")), CONSOLE, raw)
    before = contents(raw)
    np.savez(path, x=np.array([[1, np.nan], [2, 3]]), y=[0, 1])
    with pytest.raises(PipelineError, match=r"a\.npz: has missing values: 1 in 1 of 2 sequences"):
        download(settings(path), CONSOLE, raw)
    assert contents(raw) == before
    download(settings(path, missing="forward"), CONSOLE, raw)
    assert load(settings(path, missing="forward"), raw).train_x.ravel().tolist() == [1, 1, 2, 3]


def test_an_unknown_name_and_missing_data_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"^params\.yaml: data\.dataset: 'mnits' is unknown; it must be mnist, "):
        download(settings("mnits"), CONSOLE, tmp_path)
    with pytest.raises(
        PipelineError, match=r"holds no dataset, not 'mnist' .*: `python -m pipeline download` brings it"
    ):
        load(settings("mnist"), tmp_path)


def test_bundled_digits_are_mnist_and_the_same_bytes_every_time(tmp_path: Path) -> None:
    manifest = download(settings("mnist5k"), CONSOLE, tmp_path / "one")
    assert download(settings("mnist5k"), CONSOLE, tmp_path / "other") == manifest
    with zipfile.ZipFile(tmp_path / "one" / "mnist5k.npz") as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    data = load(settings("mnist5k"), tmp_path / "one")
    assert (data.train_x.shape, data.train_x.dtype, data.test_x) == ((5000, 28, 28), np.uint8, None)
    # Of the values: Python's patch releases differ in the bytes of a zip file's headers.
    assert (
        hashlib.sha256(data.train_x.tobytes()).hexdigest()
        == "2913c6b6527114b7307e1086335a7665e3f94c74aba3d67525e6f116bf5ae20f"
    )
    assert np.bincount(data.train_y).tolist() == [500] * 10
    assert data.labels == tuple(range(10))


def test_checksums_are_well_formed_and_of_different_files() -> None:
    sums = [one for dataset in IMAGE_DATASETS.values() for sums in dataset.files.values() for one in sums]
    assert len(sums) == len(set(sums)) == 4 + 8
    assert all(re.fullmatch("[0-9a-f]{64}", one) for one in sums)


def test_the_real_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not (Path(OWN_MIRROR or "none") / TRAIN_IMAGES).is_file():
        pytest.skip("MNIST_MIRROR is not set to the folder of the real files")
    monkeypatch.setenv("MNIST_MIRROR", OWN_MIRROR)
    assert download(settings("mnist"), CONSOLE, tmp_path, limits=QUICK).source == "MNIST_MIRROR (folder)"
    data = load(settings("mnist"), tmp_path)
    assert data.train_x.shape == (60_000, 28, 28)
    assert data.train_y[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert data.train_x.mean() == pytest.approx(33.318, abs=0.001)


@pytest.mark.parametrize("shape", [(0,), (7,), (3, 28, 28)])
def test_idx_round_trip(shape: tuple[int, ...], tmp_path: Path) -> None:
    values = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    (tmp_path / "a.gz").write_bytes(idx(values))
    assert np.array_equal(read_idx(tmp_path / "a.gz", len(shape)), values)


HEADER = bytes((0, 0, 8, 1))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"no gzip", "cannot be unpacked"),
        (gzip.compress(HEADER + bytes((0, 0, 0, 3, 1, 2, 3)), mtime=0)[:-9], "cannot be unpacked"),
        (gzip.compress(b"", mtime=0), "is not an idx file of unsigned bytes in 1 dimensions"),
        (gzip.compress(HEADER, mtime=0), "is not an idx file of unsigned bytes in 1 dimensions"),
        (
            gzip.compress(bytes((0, 0, 13, 1, 0, 0, 0, 0)), mtime=0),
            "is not an idx file of unsigned bytes in 1 dimensions",
        ),
        (idx(np.zeros((2, 2), np.uint8)), "is not an idx file of unsigned bytes in 1 dimensions"),
        (gzip.compress(HEADER + bytes((0, 0, 0, 3, 1, 2)), mtime=0), r"announces \(3,\) values, but holds 2 bytes"),
        (
            gzip.compress(HEADER + bytes((255, 255, 255, 255, 1)), mtime=0),
            r"announces \(4294967295,\) values, at most 268,435,456 are read",
        ),
    ],
)
def test_damaged_idx_files_are_refused(content: bytes, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(content)
    with pytest.raises(PipelineError, match=sentence) as failure:
        read_idx(tmp_path / "a.gz", 1)
    assert str(failure.value).endswith("a.gz && python -m pipeline download` brings it again")


def test_images_and_labels_must_be_as_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MNIST_MIRROR", str(tmp_path / "origin"))
    download(settings("mnist"), CONSOLE, tmp_path / "raw", {"mnist": small_mnist(tmp_path / "origin", NOBODY)}, QUICK)
    (tmp_path / "raw" / TEST_LABELS).write_bytes(idx(np.zeros(19, np.uint8)))
    with pytest.raises(PipelineError, match=rf"{TEST_LABELS}: has int64 labels in the shape \(19,\) for 20 images"):
        load(settings("mnist"), tmp_path / "raw")
