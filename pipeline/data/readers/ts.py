"""The .ts files of the UCR/UEA archive of time series, https://www.timeseriesclassification.com.

`@` begins a line of the header, `#` a comment. Below `@data` every line is a sequence: its dimensions, apart by colons,
each of them values, apart by commas, and last the label.
"""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.arrays import MOST_BYTES
from pipeline.data.readers.found import MOST_VALUES, Found, cut, if_readable, room
from pipeline.data.readers.names import Names, names_of
from pipeline.errors import unfit
from pipeline.params.settings import DataParams

LONGEST_LINE_BYTES = 1 << 24
_PARTNERS = {"TRAIN": "TEST", "TEST": "TRAIN", "train": "test", "test": "train"}


@dataclass
class _Part:
    """What one of the files holds: values (steps, dimensions), label and number of the line of each sequence."""

    path: Path
    labelled: bool  # whether labels are wanted
    header: dict[str, str] = field(default_factory=dict)
    sequences: list[NDArray[np.float32]] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    values: int = 0


def files_of(path: Path) -> tuple[Path, ...]:
    """NAME_TRAIN.ts and NAME_TEST.ts, whichever of the two `path` is; or `path` alone under another name."""
    if not (match := re.fullmatch(r"(.*)_(TRAIN|TEST|train|test)", path.stem)):
        return (path,)
    partner = path.with_name(f"{match[1]}_{_PARTNERS[match[2]]}{path.suffix}")
    return (path, partner) if match[2].lower() == "train" else (partner, path)


def read_ts(path: Path, settings: DataParams, labelled: bool) -> Found:
    """Read NAME_TRAIN.ts and NAME_TEST.ts as training and test sequences, or a single file that has another name.

    `?` and NaN are missing values. Where it need not be `labelled`, the file is read alone.
    Raises PipelineError that names the mistake and its line.
    """
    parts = [_read(part, labelled) for part in (files_of(path) if labelled else (path,))]
    lines = [(part.path.name, line) for part in parts for line in part.lines]
    sequences = [sequence for part in parts for sequence in part.sequences]
    features = sequences[0].shape[1]
    for sequence, (name, line) in zip(sequences, lines, strict=True):
        if sequence.shape[1] != features:
            raise unfit(
                path,
                f"{name}, line {line} has {sequence.shape[1]} dimensions, {lines[0][0]}, line {lines[0][1]} has "
                f"{features}: they must be as many",
            )
    lengths, notes = cut(np.array([len(sequence) for sequence in sequences], np.int64), settings.max_timesteps)
    x = room(path, len(sequences), int(lengths.max()), features)
    for number, length in enumerate(lengths.tolist()):
        x[number, :length] = sequences[number][:length]
    labels = [label for part in parts for label in part.labels]
    if labelled:
        classes: Names | None = _classes(path, labels)
    else:
        classes = if_readable(lambda: _classes(path, labels)) if _has_labels(parts[0]) else None
    is_test = np.arange(len(x)) >= len(parts[0].lines) if len(parts) == 2 else None

    def place(sequence: int, step: int, feature: int) -> str:
        name, line = lines[sequence]
        return f"{name}, line {line}, dimension {feature + 1}, step {step + 1}"

    names = tuple(f"dimension {number + 1}" for number in range(features))
    return Found(x, lengths, classes, names, place, is_test=is_test, notes=notes)


def _classes(path: Path, labels: list[str]) -> Names:
    written = sorted(set(labels))
    places = {label: number for number, label in enumerate(written)}
    try:
        return names_of(written, np.array([places[label] for label in labels]))
    except ValueError as error:
        raise unfit(path, f"a label: {error}") from error


def _read(path: Path, labelled: bool) -> _Part:
    if path.stat().st_size > MOST_BYTES:
        raise unfit(path, f"is larger than {MOST_BYTES >> 30} GiB: take fewer sequences")
    part, in_data = _Part(path, labelled), False
    for number, line in _lines(path):
        if in_data:
            _add_sequence(part, number, line)
        elif not line.startswith("@"):
            raise unfit(path, f"line {number} stands before @data and is neither a comment nor begins with @")
        else:
            key, _, value = line[1:].partition(" ")
            part.header[key.lower()] = value.strip()
            if in_data := key.lower() == "data":
                _check_header(part)
    if not part.sequences:
        raise unfit(path, "has no sequences" if in_data else "has no line @data: it is no .ts file of time series")
    return part


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number and text of every line that is neither empty nor a comment."""
    number = 0
    with path.open("rb") as file:
        while line := file.readline(LONGEST_LINE_BYTES + 1):
            number += 1
            if len(line) > LONGEST_LINE_BYTES:
                raise unfit(path, f"line {number} is longer than {LONGEST_LINE_BYTES >> 20} MiB: cut the sequence")
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if (stripped := line.strip()) and not stripped.startswith(b"#"):  # comments may be in any encoding
                try:
                    yield number, stripped.decode().replace("\t", " ")
                except UnicodeDecodeError as error:
                    raise unfit(path, f"line {number} is not in UTF-8") from error


def _check_header(part: _Part) -> None:
    path, header = part.path, part.header
    if header.get("timestamps", "false").lower() != "false":
        raise unfit(path, "has @timestamps true, which is not read: write the values alone, at even intervals")
    if part.labelled and not _has_labels(part):
        what = "@targetLabel, a number to predict" if "targetlabel" in header else "no @classLabel true"
        raise unfit(path, f"has {what}: sequences without a class cannot be learned")
    for key in ("dimensions", "dimension"):
        if not re.fullmatch("[1-9][0-9]{0,8}", header.get(key, "1")):
            raise unfit(path, f"@{key} must be a number, got {reprlib.repr(header[key])}")


def _has_labels(part: _Part) -> bool:
    return part.header.get("classlabel", "").split(" ")[0].lower() == "true"


def _add_sequence(part: _Part, number: int, line: str) -> None:
    dimensions = [text.strip() for text in line.split(":")]
    label = dimensions.pop() if _has_labels(part) else ""
    if not dimensions:
        raise unfit(part.path, f"line {number} has no label: it must end in a colon and the label")
    announced = part.header["classlabel"].split()[1:] if part.labelled else []
    if announced and label not in announced:
        raise unfit(part.path, f"line {number} has the label {reprlib.repr(label)}, which @classLabel does not list")
    asked = part.header.get("dimensions") or part.header.get("dimension")
    if asked and len(dimensions) != int(asked):
        raise unfit(part.path, f"line {number} has {len(dimensions)} dimensions, @dimensions says {asked}")
    columns = [_values(part, number, place, text) for place, text in enumerate(dimensions, 1)]
    for place, column in enumerate(columns, 1):
        if len(column) != len(columns[0]):
            raise unfit(
                part.path,
                f"line {number}: dimension 1 has {len(columns[0])} steps, dimension {place} has {len(column)}: they "
                "must be as many; a missing value is written ?",
            )
    part.values += len(columns) * len(columns[0])
    if part.values > MOST_VALUES:
        raise unfit(part.path, f"has more than {MOST_VALUES:,} values: take fewer sequences")
    with np.errstate(over="ignore"):  # too large for float32 becomes infinite, which is refused later
        part.sequences.append(np.array(columns).astype(np.float32).T)
    part.labels.append(label)
    part.lines.append(number)


def _values(part: _Part, number: int, place: int, text: str) -> list[float]:
    values = []
    for entry in text.split(","):
        try:
            if "_" in entry:  # which Python reads as a number, and nobody else
                raise ValueError
            values.append(math.nan if entry.strip() == "?" else float(entry))
        except ValueError as error:
            raise unfit(part.path, f"line {number}, dimension {place}: {reprlib.repr(entry)} is no number") from error
    return values
