"""Anybody's own sequences: an .npz with `x` and `y`, checked for all that a network needs to learn from them."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import PipelineError


def read_user_sequences(path: Path) -> tuple[NDArray[np.float32], NDArray[np.int64], tuple[int, ...]]:
    """Read and check an .npz with `x` (n, timesteps, features), numbers, and `y` (n,), integer labels.

    Returns x as float32, y as int64 with the classes 0…k-1, and the label of each class, ascending.
    Raises PipelineError that names the mistake; never unpickles.
    """
    x, y = _read_arrays(path)
    if x.ndim != 3 or 0 in x.shape[1:]:
        raise _unfit(path, f"x must be (n, timesteps, features), got the shape {x.shape}")
    if not (np.issubdtype(x.dtype, np.integer) or np.issubdtype(x.dtype, np.floating)):
        raise _unfit(path, f"x must hold real numbers, got {x.dtype}")
    if y.ndim != 1:
        raise _unfit(path, f"y must be (n,), one label for each sequence, got the shape {y.shape}")
    if not np.issubdtype(y.dtype, np.integer):
        raise _unfit(path, f"y must hold integer labels, got {y.dtype}: number the classes")
    if len(x) != len(y):
        raise _unfit(path, f"x has {len(x)} sequences, y has {len(y)} labels: they must be as many")
    with np.errstate(over="ignore"):  # too large for float32 becomes infinite, which is reported below
        x = x.astype(np.float32, order="C", copy=False)
    finite = np.isfinite(x).all(axis=(1, 2))
    if not finite.all():
        count, first = int(np.sum(~finite)), int(np.argmin(finite))
        raise _unfit(path, f"x has NaN or infinite values in {count} of {len(x)} sequences, first in x[{first}]")
    labels, classes = np.unique(y, return_inverse=True)
    if len(labels) < 2:
        raise _unfit(path, f"y must have at least two classes, got {labels.tolist()}")
    return x, classes.astype(np.int64), tuple(int(label) for label in labels)


def _read_arrays(path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    if not path.is_file():
        raise _unfit(path, "not found")
    try:
        archive = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise _unfit(path, "is not an .npz archive; write it with numpy.savez(path, x=x, y=y)") from error
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise _unfit(path, "holds a single array; write x and y with numpy.savez(path, x=x, y=y)")
    with archive:
        missing = [name for name in ("x", "y") if name not in archive]
        if missing:
            raise _unfit(path, f"has no array {' and no array '.join(missing)}, only {archive.files}")
        arrays = []
        for name in ("x", "y"):
            try:
                arrays.append(archive[name])
            except ValueError as error:
                reason = "has the dtype object, which is never loaded: it could run code"
                raise _unfit(path, f"{name} {reason if 'pickle' in str(error) else error}") from error
            except (OSError, EOFError, zipfile.BadZipFile) as error:
                raise _unfit(path, f"{name} is damaged ({error})") from error
    return arrays[0], arrays[1]


def _unfit(path: Path, how: str) -> PipelineError:
    return PipelineError(f"params.yaml: data.dataset: {path}: {how}")
