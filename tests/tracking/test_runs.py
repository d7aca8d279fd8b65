"""The content of a run, as plain dictionaries and files."""

import math
from pathlib import Path

import pytest

from pipeline.params.settings import CHANGES_OF_IMAGES, Configuration
from pipeline.tracking.runs import epoch_figures, final_figures, flattened, numbers, save_artifacts, trial_parameters
from pipeline.training.trials import Trial
from tests.helpers.runs import PER_EPOCH, epoch, record


def test_a_nested_document_becomes_parameters() -> None:
    space = {"units": {"low": 2, "high": 8}, "cell": ["gru"], "unroll": True}
    document = {"sampler": "tpe", "space": space, "pruner": None}
    assert flattened(document) == {
        "sampler": "tpe",
        "space.units.low": "2",
        "space.units.high": "8",
        "space.cell": '["gru"]',
        "space.unroll": "True",
        "pruner": "null",
    }


@pytest.mark.parametrize(("asked", "seen"), [(None, "columns"), ("rows", "rows")])
def test_parameters_are_those_that_are_used(asked: str | None, seen: str) -> None:
    configuration = Configuration(cell="gru", units=8, optimizer="sgd", view=asked, train_samples=90)  # type: ignore[arg-type]
    parameters = trial_parameters(Trial(3, configuration, seed=7), "columns")
    assert (parameters["learning_rate"], parameters["view"], parameters["seed"]) == ("0.01", seen, "7")
    assert parameters.keys() == set(Configuration.model_fields) - {"train_samples", *CHANGES_OF_IMAGES} | {"seed"}


def test_figures_that_were_not_measured_are_left_out() -> None:
    assert epoch_figures(epoch(2)) == {
        "train_loss": 0.5,
        "train_accuracy": 0.75,
        "validation_loss": 0.75,
        "validation_accuracy": 0.625,
        "during_fit_loss": 1.0,
        "during_fit_accuracy": 0.5,
        "generalization_gap": 0.125,
    }
    assert epoch_figures(epoch(2)).keys() == PER_EPOCH
    unmeasured = {"validation_loss", "validation_accuracy", "generalization_gap"}
    assert epoch_figures(epoch(2, held_out=False)).keys() == PER_EPOCH - unmeasured
    result = record(0, held_out=False).result
    assert result is not None
    figures = final_figures(result)
    assert (figures["parameters"], figures["best_epoch"], figures["fit_seconds"]) == (1234, 3, 2.5)
    assert figures["best_train_loss"] == result.best.train_loss
    assert not {"predict_microseconds_per_sequence", *(f"best_{name}" for name in unmeasured)} & figures.keys()


def test_numbers_are_finite_and_no_booleans() -> None:
    document = {"a": 1, "b": 0.5, "c": math.nan, "d": math.inf, "e": True, "f": "1", "g": None, "h": 2}
    assert numbers(document, leave_out=["h"]) == {"a": 1.0, "b": 0.5}


def test_a_network_is_kept_in_words_and_as_a_picture(tmp_path: Path) -> None:
    result = record(0).result
    assert result is not None
    save_artifacts(tmp_path, result)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.png", "model_summary.txt"]
    assert (tmp_path / "model_summary.txt").read_text(encoding="utf-8") == result.model_summary
    assert (tmp_path / "model.png").read_bytes().startswith(b"\x89PNG")
