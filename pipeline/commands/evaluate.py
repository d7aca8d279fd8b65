"""evaluate: the champion on the test data, once."""

from collections.abc import Mapping

import numpy as np

from pipeline import paths
from pipeline.analysis import evaluation, prediction_times
from pipeline.analysis.calibration import coverage_table, measured_calibration
from pipeline.analysis.choice import Choice, Finalist
from pipeline.analysis.on_test_data import COMPARISON, Tested, networks_of, on_test_data
from pipeline.analysis.temperature import Calibration
from pipeline.data.sequences import Samples, SequencesSummary, in_view, prepared_sequences
from pipeline.documents import read_table, records
from pipeline.params.document import Params
from pipeline.params.settings import METRIC_NAMES
from pipeline.studies.results import MISTAKES, has_results, read_results, study_definition
from pipeline.tracking.outcomes import log_evaluation
from pipeline.tracking.run_store import as_a_view
from pipeline.training.inputs import reading_of
from pipeline.training.process import configure_tensorflow


def _tested(role: str, network: Finalist, answers: Mapping[int, np.ndarray], test_y: np.ndarray) -> Tested:
    right = np.stack([probabilities.argmax(axis=1) == test_y for _, probabilities in sorted(answers.items())])
    return Tested(role, network.refit, network.parameters, right)


def _tested_in_studies(params: Params, summary: SequencesSummary) -> list[Tested]:
    """The networks of the studies that were measured on the test data by themselves, such as the book's."""
    found = []
    for name, study in params.studies.items():
        if study.held_out == "test" and has_results(name):
            definition, results = study_definition(name, params, summary), read_results(name, params, summary)
            configurations = {row["number"]: definition.recorded_trial(row).configuration
                              for row in records(results.trials)}  # fmt: skip
            mistakes = read_table(paths.study_folder(name) / MISTAKES)
            found += networks_of(name, configurations, results.trials, mistakes, summary.test.samples)
    return found


def run(params: Params) -> None:
    """Measure every seed's model on the test data; write metrics.json and the files named below.

    predictions.csv and confusion.csv are those of the champion's model, the first seed's, one row per test sequence.
    calibration.json says how far its probabilities are off, and coverage.csv how accurate it is where it answers only
    what it is most certain of.
    test.csv has every network that was measured on the test data, compared with the champion and with the most accurate
    of the race. mcnemar.json repeats the comparison of these two, and is null where they are one. prediction_times.csv
    says how long each network that was compared takes to answer, the champion's model among them.
    """
    summary = prepared_sequences(params.data)
    choice = Choice.read_for(summary.learning_sha256, paths.CHOICE)
    samples = Samples.read(paths.TEST)
    test_x, test_y = samples.x, samples.y
    champion_test_x = in_view(test_x, choice.choice.view, summary)
    samples = Samples.read(paths.TRAIN)
    # As many as there are test sequences: the two accuracies then have about the same standard error.
    train_x, train_y = in_view(samples.x[: len(test_y)], choice.choice.view, summary), samples.y[: len(test_y)]

    configure_tensorflow(params.training.answering)
    models = evaluation.load_models(paths.CHAMPION)
    test = {seed: evaluation.predict(model, champion_test_x) for seed, model in models.items()}
    train = {seed: evaluation.predict(model, train_x) for seed, model in models.items()}

    metrics = evaluation.champion_metrics(
        choice.choice, summary.dataset, summary.all_sha256, test, test_y, train, train_y, params.champion.metric,
        evaluation.sha256_of(evaluation.champion_file(paths.CHAMPION)),
    )  # fmt: skip
    calibration = Calibration.of_champion()
    temperature = calibration.temperature if calibration else 1.0
    predictions = evaluation.predictions_table(test[metrics.model_seed], test_y, temperature)
    paths.write_csv(paths.PREDICTIONS, predictions)
    paths.write_csv(paths.CONFUSION, predictions[["actual", "predicted"]])
    measured = measured_calibration(predictions, temperature, calibration.answers_from if calibration else None)
    measured.write(paths.MEASURED_CALIBRATION)
    right = (predictions["actual"] == predictions["predicted"]).to_numpy()
    paths.write_csv(paths.COVERAGE, coverage_table(predictions["calibrated"].to_numpy(), right))
    best_models = evaluation.load_best_models(paths.CHAMPION)
    best_test_x = in_view(test_x, choice.best.view, summary)
    best = {seed: evaluation.predict(model, best_test_x) for seed, model in best_models.items()}
    champion = _tested("champion", choice.choice, test, test_y)
    others = [_tested("most accurate", choice.best, best, test_y)] if best else []
    table = on_test_data(champion, [*others, *_tested_in_studies(params, summary)])
    paths.write_csv(paths.TEST_TABLE, table)
    compared = records(table.loc[table["role"] == "most accurate", COMPARISON])
    paths.write_json(paths.MCNEMAR, compared[0] if compared else None)
    networks = prediction_times.distinct_networks([choice.choice, *choice.candidates])
    saved = {networks[0]: models[metrics.model_seed]}
    shapes = {network.view: summary.shape_in(network.view) for network in networks}
    reading = reading_of(summary)
    if summary.scale == "standard":
        reading = reading.scaled_by(test_x)  # by whatever: the values cost no time
    times = prediction_times.prediction_times(networks, saved, shapes, summary.classes, reading)
    paths.write_csv(paths.PREDICTION_TIMES, times)
    metrics.write(paths.METRICS)  # last: it vouches for the other files
    with as_a_view("evaluate"):
        log_evaluation(experiment=params.tracking.experiment, metrics=metrics, data=summary, folder=paths.REPORTS)
    seeds = f"{metrics.seeds} seed{'s' * (metrics.seeds > 1)}"
    print(
        f"evaluate: test accuracy of networks of this size {metrics.test_accuracy:.2%} "
        f"({metrics.test_accuracy_low:.2%} to {metrics.test_accuracy_high:.2%}, {seeds})"
        f"{_by_metric(metrics, 'test_score')}; of the model to use, seed {metrics.model_seed}, "
        f"{metrics.model_test_accuracy:.2%} ({metrics.model_test_accuracy_low:.2%} to "
        f"{metrics.model_test_accuracy_high:.2%}){_by_metric(metrics, 'model_test_score')}"
    )


def _by_metric(metrics: evaluation.Metrics, name: str) -> str:
    if metrics.metric is None:
        return ""
    value, low, high = (getattr(metrics, f"{name}{suffix}") for suffix in ("", "_low", "_high"))
    return f", {METRIC_NAMES[metrics.metric]} {value:.2%} ({low:.2%} to {high:.2%})"
