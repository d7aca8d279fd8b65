"""params.yaml as text: read as DVC reads it, within bounds, and every failure a sentence."""

import reprlib
from itertools import accumulate
from pathlib import Path
from shlex import quote
from typing import Any

from pipeline.errors import PipelineError
from pipeline.paths import checkout

LARGEST_FILE = 200_000  # bytes; the committed one has 7,000
DEEPEST = 50  # brackets that are open at once; parsers take their time for thousands
MOST_VALUES = 100_000  # aliases written out: a file of 2 kB can stand for gigabytes

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80  # characters
_SHORT.maxlist = _SHORT.maxdict = 8
_SHORT.maxlevel = 3


def shown(value: Any) -> str:
    """A value from the file as a message has it: as Python writes it, but never long."""
    return _SHORT.repr(value)


def read_document(path: Path) -> Any:
    """What the YAML file at `path` says, to the parser that DVC has: `1e-05` is a number and `no` is a text.

    Raises PipelineError where it is missing, too large, not UTF-8 or not YAML.
    """
    if not path.is_file():
        raise PipelineError(f"{path} not found in {path.absolute().parent}: {_way_home()}")
    content = path.read_bytes()
    if len(content) > LARGEST_FILE:
        raise PipelineError(f"{path} has {len(content):,} bytes, more than {LARGEST_FILE:,}: it cannot be parameters")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise PipelineError(
            f"{path}: line {line}: byte {error.start} ({content[error.start]:#04x}) is not UTF-8: save the file in "
            "that encoding"
        ) from error
    if max(accumulate((char in "[{") - (char in "]}") for char in text), default=0) > DEEPEST:
        raise PipelineError(f"{path}: more than {DEEPEST} brackets inside brackets: it cannot be parameters")
    document = _parsed(text, path)
    if document is None:
        raise PipelineError(f"{path} is empty: `git checkout HEAD -- {quote(str(path))}` restores it")
    _check_size(document, path)
    return document


def _way_home() -> str:
    """What to do in a folder that is no project."""
    root = checkout()
    if root is None or root == Path.cwd():
        return "run from the project's root, where it lies"
    return f"run `cd {quote(str(root))}` first"


def _parsed(text: str, path: Path) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError

    try:
        return YAML(typ="safe", pure=True).load(text)  # its C twin crashes on 30,000 brackets
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}: " if mark is not None else ""
        raise PipelineError(f"{path}: {place}not valid YAML: {error.problem or error.context}") from error
    except RecursionError as error:
        raise PipelineError(f"{path}: lists inside lists, too deep: it cannot be parameters") from error
    except Exception as error:  # of any type: the date 2026-02-31 is a ValueError, `!!bool x` a KeyError
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise PipelineError(f"{path}: not valid YAML: {reason}") from error


def _check_size(document: Any, path: Path) -> None:
    waiting, values = [document], 0
    while waiting:
        value = waiting.pop()
        values += 1
        if values > MOST_VALUES:
            raise PipelineError(
                f"{path} stands for more than {MOST_VALUES:,} values, aliases written out: it cannot be parameters"
            )
        if isinstance(value, dict):
            waiting += [*value, *value.values()]
        elif isinstance(value, list | tuple | set):
            waiting += value
