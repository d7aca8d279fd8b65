"""One file, asked in three ways: `predict`, MLflow's model in Python, and MLflow's server answer the same."""

import json
import sys
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import requests
from mlflow.exceptions import MlflowException

from pipeline import paths
from pipeline.commands.predict import predict_file
from pipeline.data.sequences import SequencesSummary
from pipeline.params.document import Params
from pipeline.params.network import NetworkSpec
from pipeline.params.settings import DataParams
from pipeline.tracking.champion import log_champion
from pipeline.training.build import build
from pipeline.training.reading import Reading
from tests.helpers.runs import OWN_DATA, choice, record
from tests.helpers.sequences import params_with
from tests.helpers.servers import Server, serving

pytestmark = pytest.mark.usefixtures("one_thread", "home")

MODEL = "models:/mine-quick@champion"
GRU = NetworkSpec(cell="gru", units=4)
BOTH_DIRECTIONS = NetworkSpec(cell="gru", units=4, bidirectional=True)
MLP = NetworkSpec(cell="mlp", units=4)
LABELS = np.asarray(OWN_DATA.labels)
TYPES = ("uint8", "int64", "float32", "float64")


@dataclass(frozen=True)
class Kind:
    """Data of one kind: what summary.json says of them, how a network reads them, and the ends of four sequences."""

    summary: dict[str, Any]
    reading: Reading
    lengths: tuple[int, ...] = (6, 6, 6, 6)


KINDS = {
    "equal lengths": Kind(
        {"features": 2, "feature_names": ("mV", "rpm")}, Reading(mean=(120.0, 99.0), variance=(900.0, 4e3))
    ),
    "unequal lengths": Kind(
        {"features": 2, "feature_names": ("mV", "rpm"), "padded": True, "lengths": (2, 5, 6)},
        Reading(padded=True, mean=(120.0, 99.0), variance=(900.0, 4e3)),
        (6, 2, 5, 6),
    ),
    "tokens": Kind(
        {"features": 1, "feature_names": ("word",), "padded": True, "lengths": (1, 3, 6), "scale": None, "tokens": 150},
        Reading(padded=True, tokens=150),
        (3, 6, 1, 4),
    ),
}


@dataclass(frozen=True)
class Champion:
    """A registered model, four raw sequences of whole numbers, and where they end."""

    model: keras.Model
    x: np.ndarray
    lengths: tuple[int, ...]
    params: Params

    @property
    def padded(self) -> np.ndarray:
        there = np.arange(self.x.shape[1]) < np.asarray(self.lengths)[:, None]
        return np.where(there[..., None], self.x, np.nan).astype(np.float32)

    def as_json(self, dtype: str) -> str:
        """As a client sends it: numbers of this type, and null for what comes after the end."""
        none = [None] * self.x.shape[2]
        rows = self.x.astype(dtype).tolist()
        ended = [row[:length] + [none] * (len(row) - length) for row, length in zip(rows, self.lengths, strict=True)]
        return json.dumps({"inputs": ended}, allow_nan=False)

    def predicted(self, dtype: str, capsys: pytest.CaptureFixture[str]) -> pd.DataFrame:
        """What `predict` prints."""
        np.savez("samples.npz", x=self.x.astype(dtype), lengths=self.lengths)
        capsys.readouterr()
        predict_file(Path("samples.npz"), self.params)
        return pd.read_csv(StringIO(capsys.readouterr().out))


def champion_of(kind: Kind, spec: NetworkSpec = GRU) -> Champion:
    """Save, choose and register a model of such data in the current folder, as the stages do."""
    summary = SequencesSummary.model_validate(
        OWN_DATA.model_dump() | {"dataset": "mine.npz", "timesteps": 6, "validation_asked": 30} | kind.summary
    )
    summary.write(paths.SEQUENCES_SUMMARY)
    model = build(spec, summary.timesteps, summary.features, summary.classes, 1, kind.reading)
    paths.CHAMPION.mkdir(parents=True)
    model.save(paths.CHAMPION / "seed-0.keras")
    chosen = choice(0.75).model_copy(update={"data_sha256": summary.learning_sha256})
    chosen.write(paths.CHOICE)
    x = np.random.default_rng(0).integers(0, 200, (4, 6, summary.features))  # of tokens some are unknown
    data = DataParams(dataset="mine.npz", validation=30, tokens=summary.tokens is not None)
    params = params_with({"one": {"sampler": "list", "trials": [{"cell": "gru", "units": 4}]}})
    champion = Champion(model, x, kind.lengths, params.model_copy(update={"data": data}))
    log_champion(
        experiment="mine-quick",
        choice=chosen,
        records=[record(0, held_out=False)],
        models=[paths.CHAMPION / "seed-0.keras"],
        data=summary,
        input_example=champion.padded[:2],
        metric="accuracy",
        licence="the owner's",
        tested=None,
    )
    return champion


def pyfunc_model() -> Any:
    import mlflow

    mlflow.set_tracking_uri(paths.tracking_uri())
    try:
        return mlflow.pyfunc.load_model(MODEL)
    finally:
        mlflow.set_tracking_uri(None)  # type: ignore[arg-type]


def served_in_this_process(model: Any, body: str) -> np.ndarray:
    """What MLflow's server does with a request, without the server."""
    from mlflow.pyfunc.scoring_server import invocations

    answer = invocations(body, "application/json", model, model.metadata.get_input_schema())
    assert answer.status == 200, answer.response
    return np.asarray(json.loads(answer.response)["predictions"])


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_answer_in_every_way_and_for_every_type(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    champion = champion_of(KINDS[kind])
    expected = champion.model.predict(champion.padded, verbose=0)
    loaded = pyfunc_model()
    assert np.array_equal(loaded.predict(champion.padded), expected)
    for dtype in TYPES:
        table = champion.predicted(dtype, capsys)
        assert table["predicted"].tolist() == LABELS[expected.argmax(axis=1)].tolist()
        assert table["probability"].to_numpy() == pytest.approx(expected.max(axis=1), abs=1e-6)
        assert served_in_this_process(loaded, champion.as_json(dtype)) == pytest.approx(expected, abs=1e-7)
    assert len({tuple(row) for row in expected.round(4)}) == 4, "no two sequences have the same answer"


def test_mlflows_server_answers_as_predict_does(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    champion = champion_of(KINDS["unequal lengths"])
    table = champion.predicted("int64", capsys)
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", MODEL, "--env-manager", "local"]
    server = Server(home, [*command, "--host", "127.0.0.1", "--workers", "1", "--port"], "/ping")
    with serving(server) as address:

        def ask(body: str) -> np.ndarray:
            headers = {"Content-Type": "application/json"}
            answer = requests.post(f"{address}/invocations", body, headers=headers, timeout=60)
            assert answer.status_code == 200, answer.text
            return np.asarray(answer.json()["predictions"])

        for dtype in TYPES:
            answers = ask(champion.as_json(dtype))
            assert LABELS[answers.argmax(axis=1)].tolist() == table["predicted"].tolist()
            assert answers.max(axis=1) == pytest.approx(table["probability"].to_numpy(), abs=1e-6)
        alone = ask(json.dumps({"inputs": champion.x[1:2, : champion.lengths[1]].tolist()}))
        assert alone[0] == pytest.approx(answers[1], abs=1e-6), "a sequence by itself needs no padding"
        [example] = home.rglob("serving_input_example.json")
        assert ask(example.read_text()) == pytest.approx(answers[:2], abs=1e-7), "the example is of raw values"
        assert example.read_text().count("null") == 2 * (6 - champion.lengths[1])


@pytest.mark.parametrize(
    ("kind", "spec", "instead"),
    [
        ("equal lengths", GRU, None),
        ("equal lengths", MLP, None),
        ("unequal lengths", GRU, (120, 99)),  # the means
        ("unequal lengths", MLP, (120, 99)),
        ("unequal lengths", BOTH_DIRECTIONS, ()),
        ("tokens", GRU, (150,)),  # no token
        ("tokens", BOTH_DIRECTIONS, ()),
    ],
)
def test_what_the_registered_model_makes_of_missing_values(
    kind: str, spec: NetworkSpec, instead: tuple[int, ...] | None
) -> None:
    """Of a step inside a sequence that has no value: as if it had those of `instead`, or () as if it were not there;
    None where the answer is NaN, as it is for a step that lacks only some."""
    model = champion_of(KINDS[kind], spec).model
    loaded = pyfunc_model()
    sequence = np.random.default_rng(1).integers(0, 140, (6, model.input_shape[2])).tolist()

    def answer(step: list[int | None] | tuple[int, ...]) -> np.ndarray:
        steps = [*sequence[:2], *([step] if step else []), *sequence[3:]]
        return served_in_this_process(loaded, json.dumps({"inputs": [steps]}))[0].astype(float)

    none = answer([None] * len(sequence[2]))
    if instead is None:
        assert np.isnan(none).all()
    else:
        assert none == pytest.approx(answer(instead), abs=1e-6)
        assert none != pytest.approx(answer(sequence[2]), abs=1e-4)
    if kind != "tokens":
        assert np.isnan(answer([None, sequence[2][1]])).all()


def test_in_python_mlflow_takes_float32_and_says_so() -> None:
    """The model itself takes any type; it is MLflow that compares the type with the signature's."""
    champion = champion_of(KINDS["equal lengths"])
    loaded = pyfunc_model()
    for dtype in ("uint8", "int64", "float64"):
        with pytest.raises(MlflowException, match=f"dtype of input {dtype} does not match expected dtype float32"):
            loaded.predict(champion.x.astype(dtype))
        assert np.array_equal(
            loaded.get_raw_model().predict(champion.x.astype(dtype), verbose=0), loaded.predict(champion.padded)
        )
    with pytest.raises(MlflowException, match=r"Shape of input \(4, 5, 2\) does not match expected shape \(-1, 6, 2\)"):
        loaded.predict(champion.padded[:, :5])
