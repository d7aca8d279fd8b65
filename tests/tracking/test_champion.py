"""The champion in a real MLflow store: its runs, its registered model, who carries the alias."""

import dataclasses
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pytest
from mlflow import MlflowClient

from pipeline import paths
from pipeline.data.sequences import SequencesSummary
from pipeline.params.network import Cell, NetworkSpec
from pipeline.params.settings import Metric
from pipeline.tracking.champion import log_champion
from pipeline.tracking.logged_model import reading_of, signature_of
from pipeline.training.build import build
from pipeline.training.identity import stable_hash
from pipeline.training.reading import Reading
from pipeline.training.trials import Trial
from tests.helpers.runs import DATA, OWN_DATA, artifact, choice, record, trial

SEQUENCES = np.random.default_rng(0).random((7, 5, 3), dtype=np.float32)

pytestmark = pytest.mark.usefixtures("one_thread", "home")


@dataclass(frozen=True)
class Champion:
    """Two seeds' models of a small network, ready to be logged."""

    models: list[keras.Model]
    files: list[Path]

    def log(
        self,
        accuracy: float = 0.75,
        data: SequencesSummary = DATA,
        experiment: str = "mnist-rnn-quick",
        metric: Metric = "accuracy",
    ) -> str:
        records = [
            dataclasses.replace(record(seed, held_out=False), trial=Trial(seed, trial(0).configuration, seed))
            for seed in (0, 1)
        ]
        return log_champion(
            experiment=experiment,
            choice=choice(accuracy),
            records=records,
            models=self.files,
            data=data,
            input_example=SEQUENCES[:2],
            metric=metric,
            licence="CC BY-SA 3.0",
            tested=None,
            instructions="avx2",
            calibration=None,
        )


@pytest.fixture(scope="module")
def champion(tmp_path_factory: pytest.TempPathFactory) -> Champion:
    return champion_of(NetworkSpec(cell="lstm", units=4), tmp_path_factory.mktemp("champion"))


def champion_of(network: NetworkSpec, folder: Path) -> Champion:
    models = [build(network, timesteps=5, features=3, classes=3, seed=seed) for seed in (0, 1)]
    files = [folder / f"seed-{seed}.keras" for seed in (0, 1)]
    for model, file in zip(models, files, strict=True):
        model.save(file)
    return Champion(models, files)


def aliases(name: str = "mnist-rnn-quick") -> dict[str, int]:
    model = MlflowClient(paths.tracking_uri()).get_registered_model(name)
    return {alias: int(version) for alias, version in model.aliases.items()}


def test_champion_is_registered_and_predicts_as_the_file_does(champion: Champion) -> None:
    assert champion.log() == "mnist-rnn-quick version 1, validation accuracy 75.00%, is the first champion"
    assert "MLFLOW_TRACKING_URI" not in os.environ

    client = MlflowClient(paths.tracking_uri())
    version = client.get_model_version_by_alias("mnist-rnn-quick", "champion")
    digest = stable_hash(["1a" * 32, "2b" * 32])
    assert version.tags == {
        "validation_accuracy": "0.75", "metric": "accuracy", "data": "mnist5k as rows", "data_sha256": digest,
        "model_sha256": hashlib.sha256(champion.files[0].read_bytes()).hexdigest(),
        "model_id": str(version.source)[-34:],
    }  # fmt: skip
    run = client.get_run(str(version.run_id))
    assert (run.info.run_name, run.info.status) == ("champion seed 0", "FINISHED")
    assert not [name for name in run.data.metrics if "validation" in name or "gap" in name or "predict" in name]
    parent = client.get_run(run.data.tags["mlflow.parentRunId"])
    assert (parent.info.run_name, parent.info.status) == ("champion", "FINISHED")
    assert parent.data.metrics == {
        "validation_accuracy": 0.75,
        "seeds": 1,
        "parameters": 1234,
        "best_epoch": 3,
        "generalization_gap": 0.125,
        "refit_epochs": 3,
    }
    assert parent.data.params == {
        "study": "search",
        "cell": "lstm",
        "units": "4",
        "depth": "1",
        "bidirectional": "False",
        "merge_mode": "concat",
        "dropout": "0.0",
        "recurrent_dropout": "0.0",
        "unroll": "False",
        "optimizer": "adam",
        "learning_rate": "0.001",
        "batch_size": "128",
        "train_samples": "90",
        "epochs": "4",
        "view": "rows",
        "patience": "null",
        "pooling": "last",
        "layer_normalization": "False",
        "residual": "False",
        "learning_rate_schedule": "constant",
        "warmup_epochs": "0.0",
        "weight_decay": "0.0",
        "global_clipnorm": "null",
        "label_smoothing": "0.0",
        "ema_momentum": "null",
    }
    assert json.loads(artifact(parent, "choice.json")) == choice(0.75).model_dump(mode="json")
    assert parent.data.tags["fingerprint"] == run.data.tags["fingerprint"] != ""
    names = {r.info.run_name for r in client.search_runs([run.info.experiment_id])}
    assert names == {"champion", "champion seed 0", "champion seed 1"}

    for logged in (run, parent):
        assert [logged.data.tags[tag] for tag in ("alias", "model", "model_version")] == [
            "champion", "mnist-rnn-quick", "1",
        ]  # fmt: skip
    for fact in ("LSTM 1×4", "sha256 " + "1a" * 32, "CC BY-SA 3.0", "1,234 parameters", "75.00%", "`make quick`"):
        assert fact in str(version.description)
    assert "interval 55.55% to 85.82%, seeds: 1)" in str(version.description)  # Wilson's for 30 images

    import mlflow

    mlflow.set_tracking_uri(paths.tracking_uri())
    try:
        uri = "models:/mnist-rnn-quick@champion"
        answers = mlflow.pyfunc.load_model(uri).predict({"sequences": SEQUENCES})
        info = mlflow.models.get_model_info(uri)
        requirements = Path(mlflow.artifacts.download_artifacts(f"{uri}/requirements.txt")).read_text()
    finally:
        mlflow.set_tracking_uri(None)  # type: ignore[arg-type]
    expected = champion.models[0].predict(SEQUENCES, verbose=0)
    assert np.array([[*each["probabilities"].values()] for each in answers]) == pytest.approx(expected, abs=1e-6)
    assert info.signature is not None
    assert info.signature.inputs.to_dict() == [
        {"name": name, "type": "array", "items": {"type": "array", "items": {"type": "array", "items": {"type": kind}}},
         "required": False}
        for name, kind in (("pixels", "long"), ("sequences", "double"))
    ]  # fmt: skip
    assert info.signature.outputs.input_names() == ["predicted", "probability", "sure", "probabilities"]
    assert info.flavors["python_function"]["config"] == {"temperature": 1.0, "answers_from": None}
    assert info.saved_input_example_info is not None
    assert info.metadata == {
        "input": "Numbers of the type float32, in the shape (sequences, steps, features). Sequences have 5 steps with "
        "3 features: pixels from 0 to 1, in the view rows."
    }
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


def other(data: SequencesSummary, **changes: str) -> SequencesSummary:
    """The same file name, other values to learn from."""
    return data.model_copy(update={"train": data.train.model_copy(update={"sha256": "4d" * 32}), **changes})


def test_accuracies_on_other_data_are_not_compared_even_if_the_files_have_one_name(champion: Champion) -> None:
    assert OWN_DATA.title == other(OWN_DATA, dataset="/elsewhere/mine.csv").title == "mine.csv"
    champion.log(0.75, OWN_DATA, "mine-quick")
    sentence = champion.log(0.5, other(OWN_DATA, dataset="/elsewhere/mine.csv"), "mine-quick")
    assert sentence.endswith("is the champion; the one before, version 1, has the alias previous")
    assert aliases("mine-quick") == {"champion": 2, "previous": 1}
    # The same values elsewhere are the same data.
    assert "is a challenger only" in champion.log(0.4, other(OWN_DATA, dataset="/third/mine.csv"), "mine-quick")
    assert aliases("mine-quick") == {"champion": 2, "previous": 1, "challenger": 3}


def test_values_of_two_metrics_are_not_compared(champion: Champion) -> None:
    champion.log(0.9)
    sentence = champion.log(0.5, metric="macro_f1")
    assert sentence == (
        "mnist-rnn-quick version 2, validation macro F1 50.00%, is the champion; the one before, version 1, has the "
        "alias previous"
    )
    client = MlflowClient(paths.tracking_uri())
    version = client.get_model_version("mnist-rnn-quick", "2")
    assert (version.tags["metric"], version.tags["validation_accuracy"]) == ("macro_f1", "0.5")
    assert "**Validation macro F1** of the configuration" in str(version.description)
    assert champion.log(0.4, metric="macro_f1").endswith("is a challenger only: champion stays version 2 with 50.00%")
    assert aliases() == {"champion": 2, "previous": 1, "challenger": 3}


def test_ones_own_model_takes_neither_mnists_name_nor_its_alias(champion: Champion) -> None:
    champion.log(0.75, DATA, "mnist-rnn")
    assert "mnist-rnn-mine version 1, validation accuracy 99.00%, is the first" in champion.log(
        0.99, OWN_DATA, "mnist-rnn"
    )
    assert aliases("mnist-rnn") == {"champion": 1}
    assert aliases("mnist-rnn-mine") == {"champion": 1}


def test_a_model_that_only_this_project_can_load_is_not_registered(tmp_path: Path) -> None:
    elman = champion_of(NetworkSpec(cell="elman_output", units=4, bidirectional=True), tmp_path)
    sentence = elman.log()
    assert sentence.endswith(
        "is not registered: it has a layer that only this project can load; `python -m pipeline predict` answers by it"
    )
    client = MlflowClient(paths.tracking_uri())
    assert client.search_registered_models() == []
    experiment = client.get_experiment_by_name("mnist-rnn-quick")
    assert experiment is not None
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert {name: run.info.status for name, run in runs.items()} == dict.fromkeys(
        ("champion", "champion seed 0", "champion seed 1"), "FINISHED"
    )
    assert runs["champion"].data.tags["outcome"] == runs["champion seed 0"].data.tags["outcome"] == sentence


@pytest.mark.parametrize(
    ("cell", "padded", "steps"), [("gru", True, -1), ("gru", False, 5), ("mlp", True, 5)]
)  # fmt: skip
def test_the_signature_says_where_any_number_of_steps_goes_in(cell: Cell, padded: bool, steps: int) -> None:
    model = build(NetworkSpec(cell=cell, units=4), 5, 3, 3, 0, Reading(padded=padded))
    reading = reading_of(model, OWN_DATA.model_copy(update={"padded": padded}), "rows", "avx2")
    signature = signature_of(reading)
    [read] = signature.inputs.inputs
    assert (read.shape, read.type) == ((-1, steps, 3), np.float32)
    assert [str(spec.type) for spec in signature.outputs.inputs][:2] == ["DataType.string", "DataType.double"]
