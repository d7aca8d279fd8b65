"""The machine that trains: its processor, its speed, and the versions of the libraries."""

import importlib.metadata
import platform
import time
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from pipeline.training.identity import training_versions

SIZE = 512  # of the matrices in `sgemm_rate`; they fit into a core's cache


def sgemm_rate(seconds: float, best: bool = True) -> float:
    """Floating-point operations a second of one core that multiplies float32 matrices, tried for so many seconds.

    The `best` product shows the capability of the processor, even if it is busy with other work; else their mean.
    """
    a = np.full((SIZE, SIZE), 0.5, np.float32)
    product = np.empty_like(a)
    durations: list[float] = []
    with threadpool_limits(1):
        np.matmul(a, a, out=product)  # the first one starts threads and touches memory
        ends = time.perf_counter() + seconds
        while not durations or time.perf_counter() < ends:
            started = time.perf_counter()
            np.matmul(a, a, out=product)
            durations.append(time.perf_counter() - started)
    return 2 * SIZE**3 / (min(durations) if best else sum(durations) / len(durations))


def environment() -> dict[str, str]:
    """The processor and the versions that decide the last bits of a training, its arguments being the same."""
    return {"processor": processor()} | training_versions()


def surroundings() -> dict[str, str]:
    """The environment, and versions that change no result but help to understand one."""
    return environment() | {"python": platform.python_version(), "mlflow": importlib.metadata.version("mlflow")}


def processor() -> str:
    """The processor's name and model, and whether it has AVX-512: which vector instructions decides the last bits."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:  # not Linux
        return platform.processor() or platform.machine()
    facts = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in reversed(lines))}
    if "model name" not in facts:
        return platform.machine()
    vectors = "AVX-512" if "avx512f" in facts.get("flags", "").split() else "no AVX-512"
    return f"{facts['model name']} (family {facts.get('cpu family')}, model {facts.get('model')}, {vectors})"
