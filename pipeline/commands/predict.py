"""predict: anybody's sequences or images, classified by the champion."""

import reprlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline import paths
from pipeline.analysis.choice import Choice
from pipeline.analysis.evaluation import load_models, predict
from pipeline.arrays import opened
from pipeline.data.own import RawSequences, read_raw
from pipeline.data.sequences import SequencesSummary, as_sequences, prepared_sequences
from pipeline.errors import unfit
from pipeline.params.document import Params
from pipeline.params.network import CELLS, Cell
from pipeline.params.own import TABLES
from pipeline.params.settings import DataParams, View
from pipeline.report.text import plural
from pipeline.training.process import configure_tensorflow


def predict_file(path: Path, params: Params) -> None:
    """Print index, predicted label and its probability as CSV, a line for each sample of a file.

    Samples are as in the data the champion learned from. Of images `x` in an .npz is uint8 (n, height, width), which
    are turned into the champion's view of them, or sequences (n, timesteps, features) from 0 to 1 that are in this view
    already. Of one's own it is a file in any form that `data.dataset` may have, read as `prepare` reads it, but for
    labels, which it need not have: values are not scaled, as the network does that. Notes on how it was read go to
    standard error. Probabilities are means over the champion's seeds. Raises PipelineError for anything else, or where
    there is no champion of these data.
    """
    configure_tensorflow(params.training.instructions)  # with others than in the training the last digits differ
    models = load_models(paths.CHAMPION).values()
    summary = SequencesSummary.read(paths.SEQUENCES_SUMMARY)
    if summary.is_own:
        prepared_sequences(params.data)  # files are read as the sequences were
    chosen = Choice.read_for(summary.learning_sha256, paths.CHOICE).choice  # labels and sizes are those of its data
    x = _own(path, summary, params.data, chosen.cell) if summary.is_own else _images(path, summary, chosen.view)
    probabilities = np.mean([predict(model, x) for model in models], axis=0)
    labels = np.asarray(summary.labels)[probabilities.argmax(axis=1)]
    table = pd.DataFrame({"predicted": labels, "probability": probabilities.max(axis=1).astype(float).round(6)})
    table.to_csv(sys.stdout, index_label="index", lineterminator="\n")


def _images(path: Path, summary: SequencesSummary, view: View) -> NDArray[np.float32]:
    x = _read(path)
    if x.ndim != 3:
        raise unfit(path, f"x must have three dimensions, samples first; it has the shape {x.shape}")
    if x.dtype == np.uint8:
        x = as_sequences(x, view, summary.seed)
    timesteps, features = summary.shape_in(view)
    if x.shape[1:] != (timesteps, features) or not np.isfinite(x).all():
        raise unfit(
            path,
            f"the champion reads finite sequences of {timesteps} steps with {plural(features, 'feature')}, in "
            f"the view {view}, or images as in {summary.dataset}; x has the shape {x.shape}",
        )
    return x.astype(np.float32)


def _own(path: Path, summary: SequencesSummary, data: DataParams, cell: Cell) -> NDArray[np.float32]:
    """Raw values, NaN after the end of each sequence; read as `prepare` reads what the champion has learned from.

    A champion that is not recurrent has an input for each step of the longest sequence: all get as many steps.
    """
    found = read_raw(path, data)
    for note in found.notes:
        print(f"predict: {note}", file=sys.stderr)
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
    if CELLS[cell].recurrent:
        return x
    missing_steps = summary.timesteps - x.shape[1]
    return np.pad(x, ((0, 0), (0, missing_steps), (0, 0)), constant_values=np.nan)


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
