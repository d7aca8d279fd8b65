"""Products of matrices that do not depend on the processor's caches."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.training import cache_sizes
from pipeline.training.cache_sizes import PRODUCTS_SHA256, set_cache_sizes

SCRIPT = """
import sys
from pipeline.errors import PipelineError
from pipeline.training import cache_sizes
from pipeline.training.process import configure_tensorflow

cache_sizes.CACHE_BYTES = tuple(map(int, sys.argv[1:]))
try:
    configure_tensorflow("avx2")
    print("the same as everywhere")
except PipelineError as error:
    print(error)
"""


def blocked_for(*sizes: int) -> str:
    """What a process says whose libraries were given these sizes."""
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, sizes)], cwd=Path(__file__).parents[2],
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}, check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip


def test_the_first_cache_decides_bits_and_is_the_same_for_everybody() -> None:
    """Other sizes give other bits, so these variables are the ones that the products are blocked by."""
    refused = blocked_for(48 * 2**10, 2**20, 2**25)
    assert refused.startswith("products of matrices have other last bits on this processor than on others (")
    assert f"instead of {PRODUCTS_SHA256[:8]}" in refused
    assert "training.instructions: native (params.yaml)" in refused
    assert blocked_for(32 * 2**10, 2**20, 2**25) == "the same as everywhere"


def test_other_processors_keep_what_they_have(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no promise for them, so there is nothing to look for either."""
    monkeypatch.setattr(cache_sizes.platform, "machine", lambda: "aarch64")
    monkeypatch.setattr(cache_sizes, "PRODUCTS_SHA256", "of another architecture")
    set_cache_sizes.__wrapped__()
