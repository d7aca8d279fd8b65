"""Saved models measured: real networks, saved and loaded, on sequences small enough to check by hand."""

import hashlib
import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline import paths
from pipeline.analysis import evaluation
from pipeline.analysis.choice import Candidate, Choice, Finalist
from pipeline.analysis.comparisons import mcnemar
from pipeline.analysis.configurations import accuracy_interval
from pipeline.analysis.on_test_data import COMPARISON
from pipeline.commands import evaluate
from pipeline.errors import PipelineError
from pipeline.params.network import NetworkSpec, parameter_count
from pipeline.training.build import build
from pipeline.training.model_file import load_model
from tests.helpers.sequences import params_with, write_sequences

pytestmark = pytest.mark.usefixtures("one_thread")  # it must come before TensorFlow's first operation

SPEC, LARGER = NetworkSpec(cell="gru", units=4), NetworkSpec(cell="lstm", units=4)
SIZES = (6, 4, 3)  # time steps, features, classes
PROBABILITIES = np.array([[0.7, 0.3], [0.4, 0.6], [0.9, 0.1], [0.2, 0.8]], dtype=np.float32)
ACTUAL = np.array([0, 1, 1, 1])
DATA = ("train", "validation", "test")  # hashes
SHA = "5a" * 32  # of the model's file
METRICS = [
    "dataset", "cell", "units", "depth", "bidirectional", "parameters", "seeds", "test_accuracy", "test_accuracy_sd",
    "test_accuracy_low", "test_accuracy_high", "test_loss", "generalization_gap", "model_seed", "model_sha256",
    "model_test_accuracy", "model_test_accuracy_low", "model_test_accuracy_high", "tested",
]  # fmt: skip


def candidate(spec: NetworkSpec = SPEC) -> Candidate:
    return Candidate(
        **spec.model_dump(), study="grid", optimizer="adam", learning_rate=0.01, batch_size=32, train_samples=96,
        epochs=3, view="rows", seeds=1, parameters=parameter_count(spec, *SIZES), best_epoch=2.0,
        validation_accuracy=0.9, validation_accuracy_sd=None, generalization_gap=0.01, within_one_standard_error=True,
    )  # fmt: skip


def finalist(spec: NetworkSpec = SPEC) -> Finalist:
    return Finalist(**candidate(spec).model_dump(), refit_epochs=2)


def test_accuracy_and_cross_entropy() -> None:
    assert evaluation.accuracy(PROBABILITIES, ACTUAL) == 0.75
    expected = -np.mean(np.log([0.7, 0.6, 0.1, 0.8]))
    assert evaluation.cross_entropy(PROBABILITIES, ACTUAL) == pytest.approx(expected, rel=1e-6)
    certain = np.array([[0.0, 1.0]], dtype=np.float32)
    assert evaluation.cross_entropy(certain, np.array([0])) == pytest.approx(-np.log(1e-7))


def test_predictions_table() -> None:
    table = evaluation.predictions_table(PROBABILITIES, ACTUAL, temperature=0.5)
    assert table.to_dict("list") == {
        "index": [0, 1, 2, 3],
        "actual": [0, 1, 1, 1],
        "predicted": [0, 1, 0, 1],
        "probability": [0.7, 0.6, 0.9, 0.8],
        "calibrated": [0.844828, 0.692308, 0.987805, 0.941176],  # p² / (p² + (1 - p)²)
    }


def test_metrics_are_means_over_seeds() -> None:
    better = np.array([[0.7, 0.3], [0.4, 0.6], [0.1, 0.9], [0.2, 0.8]], dtype=np.float32)
    train_y = np.array([0, 0])
    train = {0: np.array([[1, 0], [0, 1]], dtype=np.float32), 1: np.array([[1, 0], [1, 0]], dtype=np.float32)}
    metrics = evaluation.champion_metrics(
        finalist(), "toy", DATA, {0: PROBABILITIES, 1: better}, ACTUAL, train, train_y, "accuracy", SHA
    )
    assert list(metrics.model_dump()) == METRICS
    assert metrics.seeds == 2
    assert metrics.test_accuracy == 0.875
    assert metrics.test_accuracy_sd == pytest.approx(0.25 / np.sqrt(2))
    assert metrics.generalization_gap == pytest.approx(0.75 - 0.875)
    assert metrics.test_accuracy_low <= 0.875 <= metrics.test_accuracy_high <= 1
    losses = [-np.mean(np.log([0.7, 0.6, 0.1, 0.8])), -np.mean(np.log([0.7, 0.6, 0.9, 0.8]))]
    assert metrics.test_loss == pytest.approx(np.mean(losses), rel=1e-6)
    alone = evaluation.champion_metrics(
        finalist(), "toy", DATA, {0: better}, ACTUAL, {0: train[0]}, train_y, "accuracy", SHA
    )
    assert (alone.seeds, alone.test_accuracy, alone.test_accuracy_sd) == (1, 1.0, None)
    assert (alone.model_test_accuracy, alone.model_test_accuracy_low) == (alone.test_accuracy, alone.test_accuracy_low)


def test_the_model_is_the_first_seeds_and_its_interval_is_over_samples() -> None:
    """Whatever other seeds do; with them it would be another answer than that of the one network that is used."""
    wrong = 1 - PROBABILITIES
    metrics = evaluation.champion_metrics(
        finalist(), "toy", DATA, {3: PROBABILITIES, 5: wrong}, ACTUAL, {3: PROBABILITIES}, ACTUAL, "accuracy", SHA
    )
    assert (metrics.test_accuracy, metrics.model_test_accuracy) == (0.5, 0.75)
    assert (metrics.model_seed, metrics.model_sha256) == (3, SHA)
    wilson = accuracy_interval([0.75], 4)
    assert (metrics.model_test_accuracy_low, metrics.model_test_accuracy_high) == wilson


def test_another_metric_is_there_beside_the_accuracies() -> None:
    other = np.array([[0.7, 0.3], [0.4, 0.6], [0.1, 0.9], [0.8, 0.2]], dtype=np.float32)  # right, right, right, wrong
    test = {0: PROBABILITIES, 1: other}
    metrics = evaluation.champion_metrics(
        finalist(), "toy", DATA, test, ACTUAL, {0: PROBABILITIES}, ACTUAL, "balanced_accuracy", SHA
    )
    scores = ["test_score", "test_score_low", "test_score_high"]
    assert metrics.model_dump().keys() == {*METRICS, "metric", *scores, *(f"model_{name}" for name in scores)}
    assert metrics.test_accuracy == 0.75
    assert metrics.metric == "balanced_accuracy"
    assert metrics.test_score == pytest.approx((1 + 2 / 3) / 2)
    assert metrics.model_test_score == pytest.approx((1 + 2 / 3) / 2)


def test_the_interval_of_a_metric_covers_it() -> None:
    """Of a rare class with few samples, which a plain bootstrap takes for certain where all of them are right."""
    rng = np.random.default_rng(1)
    y = np.repeat([0, 1], [72, 8])
    covered = []
    for _ in range(40):
        right = rng.random((1, 80)) < 0.9
        value, low, high = evaluation.score_interval("balanced_accuracy", y, np.where(right, y, 1 - y))
        assert 0 <= low < value <= high <= 1
        covered.append(low <= 0.9 <= high)
    assert np.mean(covered) >= 0.95


def test_seeds_that_disagree_widen_the_interval_of_a_metric() -> None:
    y = np.repeat([0, 1, 2], [60, 20, 20])
    half_wrong = np.where(np.arange(100) % 2, y, (y + 1) % 3)
    agreeing = evaluation.score_interval("macro_f1", y, np.stack([half_wrong] * 3))
    alone = evaluation.score_interval("macro_f1", y, half_wrong[None])
    assert agreeing == pytest.approx(alone), "of samples alone"
    value, low, high = evaluation.score_interval("macro_f1", y, np.stack([half_wrong, y, half_wrong]))
    assert value == pytest.approx((2 * alone[0] + 1) / 3)
    assert (low, high) == (0.0, 1.0), "of three seeds one is perfect"
    assert evaluation.score_interval("macro_f1", y, half_wrong[None]) == alone, "the same again"


def test_the_bootstrap_holds_one_draw_at_a_time() -> None:
    y = np.arange(5_000) % 2
    tracemalloc.start()
    found = evaluation.score_interval("balanced_accuracy", y, np.where(np.arange(5_000) % 3, y, 1 - y)[None])
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 100 * 5_000 * 8, "far from the indices of a thousand draws"
    assert found == pytest.approx((0.6666, 0.65354185, 0.67965815))


def test_figures_are_of_one_model_one_network_one_data_set_and_one_metric(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = paths.CHAMPION / "seed-0.keras"
    model.parent.mkdir(parents=True)
    model.write_bytes(b"the model")
    sha256 = evaluation.sha256_of(model)
    metrics = evaluation.champion_metrics(
        finalist(), "toy", DATA, {0: PROBABILITIES}, ACTUAL, {0: PROBABILITIES}, ACTUAL, "accuracy", sha256
    )
    tested = evaluation.tested_model
    assert tested(finalist(), DATA, "accuracy") is None, "nothing was tested"
    metrics.write(paths.METRICS)
    assert tested(finalist(), DATA, "accuracy") == metrics
    more_seeds = finalist().model_copy(update={"seeds": 5, "validation_accuracy": 0.91})
    assert tested(more_seeds, DATA, "accuracy") == metrics, "it is trained as before"
    longer = finalist().model_copy(update={"refit_epochs": 3})
    assert tested(longer, DATA, "accuracy") is None
    assert tested(finalist(), (*DATA[:2], "other test data"), "accuracy") is None
    assert tested(finalist(), DATA, "macro_f1") is None
    model.write_bytes(b"the model, trained again and not yet tested")
    assert tested(finalist(), DATA, "accuracy") is None
    paths.write_json(paths.METRICS, {"dataset": "toy", "test_accuracy": 0.75})
    assert tested(finalist(), DATA, "accuracy") is None, "as earlier versions wrote it"


def test_no_models_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"has no seed-0\.keras: `dvc repro champion` makes it"):
        evaluation.load_models(tmp_path)


@pytest.fixture
def champion(home: Path) -> Path:
    """Data of three classes, and three untrained models that were saved in the order 10, 2, 0."""
    summary = write_sequences(paths.SEQUENCES)
    paths.CHAMPION.mkdir(parents=True)
    for seed in (10, 2, 0):
        build(SPEC, *SIZES, seed=seed).save(paths.CHAMPION / f"seed-{seed}.keras")
    build(LARGER, *SIZES, seed=0).save(paths.CHAMPION / "best-0.keras")
    Choice(
        data_sha256=summary.learning_sha256,
        rule="", compared_train_samples=96, left_out=(), standard_error=0.01, threshold=0.89, best=finalist(LARGER),
        candidates=(candidate(), candidate(LARGER)), choice=finalist(),
    ).write(paths.CHOICE)  # fmt: skip
    return home


def test_loaded_models_predict_as_those_saved(champion: Path) -> None:
    models = evaluation.load_models(paths.CHAMPION)
    assert list(models) == [0, 2, 10]
    x = np.load(paths.TEST)["x"]
    original = evaluation.predict(build(SPEC, *SIZES, seed=2), x)
    probabilities = evaluation.predict(models[2], x)
    assert probabilities.shape == (30, 3)
    assert probabilities.dtype == np.float32
    np.testing.assert_array_equal(probabilities, original)
    assert not np.allclose(probabilities, evaluation.predict(models[10], x))


def test_stage_writes_what_the_models_say(champion: Path, capsys: pytest.CaptureFixture[str]) -> None:
    params = params_with({"grid": {"sampler": "grid", "space": {"cell": ["gru"], "units": [4]}}})
    evaluate.run(params)
    shutil.copytree(paths.REPORTS, "first")
    evaluate.run(params)
    assert capsys.readouterr().out.count("evaluate: test accuracy of networks of this size ") == 2
    for path in (paths.METRICS, paths.PREDICTIONS, paths.CONFUSION, paths.MCNEMAR):
        assert path.read_bytes() == (champion / "first" / path.name).read_bytes()
    metrics = evaluation.Metrics.read(paths.METRICS)
    assert (metrics.parameters, metrics.dataset, metrics.seeds) == (135, "slopes", 3)

    models = evaluation.load_models(paths.CHAMPION)
    with np.load(paths.TEST) as test, np.load(paths.TRAIN) as train:
        accuracies = [evaluation.accuracy(evaluation.predict(model, test["x"]), test["y"]) for model in models.values()]
        on_training = [
            evaluation.accuracy(evaluation.predict(model, train["x"][:30]), train["y"][:30])
            for model in models.values()
        ]
    assert metrics.test_accuracy == pytest.approx(np.mean(accuracies))
    assert metrics.generalization_gap == pytest.approx(np.mean(on_training) - np.mean(accuracies))
    predictions = pd.read_csv(paths.PREDICTIONS)
    assert (predictions["actual"] == predictions["predicted"]).mean() == metrics.model_test_accuracy == accuracies[0]
    model = paths.CHAMPION / "seed-0.keras"
    assert evaluation.champion_file(paths.CHAMPION) == model
    assert (metrics.model_seed, metrics.model_sha256) == (0, hashlib.sha256(model.read_bytes()).hexdigest())
    pd.testing.assert_frame_equal(pd.read_csv(paths.CONFUSION), predictions[["actual", "predicted"]])

    with np.load(paths.TEST) as test:
        first = evaluation.predict(models[0], test["x"]).argmax(axis=1) == test["y"]
        best = evaluation.predict(load_model(paths.CHAMPION / "best-0.keras"), test["x"]).argmax(axis=1) == test["y"]
    tested = pd.read_csv(paths.TEST_TABLE)
    assert tested["only_this_right"][1] == (best & ~first).sum()
    assert tested["only_other_right"][1] == (first & ~best).sum()
    assert tested["p_value"][1] == mcnemar(first, best).p_value
    assert paths.read_json(paths.MCNEMAR) == tested.loc[1, COMPARISON].to_dict()
    assert tested[["role", "network", "seeds", "parameters"]].to_numpy().tolist() == [
        ["champion", "GRU 1×4", 3, 135], ["most accurate", "LSTM 1×4", 1, parameter_count(LARGER, *SIZES)],
    ]  # fmt: skip
    assert tested["test_accuracy"].tolist() == pytest.approx([np.mean(accuracies), best.mean()])
    assert tested["difference"][1] == pytest.approx(best.mean() - first.mean())
    times = pd.read_csv(paths.PREDICTION_TIMES)
    assert times[["cell", "model", "batch_size"]].to_numpy().tolist() == [
        ["gru", "saved", 1],
        ["gru", "saved", 128],
        ["lstm", "untrained", 1],
        ["lstm", "untrained", 128],
    ]
