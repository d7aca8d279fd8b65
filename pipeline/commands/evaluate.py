"""evaluate: the champion on the test data, once."""

import numpy as np

from pipeline import paths
from pipeline.analysis import evaluation, prediction_times
from pipeline.analysis.choice import Choice
from pipeline.data.sequences import prepared_sequences
from pipeline.params.document import Params
from pipeline.tracking.outcomes import log_evaluation
from pipeline.training.model_file import load_model
from pipeline.training.process import configure_tensorflow


def run(params: Params) -> None:
    """Measure every seed's model on the test data; write metrics.json, predictions.csv, confusion.csv, mcnemar.json.

    The two tables are those of the first seed's model, one row per test sequence; mcnemar.json compares that model
    with the one of the best network, and is null where that is the champion itself. prediction_times.csv says how long
    each network that was compared takes to answer.
    """
    summary = prepared_sequences(params.data)
    choice = Choice.read_for(summary.learning_sha256, paths.CHOICE)
    with np.load(paths.TEST, allow_pickle=False) as arrays:
        test_x, test_y = arrays["x"], arrays["y"]
    with np.load(paths.TRAIN, allow_pickle=False) as arrays:
        # As many as there are test sequences: the two accuracies then have about the same standard error.
        train_x, train_y = arrays["x"][: len(test_y)], arrays["y"][: len(test_y)]

    configure_tensorflow(params.training.instructions)
    models = evaluation.load_models(paths.CHAMPION)
    test = {seed: evaluation.predict(model, test_x) for seed, model in models.items()}
    train = {seed: evaluation.predict(model, train_x) for seed, model in models.items()}

    metrics = evaluation.champion_metrics(choice.choice, summary.dataset, test, test_y, train, train_y)
    metrics.write(paths.METRICS)
    predictions = evaluation.predictions_table(test[min(test)], test_y)
    paths.write_csv(paths.PREDICTIONS, predictions)
    paths.write_csv(paths.CONFUSION, predictions[["actual", "predicted"]])
    against_the_best = None
    if paths.BEST_MODEL.exists():
        best = evaluation.predict(load_model(paths.BEST_MODEL), test_x)
        against_the_best = evaluation.against_the_best(test[min(test)], best, test_y).model_dump(mode="json")
    paths.write_json(paths.MCNEMAR, against_the_best)
    networks = prediction_times.distinct_networks([choice.choice, *choice.candidates])
    saved = {networks[0]: models[min(models)]}
    times = prediction_times.prediction_times(networks, saved, test_x.shape[1:], summary.classes)
    paths.write_csv(paths.PREDICTION_TIMES, times)
    log_evaluation(experiment=params.tracking.experiment, metrics=metrics, data=summary, folder=paths.REPORTS)
    print(
        f"evaluate: test accuracy {metrics.test_accuracy:.2%} "
        f"({metrics.test_accuracy_low:.2%} to {metrics.test_accuracy_high:.2%}, {metrics.seeds} seeds)"
    )
