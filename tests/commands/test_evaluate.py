"""evaluate: the champion's figures on the test data, against what its saved models say."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from pipeline import paths
from pipeline.analysis.calibration import MeasuredCalibration, calibration_error
from pipeline.analysis.choice import Choice
from pipeline.analysis.evaluation import Metrics
from pipeline.analysis.temperature import Calibration, with_temperature
from pipeline.commands import champion, evaluate, study
from pipeline.data.datasets import Manifest
from tests.helpers.project import Project
from tests.helpers.runs import all_runs
from tests.helpers.sequences import FEATURES, TIMESTEPS, params_with, write_sequences


@pytest.fixture
def answers(project: Project, home: Path) -> tuple[np.ndarray, np.ndarray]:
    """The probabilities that the champion's only model gives, and the classes of the test sequences."""
    shutil.copytree(project.folder / "data", home / "data")
    with np.load(paths.TEST) as arrays:
        x, y = arrays["x"], arrays["y"]
    model = keras.saving.load_model(paths.CHAMPION / "seed-0.keras")
    return model.predict_on_batch(x), y


def test_the_files_say_what_the_saved_model_says(
    project: Project, answers: tuple[np.ndarray, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    probabilities, y = answers
    evaluate.run(project.params)
    metrics, choice = Metrics.read(paths.METRICS), Choice.read(paths.CHOICE)
    right = probabilities.argmax(axis=1) == y
    assert metrics.test_accuracy == right.mean()
    assert metrics.test_loss == pytest.approx(-np.log(probabilities[np.arange(len(y)), y]).mean(), rel=1e-5)
    assert (metrics.seeds, metrics.dataset, metrics.units) == (1, "slopes", choice.choice.units)
    predictions = pd.read_csv(paths.PREDICTIONS)
    assert predictions["actual"].tolist() == y.tolist()
    assert predictions["predicted"].tolist() == probabilities.argmax(axis=1).tolist()
    np.testing.assert_allclose(predictions["probability"], probabilities.max(axis=1), atol=2e-6)
    pd.testing.assert_frame_equal(pd.read_csv(paths.CONFUSION), predictions[["actual", "predicted"]])
    times = pd.read_csv(paths.PREDICTION_TIMES)
    assert len(times) == 2 * len({(row.units, row.depth) for row in choice.candidates})
    assert times.loc[times["model"] == "saved", "units"].unique().tolist() == [choice.choice.units]
    told = capsys.readouterr().out
    assert f"evaluate: test accuracy of networks of this size {metrics.test_accuracy:.2%} (" in told
    assert f", 1 seed); of the model to use, seed 0, {metrics.model_test_accuracy:.2%} (" in told
    assert metrics.model_test_accuracy == metrics.test_accuracy, "of one seed it is the same network"
    assert all_runs()["evaluate"].data.metrics["test_accuracy"] == metrics.test_accuracy


def test_probabilities_are_measured_with_the_temperature_and_without(
    project: Project, answers: tuple[np.ndarray, np.ndarray]
) -> None:
    probabilities, y = answers
    calibration = Calibration(samples=60, temperature=3.0, temperature_low=2.0, temperature_high=4.0, answers_from=0.5)
    calibration.write(paths.CALIBRATION)
    evaluate.run(project.params)
    found, predictions = MeasuredCalibration.read(paths.MEASURED_CALIBRATION), pd.read_csv(paths.PREDICTIONS)
    expected = with_temperature(probabilities, 3.0).max(axis=1)
    np.testing.assert_allclose(predictions["calibrated"], expected, atol=2e-6)
    right = probabilities.argmax(axis=1) == y
    assert found.error == pytest.approx(calibration_error(probabilities.max(axis=1), right), abs=1e-5)
    assert found.calibrated_error == pytest.approx(calibration_error(expected, right), abs=1e-5)
    assert (found.samples, found.temperature, found.answers_from) == (30, 3, 0.5)
    assert found.sure == (expected >= 0.5).sum()
    coverage = pd.read_csv(paths.COVERAGE)
    assert coverage["answered"].iloc[0] == 30
    assert coverage["accuracy"].iloc[0] == right.mean()

    paths.CALIBRATION.unlink()  # as an earlier version has left it
    evaluate.run(project.params)
    found, predictions = MeasuredCalibration.read(paths.MEASURED_CALIBRATION), pd.read_csv(paths.PREDICTIONS)
    assert (found.temperature, found.answers_from, found.sure) == (1, None, None)
    assert predictions["calibrated"].tolist() == predictions["probability"].tolist()


@pytest.mark.usefixtures("one_thread", "home")
def test_a_champion_that_reads_columns_is_measured_on_columns() -> None:
    trial = {"cell": "gru", "units": 3, "view": "columns", "epochs": 3}
    params = params_with({"only": {"sampler": "list", "trials": [trial]}}, workers=1)
    write_sequences(paths.SEQUENCES)
    Manifest(dataset="slopes", source="made up", files={}, licence="none").write(paths.MANIFEST)
    study.run(params, "only")
    champion.run(params)
    evaluate.run(params)
    model = keras.saving.load_model(paths.CHAMPION / "seed-0.keras")
    assert model.input_shape == (None, FEATURES, TIMESTEPS)
    with np.load(paths.TEST) as arrays:
        right = model.predict_on_batch(arrays["x"].transpose(0, 2, 1)).argmax(axis=1) == arrays["y"]
    assert Metrics.read(paths.METRICS).test_accuracy == right.mean()
    assert pd.read_csv(paths.PREDICTION_TIMES)["view"].tolist() == ["columns"] * 2


def test_the_metric_that_networks_are_chosen_by_is_measured_too(
    project: Project, answers: tuple[np.ndarray, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    probabilities, y = answers
    evaluate.run(project.params)
    by_accuracy = json.loads(paths.METRICS.read_text())
    assert "metric" not in by_accuracy
    chooses = project.params.champion.model_copy(update={"metric": "balanced_accuracy"})
    evaluate.run(project.params.model_copy(update={"champion": chooses}))
    metrics = json.loads(paths.METRICS.read_text())
    assert metrics.items() >= by_accuracy.items()
    recalls = [(probabilities.argmax(axis=1) == y)[y == label].mean() for label in range(3)]
    assert metrics["test_score"] == pytest.approx(np.mean(recalls))
    assert metrics["test_score_low"] < metrics["test_score"] <= metrics["test_score_high"]
    assert f", balanced accuracy {metrics['test_score']:.2%} (" in capsys.readouterr().out


def test_the_champion_is_compared_with_the_best_network_where_that_is_another(
    project: Project, answers: tuple[np.ndarray, np.ndarray]
) -> None:
    probabilities, y = answers
    for best in paths.CHAMPION.glob("best-*.keras"):
        best.unlink()
    evaluate.run(project.params)
    assert json.loads(paths.MCNEMAR.read_text()) is None
    assert pd.read_csv(paths.TEST_TABLE)["role"].tolist() == ["champion"]
    shutil.copyfile(paths.CHAMPION / "seed-0.keras", paths.CHAMPION / "best-0.keras")
    evaluate.run(project.params)
    table = pd.read_csv(paths.TEST_TABLE)
    assert table["test_accuracy"].tolist() == [(probabilities.argmax(axis=1) == y).mean()] * 2
    against = json.loads(paths.MCNEMAR.read_text())
    assert (against["only_this_right"], against["only_other_right"], against["p_value"]) == (0, 0, 1)
    assert table["role"].tolist() == ["champion", "most accurate"]
    assert table["verdict"].tolist() == ["the champion", "no difference shown"]
    assert table["p_adjusted"][1] == 1
