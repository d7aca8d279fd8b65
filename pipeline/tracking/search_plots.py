"""Optuna's own view of a finished study: the importance of the parameters, and its plots of the trials."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState, create_trial

if TYPE_CHECKING:
    from optuna import Study
    from plotly.graph_objects import Figure

NAMES = ["parameters", "validation accuracy"]


@dataclass(frozen=True)
class SearchPlots:
    """`importances`: parameter → its share of 1, largest first; `page`: HTML with all plots, which opens offline."""

    importances: dict[str, float]
    page: str


def search_plots(storage: str, optuna_study: str) -> SearchPlots | None:
    """Importances (PED-ANOVA) and plots of a study in an Optuna storage; None with fewer than two complete trials.

    The contour is that of the two most important parameters, numeric ones if there are two.
    """
    study = optuna.load_study(study_name=optuna_study, storage=storage)
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(complete) < 2 or not complete[0].params:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few trials, equal values: the numbers and plots show it
        importances = optuna.importance.get_param_importances(study)
        distributions = complete[0].distributions
        numeric = [name for name in importances if not isinstance(distributions[name], CategoricalDistribution)]
        plane = (numeric if len(numeric) >= 2 else list(importances))[:2]
        return SearchPlots(importances, _page(optuna_study, _plots(study, plane)))


def _plots(study: Study, plane: list[str]) -> dict[str, Figure]:
    """Optuna's plots of the study by name."""
    from optuna import visualization

    plots = {
        "optimization_history": visualization.plot_optimization_history(study),
        "parallel_coordinate": visualization.plot_parallel_coordinate(study),
        "slice": visualization.plot_slice(study),
        "importances": visualization.plot_param_importances(study),
        "pareto": visualization.plot_pareto_front(_sizes(study), target_names=NAMES).update_xaxes(type="log"),
    }
    if len(plane) == 2:
        plots["contour"] = visualization.plot_contour(study, params=plane)
    return plots


def _sizes(study: Study) -> Study:
    """The complete trials with two values: the number of parameters, to be small, and the accuracy, to be large."""
    sizes = optuna.create_study(directions=["minimize", "maximize"])
    for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        values = [trial.user_attrs["parameters"], trial.value]
        sizes.add_trial(create_trial(values=values, params=trial.params, distributions=trial.distributions))
    return sizes


def _page(title: str, plots: dict[str, Figure]) -> str:
    """One page that opens offline: plotly's script, 5 MB, is in it once for all plots."""
    parts = [
        plot.to_html(full_html=False, include_plotlyjs=not index, div_id=name)
        for index, (name, plot) in enumerate(plots.items())
    ]
    head = f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>'
    return "\n".join([head, f"<body><h1>{title}</h1>", *parts, "</body></html>\n"])
