"""Saved models measured: real networks, saved and loaded, on sequences small enough to check by hand."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline import paths
from pipeline.analysis import evaluation
from pipeline.analysis.comparisons import mcnemar
from pipeline.commands import evaluate
from pipeline.errors import PipelineError
from pipeline.params.document import Params
from pipeline.params.network import NetworkSpec, parameter_count
from pipeline.training.build import build
from tests.helpers.results import write_summary

pytestmark = pytest.mark.usefixtures("one_thread")  # it must come before TensorFlow's first operation

ROOT = Path(__file__).parents[2]
SPEC = NetworkSpec(cell="gru", units=4)
PROBABILITIES = np.array([[0.7, 0.3], [0.4, 0.6], [0.9, 0.1], [0.2, 0.8]], dtype=np.float32)
ACTUAL = np.array([0, 1, 1, 1])
METRICS = [
    "dataset", "cell", "units", "depth", "bidirectional", "parameters", "seeds", "test_accuracy", "test_accuracy_sd",
    "test_accuracy_low", "test_accuracy_high", "test_loss", "generalization_gap",
]  # fmt: skip


def choice() -> dict[str, object]:
    return {**SPEC.model_dump(), "parameters": parameter_count(SPEC, timesteps=5, features=3, classes=2), "seeds": 1}


def test_accuracy_and_cross_entropy() -> None:
    assert evaluation.accuracy(PROBABILITIES, ACTUAL) == 0.75
    expected = -np.mean(np.log([0.7, 0.6, 0.1, 0.8]))
    assert evaluation.cross_entropy(PROBABILITIES, ACTUAL) == pytest.approx(expected, rel=1e-6)
    certain = np.array([[0.0, 1.0]], dtype=np.float32)
    assert evaluation.cross_entropy(certain, np.array([0])) == pytest.approx(-np.log(1e-7))


def test_predictions_table() -> None:
    table = evaluation.predictions_table(PROBABILITIES, ACTUAL)
    assert table.to_dict("list") == {
        "index": [0, 1, 2, 3],
        "actual": [0, 1, 1, 1],
        "predicted": [0, 1, 0, 1],
        "probability": [0.7, 0.6, 0.9, 0.8],
    }


def test_metrics_are_means_over_seeds() -> None:
    better = np.array([[0.7, 0.3], [0.4, 0.6], [0.1, 0.9], [0.2, 0.8]], dtype=np.float32)
    train_y = np.array([0, 0])
    train = {0: np.array([[1, 0], [0, 1]], dtype=np.float32), 1: np.array([[1, 0], [1, 0]], dtype=np.float32)}
    metrics = evaluation.champion_metrics(choice(), "toy", {0: PROBABILITIES, 1: better}, ACTUAL, train, train_y)
    assert list(metrics) == METRICS
    assert metrics["seeds"] == 2
    assert metrics["test_accuracy"] == 0.875
    assert metrics["test_accuracy_sd"] == pytest.approx(0.25 / np.sqrt(2))
    assert metrics["generalization_gap"] == pytest.approx(0.75 - 0.875)
    assert metrics["test_accuracy_low"] <= 0.875 <= metrics["test_accuracy_high"] <= 1
    losses = [-np.mean(np.log([0.7, 0.6, 0.1, 0.8])), -np.mean(np.log([0.7, 0.6, 0.9, 0.8]))]
    assert metrics["test_loss"] == pytest.approx(np.mean(losses), rel=1e-6)


def test_no_models_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"has no seed-\*\.keras: run `python -m pipeline champion` first"):
        evaluation.load_models(tmp_path)


@pytest.fixture
def champion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Data of two classes, and two untrained models that were saved in the order 10, 2."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    rng = np.random.default_rng(0)
    paths.SEQUENCES.mkdir(parents=True)
    for path, rows in ((paths.TRAIN, 50), (paths.TEST, 20)):
        np.savez(path, x=rng.random((rows, 5, 3), dtype=np.float32), y=np.arange(rows) % 2)
    write_summary(dataset="toy", classes=2)
    paths.CHAMPION.mkdir(parents=True)
    for seed in (10, 2):
        build(SPEC, timesteps=5, features=3, classes=2, seed=seed).save(paths.CHAMPION / f"seed-{seed}.keras")
    larger = NetworkSpec(cell="lstm", units=4)
    build(larger, timesteps=5, features=3, classes=2, seed=0).save(paths.BEST_MODEL)
    candidates = [choice(), choice() | larger.model_dump()]
    paths.write_json(paths.CHOICE, {"choice": choice(), "best": candidates[1], "candidates": candidates})
    return tmp_path


def test_loaded_models_predict_as_those_saved(champion: Path) -> None:
    models = evaluation.load_models(paths.CHAMPION)
    assert list(models) == [2, 10]
    x = np.load(paths.TEST)["x"]
    original = evaluation.predict(build(SPEC, timesteps=5, features=3, classes=2, seed=2), x)
    probabilities = evaluation.predict(models[2], x)
    assert probabilities.shape == (20, 2)
    assert probabilities.dtype == np.float32
    np.testing.assert_array_equal(probabilities, original)
    assert not np.allclose(probabilities, evaluation.predict(models[10], x))


def test_stage_writes_what_the_models_say(champion: Path, tiny_params: Params) -> None:
    # In a process of its own, as TensorFlow's threads are set before its first operation; twice, to compare.
    code = """
import shutil, sys
from pipeline.params import Params
from pipeline.stages import evaluate
params = Params.model_validate_json(sys.argv[1])
evaluate.run(params)
shutil.copytree("data/reports", "first")
evaluate.run(params)
"""
    arguments = [sys.executable, "-c", code, tiny_params.model_dump_json(exclude_unset=True)]
    done = subprocess.run(arguments, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("evaluate: test accuracy ")
    for path in (paths.METRICS, paths.PREDICTIONS, paths.CONFUSION, paths.MCNEMAR):
        assert path.read_bytes() == (champion / "first" / path.name).read_bytes()
    metrics = json.loads(paths.METRICS.read_text(encoding="utf-8"))
    assert list(metrics) == METRICS
    assert metrics["parameters"] == 118
    assert metrics["dataset"] == "toy"

    models = evaluation.load_models(paths.CHAMPION)
    with np.load(paths.TEST) as test, np.load(paths.TRAIN) as train:
        accuracies = [evaluation.accuracy(evaluation.predict(model, test["x"]), test["y"]) for model in models.values()]
        on_training = [
            evaluation.accuracy(evaluation.predict(model, train["x"][:20]), train["y"][:20])
            for model in models.values()
        ]
    assert metrics["test_accuracy"] == pytest.approx(np.mean(accuracies))
    assert metrics["generalization_gap"] == pytest.approx(np.mean(on_training) - np.mean(accuracies))
    predictions = pd.read_csv(paths.PREDICTIONS)
    assert (predictions["actual"] == predictions["predicted"]).mean() == accuracies[0]
    pd.testing.assert_frame_equal(pd.read_csv(paths.CONFUSION), predictions[["actual", "predicted"]])

    with np.load(paths.TEST) as test:
        first = evaluation.predict(models[2], test["x"]).argmax(axis=1) == test["y"]
        best = evaluation.predict(evaluation.load_model(paths.BEST_MODEL), test["x"]).argmax(axis=1) == test["y"]
    assert json.loads(paths.MCNEMAR.read_text(encoding="utf-8")) == {
        "samples": 20,
        "champion_accuracy": first.mean(),
        "best_accuracy": best.mean(),
        "only_champion_right": (first & ~best).sum(),
        "only_best_right": (best & ~first).sum(),
        "p_value": mcnemar(first, best).p_value,
    }
    times = pd.read_csv(paths.PREDICTION_TIMES)
    assert times[["cell", "model", "batch_size"]].to_numpy().tolist() == [
        ["gru", "saved", 1],
        ["gru", "saved", 128],
        ["lstm", "untrained", 1],
        ["lstm", "untrained", 128],
    ]


def test_stage_without_champion_says_what_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_params: Params
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PipelineError, match=r"choice\.json not found: run `dvc repro evaluate`"):
        evaluate.run(tiny_params)
