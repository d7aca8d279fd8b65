"""Small datasets in MNIST's format, and mirrors on the loopback that serve them well or badly."""

import gzip
import hashlib
import struct
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
from numpy.typing import NDArray

from pipeline.data.datasets import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS, ImageDataset


def idx(values: NDArray[np.uint8]) -> bytes:
    """`values` as a gzipped idx file, the same bytes every time."""
    header = bytes((0, 0, 8, values.ndim)) + struct.pack(f">{values.ndim}I", *values.shape)
    return gzip.compress(header + values.tobytes(), mtime=0)


def write_small_mnist(folder: Path, train: int = 60, test: int = 20, classes: int = 5) -> dict[str, tuple[str, ...]]:
    """Write the four files of a random dataset; return the sha256 of each, as ImageDataset wants them."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    for images, labels, count in ((TRAIN_IMAGES, TRAIN_LABELS, train), (TEST_IMAGES, TEST_LABELS, test)):
        (folder / images).write_bytes(idx(rng.integers(0, 256, (count, 28, 28), np.uint8)))
        (folder / labels).write_bytes(idx(rng.permutation(np.arange(count, dtype=np.uint8) % classes)))
    return {path.name: (hashlib.sha256(path.read_bytes()).hexdigest(),) for path in sorted(folder.iterdir())}


def small_mnist(folder: Path, *mirrors: str, **sizes: int) -> ImageDataset:
    """The dataset `mnist`, but small: its files in `folder`, to be fetched from `mirrors`."""
    return ImageDataset("mnist", write_small_mnist(folder, **sizes), mirrors, "none")


class Mirror(ThreadingHTTPServer):
    """Serves a folder at /MANNER/NAME, in the manner asked for; counts the requests per path."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.requests: Counter[str] = Counter()

    def url(self, manner: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{manner}"


class _Handler(BaseHTTPRequestHandler):
    server: Mirror

    def do_GET(self) -> None:
        self.server.requests[self.path] += 1
        _, manner, name = self.path.split("/")
        path = self.server.folder / name
        if manner == "missing" or not path.is_file():
            return self.send_error(404)
        if manner == "failing" or (manner == "flaky" and self.server.requests[self.path] < 3):
            return self.send_error(503)
        content = path.read_bytes()
        if manner == "truncated":
            content = content[: len(content) // 2]
        if manner == "altered":
            content = content[:-1] + bytes((content[-1] ^ 1,))
        if manner == "dripping-header":
            for byte in b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 100:
                self.wfile.write(bytes((byte,)))
                time.sleep(0.1)
            return None
        if manner == "endless":
            self.send_response(200)
            self.end_headers()
            while True:
                self.wfile.write(bytes(1 << 16))
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        if manner == "labelled":  # as some servers do for every .gz: undoing it would change the file
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        if manner == "dripping":
            for byte in content:
                self.wfile.write(bytes((byte,)))
                time.sleep(0.1)
        if manner == "silent":
            time.sleep(5)
        self.wfile.write(content[:100] if manner == "breaking" else content)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""

    def finish(self) -> None:
        with suppress(OSError):  # the client has hung up, as it should on a slow mirror
            super().finish()


@contextmanager
def mirror_of(folder: Path) -> Iterator[Mirror]:
    """A running Mirror of `folder`."""
    with Mirror(folder) as server:
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield server
        server.shutdown()
