"""What is said about this machine: its speed, its processor and the versions that decide the last bits."""

import importlib.metadata
import time
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from pipeline.training.identity import training_versions
from pipeline.training.machine import environment, processor, sgemm_rate, surroundings

CPU_INFO = Path("/proc/cpuinfo")


def test_the_rate_is_that_of_a_product_as_measured_here() -> None:
    """Within a factor of four, for the machine may be busy meanwhile."""
    a = np.ones((256, 256), np.float32)
    durations = []
    with threadpool_limits(1):
        for _ in range(20):
            started = time.perf_counter()
            a @ a
            durations.append(time.perf_counter() - started)
    here = 2 * 256**3 / min(durations)
    best = max(sgemm_rate(0.05) for _ in range(4))
    assert here / 4 < best < 4 * here
    assert sgemm_rate(0.05, best=False) < 1.25 * best, "a mean is not above the best"


def test_the_environment_is_the_processor_and_the_versions_that_decide_the_last_bits() -> None:
    versions = {name: importlib.metadata.version(name) for name in ("tensorflow", "keras")}
    assert training_versions().items() > versions.items()
    assert environment() == {"processor": processor()} | training_versions()
    assert surroundings().items() > environment().items()


@pytest.mark.skipif(not CPU_INFO.exists(), reason="Linux names its processor there")
def test_a_processor_is_named_with_its_vector_instructions() -> None:
    flags = CPU_INFO.read_text(encoding="utf-8")
    assert processor().endswith(", AVX-512)" if "avx512f" in flags else ", no AVX-512)")
