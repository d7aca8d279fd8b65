"""How long `make serve` takes to answer: one image, and all of MNIST's test images in one request.

    .venv/bin/python -m benchmarks.serving

Needs the prepared data and a registered champion, as `make report` makes them. The server has one core, this client the
others. What the client waits for is everything from writing its JSON to having read the answer's. The server's own time
on its core is told, too: other work on the machine does not count in it.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import psutil
import requests

from pipeline import paths
from pipeline.data.sequences import Samples

PORT = 5077
URL = f"http://127.0.0.1:{PORT}"
CALLS = 100
CORE = 0


def main() -> None:
    test = Samples.read(paths.TEST)
    pixels = np.rint(255 * test.x).astype(int)  # as rows, which images are
    os.sched_setaffinity(0, os.sched_getaffinity(0) - {CORE})
    command = ["taskset", "-c", str(CORE), sys.executable, "-m", "pipeline", "serve", "--port", str(PORT)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server, requests.Session() as session:
        try:
            while not _answers(session) and server.poll() is None:
                time.sleep(0.1)

            def ask(images: np.ndarray) -> list[int]:
                answer = session.post(f"{URL}/invocations", json={"inputs": {"pixels": images.tolist()}})
                answer.raise_for_status()
                return [each["predicted"] for each in answer.json()["predictions"]]

            ask(pixels[:1])
            each = [pixels[index : index + 1] for index in range(CALLS)]
            _report("one image", _measured(ask, each, server.pid), "ms", 1000)
            _report(f"{len(pixels):,} images in one request", _measured(ask, [pixels] * 3, server.pid), "s", 1)
            print(f"{np.mean(np.asarray(ask(pixels)) == test.y):.2%} of these are right")
        finally:
            server.terminate()


def _measured(
    ask: Callable[[np.ndarray], object], requested: list[np.ndarray], server: int
) -> tuple[list[float], float]:
    """The seconds that each request takes, and those of the server's core for one, on average."""
    processor = psutil.Process(server)
    waited, before = [], sum(processor.cpu_times()[:2])
    for images in requested:
        started = time.perf_counter()
        ask(images)
        waited.append(time.perf_counter() - started)
    return waited, (sum(processor.cpu_times()[:2]) - before) / len(requested)


def _report(name: str, measured: tuple[list[float], float], unit: str, scale: int) -> None:
    waited, busy = measured
    low, middle, high = (scale * value for value in (min(waited), statistics.median(waited), max(waited)))
    print(f"{name}: {middle:.2f} {unit} (median of {len(waited)}, {low:.2f} to {high:.2f}); "
          f"the server's core is busy for {scale * busy:.2f} {unit}")  # fmt: skip


def _answers(session: requests.Session) -> bool:
    try:
        return session.get(f"{URL}/ping").ok
    except requests.ConnectionError:
        return False


if __name__ == "__main__":
    main()
