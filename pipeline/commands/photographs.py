"""predict, of photographs: the digits in them, named by the champion."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from rich.console import Console
from rich.table import Table

from pipeline.commands.predict import about, predict_file, print_answers, tell
from pipeline.data.sequences import SequencesSummary, as_sequences
from pipeline.documents import records
from pipeline.errors import PipelineError
from pipeline.params.document import Params
from pipeline.paths import atomic_write
from pipeline.report.calibration import calibration_notes
from pipeline.report.text import percent
from pipeline.use.answering import champion, chosen
from pipeline.use.digits import DIGIT_DATASETS, Digit
from pipeline.use.photographs import STANDARD_INPUT, SUFFIXES, Photograph, photographs

ARRAYS = ".npz"
NO_DIGIT = "not a digit, I think"
SEVERAL = "more than one digit, I think: this is the largest"
ENLARGED = 10  # times, by whole pixels


def predict_all(names: Sequence[str], here: Path, params: Params, as_json: bool, show: Path | None) -> bool:
    """`predict_file` or `predict_photographs`, by what the names are; returns whether all could be read."""
    own = chosen(params)[2].is_own
    arrays = [name for name in names if not _is_photograph(name, here, own)]
    if not arrays:
        return predict_photographs(names, here, params, as_json, show)
    if len(names) > 1:
        raise PipelineError(f"{arrays[0]}: files of arrays are answered one at a time, without photographs: ask again")
    if show is not None:
        raise PipelineError(f"{arrays[0]}: --show is for photographs, and this is none: leave it out")
    predict_file(here / names[0], params, as_json)
    return True


def _is_photograph(name: str, here: Path, own: bool) -> bool:
    """By its name: for a champion of `own` sequences a file is one only if it is called a picture."""
    suffix = Path(name).suffix.lower()
    return name == STANDARD_INPUT or (here / name).is_dir() or (suffix in SUFFIXES if own else suffix != ARRAYS)


def predict_photographs(names: Sequence[str], here: Path, params: Params, as_json: bool, show: Path | None) -> bool:
    """Print what the champion takes the digits in photographs for, as `predict_file` does, with their names.

    Names are those of files and folders, relative to `here`, and `-`. On a terminal it is a table. Where an answer is
    not sure, no digit is named; where it is not known which ones are, each has its digit. What the network sees of each
    goes to the folder `show`. A photograph that cannot be read is a note on standard error, and the others are
    answered; returns whether all could be read. Raises PipelineError where none can be, or where the champion does not
    read digits.
    """
    file, choice, summary = chosen(params)
    _check_digits(names[0], summary)
    found, notes = photographs(names, here)
    for note in (*notes, *about(file, choice, summary, params)):
        tell(note)
    seen = list(_seen(found))
    if show is not None:
        _show(seen, show)
    asked = champion(params)
    for note in calibration_notes(asked.calibration):
        tell(note)
    x = as_sequences(np.stack([digit.pixels for _, digit in seen]), choice.choice.view, summary.seed)
    probabilities = asked.probabilities(x)
    labels = np.asarray(summary.labels)[probabilities.argmax(axis=1)].tolist()
    sure = probabilities.max(axis=1) >= asked.answers_from
    table = pd.DataFrame(
        {
            "file": [photograph.name for photograph, _ in seen],
            "predicted": pd.array([label if yes else None for label, yes in zip(labels, sure, strict=True)], object),
            "probability": probabilities.max(axis=1).round(6),
            "remark": [_remark(digit, yes) for (_, digit), yes in zip(seen, sure, strict=True)],
        }
    )
    if sys.stdout.isatty() and not as_json:
        _print_table(table)
    else:
        print_answers(table, probabilities, asked, params, as_json)
    return len(seen) == len(found)


def _check_digits(name: str, summary: SequencesSummary) -> None:
    if summary.dataset not in DIGIT_DATASETS:
        other = "sequences like those" if summary.is_own else "an .npz of images like those"
        raise PipelineError(
            f"{name}: photographs are for a champion of digits ({' or '.join(DIGIT_DATASETS)}); this one has learned "
            f"from {summary.title}: give it {other}"
        )


def _seen(found: Sequence[Photograph]) -> Iterator[tuple[Photograph, Digit]]:
    """The digits of those that can be read; raises PipelineError where none can."""
    failed = 0
    for photograph in found:
        try:
            yield photograph, photograph.digit()
        except PipelineError as error:
            if len(found) == 1:
                raise
            tell(str(error))
            failed += 1
    if failed == len(found):
        raise PipelineError(f"none of the {failed:,} pictures can be read")


def _remark(digit: Digit, sure: bool) -> str:
    if not sure:
        return NO_DIGIT
    return SEVERAL if digit.others else ""


def _show(seen: Sequence[tuple[Photograph, Digit]], folder: Path) -> None:
    """What the network sees, enlarged, as NAME-seen.png; a name that several photographs have gets a number."""
    names = dict[str, int]()
    for photograph, digit in seen:
        stem = "standard-input" if photograph.path is None else photograph.path.stem
        names[stem] = names.get(stem, 0) + 1
        number = f"-{names[stem]}" * (names[stem] > 1)
        with atomic_write(folder / f"{stem}-seen{number}.png", "wb") as file:
            Image.fromarray(np.kron(digit.pixels, np.ones((ENLARGED, ENLARGED), np.uint8))).save(file, "PNG")


def _print_table(table: pd.DataFrame) -> None:
    shown = Table("file", "digit", "probability", "remark")
    for row in records(table):
        digit = "" if row["predicted"] is None else str(row["predicted"])
        shown.add_row(row["file"], digit, percent(row["probability"]), row["remark"])
    Console(markup=False, highlight=False).print(shown)
