"""The champion as everybody asks it: one model, read once, and its labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline import paths
from pipeline.analysis.choice import Choice
from pipeline.analysis.evaluation import champion_file, predict
from pipeline.analysis.temperature import Calibration, with_temperature
from pipeline.data.sequences import SequencesSummary, prepared_sequences
from pipeline.training.model_file import load_model
from pipeline.training.process import configure_tensorflow

if TYPE_CHECKING:
    import keras

    from pipeline.params.document import Params


@dataclass(frozen=True)
class Champion:
    """`choice` says which network it is, `summary` from which data it has learned, `file` where its model lies.

    `calibration` is None where an earlier version has made the champion.
    """

    model: keras.Model
    file: Path
    choice: Choice
    summary: SequencesSummary
    calibration: Calibration | None

    @property
    def temperature(self) -> float:
        """Of the probabilities; 1 leaves them as the network gives them."""
        return self.calibration.temperature if self.calibration else 1.0

    @property
    def answers_from(self) -> float:
        """The smallest probability of an answer that it is sure of; 0 where it always answers, as none is known."""
        return self.calibration.answers_from or 0.0 if self.calibration else 0.0

    def probabilities(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Of every class (n, classes), calibrated, in the order of `summary.labels`, for sequences
        (n, timesteps, features) in the view of the choice."""
        return with_temperature(predict(self.model, x), self.temperature)

    def sure(self, probabilities: NDArray[np.float64]) -> list[bool] | list[None]:
        """Of each row (n, classes) whether the answer is sure; None where it is not known which answers are."""
        if self.calibration is None or self.calibration.answers_from is None:
            return [None] * len(probabilities)
        return (probabilities.max(axis=1) >= self.answers_from).tolist()


def chosen(params: Params) -> tuple[Path, Choice, SequencesSummary]:
    """The champion's file, the choice and the data, without the model, which takes seconds to load.

    Raises PipelineError where there is no champion of the data that params.yaml asks for.
    """
    file = champion_file(paths.CHAMPION)
    summary = prepared_sequences(params.data)  # files are read as the sequences were
    choice = Choice.read_for(summary.learning_sha256, paths.CHOICE)  # labels and sizes are those of its data
    return file, choice, summary


def champion(params: Params) -> Champion:
    """The champion, ready to answer; raises as `chosen` does."""
    file, choice, summary = chosen(params)
    configure_tensorflow(params.training.answering)  # with others than in the training the last digits differ
    return Champion(load_model(file), file, choice, summary, Calibration.of_champion())
