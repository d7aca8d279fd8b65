"""predict: anybody's sequences or images, classified by the champion."""

import reprlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.analysis.choice import Choice
from pipeline.analysis.evaluation import tested_model
from pipeline.arrays import opened
from pipeline.commands.champion import outdated
from pipeline.data.own import RawSequences, read_raw
from pipeline.data.sequences import SequencesSummary, as_sequences
from pipeline.documents import print_json, records
from pipeline.errors import PipelineError, unfit
from pipeline.params.document import Params
from pipeline.params.network import CELLS, Cell, network_name
from pipeline.params.own import TABLES
from pipeline.params.settings import DataParams, View
from pipeline.report.calibration import calibration_notes
from pipeline.report.tested import model_words
from pipeline.report.text import percent, plural
from pipeline.use.answering import Champion, champion, chosen


def predict_file(path: Path, params: Params, as_json: bool = False) -> None:
    """Print index, predicted label, its probability and whether it is sure as CSV, a line for each sample of a file; or
    all as JSON, with the champion's name, and with the probability of each label. Probabilities are calibrated.

    Samples are as in the data the champion learned from. Of images `x` in an .npz is uint8 (n, height, width), which
    are turned into the champion's view of them, or sequences (n, timesteps, features) from 0 to 1 that are in this view
    already. Of one's own it is a file in any form that `data.dataset` may have, read as `prepare` reads it, but for
    labels, which it need not have: values are not scaled, as the network does that. The model is that of
    `champion_file`. Notes on the model and on how the file was read go to standard error; where it has labels, so does
    how many are right. Raises PipelineError for anything else, or where there is no champion of the data that
    params.yaml asks for.
    """
    file, choice, summary = chosen(params)
    network = choice.choice
    read = _own(path, summary, params.data, network.cell) if summary.is_own else _images(path, summary, network.view)
    x, written = read
    for note in about(file, choice, summary, params):
        tell(note)
    asked = champion(params)
    for note in calibration_notes(asked.calibration):
        tell(note)
    probabilities = asked.probabilities(x)
    labels = np.asarray(summary.labels)[probabilities.argmax(axis=1)]
    if written is not None:
        tell(_right(written, labels, summary))
    table = pd.DataFrame({"predicted": labels, "probability": probabilities.max(axis=1).round(6)})
    table["sure"] = asked.sure(probabilities)
    print_answers(table, probabilities, asked, params, as_json)


def print_answers(
    table: pd.DataFrame, probabilities: NDArray[np.float64], asked: Champion, params: Params, as_json: bool
) -> None:
    """A row of `table` for each of the `probabilities` (n, classes), as CSV; or as JSON, with all of these."""
    if not as_json:
        table.to_csv(sys.stdout, index_label="index", lineterminator="\n")
        return
    choice, summary = asked.choice.choice, asked.summary
    named = [dict(zip(map(str, summary.labels), row, strict=True)) for row in probabilities.round(6)]
    rows = records(table.reset_index(names="index"))
    predictions = [row | {"probabilities": each} for row, each in zip(rows, named, strict=True)]
    tested = tested_model(choice, summary.all_sha256, params.champion.metric)
    accuracy = tested.model_test_accuracy if tested else None
    name, model = network_name(choice.model_dump()), asked.file.as_posix()
    document: dict[str, Any] = {"network": name, "model": model, "test_accuracy": accuracy}
    for figure in ("temperature", "answers_from"):
        document[figure] = getattr(asked.calibration, figure, None)
    print_json(document | {"predictions": predictions})


def tell(note: str) -> None:
    print(f"predict: {note}", file=sys.stderr)


def about(file: Path, choice: Choice, summary: SequencesSummary, params: Params) -> Iterator[str]:
    """What the model is, how good it is, and whether the study would still choose it."""
    model = f"{choice.name_of(choice.choice)}, {file}"
    tested = tested_model(choice.choice, summary.all_sha256, params.champion.metric)
    if tested is None:
        yield f"{model}; its test accuracy is not known: `dvc repro evaluate` measures it"
    else:
        yield f"{model}; {model_words(tested)}"
    if reason := outdated(params, summary, choice):
        yield f"this model may not be the study's choice any more: {reason}"


def _right(written: Sequence[str], predicted: NDArray[Any], summary: SequencesSummary) -> str:
    """How many of the labels that the file has are those predicted."""
    unknown = sorted(set(written) - {str(label) for label in summary.labels})
    if unknown:
        return (
            f"the file's labels are not compared with the answers, as the champion has not learned {unknown[0]!r}"
            f"{f' and {len(unknown) - 1} more' * (len(unknown) > 1)}"
        )
    right = sum(label == str(answer) for label, answer in zip(written, predicted, strict=True))
    return f"{right:,} of {len(written):,} labelled samples are right, {percent(right / len(written))}"


def _images(path: Path, summary: SequencesSummary, view: View) -> tuple[NDArray[np.float32], list[str] | None]:
    x = _read(path)
    if x.ndim != 3:
        raise unfit(path, f"x must have three dimensions, samples first; it has the shape {x.shape}")
    if not len(x):
        raise unfit(path, f"x has no samples; it has the shape {x.shape}")
    if x.dtype.kind in "iu" and x.min() >= 0 and x.max() <= 255:
        x = as_sequences(x.astype(np.uint8), view, summary.seed)
    timesteps, features = summary.shape_in(view)
    if x.shape[1:] != (timesteps, features) or not np.isfinite(x).all():
        raise unfit(
            path,
            f"the champion reads finite sequences of {timesteps} steps with {plural(features, 'feature')}, in "
            f"the view {view}, or images as in {summary.dataset}; x has the shape {x.shape}",
        )
    if x.min() < 0 or x.max() > 1:
        raise unfit(
            path,
            f"the champion reads values from 0 to 1, x goes from {x.min():g} to {x.max():g}: give images from 0 to 255 "
            "as whole numbers, such as uint8",
        )
    return x.astype(np.float32), _labels(path, len(x))


def _own(
    path: Path, summary: SequencesSummary, data: DataParams, cell: Cell
) -> tuple[NDArray[np.float32], Sequence[str] | None]:
    """Raw values, NaN after the end of each sequence; read as `prepare` reads what the champion has learned from.

    A champion that is not recurrent has an input for each step of the longest sequence: all get as many steps.
    """
    found = read_raw(path, data)
    for note in found.notes:
        tell(note)
    x = _in_order(path, found, summary)
    lengths = (~np.isnan(x).all(axis=2)).sum(axis=1)
    if not summary.padded:
        steps, fits = f"{summary.timesteps}", bool((lengths == summary.timesteps).all())
    elif CELLS[cell].recurrent:
        steps, fits = "any number of", True
    else:
        steps, fits = f"up to {summary.timesteps}", bool((lengths <= summary.timesteps).all())
    if x.shape[2] != summary.features or not fits:
        raise unfit(
            path,
            f"the champion reads sequences of {steps} steps with {plural(summary.features, 'feature')}, as in "
            f"{summary.dataset}; these have {lengths.min()} to {lengths.max()} steps with "
            f"{plural(x.shape[2], 'feature')}",
        )
    if not CELLS[cell].recurrent:
        x = np.pad(x, ((0, 0), (0, summary.timesteps - x.shape[1]), (0, 0)), constant_values=np.nan)
    return x, found.written


def _in_order(path: Path, found: RawSequences, summary: SequencesSummary) -> NDArray[np.float32]:
    """The features in the order in which the champion has learned them: a table may have its columns in any.

    Other files do not name them, so it is the order that counts.
    """
    if not all(Path(name).suffix.lower() in TABLES for name in (path, summary.dataset)):
        return found.x
    if sorted(found.features) != sorted(summary.feature_names):
        raise unfit(
            path,
            f"its features are {', '.join(found.features)}; the champion has learned from "
            f"{', '.join(summary.feature_names)}",
        )
    return found.x[:, :, [found.features.index(name) for name in summary.feature_names]]


def _read(path: Path) -> NDArray[Any]:
    """The array x of numbers."""
    what = "not an .npz with an array x of numbers, as numpy.savez(path, x=x) writes it"

    def x_alone(names: list[str]) -> list[str]:
        if "x" not in names:
            raise unfit(path, f"{what}; it has {reprlib.repr(names)}")
        return ["x"]

    with opened(path, x_alone, what) as arrays:
        if arrays.headers["x"].dtype.kind not in "biuf":
            raise unfit(path, f"{what}; this is {arrays.headers['x'].dtype}")
        return arrays.read("x")


def _labels(path: Path, samples: int) -> list[str] | None:
    """The array y of whole numbers, one for each sample; None where there is none that can be read."""
    try:
        with opened(path, lambda names: [name for name in names if name == "y"]) as arrays:
            header = arrays.headers.get("y")
            if header is None or header.shape != (samples,) or header.dtype.kind not in "iu":
                return None
            return list(map(str, arrays.read("y").tolist()))
    except PipelineError:
        return None
