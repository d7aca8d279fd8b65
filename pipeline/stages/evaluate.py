"""evaluate: the champion on the test data, once."""

import json

import numpy as np

from pipeline import evaluation, paths
from pipeline.errors import PipelineError
from pipeline.params import Params
from pipeline.registry import log_evaluation
from pipeline.training import configure_tensorflow


def run(params: Params) -> None:
    """Measure every seed's model on the test data; write metrics.json, predictions.csv and confusion.csv.

    The two tables are those of the first seed's model, one row per test sequence.
    """
    for path in (paths.CHOICE, paths.TEST, paths.TRAIN, paths.SEQUENCES_SUMMARY):
        if not path.exists():
            raise PipelineError(f"{path} not found: run `dvc repro evaluate`, which makes it first")
    choice = json.loads(paths.CHOICE.read_text(encoding="utf-8"))["choice"]
    dataset = json.loads(paths.SEQUENCES_SUMMARY.read_text(encoding="utf-8"))["dataset"]
    with np.load(paths.TEST, allow_pickle=False) as arrays:
        test_x, test_y = arrays["x"], arrays["y"]
    with np.load(paths.TRAIN, allow_pickle=False) as arrays:
        # As many as there are test sequences: the two accuracies then have about the same standard error.
        train_x, train_y = arrays["x"][: len(test_y)], arrays["y"][: len(test_y)]

    configure_tensorflow()
    models = evaluation.load_models(paths.CHAMPION)
    test = {seed: evaluation.predict(model, test_x) for seed, model in models.items()}
    train = {seed: evaluation.predict(model, train_x) for seed, model in models.items()}

    metrics = evaluation.champion_metrics(choice, dataset, test, test_y, train, train_y)
    predictions = evaluation.predictions_table(test[min(test)], test_y)
    paths.write_json(paths.METRICS, metrics)
    with paths.atomic_write(paths.PREDICTIONS) as file:
        predictions.to_csv(file, index=False, lineterminator="\n")
    with paths.atomic_write(paths.CONFUSION) as file:
        predictions[["actual", "predicted"]].to_csv(file, index=False, lineterminator="\n")
    log_evaluation(experiment=params.tracking.experiment, metrics=metrics, folder=paths.REPORTS)
    print(
        f"evaluate: test accuracy {metrics['test_accuracy']:.2%} "
        f"({metrics['test_accuracy_low']:.2%} to {metrics['test_accuracy_high']:.2%}, {metrics['seeds']} seeds)"
    )
