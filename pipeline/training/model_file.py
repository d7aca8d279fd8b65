"""Models as .keras files: the same model gives the same bytes, whenever it is saved."""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pipeline.errors import damage
from pipeline.paths import write_zip

if TYPE_CHECKING:
    import keras


def model_bytes(model: keras.Model) -> bytes:
    """The content of a .keras file of `model`, which depends on the model alone.

    Keras writes down when it saves, in the file's metadata and as the time of every member of the archive, and where
    in memory the model's objects lie, to tell those that are used twice: here they are numbered instead.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        model.save(path)
        with zipfile.ZipFile(path) as saved:
            members = {name: saved.read(name) for name in saved.namelist()}
    metadata = json.loads(members["metadata.json"])
    metadata.pop("date_saved", None)
    members["metadata.json"] = json.dumps(metadata).encode()
    numbers: dict[str, str] = {}
    members["config.json"] = re.sub(
        r'(?<="shared_object_id": )\d+',
        lambda address: numbers.setdefault(address[0], str(len(numbers))),
        members["config.json"].decode(),
    ).encode()
    buffer = io.BytesIO()
    write_zip(buffer, members.items())
    return buffer.getvalue()


def load_model(path: Path) -> keras.Model:
    """One saved model, to predict with; raises PipelineError where the file is damaged."""
    import keras

    import pipeline.training.elman  # noqa: F401 (registers its layer with Keras)

    with damage(path, "is no model of Keras, or a damaged one", "; `dvc repro champion` makes it again"):
        return keras.saving.load_model(path, compile=False)
