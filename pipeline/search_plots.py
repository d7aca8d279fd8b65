"""What Optuna itself says about a finished search: which parameters mattered, and its pictures of the trials."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState


@dataclass(frozen=True)
class SearchPlots:
    """`importances`: parameter → its share of 1, largest first; `pictures`: file name → PNG."""

    importances: dict[str, float]
    pictures: dict[str, bytes]


def search_plots(storage: str, optuna_study: str) -> SearchPlots | None:
    """Importances (PED-ANOVA) and plots of a study in an Optuna storage; None with fewer than two complete trials.

    The contour is that of the two most important numeric parameters, where there are two.
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
        from optuna.visualization import matplotlib as plots

        drawings: dict[str, Callable[[], Any]] = {
            "optimization_history": lambda: plots.plot_optimization_history(study),
            "parallel_coordinate": lambda: plots.plot_parallel_coordinate(study),
            "slice": lambda: plots.plot_slice(study),
        }
        if len(numeric) >= 2:
            drawings["contour"] = lambda: plots.plot_contour(study, params=numeric[:2])
        return SearchPlots(importances, {f"{name}.png": _png(draw) for name, draw in drawings.items()})


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
