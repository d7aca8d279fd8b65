"""The same blocks of a product of matrices on every processor.

Eigen, which TensorFlow multiplies matrices through, cuts them into blocks that fit the processor's caches, and hands
each block to a kernel of oneDNN. That kernel adds up the last one to three rows of a block in two sums, all others in
one. So the caches decide the last bits. TensorFlow has no setting for that: Eigen asks the processor once, and keeps
the answer in a few variables of TensorFlow's libraries. They are overwritten here, with the sizes of one processor.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import os
import platform
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import PipelineError

CACHE_BYTES = 32 * 2**10, 512 * 2**10, 32 * 2**20
"""Of the first, second and third level: those of a Zen 3, which trained most of the committed record."""

PRODUCTS_SHA256 = "aba7ccde9b39322275d21ee300f45c84facbfc6b7344907938cd929df992c85f"
"""Of `products`: on EPYCs of Zen 3 and Zen 5 and on an emulated Haswell, with these sizes and AVX2's kernels."""

Sizes = ctypes.c_int64 * 3
# Names in TensorFlow's library: Eigen's function that asks for the sizes, its variable, and whether that has been set.
ASK = "_ZN5Eigen8internal10CacheSizesC2Ev"
VARIABLE = "_ZZN5Eigen8internal20manage_caching_sizesENS_6ActionEPlS2_S2_E12m_cacheSizes"
GUARD = VARIABLE.replace("_ZZ", "_ZGVZ", 1)


@functools.cache
def set_cache_sizes() -> None:
    """Have TensorFlow multiply on this processor as on one with caches of `CACHE_BYTES`, from now on in this process.

    Raises PipelineError where the products have other bits all the same. Nothing happens but on Linux on x86-64: other
    processors have other kernels, and other bits.
    """
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return
    products()  # the first one asks the processor
    with contextlib.suppress(AttributeError, KeyError, ValueError, OSError):  # names and files may be others
        _overwrite()
    if (digest := hashlib.sha256(products()).hexdigest()) != PRODUCTS_SHA256:
        raise PipelineError(
            f"products of matrices have other last bits on this processor than on others ({digest[:8]} instead of "
            f"{PRODUCTS_SHA256[:8]}): it has no AVX2, or this is a version of TensorFlow that was never tried. Results "
            "of its own it can have, with training.instructions: native (params.yaml)"
        )


def products() -> bytes:
    """Three products whose bits depend on the blocks: of few rows, of many, and with long sums."""
    import tensorflow as tf

    def matrix(rows: int, columns: int) -> NDArray[Any]:
        return (1 / np.arange(1, rows * columns + 1, dtype=np.float32)).reshape(rows, columns)

    with tf.device("CPU"):
        return b"".join(
            tf.matmul(matrix(rows, inner), matrix(inner, columns)).numpy().tobytes()
            for rows, inner, columns in [(128, 64, 128), (1027, 128, 61), (67, 1027, 130)]
        )


def _overwrite() -> None:
    libraries = {Path(mapping.path).name: mapping.path for mapping in _mappings()}
    framework = ctypes.CDLL(libraries["libtensorflow_framework.so.2"])
    asked = b"|".join(re.escape(sizes) for sizes in _answers(framework))
    for mapping in _variables_of("libtensorflow_cc.so.2"):
        for found in re.finditer(asked, ctypes.string_at(mapping.start, mapping.end - mapping.start)):
            ctypes.memmove(mapping.start + found.start(), bytes(Sizes(*CACHE_BYTES)), ctypes.sizeof(Sizes))
    Sizes.in_dll(framework, VARIABLE)[:] = list(CACHE_BYTES)
    ctypes.c_byte.in_dll(framework, GUARD).value = 1  # as Eigen does once it has asked


class _Mapping(NamedTuple):
    start: int
    end: int
    writable: bool
    path: str


def _mappings() -> list[_Mapping]:
    """This process's memory, by address (proc_pid_maps(5))."""
    mappings = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        addresses, flags, *rest = line.split(maxsplit=5)
        start, end = (int(address, 16) for address in addresses.split("-"))
        mappings.append(_Mapping(start, end, "w" in flags, rest[3] if len(rest) > 3 else ""))
    return mappings


def _variables_of(library: str) -> Iterator[_Mapping]:
    """Memory of a library's variables. Those that start at zero follow its file in memory at once, without a name."""
    end, before = 0, ""
    for mapping in _mappings():
        before = mapping.path or (before if mapping.start == end else "")
        end = mapping.end
        if mapping.writable and Path(before).name == library:
            yield mapping


def _answers(framework: ctypes.CDLL) -> set[bytes]:
    """What Eigen learns of the caches, asked on each of this process's processors: a laptop's can be of two kinds."""
    ask = framework[ASK]
    allowed = os.sched_getaffinity(0)
    answers = set()
    try:
        for processor in allowed:
            os.sched_setaffinity(0, {processor})
            answer = Sizes()
            ask(answer)
            answers.add(bytes(answer))
    finally:
        os.sched_setaffinity(0, allowed)
    return answers
