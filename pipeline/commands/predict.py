"""predict: anybody's sequences or images, classified by the champion."""

import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline import paths
from pipeline.analysis.choice import Choice
from pipeline.analysis.evaluation import load_models, predict
from pipeline.data.own import OwnSequences, read_own
from pipeline.data.sequences import SequencesSummary, as_sequences, in_view, prepared_sequences
from pipeline.errors import PipelineError
from pipeline.params.document import Params
from pipeline.params.settings import DataParams
from pipeline.training.process import configure_tensorflow


def predict_file(path: Path, params: Params) -> None:
    """Print index, predicted label and its probability as CSV, a line for each sample of a file.

    Samples are as in the data the champion learned from. Of images `x` in an .npz is uint8 (n, height, width), which
    are read as the champion's view of them, or sequences (n, timesteps, features) from 0 to 1. Of one's own it is
    sequences of any type of number, not scaled: the network scales them; `lengths` (n,) says where they end. Or it is a
    file in another form that `data.dataset` may have. Probabilities are means over the champion's seeds. Raises
    PipelineError for anything else, or where there is no champion of these data.
    """
    configure_tensorflow(params.training.instructions)  # with others than in the training the last digits differ
    models = load_models(paths.CHAMPION).values()
    summary = SequencesSummary.read(paths.SEQUENCES_SUMMARY)
    if summary.is_own:
        prepared_sequences(params.data)  # files are read as the sequences were
    view = Choice.read_for(summary.learning_sha256, paths.CHOICE).choice.view  # labels and sizes are those of its data
    x = _own(path, summary, params.data) if summary.is_own else _images(path, summary)
    x = in_view(x, view, summary)
    probabilities = np.mean([predict(model, x) for model in models], axis=0)
    labels = np.asarray(summary.labels)[probabilities.argmax(axis=1)]
    table = pd.DataFrame({"predicted": labels, "probability": probabilities.max(axis=1).astype(float).round(6)})
    table.to_csv(sys.stdout, index_label="index", lineterminator="\n")


def _images(path: Path, summary: SequencesSummary) -> NDArray[np.float32]:
    x = _read(path, "x")["x"]
    if x.ndim != 3:
        raise PipelineError(f"{path}: x must have three dimensions, samples first; it has the shape {x.shape}")
    if x.dtype == np.uint8:
        x = as_sequences(x, summary.view, summary.seed)
    if x.shape[1:] != (summary.timesteps, summary.features) or not np.isfinite(x).all():
        raise PipelineError(
            f"{path}: the champion reads finite sequences of {summary.timesteps} steps with {summary.features} "
            f"features, or images as in {summary.dataset}; x has the shape {x.shape}"
        )
    return x.astype(np.float32)


def _own(path: Path, summary: SequencesSummary, data: DataParams) -> NDArray[np.float32]:
    """Raw values, NaN after the end of each sequence."""
    if path.suffix.lower() == ".npz":
        arrays = _read(path, "x", "lengths")
        x = arrays["x"].astype(np.float32)
        x = x[:, :, None] if x.ndim == 2 else x
        if x.ndim == 3 and (lengths := arrays.get("lengths")) is not None:
            if lengths.shape != x.shape[:1] or lengths.dtype.kind not in "iu" or not (lengths >= 1).all():
                raise PipelineError(f"{path}: lengths must be ({len(x)},), whole numbers of steps, at least 1")
            x[np.arange(x.shape[1]) >= lengths[:, None]] = np.nan
    else:
        found = read_own(path, data)
        x = found.x if path.suffix.lower() == ".ts" else _in_order(path, found, summary)
    any_length = bool(summary.padded)
    if x.ndim != 3 or x.shape[2] != summary.features or not (any_length or x.shape[1] == summary.timesteps):
        steps = "any number of" if any_length else summary.timesteps
        features = f"{summary.features} feature{'s' * (summary.features > 1)}"
        raise PipelineError(
            f"{path}: the champion reads sequences of {steps} steps with {features}, as in {summary.dataset}; these "
            f"have the shape {x.shape}"
        )
    steps_there: NDArray[np.bool_] = np.logical_not(np.isnan(x).all(axis=2))
    ended = np.maximum.accumulate(~steps_there, axis=1)
    if not np.isfinite(x[steps_there]).all() or (ended & steps_there).any() or not steps_there[:, :1].all():
        raise PipelineError(f"{path}: x has values that are missing or infinite inside a sequence: mend them")
    if ended.any() and not any_length:
        raise PipelineError(f"{path}: the champion has learned from sequences that all have {summary.timesteps} steps")
    return x


def _in_order(path: Path, found: OwnSequences, summary: SequencesSummary) -> NDArray[np.float32]:
    """The features in the order in which the champion has learned them: a table may have its columns in any."""
    if sorted(found.features) != sorted(summary.feature_names):
        raise PipelineError(
            f"{path}: its features are {', '.join(found.features)}; the champion has learned from "
            f"{', '.join(summary.feature_names)}"
        )
    return found.x[:, :, [found.features.index(name) for name in summary.feature_names]]


def _read(path: Path, *names: str) -> dict[str, NDArray[Any]]:
    """The arrays of these names, of which the first one must be there."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in names if name in arrays}
            if found[names[0]].dtype.kind not in "biuf":
                raise TypeError
    except (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise PipelineError(
            f"{path}: not an .npz with an array x of numbers, as numpy.savez(path, x=x) writes it"
        ) from error
    return found
