"""evaluate: the champion on the test data, once."""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline import evaluation, paths, prediction_times
from pipeline.comparisons import mcnemar
from pipeline.errors import PipelineError
from pipeline.params import Params
from pipeline.registry import log_evaluation
from pipeline.training import configure_tensorflow


def run(params: Params) -> None:
    """Measure every seed's model on the test data; write metrics.json, predictions.csv, confusion.csv, mcnemar.json.

    The two tables are those of the first seed's model, one row per test sequence; mcnemar.json compares that model
    with the one of the best network, and is null where that is the champion itself. prediction_times.csv says how long
    each network that was compared takes to answer.
    """
    for path in (paths.CHOICE, paths.TEST, paths.TRAIN, paths.SEQUENCES_SUMMARY):
        if not path.exists():
            raise PipelineError(f"{path} not found: run `dvc repro evaluate`, which makes it first")
    document = json.loads(paths.CHOICE.read_text(encoding="utf-8"))
    choice = document["choice"]
    summary = json.loads(paths.SEQUENCES_SUMMARY.read_text(encoding="utf-8"))
    with np.load(paths.TEST, allow_pickle=False) as arrays:
        test_x, test_y = arrays["x"], arrays["y"]
    with np.load(paths.TRAIN, allow_pickle=False) as arrays:
        # As many as there are test sequences: the two accuracies then have about the same standard error.
        train_x, train_y = arrays["x"][: len(test_y)], arrays["y"][: len(test_y)]

    configure_tensorflow()
    models = evaluation.load_models(paths.CHAMPION)
    test = {seed: evaluation.predict(model, test_x) for seed, model in models.items()}
    train = {seed: evaluation.predict(model, train_x) for seed, model in models.items()}

    metrics = evaluation.champion_metrics(choice, summary["dataset"], test, test_y, train, train_y)
    predictions = evaluation.predictions_table(test[min(test)], test_y)
    paths.write_json(paths.METRICS, metrics)
    with paths.atomic_write(paths.PREDICTIONS) as file:
        predictions.to_csv(file, index=False, lineterminator="\n")
    with paths.atomic_write(paths.CONFUSION) as file:
        predictions[["actual", "predicted"]].to_csv(file, index=False, lineterminator="\n")
    paths.write_json(paths.MCNEMAR, _against_the_best(test[min(test)], test_x, test_y))
    networks = prediction_times.distinct_networks([choice, *document["candidates"]])
    saved = {networks[0]: models[min(models)]}
    times = prediction_times.prediction_times(networks, saved, test_x.shape[1:], summary["classes"])
    with paths.atomic_write(paths.PREDICTION_TIMES) as file:
        times.to_csv(file, index=False, lineterminator="\n")
    log_evaluation(experiment=params.tracking.experiment, metrics=metrics, folder=paths.REPORTS)
    print(
        f"evaluate: test accuracy {metrics['test_accuracy']:.2%} "
        f"({metrics['test_accuracy_low']:.2%} to {metrics['test_accuracy_high']:.2%}, {metrics['seeds']} seeds)"
    )


def _against_the_best(
    champion: NDArray[np.float32], test_x: NDArray[np.float32], test_y: NDArray[np.int64]
) -> dict[str, Any] | None:
    """The content of mcnemar.json; None where the champion is the best network itself."""
    if not paths.BEST_MODEL.exists():
        return None
    best = evaluation.predict(evaluation.load_model(paths.BEST_MODEL), test_x)
    test = mcnemar(champion.argmax(axis=1) == test_y, best.argmax(axis=1) == test_y)
    return {
        "samples": len(test_y),
        "champion_accuracy": evaluation.accuracy(champion, test_y),
        "best_accuracy": evaluation.accuracy(best, test_y),
        "only_champion_right": test.b,
        "only_best_right": test.c,
        "p_value": test.p_value,
    }
