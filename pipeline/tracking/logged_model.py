"""The champion's model as MLflow keeps it: the network, `served.py` to ask it, and a signature that says how."""

from __future__ import annotations

import json
import shutil
from contextlib import redirect_stdout
from importlib.metadata import version
from io import StringIO
from math import isqrt
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline import paths
from pipeline.analysis.temperature import Calibration
from pipeline.data.sequences import SequencesSummary, change_view
from pipeline.params.settings import Instructions, View
from pipeline.tracking.run_store import environment_variable
from pipeline.training.process import ENVIRONMENTS

if TYPE_CHECKING:
    import keras
    from mlflow.models import ModelSignature
    from mlflow.models.model import ModelInfo

LOADER = "served"  # the name of `served.py` as a module of its own, beside the model


def reading_of(model: keras.Model, data: SequencesSummary, view: View, instructions: Instructions) -> dict[str, Any]:
    """`Reading` of `served.py`: how the registered model makes sequences of a request."""
    _, timesteps, features = model.input_shape
    reading = {
        "labels": data.labels,
        "timesteps": timesteps,
        "features": features,
        "padded": bool(data.padded),
        "environment": dict(ENVIRONMENTS[instructions]),
    }
    if data.is_own:
        return reading
    height, width = image_shape(data)
    places = np.arange(height * width).reshape(1, height, width)
    return reading | {"image": (height, width), "order": change_view(places, view, data.seed).ravel().tolist()}


def image_shape(data: SequencesSummary) -> tuple[int, int]:
    """Height and width of the images that were made sequences of; one after the other, they are pixels of squares."""
    if data.view in ("rows", "columns"):
        return (data.timesteps, data.features) if data.view == "rows" else (data.features, data.timesteps)
    return isqrt(data.timesteps), isqrt(data.timesteps)


def signature_of(reading: dict[str, Any]) -> ModelSignature:
    """What goes in and what comes out, in MLflow's terms. Of images pixels are whole numbers and sequences are not;
    other sequences are a tensor, where -1 is any number of sequences, and of steps where a network takes them."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema, TensorSpec
    from mlflow.types.schema import Array, Map

    def samples(of: DataType) -> Array:
        return Array(Array(Array(of)))

    if reading.get("image"):
        pixels = ColSpec(samples(DataType.long), "pixels", required=False)
        inputs = Schema([pixels, ColSpec(samples(DataType.double), "sequences", required=False)])
    else:
        shape = (-1, reading["timesteps"] or -1, reading["features"])
        inputs = Schema([TensorSpec(np.dtype("float32"), shape)])
    whole = all(isinstance(label, int) for label in reading["labels"])
    outputs = Schema([
        ColSpec(DataType.long if whole else DataType.string, "predicted"),
        ColSpec(DataType.double, "probability"),
        ColSpec(DataType.boolean, "sure", required=False),
        ColSpec(Map(DataType.double), "probabilities"),
    ])  # fmt: skip
    signature = ModelSignature(inputs, outputs)
    # MLflow hands over what was sent, as it does where types are said by hints, and `served.py` looks at it. By itself
    # it makes 0 of a pixel of 0.5 and 3 of a text "3", looks at each number in Python, and repeats all in a refusal.
    signature._is_signature_from_type_hint = True
    return signature


def log_model(
    run_id: str,
    name: str,
    file: Path,
    reading: dict[str, Any],
    example: np.ndarray,
    says: str,
    calibration: Calibration | None,
) -> ModelInfo:
    """Log the model in `file` as the run's, and register it. A signature has no place for what values mean: that `says`
    the model's metadata. The `example` are sequences as the network reads them."""
    import mlflow

    inputs: Any = example
    if order := reading.get("order"):
        pixels = np.empty((len(example), len(order)), np.uint8)
        pixels[:, order] = np.rint(255 * example.reshape(len(example), -1))
        inputs = {"pixels": pixels.reshape(-1, *reading["image"]).tolist()}
    # Only MLflow's global functions log a model. They try it on the example, and tell that they have registered it.
    store = environment_variable("MLFLOW_TRACKING_URI", paths.tracking_uri())
    with TemporaryDirectory() as temporary, store, redirect_stdout(StringIO()), mlflow.start_run(run_id=run_id):
        folder = Path(temporary, "champion")
        folder.mkdir()
        shutil.copyfile(file, folder / "model.keras")
        (folder / "reading.json").write_text(json.dumps(reading), encoding="utf-8")
        return mlflow.pyfunc.log_model(
            name="champion",
            loader_module=LOADER,
            data_path=str(folder),
            code_paths=[str(Path(__file__).with_name(f"{LOADER}.py"))],
            model_config={
                "temperature": calibration.temperature if calibration else 1.0,
                "answers_from": calibration.answers_from if calibration else None,
            },
            signature=signature_of(reading),
            input_example=inputs,
            metadata={"input": says},
            pip_requirements=[f"{package}=={version(package)}" for package in ("tensorflow", "keras", "numpy")],
            registered_model_name=name,
        )
