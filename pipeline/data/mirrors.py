"""Fetching files of known sha256 from the first source that has them: a folder or an HTTP mirror."""

import hashlib
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import requests
import urllib3
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from pipeline.errors import PipelineError, without_credentials
from pipeline.paths import temporary_folder

# pooch fetches one file from one address and verifies it: a sixth of this module. The order of the sources, the time
# limit for all of them together, files that appear all at once or not at all, and the sentences would remain.

CHUNK_BYTES = 1 << 16
TRANSIENT_STATUSES = {408, 429, 500, 502, 503, 504}


@dataclass(frozen=True)
class Source:
    """Where files may come from: `location` is a folder or a URL, `name` its name in manifest.json."""

    name: str
    location: str

    @property
    def is_folder(self) -> bool:
        return "://" not in self.location


@dataclass(frozen=True)
class Limits:
    """How long to try, in seconds, and how much to take.

    The pause after attempt i (from 0) is `back_off_seconds` × 2^i.
    """

    attempts: int = 3
    back_off_seconds: float = 1
    connect_seconds: float = 10
    read_seconds: float = 30
    total_seconds: float = 600  # for all files and sources together
    file_bytes: int = 1_000_000_000  # of one file; more is not what was asked for


DEFAULT_LIMITS = Limits()


class _Rejected(Exception):
    """This source cannot serve this file; the message says why."""


class _Interrupted(Exception):
    """This attempt failed in a way that another may not; the message says how."""


def find_sources(mirrors: Sequence[str]) -> list[Source]:
    """`$MNIST_MIRROR` (a folder or a URL) where it is set, then the public `mirrors` (URLs)."""
    public = [Source(url, url) for url in mirrors]
    own = os.environ.get("MNIST_MIRROR")
    if not own:
        return public
    # Results must not tell one machine from another, nor carry a password: folders and paths stay out of the name.
    parts = urlsplit(own)
    place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if "://" in own else "folder"
    return [Source(f"MNIST_MIRROR ({place})", own), *public]


def fetch(
    files: Mapping[str, tuple[str, ...]],
    sources: Sequence[Source],
    folder: Path,
    console: Console,
    limits: Limits = DEFAULT_LIMITS,
) -> list[str]:
    """Bring `files` (name → accepted sha256 sums) into `folder`; all of them appear there, or nothing changes.

    A file that is already there with an accepted sum is left alone. Sources are tried in order; one that
    does not answer, or whose file has another sum, is given up with a printed sentence.

    Returns the names of the sources used, in order; empty where every file was in place.
    Raises PipelineError with each source's reason when none is left.
    """
    missing = [name for name in files if not _is_in_place(folder / name, files[name])]
    used, reasons = [], []
    with temporary_folder(folder) as staging:
        attempt = _Fetch(staging, console, limits, time.monotonic() + limits.total_seconds)
        waiting = list(missing)
        for source in sources:
            try:
                while waiting:
                    attempt.fetch(waiting[0], files[waiting[0]], source)
                    used.append(source.name)
                    waiting.pop(0)
            except _Rejected as reason:
                where = source.location if source.is_folder else source.name
                reasons.append(f"{where}: {reason}")
                _say(console, f"gave up on {reasons[-1]}")
        if waiting:
            raise PipelineError(
                f"no source has {', '.join(waiting)} ({'; '.join(reasons)}): set MNIST_MIRROR to a folder or URL "
                "that has the files, or run `make quick`, which needs no download"
            )
        folder.mkdir(exist_ok=True)
        for name in missing:
            (staging / name).replace(folder / name)
    return list(dict.fromkeys(used))


def probe(source: Source, name: str, timeout_seconds: float = 5) -> str:
    """The answer of `source` when asked for the file `name`, in a few words; `ok` first if it has the file."""
    if source.is_folder:
        path = Path(source.location).expanduser() / name
        return f"ok, {path.stat().st_size:,} bytes" if path.is_file() else f"{path} not found"
    try:
        with _head_of_answer(_url(source, name), (timeout_seconds, timeout_seconds), timeout_seconds) as response:
            if not response.ok:
                return f"HTTP {response.status_code} {response.reason}"
            return f"ok, {int(response.headers.get('Content-Length', 0)):,} bytes"
    except (requests.RequestException, ValueError) as error:
        return _in_words(error)


def sha256_of(path: Path) -> str:
    """Hexadecimal sha256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _head_of_answer(url: str, timeouts: tuple[float, float], seconds: float) -> requests.Response:
    """The answer up to its body, within so many seconds in all.

    The timeouts of requests are between two bytes: a server that drips its header would hold it for ever.
    """
    answers: queue.Queue[requests.Response | Exception] = queue.Queue()

    def ask() -> None:
        try:
            answers.put(requests.get(url, stream=True, timeout=timeouts, headers=_HEADERS))
        except Exception as error:
            answers.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        raise requests.Timeout from None
    if isinstance(answer, Exception):
        raise answer
    return answer


# Without this a server may compress once more, or announce a length that is not the file's.
_HEADERS = {"Accept-Encoding": "identity"}


@dataclass(frozen=True)
class _Fetch:
    """One call of `fetch`: where files wait until all are there, and how long there is."""

    staging: Path
    console: Console
    limits: Limits
    deadline: float  # on the monotonic clock

    def fetch(self, name: str, accepted: tuple[str, ...], source: Source) -> None:
        """Copy one file into `staging`, with retries; raises _Rejected if the source cannot serve it."""
        for attempt in range(self.limits.attempts):
            if attempt:
                time.sleep(min(self.limits.back_off_seconds * 2 ** (attempt - 1), self._seconds_left(name)))
            try:
                with _progress_bar(self.console) as progress:
                    task = progress.add_task(name, total=None)
                    self._copy(name, accepted, source, partial(progress.update, task))
            except _Interrupted as interruption:
                reason = str(interruption)
            else:
                size = (self.staging / name).stat().st_size
                _say(self.console, f"{name}: {size:,} bytes from {source.name}")
                return
        raise _Rejected(f"{name}: {reason} ({self.limits.attempts} attempts)")

    def _copy(self, name: str, accepted: tuple[str, ...], source: Source, report: Callable[..., None]) -> None:
        digest = hashlib.sha256()
        chunks = _file_chunks(source, name, report) if source.is_folder else self._http_chunks(source, name, report)
        with (self.staging / name).open("wb") as file:
            for chunk in chunks:
                if file.tell() + len(chunk) > self.limits.file_bytes:
                    raise _Rejected(f"{name}: it sends more than {self.limits.file_bytes:,} bytes")
                digest.update(chunk)
                file.write(chunk)
                report(advance=len(chunk))
            if (actual := digest.hexdigest()) not in accepted:
                expected = " or ".join(accepted)
                raise _Rejected(f"{name}: truncated or altered: its sha256 is {actual}, expected {expected}")

    def _http_chunks(self, source: Source, name: str, report: Callable[..., None]) -> Iterator[bytes]:
        left = self._seconds_left(name)
        timeouts = min(self.limits.connect_seconds, left), min(self.limits.read_seconds, left)
        try:
            with _head_of_answer(_url(source, name), timeouts, min(left, sum(timeouts))) as response:
                if response.status_code in TRANSIENT_STATUSES:
                    raise _Interrupted(f"HTTP {response.status_code} {response.reason}")
                if not response.ok:
                    raise _Rejected(f"{name}: HTTP {response.status_code} {response.reason}")
                report(total=int(response.headers.get("Content-Length", 0)) or None)
                # read1 gives what has arrived: a server that drips cannot hold up the look at the clock.
                while chunk := response.raw.read1(CHUNK_BYTES):
                    self._seconds_left(name)
                    yield chunk
        except ValueError as error:  # an address that requests cannot make sense of
            raise _Rejected(f"{name}: {error}") from error
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise _Interrupted(_in_words(error)) from error

    def _seconds_left(self, name: str) -> float:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise _Rejected(f"{name}: not there within the time limit of {self.limits.total_seconds:g} s")
        return left


def _file_chunks(source: Source, name: str, report: Callable[..., None]) -> Iterator[bytes]:
    path = Path(source.location).expanduser() / name
    try:
        with path.open("rb") as file:
            report(total=path.stat().st_size)
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
    except OSError as error:
        raise _Rejected(f"{name}: {error.strerror}") from error


def _is_in_place(path: Path, accepted: tuple[str, ...]) -> bool:
    return path.is_file() and sha256_of(path) in accepted


def _url(source: Source, name: str) -> str:
    return f"{source.location.rstrip('/')}/{name}"


def _in_words(error: Exception) -> str:
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return "no answer in time"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy does not answer: see the variables https_proxy and http_proxy"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not trusted, or it speaks no TLS; REQUESTS_CA_BUNDLE may name a file of authorities"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    if isinstance(error, urllib3.exceptions.ProtocolError):
        return f"the connection broke off ({error.args[-1]})"
    return without_credentials(f"{type(error).__name__}: {error}")


def _say(console: Console, sentence: str) -> None:
    console.print(sentence, markup=False, highlight=False, soft_wrap=True)


def _progress_bar(console: Console) -> Progress:
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    return Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal)
