"""One run of one contestant, in the current folder, a workspace (see `work`); its last line of output is the result.

    python -m benchmarks.contestants NAME STUDY

In a study of throughput all train the same networks for as many epochs on the same images and validate after each
epoch; in a search for quality they try the same proposals in the same order. The others follow their own
documentation: Keras's `fit`, TensorFlow's default threads, one trial after the other unless they say otherwise.
MLflow's autologging saves no models, which would take longer than these trainings; KerasTuner and Ray Tune log nothing
to MLflow. KerasTuner saves the weights of its best epoch so far and reports the accuracy of that epoch, the others that
of the last.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import paths
from pipeline.cli import prepare_process
from pipeline.params.document import load_params
from pipeline.params.network import Sizes
from pipeline.params.settings import Configuration
from pipeline.params.studies import RaceStudy, SampledStudy
from pipeline.training import forkserver
from pipeline.training.process import ENVIRONMENTS

Report = dict[str, Any]  # first_training: time.time() when it began; accuracies in order of the trials


def start_as_the_command_line_does() -> None:
    prepare_process()
    forkserver.start(ENVIRONMENTS["avx2"])


def engine(name: str) -> Report:
    """This project, as its stage does it."""
    start_as_the_command_line_does()
    from benchmarks.engine import timed_study

    report, _ = timed_study(name)
    return report


def search(name: str) -> Report:
    """This project's search, until it has found one of the best configurations."""
    start_as_the_command_line_does()
    from benchmarks.engine import timed_study

    report, _ = timed_study(name, best_configurations())
    return report


def best_configurations() -> list[tuple[Any, ...]]:
    """Those within 0.1 points of the best, by the table of `benchmarks.quality`."""
    from benchmarks.quality import read_best

    return read_best()


def configurations(name: str) -> list[Configuration]:
    """Those of a study, in order. A random search proposes the same whatever the results; repeats are left out."""
    from pipeline.studies.proposals import configure, constants, fixed_trials
    from pipeline.studies.sampling import sampling_of

    params = load_params()
    study = params.study(name)
    if isinstance(study, RaceStudy):
        raise ValueError(f"{name} is a race: its configurations come from the results of other studies")
    if not isinstance(study, SampledStudy):
        return [trial.configuration for trial in fixed_trials(study, params.training)]
    sampling = sampling_of(study, range(1, 1 + max(study.space.epochs)), Sizes(28, 28, 10))
    proposals = [sampling.ask(number).params for number in range(study.trials)]
    return list(dict.fromkeys(configure(constants(study.space) | p, params.training) for p in proposals))


def sequences() -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """x and y to train on, x and y to validate on."""
    pairs = []
    for path in (paths.TRAIN, paths.VALIDATION):
        with np.load(path, allow_pickle=False) as arrays:
            pairs.append((arrays["x"], arrays["y"]))
    return pairs[0], pairs[1]


def keras_model(configuration: Configuration) -> Any:
    """The same network as `pipeline.training.build.build`, as one would write it."""
    import keras

    layer = {"simple_rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}
    model = keras.Sequential([keras.Input((28, 28))])
    for depth in range(1, configuration.depth + 1):
        model.add(layer[configuration.cell](configuration.units, return_sequences=depth < configuration.depth))
    model.add(keras.layers.Dense(10, activation="softmax"))
    optimizer = keras.optimizers.Adam(configuration.effective_learning_rate)
    model.compile(optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def fit(configuration: Configuration) -> float:
    """Train and return the last epoch's validation accuracy."""
    (x, y), validation = sequences()
    model = keras_model(configuration)
    history = model.fit(
        x, y, batch_size=configuration.batch_size, epochs=configuration.epochs, validation_data=validation, verbose=0
    )
    return float(history.history["val_accuracy"][-1])


def optuna_example(name: str, jobs: int = 1, wanted: Sequence[tuple[Any, ...]] = ()) -> Report:
    """Optuna's example with Keras and MLflow (optuna-examples, mlflow/keras_mlflow.py), with autologging; as there,
    every trial loads the data and clears Keras's session."""
    import keras
    import mlflow
    import mlflow.keras
    import optuna

    from benchmarks.engine import identity

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    mlflow.set_tracking_uri(paths.tracking_uri())
    mlflow.keras.autolog(log_models=False)
    networks = configurations(name)
    first_training = time.time()

    def objective(trial: optuna.Trial) -> float:
        keras.utils.clear_session()
        return fit(networks[trial.suggest_int("network", 0, len(networks) - 1)])

    found: list[int] = []

    def stop_when_found(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        if identity(networks[trial.params["network"]]) in wanted:
            found.append(trial.number)
            study.stop()

    study = optuna.create_study(direction="maximize")
    for number in range(len(networks)):
        study.enqueue_trial({"network": number})
    study.optimize(objective, n_trials=len(networks), n_jobs=jobs, callbacks=[stop_when_found])
    if wanted and not found:
        raise RuntimeError(f"study {name} ended without one of the configurations {wanted}")
    return {
        "first_training": first_training,
        "accuracies": [trial.value for trial in study.trials if trial.value is not None],
    }


def n_jobs(name: str) -> Report:
    """The same with as many threads as cores."""
    from dask.system import CPU_COUNT

    return optuna_example(name, CPU_COUNT)


def optuna_search(name: str) -> Report:
    """Optuna's example with the proposals of `search`, until it has found one of the best configurations."""
    return optuna_example(name, wanted=best_configurations())


def keras_tuner(name: str) -> Report:
    """KerasTuner over the same list."""
    import keras_tuner

    class GridSearch(keras_tuner.GridSearch):
        def _configure_tensorboard_dir(self, *_: Any) -> None:
            """Nothing: it would want TensorBoard installed, for callbacks that are not used here."""

    networks = configurations(name)
    (x, y), validation = sequences()
    tuner = GridSearch(
        lambda choice: keras_model(networks[choice.Choice("network", list(range(len(networks))))]),
        objective="val_accuracy",
        max_trials=len(networks),
        directory=str(paths.home()),
    )
    first_training = time.time()
    tuner.search(
        x, y, batch_size=networks[0].batch_size, epochs=networks[0].epochs, validation_data=validation, verbose=0
    )
    trials = tuner.oracle.trials.values()
    scores = {trial.hyperparameters.get("network"): trial.score for trial in trials}
    return {"first_training": first_training, "accuracies": [scores[number] for number in sorted(scores)]}


def ray_tune(name: str) -> Report:
    """Ray Tune with Optuna's search, a core for each trial. Processes are kept from trial to trial, which is not its
    default: a new one would import Keras for each."""
    import optuna
    import ray
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    networks, workspace = configurations(name), Path.cwd()

    def objective(config: dict[str, int]) -> dict[str, float]:
        os.chdir(workspace)  # Ray gives each trial a folder of its own
        import keras  # noqa: F401 - here, as the import is a part of the work of Ray's processes

        started = time.time()
        return {"accuracy": fit(networks[config["network"]]), "started": started}

    ray.init(include_dashboard=False, log_to_driver=False)
    algorithm = OptunaSearch(
        {"network": optuna.distributions.IntDistribution(0, len(networks) - 1)},
        metric="accuracy",
        mode="max",
        points_to_evaluate=[{"network": number} for number in range(len(networks))],
    )
    tuner = tune.Tuner(
        objective,
        tune_config=tune.TuneConfig(search_alg=algorithm, num_samples=len(networks), reuse_actors=True),
        run_config=tune.RunConfig(storage_path=str(paths.home()), verbose=0),
    )
    runs: Any = tuner.fit()  # iterable, though it does not say so
    results = sorted((run.metrics for run in runs), key=lambda metrics: metrics["config"]["network"])
    return {
        "first_training": min(metrics["started"] for metrics in results),
        "accuracies": [metrics["accuracy"] for metrics in results],
    }


CONTESTANTS: dict[str, Callable[[str], Report]] = {
    contestant.__name__: contestant
    for contestant in (engine, optuna_example, n_jobs, keras_tuner, ray_tune, search, optuna_search)
}

if __name__ == "__main__":
    print(json.dumps(CONTESTANTS[sys.argv[1]](sys.argv[2])))
