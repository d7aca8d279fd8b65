"""champion: what is trained again, and under which names; the training itself is tested with the studies."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import paths
from pipeline.analysis.choice import choose_champion
from pipeline.commands import champion
from pipeline.params.document import Params
from pipeline.training.trials import Trial, TrialRecord
from tests.helpers.results import read_trials, write_results


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Results of studies in the current folder, and what the stage asks of training and of MLflow."""
    monkeypatch.chdir(tmp_path)
    write_results()
    paths.write_json(paths.MANIFEST, {"licence": "none"})
    np.savez(paths.VALIDATION, x=np.zeros((2, 28, 28), dtype=np.float32))
    heard: dict[str, Any] = {}

    def refit(trials: dict[Path, Trial], params: Params, samples: int, view: str) -> list[TrialRecord]:
        heard["trials"], heard["samples"] = trials, samples
        return [TrialRecord(trial, "COMPLETE", samples, view) for trial in trials.values()]

    monkeypatch.setattr(champion, "refit", refit)
    monkeypatch.setattr(champion, "log_champion", lambda **arguments: heard.update(logged=arguments))
    return heard


def test_champion_that_is_the_best_is_trained_alone(asked: dict[str, Any], tiny_params: Params) -> None:
    champion.run(tiny_params)
    chosen = json.loads(paths.CHOICE.read_text(encoding="utf-8"))["choice"]
    assert [path.name for path in asked["trials"]] == ["seed-0.keras", "seed-1.keras"]
    assert [trial.seed for trial in asked["trials"].values()] == [0, 1]
    assert {trial.configuration.epochs for trial in asked["trials"].values()} == {chosen["refit_epochs"]}
    assert asked["samples"] == 60_000


def test_best_network_is_trained_once_to_be_compared_and_is_no_champion(
    asked: dict[str, Any], tiny_params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    lenient = choose_champion({"search": read_trials("search")}, validation_samples=10)
    assert lenient["best"]["parameters"] > lenient["choice"]["parameters"]
    monkeypatch.setattr(champion, "choose_champion", lambda *_: lenient)
    champion.run(tiny_params)
    trials = {path.name: trial for path, trial in asked["trials"].items()}
    assert list(trials) == ["seed-0.keras", "seed-1.keras", "best-0.keras"]
    best = trials["best-0.keras"]
    assert (best.number, best.seed) == (2, 0)
    assert best.configuration.units == lenient["best"]["units"]
    assert best.configuration.epochs == lenient["best"]["refit_epochs"]
    assert trials["seed-0.keras"].configuration.units == lenient["choice"]["units"]
    assert [path.name for path in asked["logged"]["models"]] == ["seed-0.keras", "seed-1.keras"]
    assert [record.trial.number for record in asked["logged"]["records"]] == [0, 1]
