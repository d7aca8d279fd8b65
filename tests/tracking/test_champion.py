"""The champion in a real MLflow store: its runs, its registered model, who carries the alias."""

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from mlflow import MlflowClient

from pipeline import paths
from pipeline.params.settings import Configuration
from pipeline.tracking.champion import log_champion
from pipeline.tracking.model_card import model_card
from pipeline.tracking.outcomes import log_evaluation
from pipeline.training.build import build
from pipeline.training.trials import Trial
from tests.helpers.runs import DATA, all_runs, record, trial

SEQUENCES = np.random.default_rng(0).random((7, 5, 3), dtype=np.float32)

pytestmark = pytest.mark.usefixtures("one_thread", "home")


@dataclass(frozen=True)
class Champion:
    """Two seeds' models of a small network, ready to be logged."""

    models: list[keras.Model]
    files: list[Path]

    def log(self, accuracy: float = 0.75, data: dict[str, Any] = DATA) -> str:
        choice = {
            "rule": "the smallest within one standard error",
            "candidates": [{}, {}],
            "choice": {
                "study": "search",
                "cell": "lstm",
                "units": 4,
                "depth": 1,
                "bidirectional": False,
                "learning_rate": None,
                "validation_accuracy": accuracy,
                "validation_accuracy_sd": None,
                "seeds": 1,
            },
        }
        records = [
            dataclasses.replace(record(seed, held_out=False), trial=Trial(seed, trial(0).configuration, seed))
            for seed in (0, 1)
        ]
        return log_champion(
            experiment="mnist-rnn-quick",
            choice=choice,
            records=records,
            models=self.files,
            data=data,
            input_example=SEQUENCES[:2],
            licence="CC BY-SA 3.0",
        )


@pytest.fixture(scope="module")
def champion(tmp_path_factory: pytest.TempPathFactory) -> Champion:
    folder = tmp_path_factory.mktemp("champion")
    network = Configuration(cell="lstm", units=4).network
    models = [build(network, timesteps=5, features=3, classes=3, seed=seed) for seed in (0, 1)]
    files = [folder / f"seed-{seed}.keras" for seed in (0, 1)]
    for model, file in zip(models, files, strict=True):
        model.save(file)
    return Champion(models, files)


def aliases() -> dict[str, int]:
    model = MlflowClient(paths.tracking_uri()).get_registered_model("mnist-rnn-quick")
    return {alias: int(version) for alias, version in model.aliases.items()}


def test_champion_is_registered_and_predicts_as_the_file_does(champion: Champion) -> None:
    assert champion.log() == "mnist-rnn-quick version 1, validation accuracy 75.00%, is the first champion"
    assert "MLFLOW_TRACKING_URI" not in os.environ

    client = MlflowClient(paths.tracking_uri())
    version = client.get_model_version_by_alias("mnist-rnn-quick", "champion")
    assert version.tags == {"validation_accuracy": "0.75", "data": "mnist5k as rows"}
    run = client.get_run(str(version.run_id))
    assert (run.info.run_name, run.info.status) == ("champion seed 0", "FINISHED")
    assert not [name for name in run.data.metrics if "validation" in name or "gap" in name or "predict" in name]
    parent = client.get_run(run.data.tags["mlflow.parentRunId"])
    assert (parent.info.run_name, parent.info.status) == ("champion", "FINISHED")
    assert parent.data.metrics == {"validation_accuracy": 0.75, "seeds": 1}
    assert parent.data.params == {
        "study": "search",
        "cell": "lstm",
        "units": "4",
        "depth": "1",
        "bidirectional": "False",
        "learning_rate": "null",
    }
    assert parent.data.tags["fingerprint"] == run.data.tags["fingerprint"] != ""
    names = {r.info.run_name for r in client.search_runs([run.info.experiment_id])}
    assert names == {"champion", "champion seed 0", "champion seed 1"}

    for logged in (run, parent):
        assert (logged.data.tags["alias"], logged.data.tags["model_version"]) == ("champion", "1")
    for fact in ("lstm 1×4", "sha256 " + "1a" * 32, "CC BY-SA 3.0", "1,234 parameters", "75.00%", "`make quick`"):
        assert fact in str(version.description)
    assert "interval 55.55% to 85.82%, seeds: 1)" in str(version.description)  # Wilson's for 30 images

    import mlflow

    mlflow.set_tracking_uri(paths.tracking_uri())
    try:
        uri = "models:/mnist-rnn-quick@champion"
        loaded = mlflow.keras.load_model(uri)
        np.testing.assert_array_equal(
            loaded.predict(SEQUENCES, verbose=0), champion.models[0].predict(SEQUENCES, verbose=0)
        )
        info = mlflow.models.get_model_info(uri)
        requirements = Path(mlflow.artifacts.download_artifacts(f"{uri}/requirements.txt")).read_text()
    finally:
        mlflow.set_tracking_uri(None)  # type: ignore[arg-type]
    assert info.signature is not None
    assert [tensor.shape for tensor in info.signature.inputs.inputs] == [(-1, 5, 3)]
    assert [tensor.shape for tensor in info.signature.outputs.inputs] == [(-1, 3)]
    assert info.saved_input_example_info is not None
    assert {line.split("==")[0] for line in requirements.split()} >= {"tensorflow", "keras", "numpy"}
    assert all("==" in line for line in requirements.split())


def test_a_better_champion_leaves_its_alias_to_no_worse_one(champion: Champion) -> None:
    champion.log(accuracy=0.75)
    assert "is the champion; the one before, version 1, has the alias previous" in champion.log(accuracy=0.75)
    assert aliases() == {"champion": 2, "previous": 1}
    sentence = champion.log(accuracy=0.7)
    assert sentence.endswith("70.00%, is a challenger only: champion stays version 2 with 75.00%")
    assert aliases() == {"champion": 2, "previous": 1, "challenger": 3}
    client = MlflowClient(paths.tracking_uri())
    run = client.get_run(str(client.get_model_version("mnist-rnn-quick", "3").run_id))
    assert (run.data.tags["alias"], run.data.tags["outcome"]) == ("challenger", sentence)
    champion.log(accuracy=0.5, data=DATA | {"view": "columns"})  # what other data say cannot be compared
    assert aliases() == {"champion": 4, "previous": 2, "challenger": 3}


@pytest.mark.parametrize(
    ("seeds", "deviation", "interval"),
    [
        (3, 0.001, "97.75% to 98.25%"),  # 4.303 · 0.001 / √3 around the mean
        (3, 0.0, "89.50% to 99.65%"),  # seeds that agree: Wilson's interval for 50 images
    ],
)
def test_the_card_gives_the_interval_that_the_seeds_allow(seeds: int, deviation: float, interval: str) -> None:
    chosen = {"cell": "gru", "units": 8, "depth": 1, "bidirectional": False, "seeds": seeds}
    chosen |= {"validation_accuracy": 0.98, "validation_accuracy_sd": deviation}
    data = DATA | {"validation": {"samples": 50, "sha256": "2b" * 32}}
    card = model_card({"choice": chosen, "candidates": [], "rule": ""}, record(0), data, "none", "make quick")
    assert interval in card


def test_evaluation_keeps_its_figures_and_files(home: Path) -> None:
    paths.SEQUENCES.mkdir(parents=True)
    paths.SEQUENCES_SUMMARY.write_text(json.dumps(DATA))
    paths.REPORTS.mkdir(parents=True)
    metrics = {"dataset": "mnist5k", "cell": "lstm", "bidirectional": False, "units": 8, "test_accuracy": 0.9375}
    paths.METRICS.write_text(json.dumps(metrics))
    paths.CONFUSION.write_text("actual,predicted\n0,0\n")
    paths.MCNEMAR.write_text("null\n")
    paths.PREDICTION_TIMES.write_text("cell\n")
    paths.PREDICTIONS.write_text("large, and in DVC's cache\n")
    log_evaluation(experiment="mnist-rnn", metrics=metrics, folder=paths.REPORTS)
    run = all_runs()["evaluate"]
    assert run.info.status == "FINISHED"
    assert run.data.metrics == {"units": 8, "test_accuracy": 0.9375}
    assert run.data.params == {"dataset": "mnist5k", "cell": "lstm", "bidirectional": "False"}
    artifacts = [file.path for file in MlflowClient(paths.tracking_uri()).list_artifacts(run.info.run_id)]
    assert artifacts == ["confusion.csv", "mcnemar.json", "metrics.json", "prediction_times.csv"]
