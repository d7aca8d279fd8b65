"""What the champion is asked, and the champion itself."""

import gzip
import io
import json
import random
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tests.helpers.hostile.arrays import archive_with, npz_file
from tests.helpers.hostile.series import ts_file
from tests.helpers.hostile.tables import csv_file, parquet_file
from tests.helpers.mutations import damaged, with_other_values
from tests.helpers.trying import Case


def predict(folder: Path, rng: random.Random) -> Case:
    """A file for `predict` in one of its forms: images, or sequences of one's own."""
    forms: dict[str, Callable[[], Path]] = {
        ".npz": lambda: npz_file(folder / "asked.npz", rng, labelled=rng.random() < 0.3),
        ".ts": lambda: ts_file(folder, rng),
        ".csv": lambda: csv_file(folder / "asked.csv", rng),
        ".parquet": lambda: parquet_file(folder / "asked.parquet", rng),
        "images": lambda: _images(folder / "asked.npz", rng),
    }
    form = rng.choice(list(forms))
    path = forms[form]()
    if rng.random() < 0.01:
        path = rng.choice(
            (
                folder,
                folder / "absent.npz",
                folder / ("x" * 300),
                folder / "a\x00b.npz",
                Path("/dev/null"),
                path.with_suffix(".txt"),
            )
        )
    answer = _champion("images" if form == "images" else "own")
    return Case(form, lambda: answer(path), str(path))


@cache
def _champion(kind: str) -> Callable[[Path], None]:
    """Answers files by a small champion of images, or of sequences of one's own; it is loaded once."""
    from pipeline import paths
    from pipeline.commands import predict as command
    from pipeline.data.sequences import SequencesSummary, SplitSummary
    from pipeline.params.network import NetworkSpec
    from pipeline.params.settings import DataParams, TableColumns
    from pipeline.training.build import build
    from pipeline.training.process import configure_tensorflow
    from pipeline.training.reading import AS_THEY_ARE, Reading
    from pipeline.use import answering
    from tests.helpers.runs import choice
    from tests.helpers.sequences import params_with

    configure_tensorflow("avx2")
    part = SplitSummary(samples=3, per_class=(1, 2), sha256="0" * 64)
    columns = TableColumns(group="who", split="part")
    own: dict[str, Any] = {
        "padded": True,
        "scale": "standard",
        "missing": "refuse",
        "validation_asked": 3,
        "feature_names": ("speed", "heat"),
        "columns": columns,
    }
    summary = SequencesSummary(
        dataset="toy" if kind == "images" else "my.csv", view="rows", seed=0, classes=2, labels=(0, 1), timesteps=6,
        features=2,
        train=part, validation=part, test=part, **(own if kind == "own" else {}),
    )  # fmt: skip
    params = params_with({"one": {"sampler": "list", "trials": [{"cell": "gru", "units": 4}]}})
    params = params.model_copy(update={"data": DataParams(dataset="my.csv", validation=3, columns=columns)})
    found = choice(0.75)
    chosen = found.choice.model_copy(update={"cell": "gru"})
    found = found.model_copy(update={"data_sha256": summary.learning_sha256, "choice": chosen})
    reading = AS_THEY_ARE if kind == "images" else Reading(padded=True, mean=(0.0, 300.0), variance=(1.0, 81.0))
    model = build(NetworkSpec(cell="gru", units=4), 6, 2, 2, 0, reading)
    real, calls = answering.predict, []

    def sometimes(model: Any, x: Any) -> Any:  # for every shape a graph is traced anew
        calls.append(x)
        return real(model, x) if len(calls) < 20 else np.full((len(x), 2), 0.5)

    def answer(path: Path) -> None:
        summary.write(paths.SEQUENCES_SUMMARY)
        paths.CHAMPION.mkdir(parents=True, exist_ok=True)
        found.write(paths.CHOICE)
        (paths.CHAMPION / "seed-0.keras").touch()
        stand_ins: list[tuple[Any, str, Any]] = [
            (answering, "prepared_sequences", lambda _: summary),
            (answering, "load_model", lambda _: model),
            (answering, "predict", sometimes),
            (command, "_about", lambda *_: ()),
        ]
        for module, name, stand_in in stand_ins:
            setattr(module, name, stand_in)
        command.predict_file(path, params)

    return answer


def _images(path: Path, rng: random.Random) -> Path:
    draw = np.random.default_rng(rng.randrange(2**32))
    x = rng.choice((draw.integers(0, 256, (5, 6, 2), np.uint8), draw.random((5, 6, 2), np.float32)))
    if rng.random() < 0.5:
        archive_with(path, {"x": x, "y": np.arange(5)}, rng)
    else:
        np.savez(path, x=x)
        path.write_bytes(damaged(path.read_bytes(), rng))
    return path


@cache
def _saved_model() -> bytes:
    from pipeline.params.network import NetworkSpec
    from pipeline.training.build import build
    from pipeline.training.model_file import model_bytes

    return model_bytes(build(NetworkSpec(cell="gru", units=4), 6, 2, 2, 0))


def keras(folder: Path, rng: random.Random) -> Case:
    """A .keras file: its bytes, or the configuration inside, which could name any class."""
    from pipeline.training.model_file import load_model

    content = _saved_model()
    how = rng.choice(("bytes", "config", "config", "weights", "other"))
    if how == "bytes":
        content = damaged(content, rng)
    elif how == "other":
        content = rng.choice(
            (
                b"",
                b"PK\x05\x06" + bytes(18),
                content[: len(content) // 2],
                b"\x89HDF\r\n\x1a\n",
                gzip.compress(content),
                b"\x80\x04.",
            )
        )
    else:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        if how == "weights":
            members["model.weights.h5"] = damaged(members["model.weights.h5"], rng)
        else:
            config = with_other_values(json.loads(members["config.json"]), rng)
            text = json.dumps(config, default=str).replace(
                '"GRU"', rng.choice(('"GRU"', '"Lambda"', '"system"', '"LSTM"'))
            )
            members["config.json"] = text.replace(
                '"keras.layers"', rng.choice(('"keras.layers"', '"os"', '"builtins"'))
            ).encode(errors="replace")
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, member in members.items():
                archive.writestr(name, member)
        content = buffer.getvalue()
    path = folder / "seed-0.keras"
    path.write_bytes(content)
    return Case(how, lambda: load_model(path), str(path))
