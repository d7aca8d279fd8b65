"""Optuna's own view of a finished study: the importance of the parameters, and its plots of the trials."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState, create_trial

if TYPE_CHECKING:
    from optuna import Study

PAGE = "optuna.html"
NAMES = ["parameters", "validation accuracy"]


@dataclass(frozen=True)
class SearchPlots:
    """`importances`: parameter → its share of 1, largest first; `files`: name → PNG, and the page with all plots."""

    importances: dict[str, float]
    files: dict[str, bytes]


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
        from optuna import visualization
        from optuna.visualization import matplotlib

        sizes = _sizes(study)
        drawn, paged = _plots(matplotlib, study, plane), _plots(visualization, study, plane)
        drawn["pareto"] = lambda: matplotlib.plot_pareto_front(sizes, target_names=NAMES).set_xscale("log")
        paged["pareto"] = lambda: visualization.plot_pareto_front(sizes, target_names=NAMES).update_xaxes(type="log")
        files = {f"{name}.png": _png(plot) for name, plot in drawn.items()}
        return SearchPlots(importances, files | {PAGE: _page(optuna_study, paged)})


def _plots(library: Any, study: Study, plane: list[str]) -> dict[str, Callable[[], Any]]:
    """File name → how to draw it with `library`, one of Optuna's two: they have the same functions."""
    plots: dict[str, Callable[[], Any]] = {
        "optimization_history": lambda: library.plot_optimization_history(study),
        "parallel_coordinate": lambda: library.plot_parallel_coordinate(study),
        "slice": lambda: library.plot_slice(study),
        "importances": lambda: library.plot_param_importances(study),
    }
    if len(plane) == 2:
        plots["contour"] = lambda: library.plot_contour(study, params=plane)
    return plots


def _sizes(study: Study) -> Study:
    """The complete trials with two values: the number of parameters, to be small, and the accuracy, to be large."""
    sizes = optuna.create_study(directions=["minimize", "maximize"])
    for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        values = [trial.user_attrs["parameters"], trial.value]
        sizes.add_trial(create_trial(values=values, params=trial.params, distributions=trial.distributions))
    return sizes


def _png(draw: Callable[[], Any]) -> bytes:
    """Optuna sets a style and draws into pyplot's current figure; the backend is one that opens no window."""
    from matplotlib import pyplot, rc_context

    pyplot.switch_backend("agg")
    picture = BytesIO()
    with rc_context():
        draw()
        pyplot.savefig(picture, format="png", dpi=100, bbox_inches="tight", metadata={"Software": None})
        pyplot.close("all")
    return picture.getvalue()


def _page(title: str, plots: dict[str, Callable[[], Any]]) -> bytes:
    """One page that opens offline: plotly's script, 5 MB, is in it once for all plots."""
    parts = [
        plot().to_html(full_html=False, include_plotlyjs=not index, div_id=name)
        for index, (name, plot) in enumerate(plots.items())
    ]
    head = f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>'
    return "\n".join([head, f"<body><h1>{title}</h1>", *parts, "</body></html>\n"]).encode()
