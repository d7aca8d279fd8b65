"""The arrays of somebody's .npz: which there are, and which belong together."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.arrays import Arrays
from pipeline.arrays import opened as opened_arrays
from pipeline.errors import unfit

KNOWN = ("x", "y", "lengths", "groups", "split", "x_test", "y_test", "lengths_test", "groups_test")


@contextmanager
def opened(path: Path, labelled: bool) -> Iterator[Arrays]:
    """The arrays of `path`, or `x`, `lengths` and a `y` that is fit alone where it need not be labelled.

    Raises PipelineError if they are not those that a reader knows, damaged, or too large.
    """

    def chosen(names: list[str]) -> list[str]:
        if labelled:
            _check_names(path, names)
            return names
        if "x" not in names:
            raise unfit(path, f"has no array x, only {reprlib.repr(names)}")
        return [name for name in names if name in ("x", "lengths", "y")]

    what, optional = "is not an .npz archive; write it with numpy.savez(path, x=x, y=y)", () if labelled else ("y",)
    with opened_arrays(path, chosen, what, optional=optional) as arrays:
        yield arrays


def _check_names(path: Path, names: list[str]) -> None:
    if unknown := [name for name in names if name not in KNOWN]:
        raise unfit(path, f"has the unknown array {reprlib.repr(unknown[0])}; the known ones are {', '.join(KNOWN)}")
    if missing := [name for name in ("x", "y") if name not in names]:
        raise unfit(path, f"has no array {' and no array '.join(missing)}, only {reprlib.repr(names)}")
    needed = {
        "x_test": ("y_test",),
        "y_test": ("x_test",),
        "lengths_test": ("x_test", "lengths"),
        "groups_test": ("x_test", "groups"),
    }
    if "x_test" in names:
        needed |= {"lengths": ("lengths_test",), "groups": ("groups_test",)}
    for name, others in needed.items():
        if name in names and (absent := [other for other in others if other not in names]):
            raise unfit(path, f"has the array {name}, but no {absent[0]}: add it, or leave {name} out")
    if "split" in names and "x_test" in names:
        raise unfit(path, "has both split and x_test: keep one of them")
