"""predict: anybody's sequences or images, classified by the champion."""

import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline import paths
from pipeline.analysis.choice import Choice
from pipeline.analysis.evaluation import load_models, predict
from pipeline.data.sequences import SequencesSummary, as_sequences
from pipeline.errors import PipelineError
from pipeline.params.settings import Instructions
from pipeline.training.process import configure_tensorflow


def predict_file(path: Path, instructions: Instructions) -> None:
    """Print index, predicted label and its probability as CSV, a line for each sample of `x` in an .npz.

    `x` is as in the data the champion learned from: images uint8 (n, height, width), which are read as the
    champion's view of them, or sequences (n, timesteps, features). Probabilities are means over the champion's seeds.
    `instructions` are those of the training: with others the last digits differ. Raises PipelineError for anything
    else, or where there is no champion of these data.
    """
    configure_tensorflow(instructions)
    models = load_models(paths.CHAMPION).values()
    summary = SequencesSummary.read(paths.SEQUENCES_SUMMARY)
    Choice.read_for(summary.learning_sha256, paths.CHOICE)  # labels and sizes are those of its data
    x = _read(path)
    if x.dtype == np.uint8:
        x = as_sequences(x, summary.view, summary.seed)
    if x.shape[1:] != (summary.timesteps, summary.features) or not np.isfinite(x).all():
        raise PipelineError(
            f"{path}: the champion reads finite sequences of {summary.timesteps} steps with {summary.features} "
            f"features, or images as in {summary.dataset}; x has the shape {x.shape}"
        )
    probabilities = np.mean([predict(model, x.astype(np.float32)) for model in models], axis=0)
    labels = np.asarray(summary.labels)[probabilities.argmax(axis=1)]
    table = pd.DataFrame({"predicted": labels, "probability": probabilities.max(axis=1).astype(float).round(6)})
    table.to_csv(sys.stdout, index_label="index", lineterminator="\n")


def _read(path: Path) -> np.ndarray:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            x = arrays["x"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise PipelineError(
            f"{path}: not an .npz with an array x of numbers, as numpy.savez(path, x=x) writes it"
        ) from error
    if x.ndim != 3:
        raise PipelineError(f"{path}: x must have three dimensions, samples first; it has the shape {x.shape}")
    return x
