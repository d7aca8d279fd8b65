"""One file, asked in three ways: `predict`, MLflow's model in Python, and MLflow's server answer the same."""

import ast
import functools
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import requests

from pipeline import paths
from pipeline.analysis.choice import Choice
from pipeline.analysis.temperature import Calibration, with_temperature
from pipeline.commands.predict import predict_file
from pipeline.data.sequences import SequencesSummary, as_sequences
from pipeline.params.document import Params
from pipeline.params.network import NetworkSpec
from pipeline.params.settings import DataParams, View
from pipeline.tracking.champion import log_champion
from pipeline.tracking.logged_model import reading_of
from pipeline.tracking.served import Reading as served_reading
from pipeline.tracking.served import Refused, Served, tempered
from pipeline.training.build import build
from pipeline.training.reading import AS_THEY_ARE, Reading
from tests.helpers.command_line import ROOT, change
from tests.helpers.runs import DATA, OWN_DATA, choice, record
from tests.helpers.sequences import params_with
from tests.helpers.servers import Server, serving

pytestmark = pytest.mark.usefixtures("one_thread")

MODEL = "models:/mine-quick@champion"
CHOSEN = choice(0.75)
CALIBRATION = Calibration(
    samples=30, temperature=1.5, temperature_low=1.2, temperature_high=1.8, answers_from=0.36
)  # fmt: skip
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
    """A model, its data, four raw sequences of whole numbers, and where they end."""

    model: keras.Model
    summary: SequencesSummary
    x: np.ndarray
    lengths: tuple[int, ...]
    params: Params

    @property
    def padded(self) -> np.ndarray:
        there = np.arange(self.x.shape[1]) < np.asarray(self.lengths)[:, None]
        return np.where(there[..., None], self.x, np.nan).astype(np.float32)

    def as_lists(self, dtype: str) -> list[Any]:
        """As a client sends it: numbers of this type, and None for what comes after the end."""
        none = [None] * self.x.shape[2]
        rows = self.x.astype(dtype).tolist()
        return [row[:length] + [none] * (len(row) - length) for row, length in zip(rows, self.lengths, strict=True)]

    def predicted(self, dtype: str) -> list[dict[str, Any]]:
        """What `predict --json` prints of each sequence."""
        return predicted(self.params, x=self.x.astype(dtype), lengths=np.asarray(self.lengths))


def predicted(params: Params, **arrays: np.ndarray) -> list[dict[str, Any]]:
    np.savez("samples.npz", allow_pickle=False, **arrays)
    with redirect_stdout(StringIO()) as printed:
        predict_file(Path("samples.npz"), params, as_json=True)
    predictions = json.loads(printed.getvalue())["predictions"]
    return [{name: value for name, value in each.items() if name != "index"} for each in predictions]


def register(
    summary: SequencesSummary, model: keras.Model, example: np.ndarray, experiment: str, chosen: Choice = CHOSEN
) -> None:
    """Save, choose and register the model of such data in the current folder, as the stages do."""
    summary.write(paths.SEQUENCES_SUMMARY)
    paths.CHAMPION.mkdir(parents=True)
    model.save(paths.CHAMPION / "seed-0.keras")
    chosen = chosen.model_copy(update={"data_sha256": summary.learning_sha256})
    chosen.write(paths.CHOICE)
    CALIBRATION.write(paths.CALIBRATION)
    log_champion(
        experiment=experiment,
        choice=chosen,
        records=[record(0, held_out=False)],
        models=[paths.CHAMPION / "seed-0.keras"],
        data=summary,
        input_example=example,
        metric="accuracy",
        licence="the owner's",
        tested=None,
        instructions="avx2",
        calibration=CALIBRATION,
    )


def params_of(data: DataParams) -> Params:
    params = params_with({"one": {"sampler": "list", "trials": [{"cell": "gru", "units": 4}]}})
    return params.model_copy(update={"data": data})


def champion_of(kind: Kind, spec: NetworkSpec = GRU) -> Champion:
    summary = SequencesSummary.model_validate(
        OWN_DATA.model_dump() | {"dataset": "mine.npz", "timesteps": 6, "validation_asked": 30} | kind.summary
    )
    model = build(spec, summary.timesteps, summary.features, summary.classes, 1, kind.reading)
    x = np.random.default_rng(0).integers(0, 200, (4, 6, summary.features))  # of tokens some are unknown
    data = DataParams(dataset="mine.npz", validation=30, tokens=summary.tokens is not None)
    return Champion(model, summary, x, kind.lengths, params_of(data))


def served(model: keras.Model, summary: SequencesSummary, view: View = "rows") -> Served:
    """What MLflow loads, without MLflow."""
    return Served(model, served_reading(**reading_of(model, summary, view, "avx2")), 1.0, None)


def pyfunc_model(uri: str = MODEL) -> Any:
    import mlflow

    mlflow.set_tracking_uri(paths.tracking_uri())
    try:
        return mlflow.pyfunc.load_model(uri)
    finally:
        mlflow.set_tracking_uri(None)  # type: ignore[arg-type]


def served_in_this_process(model: Any, inputs: Any) -> list[dict[str, Any]]:
    """What MLflow's server does with a request, without the server."""
    from mlflow.pyfunc.scoring_server import invocations

    body = json.dumps({"inputs": inputs})
    answer = invocations(body, "application/json", model, model.metadata.get_input_schema())
    assert answer.status == 200, answer.response
    predictions: list[dict[str, Any]] = json.loads(answer.response)["predictions"]
    return predictions


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_answer_in_every_way_and_for_every_type(kind: str, home: Path) -> None:
    champion = champion_of(KINDS[kind])
    register(champion.summary, champion.model, champion.padded[:2], "mine-quick")
    expected = with_temperature(champion.model.predict(champion.padded, verbose=0), 1.5)
    loaded = pyfunc_model()
    answers = loaded.predict(champion.padded)
    assert [each["predicted"] for each in answers] == LABELS[expected.argmax(axis=1)].tolist()
    assert np.array([[*each["probabilities"].values()] for each in answers]) == pytest.approx(expected, abs=1e-6)
    assert [each["probability"] for each in answers] == [max(each["probabilities"].values()) for each in answers]
    assert list(answers[0]["probabilities"]) == ["idle", "run", "walk"]
    assert champion.predicted("uint8") == answers
    assert champion.predicted("float64") == answers
    for dtype in TYPES:
        assert served_in_this_process(loaded, champion.as_lists(dtype)) == answers
        assert served_in_this_process(loaded, {"sequences": champion.as_lists(dtype)}) == answers
        assert loaded.predict({"sequences": champion.padded.astype("float64")}) == answers
    assert len({tuple(row) for row in expected.round(4)}) == 4, "no two sequences have the same answer"
    if kind != "equal lengths":  # a sequence by itself needs no padding
        [alone] = served_in_this_process(loaded, champion.x[1:2, : champion.lengths[1]].tolist())
        assert alone["probabilities"] == pytest.approx(answers[1]["probabilities"], abs=2e-6)
    [example] = home.rglob("serving_input_example.json")
    assert example.read_text().count("null") == 2 * champion.x.shape[2] * 6 - np.isfinite(champion.padded[:2]).sum()
    assert served_in_this_process(loaded, json.loads(example.read_text())["inputs"]) == answers[:2]


NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("kind", "spec", "change", "why"),
    [
        ("equal lengths", GRU, lambda x: [], "sequences are empty"),
        ("equal lengths", GRU, lambda x: {}, "no input is there"),
        ("equal lengths", GRU, lambda x: {"pixels": x}, "there is no input called 'pixels'"),
        ("equal lengths", GRU, lambda x: "six", "sequences are not numbers only"),
        ("equal lengths", GRU, lambda x: None, "sequences have the shape ()"),
        ("equal lengths", GRU, lambda x: [[["1", "2"]] * 6], "sequences are not numbers only"),
        ("equal lengths", GRU, lambda x: [[[1, "2"]] * 6], "sequences are not numbers only"),
        ("equal lengths", GRU, lambda x: [[[None, "2"]] * 6], "sequences are not numbers only"),
        ("equal lengths", GRU, lambda x: [[[True, False]] * 6], "sequences are not numbers only"),
        ("equal lengths", GRU, lambda x: [[[{}, {}]] * 6], "sequences are not numbers only"),
        ("equal lengths", GRU, lambda x: [row[:5] for row in x], "sequences have the shape (4, 5, 2)"),
        ("equal lengths", GRU, lambda x: x[0], "sequences have the shape (6, 2)"),
        ("equal lengths", GRU, lambda x: [x[0], x[1][:5]], "sequences are lists of unequal lengths"),
        ("equal lengths", GRU, lambda x: [[[None, None], *x[0][1:]]], "sequences have null or NaN among them"),
        ("equal lengths", GRU, lambda x: [[[NAN, 1.0], *x[0][1:]]], "sequences have null or NaN among them"),
        ("equal lengths", GRU, lambda x: [[[INFINITY, 1.0], *x[0][1:]]], "sequences have infinity among them"),
        ("equal lengths", GRU, lambda x: [[[1e39, 1.0], *x[0][1:]]], "sequences have infinity among them"),
        ("equal lengths", GRU, lambda x: [[[10**400, None], *x[0][1:]]], "sequences have numbers that are too large"),
        ("unequal lengths", MLP, lambda x: [row[:5] for row in x], "sequences have the shape (4, 5, 2)"),
        ("unequal lengths", GRU, lambda x: [[[None, None]] * 6], "a sequence has no step with values"),
        ("unequal lengths", GRU, lambda x: [[*x[0][:5], [None, 1]]], "null or NaN stands before the end of a sequence"),
        ("unequal lengths", GRU, lambda x: [[x[0][0], [None, None], *x[0][2:]]], "null or NaN stands before the end"),
        ("tokens", GRU, lambda x: [[[None], *x[0][1:]]], "null or NaN stands before the end of a sequence"),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_refused_with_what_is_wanted(
    kind: str, spec: NetworkSpec, change: Callable[[Any], Any], why: str
) -> None:
    asked = own(kind, spec)
    steps = "6" if kind == "equal lengths" or spec == MLP else "steps"
    x = np.random.default_rng(1).integers(0, 140, (4, 6, KINDS[kind].summary["features"])).tolist()
    with pytest.raises(Refused) as refused:
        asked.predict(change(x))
    assert refused.value.get_http_status_code() == 400
    refused.value.message = "as MLflow's server does it"
    sentence = json.loads(refused.value.serialize_as_json())["message"]
    assert sentence.startswith(why)
    assert f': give {{"inputs": …}}, numbers in the shape (sequences, {steps}, {len(x[0][0])})' in sentence
    assert ("null in all features of steps after the end" in sentence) == (kind != "equal lengths")


@functools.cache
def own(kind: str, spec: NetworkSpec) -> Served:
    champion = champion_of(KINDS[kind], spec)
    return served(champion.model, champion.summary)


def test_all_tokens_that_are_not_known_count_as_one() -> None:
    unknown = [own("tokens", GRU).predict([[[3], [token], [5]]]) for token in (150, 199, -1, 1e9)]
    assert all(answer == unknown[0] for answer in unknown)
    assert own("tokens", GRU).predict([[[3], [149], [5]]]) != unknown[0]


# Images

IMAGES = np.random.default_rng(2).integers(0, 256, (7, 5, 3)).astype(np.uint8)
IMAGES[6] = 0


@dataclass(frozen=True)
class Asked:
    """A server, and what `predict --json` says of IMAGES."""

    url: str
    folder: Path
    predictions: list[dict[str, Any]]

    def post(self, body: str | bytes, kind: str | None = "application/json") -> requests.Response:
        return requests.post(f"{self.url}/invocations", body, headers={"Content-Type": kind}, timeout=60)

    def answers(self, inputs: Any) -> list[dict[str, Any]]:
        answer = self.post(json.dumps({"inputs": inputs}))
        assert answer.status_code == 200, answer.text
        predictions: list[dict[str, Any]] = answer.json()["predictions"]
        return predictions


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, empty_mlflow: Path, one_thread: None) -> Iterator[Asked]:
    """`python -m pipeline serve` in a project with a champion of images."""
    folder = tmp_path_factory.mktemp("images") / "my project"
    folder.mkdir()
    shutil.copy(empty_mlflow, folder)
    shutil.copy(ROOT / "params.yaml", folder)
    change(folder, "data.dataset", "mnist5k")
    change(folder, "data.validation", 30)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        for name, value in {"PIPELINE_HOME": str(folder), "PYTHONPATH": str(ROOT)}.items():
            monkeypatch.setenv(name, value)
        model = build(BOTH_DIRECTIONS, 5, 3, 3, 1, AS_THEY_ARE)
        register(DATA, model, (IMAGES[:2] / np.float32(255)).astype(np.float32), "mnist-rnn")
        predictions = predicted(params_of(DataParams(dataset="mnist5k", validation=30)), x=IMAGES)
        with serving(Server(folder, [sys.executable, "-m", "pipeline", "serve", "--port"], "/ping")) as url:
            yield Asked(url, folder, predictions)


def test_mlflows_server_answers_as_predict_does_to_the_last_digit(server: Asked) -> None:
    assert {type(each["predicted"]) for each in server.predictions} == {int}
    assert {each["sure"] for each in server.predictions} == {True, False}
    assert server.answers({"pixels": IMAGES.tolist()}) == server.predictions
    assert server.answers({"pixels": IMAGES.astype(float).tolist()}) == server.predictions
    assert server.answers({"sequences": (IMAGES / 255).tolist()}) == server.predictions
    for image, expected in zip(IMAGES, server.predictions, strict=True):
        [alone] = server.answers({"pixels": [image.tolist()]})
        assert alone["probabilities"] == pytest.approx(expected["probabilities"], abs=2e-6)
    with ThreadPoolExecutor(8) as clients:
        assert list(clients.map(server.answers, [{"pixels": IMAGES.tolist()}] * 16)) == [server.predictions] * 16


def test_the_example_is_of_pixels(server: Asked) -> None:
    [example] = server.folder.rglob("serving_input_example.json")
    assert json.loads(example.read_text()) == {"inputs": {"pixels": IMAGES[:2].tolist()}}


def test_the_command_that_serve_prints_asks_it(server: Asked) -> None:
    told = (server.folder.parent / f"server-{server.url.rpartition(':')[2]}.log").read_text()
    assert f"mnist-rnn version 1 answers at {server.url}/invocations until Ctrl-C" in told
    [command] = [line for line in told.splitlines() if line.startswith("  curl ")]
    answer = subprocess.run(command, shell=True, check=True, capture_output=True, cwd=server.folder)
    for each, expected in zip(json.loads(answer.stdout)["predictions"], server.predictions[:2], strict=True):
        assert each["probabilities"] == pytest.approx(expected["probabilities"], abs=2e-6)


ONE = IMAGES[:1].tolist()
WANTED = (
    'give either {"inputs": {"pixels": …}}, whole numbers from 0 to 255 in the shape (images, 5, 3), or {"inputs": '
    '{"sequences": …}}, numbers from 0 to 1 in the shape (sequences, 5, 3)'
)


@pytest.mark.parametrize(
    ("inputs", "why"),
    [
        (ONE, "the inputs are not named"),
        ([], "the inputs are not named"),
        ("seven", "the inputs are not named"),
        (None, "the inputs are not named"),
        ({}, "no input is there"),
        ({"pixels": ONE, "sequences": ONE}, "both inputs are there"),
        ({"pictures": ONE}, "there is no input called 'pictures'"),
        ({"pixels": ONE, "more": 1}, "there is no input called 'more'"),
        ({"pixels": []}, "pixels are empty"),
        ({"pixels": [[]]}, "pixels are empty"),
        ({"pixels": None}, "pixels have the shape ()"),
        ({"pixels": "seven"}, "pixels are not numbers only"),
        ({"pixels": [[["7"] * 3] * 5]}, "pixels are not numbers only"),
        ({"pixels": {"0": ONE}}, "pixels are not numbers only"),
        ({"pixels": [[[True] * 3] * 5]}, "pixels are not numbers only"),
        ({"pixels": ONE[0]}, "pixels have the shape (5, 3)"),
        ({"pixels": [ONE]}, "pixels have the shape (1, 1, 5, 3)"),
        ({"pixels": [ONE[0][:4]]}, "pixels have the shape (1, 4, 3)"),
        ({"pixels": [ONE[0], ONE[0][:4]]}, "pixels are lists of unequal lengths"),
        ({"pixels": [[[1, 2, 3]] * 4 + [[1, 2]]]}, "pixels are lists of unequal lengths"),
        ({"pixels": [[[1, 2, None]] * 5]}, "pixels have null, NaN or infinity among them"),
        ({"pixels": [[[1, 2, NAN]] * 5]}, "pixels have null, NaN or infinity among them"),
        ({"pixels": [[[1, 2, 256]] * 5]}, "pixels go from 1 to 256"),
        ({"pixels": [[[1, 2, -1]] * 5]}, "pixels go from -1 to 2"),
        ({"pixels": [[[0, 0.5, 1]] * 5]}, "pixels are not whole numbers"),
        ({"sequences": ONE}, "sequences go from "),
        ({"sequences": [[[0, 0.5, -0.1]] * 5]}, "sequences go from -0.1 to 0.5"),
        ({"sequences": [[[0, 0.5, None]] * 5]}, "sequences have null or NaN among them"),
        ({"sequences": [[[0, 0.5, INFINITY]] * 5]}, "sequences have infinity among them"),
        ({"sequences": [[[0, 0.5]] * 5]}, "sequences have the shape (1, 5, 2)"),
    ],
)
def test_what_is_no_image_gets_a_400_and_a_sentence_that_says_what_is_wanted(
    server: Asked, inputs: Any, why: str
) -> None:
    answer = server.post(json.dumps({"inputs": inputs}))
    assert answer.status_code == 400
    assert answer.json()["message"].startswith(why)
    assert answer.json()["message"].endswith(f": {WANTED}")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("no JSON", "application/json"),
        ("", "application/json"),
        (b"\xff\xfe", "application/json"),
        ("[]", "application/json"),
        ("7", "application/json"),
        ("{}", "application/json"),
        ('{"inputs": ' + "[" * 100_000 + "]" * 100_000 + "}", "application/json"),
        (json.dumps({"instances": ONE}), "application/json"),
        (json.dumps({"dataframe_split": {"columns": ["pixels"], "data": [ONE]}}), "application/json"),
        (json.dumps({"dataframe_records": [{"pixels": ONE}]}), "application/json"),
        ("pixels\n7\n", "text/csv"),
        (json.dumps({"inputs": {"pixels": ONE}}), None),
        (json.dumps({"inputs": {"pixels": ONE}}), "application/x-www-form-urlencoded"),
        (json.dumps({"inputs": {"pixels": ONE}}), "application/json; charset=latin-1"),
    ],
)
def test_what_is_no_request_gets_a_400_and_a_sentence_too(server: Asked, body: str | bytes, kind: str | None) -> None:
    answer = server.post(body, kind)
    assert answer.status_code == 400, answer.text
    unreadable = "this is not the JSON of a request, with the header Content-Type: application/json"
    assert answer.json() == {"error_code": "INVALID_PARAMETER_VALUE", "message": f"{unreadable}: {WANTED}"}


def test_other_addresses_are_mlflows(server: Asked) -> None:
    assert requests.get(f"{server.url}/ping", timeout=60).status_code == 200
    assert requests.get(f"{server.url}/version", timeout=60).text == version("mlflow")
    assert requests.get(f"{server.url}/elsewhere", timeout=60).status_code == 404


@pytest.mark.parametrize("view", ["rows", "columns", "pixels", "permuted_pixels"])
def test_pixels_become_sequences_as_the_stage_prepare_makes_them(view: View) -> None:
    square = np.random.default_rng(3).integers(0, 256, (4, 4, 4)).astype(np.uint8)
    for prepared in ("rows", view):  # a network may have a view of its own
        sequences = as_sequences(square, view, 5)
        timesteps, features = as_sequences(square, prepared, 5).shape[1:]
        summary = DATA.model_copy(update={"view": prepared, "seed": 5, "timesteps": timesteps, "features": features})
        _, steps, width = sequences.shape
        model = build(GRU, steps, width, 3, 1, AS_THEY_ARE)
        assert np.array_equal(served(model, summary, view).sequences({"pixels": square}), sequences)
        assert np.array_equal(served(model, summary, view).sequences({"sequences": sequences}), sequences)


def test_a_temperature_softens_as_that_of_predict_does() -> None:
    probabilities = np.array([[0.9, 0.1, 0.0], [0.5, 0.25, 0.25]], np.float32)
    for temperature in (0.5, 1.0, 1.7):
        assert np.array_equal(tempered(probabilities, temperature), with_temperature(probabilities, temperature))


def test_it_is_loaded_without_the_project() -> None:
    tree = ast.parse((ROOT / "pipeline/tracking/served.py").read_text(encoding="utf-8"))
    modules = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name for node in modules if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in modules if isinstance(node, ast.ImportFrom)}
    outside = {name.partition(".")[0] for name in names} - sys.stdlib_module_names
    assert outside == {"keras", "mlflow", "numpy"}
