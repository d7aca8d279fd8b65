"""Other machines: each process has a folder of its own, and nothing of this project; for example a Dask cluster."""

import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

import psutil


class Machines:
    """Processes that have only the libraries of this project. On their path is another `pipeline`, which breaks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers = itertools.count()
        self._started: list[subprocess.Popen[bytes]] = []
        package = folder / "elsewhere" / "pipeline"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("raise ImportError('not that one')\n")
        self._path = str(package.parent)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill(*self._started)

    def start(self, *command: str, **variables: str) -> subprocess.Popen[bytes]:
        """Start a program on another machine; what it prints is in `log.txt` of that machine's folder."""
        own = self.folder / f"machine-{next(self._numbers)}"
        own.mkdir()
        environment = os.environ | {"PYTHONPATH": self._path, "TF_CPP_MIN_LOG_LEVEL": "3"} | variables
        with (own / "log.txt").open("wb") as log:
            process = subprocess.Popen(command, cwd=own, env=environment, stdout=log, stderr=log)
        self._started.append(process)
        return process

    def kill(self, *processes: subprocess.Popen[bytes]) -> None:
        for process in processes:
            if process.poll() is None:
                family = psutil.Process(process.pid)
                for each in [*family.children(recursive=True), family]:
                    each.kill()
                process.wait(timeout=30)


class Dask(Machines):
    """A real `dask scheduler` and real `dask worker` processes."""

    def __init__(self, folder: Path, *options: str) -> None:
        """`options` are of both programs, such as those for TLS."""
        super().__init__(folder)
        self._options = options
        self._file = folder / "scheduler.json"
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", "0")
        deadline = time.monotonic() + 60
        while not self._file.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        self.address: str = json.loads(self._file.read_text(encoding="utf-8"))["address"]
        self.workers: list[subprocess.Popen[bytes]] = []

    def start_worker(self, **variables: str) -> None:
        self.workers.append(self._start("worker", "--nthreads", "1", **variables))

    def _start(self, what: str, *options: str, **variables: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "dask", what, "--no-dashboard", "--scheduler-file", str(self._file)]
        return self.start(*command, *self._options, *options, **variables)
