"""What the registry knows of a version: its name, and its accuracy once that is measured."""

from pathlib import Path

from mlflow import MlflowClient

from pipeline import paths
from pipeline.analysis.evaluation import Metrics
from pipeline.tracking.model_card import model_card
from pipeline.tracking.registry import registered_name, tell_accuracy, version_facts, version_of
from tests.helpers.runs import DATA, OWN_DATA, choice, record

METRICS = Metrics(
    dataset="mnist5k", cell="lstm", units=4, depth=1, bidirectional=False, parameters=1234, seeds=3,
    test_accuracy=0.9, test_accuracy_sd=0.01, test_accuracy_low=0.875, test_accuracy_high=0.925, test_loss=0.25,
    generalization_gap=0.03, model_seed=0, model_sha256="5a" * 32, model_test_accuracy=0.8125,
    model_test_accuracy_low=0.75, model_test_accuracy_high=0.86, tested="0" * 64,
)  # fmt: skip


def test_ones_own_model_is_named_after_its_file_where_the_experiment_is_mnists() -> None:
    named_as_mnist = OWN_DATA.model_copy(update={"dataset": "/there/mnist-rnn.csv"})
    assert registered_name("mnist-rnn-quick", named_as_mnist) == "mnist-rnn-quick-mnist-rnn"
    assert registered_name("mine-quick", OWN_DATA) == "mine-quick"
    odd = OWN_DATA.model_copy(update={"dataset": "/there/2026: mein/Pläne.csv"})
    assert registered_name("mnist-rnn", odd) == "mnist-rnn-Pl-ne", "MLflow takes neither / nor : in a model's name"


def test_the_newest_version_of_the_same_file_is_told_its_accuracy_and_a_later_one_takes_its_place(home: Path) -> None:
    client = MlflowClient(paths.tracking_uri())
    client.create_registered_model("mine")
    card = model_card(choice(0.75), record(0), DATA, "accuracy", "none", "make quick")
    for sha256 in ("5a" * 32, "5a" * 32, "6b" * 32):
        made = client.create_model_version("mine", "file:///nowhere", description=card, tags={"model_sha256": sha256})
    assert made.version == 3
    found = version_of(client, "mine", METRICS.model_sha256)
    assert found is not None
    assert found.version == 2
    assert version_of(client, "mine", "7c" * 32) is None
    assert version_of(client, "nobodys", METRICS.model_sha256) is None

    for metrics in (METRICS, METRICS.model_copy(update={"model_test_accuracy": 0.8, "seeds": 1})):
        tell_accuracy(client, "mine", "2", metrics)
    described = client.get_model_version("mine", "2")
    assert described.tags["test_accuracy"] == "0.8"
    line = (
        "**Test accuracy** of this model: 80.00% (95% interval over sequences 75.00% to 86.00%). Networks of this size "
        "have 90.00%, the mean of 1 seed."
    )
    assert f"\n\n{line}\n\n**Input.**" in str(described.description)
    assert "not measured yet" not in str(described.description)
    assert client.get_model_version("mine", "3").description == card
    assert version_facts(client, "mine", "2")["test_accuracy_low"] == "0.75"
    assert version_facts(client, "mine", "9") == {}
