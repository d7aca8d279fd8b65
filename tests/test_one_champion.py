"""One champion: whoever is asked, the same network answers, and its own accuracy is told. Its trainings are real."""

import re
import shutil
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from pipeline import paths
from pipeline.analysis.evaluation import Metrics, load_models, predict
from pipeline.analysis.temperature import Calibration, with_temperature
from pipeline.commands import champion, doctor, evaluate, study
from pipeline.commands.predict import predict_file
from pipeline.commands.recommend import recommend
from pipeline.commands.show import show_run
from pipeline.data.datasets import Manifest
from pipeline.data.sequences import Samples, SequencesSummary
from pipeline.errors import PipelineError
from pipeline.params.document import Params
from pipeline.params.settings import DataParams
from tests.helpers.runs import all_runs
from tests.helpers.sequences import params_with, samples, write_sequences

LEARNING_RATE = 0.001  # so low that a seed matters
NETWORKS = [{"cell": "gru", "units": units, "learning_rate": LEARNING_RATE, "epochs": 4} for units in (2, 3)]

pytestmark = pytest.mark.usefixtures("one_thread")


def params_of(networks: list[dict[str, Any]], **settings: Any) -> Params:
    params = params_with({"pair": {"sampler": "list", "trials": networks}}, workers=1)
    return params.model_copy(update={"champion": params.champion.model_copy(update={"seeds": 3, **settings})})


PARAMS = params_of(NETWORKS)


def as_pixels(count: int, seed: int) -> Samples:
    """From 0 to 1, as `predict` wants them."""
    part = samples(count, seed)
    return Samples((1 / (1 + np.exp(-part.x))).astype(np.float32), part.y)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, empty_mlflow: Path, one_thread: None) -> Path:
    """The folder of a study, its champion of three seeds, and its evaluation."""
    folder = tmp_path_factory.mktemp("finished")
    shutil.copy(empty_mlflow, folder)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        monkeypatch.setenv("PIPELINE_HOME", str(folder))
        write_sequences(paths.SEQUENCES, test=300, made=as_pixels)
        Manifest(dataset="slopes", source="made up", files={}, licence="none").write(paths.MANIFEST)
        study.run(PARAMS, "pair")
        champion.run(PARAMS)
        evaluate.run(PARAMS)
    return folder


@pytest.fixture
def here(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, the current folder."""
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy)
    monkeypatch.chdir(copy)
    monkeypatch.setenv("PIPELINE_HOME", str(copy))
    return copy


def asked(file: Path, params: Params, capsys: pytest.CaptureFixture[str]) -> tuple[pd.DataFrame, list[str]]:
    """What `predict` prints, and what it says."""
    capsys.readouterr()
    predict_file(file, params)
    told = capsys.readouterr()
    return pd.read_csv(StringIO(told.out)), told.err.splitlines()


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    monkeypatch.setenv("COLUMNS", "300")

    def show(name: str, params: Params = PARAMS) -> str:
        capsys.readouterr()
        show_run(params, name)
        return re.sub(r" +", " ", capsys.readouterr().out)

    return show


def test_every_way_has_the_accuracy_of_metrics_json(
    here: Path, capsys: pytest.CaptureFixture[str], shown: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = Metrics.read(paths.METRICS)
    with np.load(paths.TEST) as arrays:
        x, y = arrays["x"], arrays["y"]
    answers = [predict(model, x) for model in load_models(paths.CHAMPION).values()]
    each = [float((one.argmax(axis=1) == y).mean()) for one in answers]
    mean_of_answers = float((np.mean(answers, axis=0).argmax(axis=1) == y).mean())
    accuracy = metrics.model_test_accuracy
    assert (metrics.seeds, metrics.model_seed, accuracy) == (3, 0, each[0])
    assert metrics.test_accuracy == pytest.approx(np.mean(each))
    assert len({accuracy, metrics.test_accuracy, mean_of_answers}) == 3, "else this proves nothing"

    table, notes = asked(paths.TEST, PARAMS, capsys)
    assert (table["predicted"] == y).mean() == accuracy
    calibration = Calibration.read(paths.CALIBRATION)
    calibrated = with_temperature(answers[0], calibration.temperature).max(axis=1)
    np.testing.assert_allclose(table["probability"], calibrated, atol=1e-6)
    np.testing.assert_allclose(pd.read_csv(paths.PREDICTIONS)["calibrated"], calibrated, atol=1e-6)
    percent = f"{100 * accuracy:.2f} %"
    assert notes[0].startswith(f"predict: GRU 1×2, data/models/champion/seed-0.keras; {percent} of the test sequences")
    assert notes[1].startswith("predict: probabilities are ")
    assert notes[3:] == [f"predict: {round(300 * accuracy)} of 300 labelled samples are right, {percent}"]

    predictions = pd.read_csv(paths.PREDICTIONS)
    assert (predictions["predicted"] == predictions["actual"]).mean() == accuracy
    times = pd.read_csv(paths.PREDICTION_TIMES)
    assert times["model"].tolist() == ["saved", "saved", "untrained", "untrained"]

    import mlflow

    mlflow.set_tracking_uri(paths.tracking_uri())
    try:
        served = mlflow.pyfunc.load_model("models:/mnist-rnn@champion").predict({"sequences": x})
    finally:
        mlflow.set_tracking_uri(None)  # type: ignore[arg-type]
    assert [each["predicted"] for each in served] == table["predicted"].tolist()
    assert [each["probability"] for each in served] == table["probability"].tolist()

    monkeypatch.setattr(doctor, "load_params", lambda: PARAMS)
    doctor.diagnose()
    assert f"GRU 1×2, data/models/champion/seed-0.keras, {percent} of" in capsys.readouterr().out
    for name in ("champion", "evaluate"):
        assert f"\n test_accuracy {accuracy!r} \n" in shown(name)
        assert "This run is not of what is here now" not in shown(name)


def test_the_evaluation_names_and_links_the_version_that_it_is_of(here: Path) -> None:
    metrics = Metrics.read(paths.METRICS)
    client = MlflowClient(paths.tracking_uri())
    version = client.get_model_version_by_alias("mnist-rnn", "champion")
    run = client.get_run(all_runs()["evaluate"].info.run_id)  # a search leaves out models
    assert (run.data.tags["model"], run.data.tags["model_version"]) == ("mnist-rnn", str(version.version))
    page = "#/models/mnist-rnn/versions/1?workflowType=machine_learning"
    assert f"[mnist-rnn version 1]({page}), the model of seed 0" in run.data.tags["mlflow.note.content"]
    chosen = client.get_run(all_runs()["champion"].info.run_id)
    assert f"[mnist-rnn version 1]({page})" in chosen.data.tags["mlflow.note.content"]
    assert run.inputs is not None
    assert [model.model_id for model in run.inputs.model_inputs] == [version.tags["model_id"]]
    logged = {one.key: one.value for one in client.get_logged_model(version.tags["model_id"]).metrics or []}
    assert logged["model_test_accuracy"] == metrics.model_test_accuracy
    assert "test_accuracy" not in logged, "that is the mean over seeds"
    assert version.tags["test_accuracy"] == repr(metrics.model_test_accuracy)
    assert f"**Test accuracy** of this model: {metrics.model_test_accuracy:.2%} (95% " in str(version.description)
    assert f"Networks of this size have {metrics.test_accuracy:.2%}, the mean of 3 seeds." in str(version.description)


def test_the_same_model_registered_again_keeps_its_accuracy_and_another_has_none(here: Path) -> None:
    client = MlflowClient(paths.tracking_uri())
    first = client.get_model_version_by_alias("mnist-rnn", "champion")
    champion.run(PARAMS)
    again = client.get_model_version_by_alias("mnist-rnn", "champion")
    assert int(again.version) == 2
    assert again.description == first.description
    assert again.tags == first.tags | {"model_id": again.tags["model_id"]}

    shorter = params_of([network | {"epochs": 3} for network in NETWORKS])
    study.run(shorter, "pair")
    champion.run(shorter)
    other = client.get_model_version("mnist-rnn", "3")
    assert "**Test accuracy** of this model: not measured yet" in str(other.description)
    assert "test_accuracy" not in other.tags
    assert other.tags["model_sha256"] != first.tags["model_sha256"]


def test_an_accuracy_of_another_file_is_not_told(
    here: Path, capsys: pytest.CaptureFixture[str], shown: Callable[..., str]
) -> None:
    """As where the model was trained again, and not yet tested."""
    shutil.copy(paths.CHAMPION / "seed-1.keras", paths.CHAMPION / "seed-0.keras")
    _, notes = asked(paths.TEST, PARAMS, capsys)
    assert notes[0].endswith("seed-0.keras; its test accuracy is not known: `dvc repro evaluate` measures it")
    assert "This run is not of what is here now: its fingerprint is another one" in shown("evaluate")


def test_after_a_change_of_parameters_every_answer_says_so(
    here: Path, capsys: pytest.CaptureFixture[str], shown: Callable[..., str]
) -> None:
    changed = params_of([network | {"epochs": 5} for network in NETWORKS])
    reason = "data/studies/pair does not hold study pair as params.yaml, data/sequences and the installed libraries say"
    with pytest.raises(PipelineError, match=reason):
        recommend(changed, None, None, None)
    _, notes = asked(paths.TEST, changed, capsys)
    assert notes[1].startswith(f"predict: this model may not be the study's choice any more: {reason}")
    for name in ("pair#0", "pair", "champion", "evaluate"):
        assert "This run is not of what is here now: " in shown(name, changed)
        assert "This run is not of what is here now" not in shown(name)

    # The study is done again, and chooses another network than the one that is there.
    other = params_of(NETWORKS[1:])
    study.run(other, "pair")
    _, notes = asked(paths.TEST, other, capsys)
    assert notes[1] == (
        "predict: this model may not be the study's choice any more: data/models/champion/choice.json has GRU 1×2, and "
        "not as params.yaml and data/studies have chosen since, GRU 1×3: run `dvc repro champion`"
    )
    assert "choice.json has GRU 1×2, and not as" in shown("champion", other)


def test_after_a_change_of_data_nothing_answers(
    here: Path, capsys: pytest.CaptureFixture[str], shown: Callable[..., str]
) -> None:
    asks = PARAMS.model_copy(update={"data": DataParams(dataset="mnist", validation=60)})
    sentence = r"data/sequences holds slopes as rows, seed 0; params\.yaml asks for mnist as rows, seed 0: `dvc repro"
    for refuses in (lambda: recommend(asks, None, None, None), lambda: predict_file(paths.TEST, asks)):
        with pytest.raises(PipelineError, match=sentence):
            refuses()
    assert "This run is not of what is here now: data/sequences holds slopes as rows" in shown("pair", asks)

    summary = SequencesSummary.read(paths.SEQUENCES_SUMMARY)
    train = summary.train.model_copy(update={"sha256": "f" * 64})
    summary.model_copy(update={"train": train}).write(paths.SEQUENCES_SUMMARY)
    with pytest.raises(PipelineError, match="data/studies/pair does not hold study pair as"):
        recommend(PARAMS, None, None, None)
    with pytest.raises(PipelineError, match=r"choice\.json was chosen from other data than data/sequences holds"):
        predict_file(paths.TEST, PARAMS)
    for name in ("pair", "champion", "evaluate"):
        assert "This run is not of what is here now: " in shown(name)
