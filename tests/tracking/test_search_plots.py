"""Importances and plots from a real Optuna study in SQLite."""

from pathlib import Path

import optuna
import pytest

from pipeline.tracking.search_plots import search_plots


def study_with(tmp_path: Path, trials: int) -> str:
    """A study of two numbers and a word, of which `units` alone decides; returns its storage."""
    storage = f"sqlite:///{tmp_path}/optuna.db"
    study = optuna.create_study(
        storage=storage, study_name="s", direction="maximize", sampler=optuna.samplers.RandomSampler(0)
    )

    def accuracy(trial: optuna.Trial) -> float:
        trial.suggest_float("dropout", 0.0, 0.5)
        trial.suggest_categorical("cell", ["gru", "lstm"])
        units = trial.suggest_int("units", 1, 100)
        trial.set_user_attr("parameters", 10 * units)
        return units / 100

    study.optimize(accuracy, n_trials=trials)
    study.add_trial(optuna.trial.create_trial(state=optuna.trial.TrialState.FAIL))
    return storage


def test_the_parameter_that_decides_is_the_most_important(tmp_path: Path) -> None:
    plots = search_plots(study_with(tmp_path, 30), "s")
    assert plots is not None
    assert next(iter(plots.importances)) == "units"
    assert sum(plots.importances.values()) == pytest.approx(1)
    kinds = ["optimization_history", "parallel_coordinate", "slice", "importances", "pareto", "contour"]
    page = plots.page
    assert [page.count(f'id="{kind}"') for kind in kinds] == [1] * 6
    assert page.count("plotly.js v") == 1, "the script is there, and once"
    assert "<script src=" not in page, "the page opens offline"


@pytest.mark.parametrize(("trials", "there"), [(1, False), (2, True)])
def test_two_complete_trials_are_enough(tmp_path: Path, trials: int, there: bool) -> None:
    assert (search_plots(study_with(tmp_path, trials), "s") is not None) == there
