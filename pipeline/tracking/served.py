"""The registered model: MLflow loads it by this file, a copy of which lies beside it, without the rest of the project.

A request is {"inputs": …}. Of images these are {"pixels": …}, as a picture has them, or {"sequences": …}, as the
network reads them. Of anything else they are sequences, with or without that name.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from numpy.typing import NDArray

MODEL, READING = "model.keras", "reading.json"
BATCH_SIZE = 1000  # as `predict` has it: another one has other last bits


class Reading(NamedTuple):
    """reading.json: how a request becomes sequences, and what the classes are called.

    `timesteps` is None where a sequence has any number of them. `image` is (height, width), or None where there are no
    images; `order` says which pixel goes where. `padded`: steps after the end of a sequence are null.
    `environment` are variables that TensorFlow reads when it is imported.
    """

    labels: list[int | str]
    timesteps: int | None
    features: int
    padded: bool
    environment: dict[str, str]
    image: list[int] | None = None
    order: list[int] | None = None


class Refused(MlflowException):
    """A request without an answer: HTTP 400, and the sentence that says why.

    MLflow's server would write all that was sent before the sentence: `message` cannot be changed.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, error_code=INVALID_PARAMETER_VALUE)

    @property
    def message(self) -> str:
        return str(self.args[0])

    @message.setter
    def message(self, longer: str) -> None: ...


def _load_pyfunc(folder: str, model_config: dict[str, Any]) -> Served:
    """Called by MLflow. `model_config` has the `temperature` of the probabilities, and `answers_from`, the smallest
    one of a sure answer, or None."""
    reading = Reading(**json.loads(Path(folder, READING).read_text(encoding="utf-8")))
    if "tensorflow" not in sys.modules:
        os.environ |= reading.environment
    import keras

    model = keras.saving.load_model(Path(folder, MODEL), compile=False)
    return Served(model, reading, model_config["temperature"], model_config["answers_from"])


class Served:
    """The champion, as MLflow asks it."""

    def __init__(self, model: Any, reading: Reading, temperature: float, answers_from: float | None) -> None:
        self.reading, self.temperature, self.answers_from = reading, temperature, answers_from
        self._model = model
        for count in (1, 2):  # traces the graph: the first answer is as fast as the others
            model.predict_on_batch(np.zeros((count, reading.timesteps or 1, reading.features), np.float32))

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """Of each sample the label, its probability, whether that is sure, and the probabilities of all labels, as
        `predict` tells them; raises Refused."""
        x = self.sequences(model_input)
        batches = [
            self._model.predict_on_batch(x[start : start + BATCH_SIZE]) for start in range(0, len(x), BATCH_SIZE)
        ]
        probabilities = tempered(np.concatenate(batches), self.temperature)
        labels, names = self.reading.labels, [str(label) for label in self.reading.labels]
        threshold = self.answers_from
        best, told = probabilities.argmax(axis=1).tolist(), probabilities.round(6).tolist()
        return [
            {
                "predicted": labels[index],
                "probability": rounded[index],
                "sure": None if threshold is None else exact[index] >= threshold,
                "probabilities": dict(zip(names, rounded, strict=True)),
            }
            for index, exact, rounded in zip(best, probabilities.tolist(), told, strict=True)
        ]

    def sequences(self, inputs: Any) -> NDArray[np.float32]:
        """What the network reads (n, timesteps, features)."""
        known = ["sequences"] if self.reading.image is None else ["pixels", "sequences"]
        if not isinstance(inputs, dict):
            if self.reading.image is not None:
                self._refuse("the inputs are not named")
            inputs = {"sequences": inputs}
        if unknown := [name for name in inputs if name not in known]:
            self._refuse(f"there is no input called {str(unknown[0])[:40]!r}")
        if len(inputs) != 1:
            self._refuse("both inputs are there" if inputs else "no input is there")
        [(name, values)] = inputs.items()
        array = self._numbers(name, values)
        shape = self._shape(name)
        if array.ndim != 3 or any(
            size not in (None, there) for size, there in zip(shape, array.shape[1:], strict=True)
        ):
            self._refuse(f"{name} have the shape {array.shape}")
        return self._from_pixels(array) if name == "pixels" else self._as_they_are(array)

    def _numbers(self, name: str, values: Any) -> NDArray[Any]:
        """The values of nested lists; null is NaN."""
        try:
            array = np.asarray(values)
            if array.dtype == object and {type(value) for value in array.flat} <= {int, float, type(None)}:
                array = array.astype(float)
        except OverflowError:
            self._refuse(f"{name} have numbers that are too large")
        except ValueError:
            self._refuse(f"{name} are lists of unequal lengths")
        if not array.size and array.dtype != object:
            self._refuse(f"{name} are empty")
        if array.dtype.kind not in "iuf":
            self._refuse(f"{name} are not numbers only")
        return array

    def _shape(self, name: str) -> list[int | None]:
        """Of one sample; None is any number."""
        if name == "pixels" and self.reading.image is not None:
            return [*self.reading.image]
        return [self.reading.timesteps, self.reading.features]

    def _from_pixels(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        if not np.isfinite(pixels).all():
            self._refuse("pixels have null, NaN or infinity among them")
        if pixels.min() < 0 or pixels.max() > 255:
            self._refuse(f"pixels go from {pixels.min():g} to {pixels.max():g}")
        if pixels.dtype.kind == "f" and (pixels != np.rint(pixels)).any():
            self._refuse("pixels are not whole numbers")
        _, timesteps, features = self._model.input_shape
        in_order = pixels.reshape(len(pixels), -1)[:, self.reading.order].astype(np.float32)
        in_order /= np.float32(255)
        return in_order.reshape(-1, timesteps, features)

    def _as_they_are(self, values: NDArray[Any]) -> NDArray[np.float32]:
        with np.errstate(over="ignore"):
            x = values.astype(np.float32)
        if np.isinf(x).any():
            self._refuse("sequences have infinity among them, or numbers that float32 does not hold")
        missing = np.isnan(x)
        if not self.reading.padded and missing.any():
            self._refuse("sequences have null or NaN among them")
        if self.reading.image is not None and (x.min() < 0 or x.max() > 1):
            self._refuse(f"sequences go from {x.min():g} to {x.max():g}")
        ended = missing.all(axis=2)
        lengths = (~ended).sum(axis=1)
        if not lengths.all():
            self._refuse("a sequence has no step with values")
        after = np.arange(x.shape[1]) >= lengths[:, np.newaxis]
        if (ended != after).any() or (missing.any(axis=2) & ~after).any():
            self._refuse("null or NaN stands before the end of a sequence")
        return x

    def _refuse(self, what: str) -> NoReturn:
        raise Refused(f"{what}: give {self.wanted}")

    def get_raw_model(self) -> Served:
        """Called by MLflow for who wants more than to predict."""
        return self

    @property
    def wanted(self) -> str:
        """What a request has to be, in words."""
        timesteps, features = self._shape("sequences")
        sequences = f"(sequences, {timesteps or 'steps'}, {features})"
        if self.reading.image is not None:
            height, width = self.reading.image
            return (
                f'either {{"inputs": {{"pixels": …}}}}, whole numbers from 0 to 255 in the shape (images, {height}, '
                f'{width}), or {{"inputs": {{"sequences": …}}}}, numbers from 0 to 1 in the shape {sequences}'
            )
        after = ", with null in all features of steps after the end of a sequence" if self.reading.padded else ""
        return f'{{"inputs": …}}, numbers in the shape {sequences}{after}'


def tempered(probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float64]:
    """As `with_temperature` of the pipeline's analysis, to the bit."""
    if temperature == 1:
        return probabilities.astype(np.float64)
    logits = np.log(np.maximum(probabilities.astype(np.float64), float(np.finfo(np.float32).tiny))) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
