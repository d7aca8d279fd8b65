"""The process that workers are forked from: TensorFlow is imported there, once for all of them.

Its import takes seconds and starts no threads but a memory allocator's, which is made for forks, so that a fork
afterwards is safe. Threads start with TensorFlow's first operation, which every worker does for itself. On other
systems than Linux, whose own libraries may have made threads by then, workers are new processes, as Dask would have it.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker
from pathlib import Path

AVAILABLE = sys.platform == "linux"
# Dask would have its workers give memory back to the system at every chance (64 KiB). A training frees and takes
# buffers of megabytes at each step: with that it spends 1.7 times the processor time, all of it on page faults.
KEEP_FREED_MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(1 << 30), "MALLOC_MMAP_THRESHOLD_": str(1 << 30)}
ENVIRONMENT = KEEP_FREED_MEMORY | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def start(variables: Mapping[str, str]) -> None:
    """Start it, if it does not run yet, and return at once: this process has other things to import meanwhile.

    Workers have these environment variables, and those of `ENVIRONMENT`.
    """
    if not AVAILABLE:
        return
    path = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]))
    multiprocessing.set_forkserver_preload(["pipeline.training.preload"])
    with _environment({**ENVIRONMENT, **variables, "PYTHONPATH": path}):
        # Python's helper that counts semaphores is deaf to Ctrl-C and SIGTERM, but a terminal that is closed would end
        # it before this process, which then starts another that complains of each semaphore that it does not know.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
        try:
            resource_tracker.ensure_running()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGHUP])
        forkserver.ensure_running()


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """For processes that are started in the block."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
