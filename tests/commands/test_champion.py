"""champion: which networks are trained again, under which names, and that no finished training is ever lost.

All trainings are real; the networks are tiny, but train long enough to be killed meanwhile.
"""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import keras
import pandas as pd
import psutil
import pytest
from mlflow import MlflowClient

from pipeline import paths
from pipeline.analysis.choice import Choice, choose_champion
from pipeline.analysis.evaluation import predict
from pipeline.analysis.temperature import Calibration, calibrate
from pipeline.commands import champion, study
from pipeline.data.datasets import Manifest
from pipeline.data.sequences import Samples, SequencesSummary
from pipeline.errors import PipelineError
from pipeline.params.document import Params
from pipeline.training.cluster import ATTEMPTS
from pipeline.training.identity import training_key
from pipeline.training.journal import Journal
from pipeline.training.model_file import load_model
from pipeline.training.trials import Trial, TrialRecord
from tests.helpers.processes import worker_processes
from tests.helpers.runs import all_runs
from tests.helpers.sequences import params_with, write_sequences

SMALL, LARGE = 2, 24
LEARNING_RATES = {SMALL: 0.0003, LARGE: 0.0001}  # so low that neither gets every sequence right: about 57 % and 78 %
PAIR = {
    "sampler": "list",
    "trials": [
        {"cell": "simple_rnn", "units": units, "learning_rate": rate, "batch_size": 4, "epochs": 40}
        for units, rate in LEARNING_RATES.items()
    ],
}


@pytest.fixture(scope="module")
def params() -> Params:
    params = params_with({"pair": PAIR}, workers=1)
    return params.model_copy(update={"champion": params.champion.model_copy(update={"seeds": 2})})


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory, empty_mlflow: Path, params: Params) -> Path:
    """A folder with a finished study of a small and a large network."""
    folder = tmp_path_factory.mktemp("studied")
    shutil.copy(empty_mlflow, folder)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        monkeypatch.setenv("PIPELINE_HOME", str(folder))
        write_sequences(paths.SEQUENCES)
        Manifest(dataset="slopes", source="made up", files={}, licence="none").write(paths.MANIFEST)
        study.run(params, "pair")
    return folder


@pytest.fixture
def lenient(studied: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The finished study, at home; so few validation samples that the small network is as good as the best."""
    shutil.copytree(studied / "data", home / "data")
    monkeypatch.setattr(champion, "choose_champion", lambda studies, _, *rest: choose_champion(studies, 1, *rest))


def files() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(paths.CHAMPION.glob("*.keras"))}


def trained(capsys: pytest.CaptureFixture[str]) -> list[int]:
    """The numbers of the refits that the last run has told of as trained, not as taken from the journal.

    That which is measured on the validation data is not among them.
    """
    return trained_by(capsys.readouterr().err)


def trained_by(told: str) -> list[int]:
    lines = re.findall(r"\[\d/\d\] #(\d+) .*: training accuracy (.*)", told)
    return [int(number) for number, _ in lines]


def units(name: str) -> int:
    return int(keras.saving.load_model(paths.CHAMPION / name).layers[1].units)


@pytest.mark.usefixtures("one_thread", "lenient")
def test_the_best_network_is_trained_to_be_compared_and_is_no_champion(
    params: Params, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    champion.run(params)
    assert trained(capsys) == [0, 1, 2, 3]
    choice = Choice.read(paths.CHOICE)
    assert (choice.choice.units, choice.best.units) == (SMALL, LARGE)
    small = files()
    assert list(small) == ["best-0.keras", "best-1.keras", "seed-0.keras", "seed-1.keras"]
    assert [units(name) for name in small] == [LARGE, LARGE, SMALL, SMALL]
    calibration = Calibration.read(paths.CALIBRATION)
    assert calibration.samples == 60
    curves = pd.read_csv(paths.CHAMPION_CURVES)
    assert curves.groupby("number").size().to_dict() == dict.fromkeys((0, 1), choice.choice.refit_epochs)
    assert curves["validation_loss"].isna().all(), "nothing is held out"
    runs = all_runs()
    assert runs.keys() >= {"champion", "champion seed 0", "champion seed 1"}
    assert runs["champion seed 1"].data.params["units"] == str(SMALL)
    assert runs["champion seed 1"].data.params["train_samples"] == "156"
    card = MlflowClient(paths.tracking_uri()).get_model_version_by_alias("mnist-rnn", "champion").description
    assert "Licence: none." in str(card)

    # The best one becomes the champion: its two seeds are trained already.
    monkeypatch.setattr(champion, "choose_champion", lambda studies, _, *rest: choose_champion(studies, 10**9, *rest))
    champion.run(params)
    assert trained(capsys) == []
    assert list(files()) == ["seed-0.keras", "seed-1.keras"]
    assert list(files().values()) == [small["best-0.keras"], small["best-1.keras"]]
    assert [units(name) for name in files()] == [LARGE, LARGE]


@pytest.mark.usefixtures("one_thread", "lenient")
def test_it_is_calibrated_by_a_network_that_has_not_learned_from_the_validation_data(
    params: Params, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    champion.run(params)
    assert re.search(r"\[\d/5\] #004 SimpleRNN 1×2: accuracy .*, best of", capsys.readouterr().err)
    summary, choice = SequencesSummary.read(paths.SEQUENCES_SUMMARY), Choice.read(paths.CHOICE)
    refit = choice.choice.refit.model_copy(update={"view": None})
    key = training_key(
        refit, 0, train_samples=96, held_out="validation", data_sha256=summary.learning_sha256, instructions="avx2"
    )
    model = Journal(home / ".journal", paths.RECORD).model(key)
    assert model is not None
    assert model not in files().values()
    assert (paths.RECORD / f"{key}.keras").read_bytes() == model
    (home / "validated.keras").write_bytes(model)
    samples = Samples.read(paths.VALIDATION)
    answers = predict(load_model(home / "validated.keras"), samples.x)
    assert Calibration.read(paths.CALIBRATION) == calibrate(answers, samples.y)

    # Of a class that the network has never seen the samples are left out.
    train = summary.train.model_copy(update={"per_class": (32, 0, 32)})
    without = champion._calibration(model, choice, summary.model_copy(update={"train": train}))
    assert without == calibrate(answers[samples.y != 1], samples.y[samples.y != 1])
    assert without.samples == 40


@pytest.mark.usefixtures("lenient")
def test_neither_ctrl_c_nor_an_mlflow_that_is_away_loses_a_refit(
    params: Params, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(record: TrialRecord) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as interrupted:
        interrupted.setattr(champion, "TrialProgress", watching(finished=stop))
        with pytest.raises(KeyboardInterrupt):
            champion.run(params)
    assert not paths.CHAMPION.exists()
    [first] = (home / ".journal").glob("*.keras")
    trained_first = first.stat().st_mtime_ns
    capsys.readouterr()

    with monkeypatch.context() as away:
        away.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")  # nothing answers there
        champion.run(params)
    said = capsys.readouterr()
    assert "champion: not logged in MLflow, `python -m pipeline rebuild-tracking` does it later (" in said.out
    assert trained_by(said.err) == [1, 2, 3]
    before = files()
    assert len(before) == 4

    monkeypatch.setattr(champion, "Cluster", lambda _: pytest.fail("there is nothing left to train"))
    champion.run(params)
    assert trained(capsys) == []
    assert first.stat().st_mtime_ns == trained_first
    assert files() == before
    assert {run.info.status for run in all_runs().values()} == {"FINISHED"}

    # A fresh clone has neither journal nor databases, but the record.
    shutil.rmtree(home / ".journal")
    shutil.rmtree(paths.CHAMPION)
    champion.run(params)
    assert trained(capsys) == []
    assert files() == before


@pytest.mark.usefixtures("lenient")
def test_workers_that_are_killed_lose_only_what_they_train(
    params: Params, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kills: list[int] = []

    def kill(trial: Trial) -> None:
        if trial.number == 2:
            [worker] = worker_processes(psutil.Process())
            worker.kill()
            kills.append(worker.pid)

    with monkeypatch.context() as killing:
        killing.setattr(champion, "TrialProgress", watching(started=kill))
        with pytest.raises(PipelineError, match=r"trial 2, SimpleRNN 1×24, has no result: its worker process died"):
            champion.run(params)
    assert len(set(kills)) == ATTEMPTS
    assert len(list((home / ".journal").glob("*.keras"))) == 2
    capsys.readouterr()
    champion.run(params)
    assert trained(capsys) == [2, 3]
    assert list(files()) == ["best-0.keras", "best-1.keras", "seed-0.keras", "seed-1.keras"]


def watching(
    started: Callable[[Trial], None] = lambda _: None, finished: Callable[[TrialRecord], None] = lambda _: None
) -> type[champion.TrialProgress]:
    """The progress on the screen, which calls these as well."""

    class Watching(champion.TrialProgress):
        def trial_started(self, trial: Trial) -> None:
            super().trial_started(trial)
            started(trial)

        def trial_finished(self, record: TrialRecord) -> None:
            super().trial_finished(record)
            finished(record)

    return Watching
