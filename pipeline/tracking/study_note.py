"""A study told in Markdown: MLflow shows it on top of the parent run."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from pipeline.analysis.configurations import CONFIGURATION, configurations
from pipeline.documents import records
from pipeline.params.network import network_name
from pipeline.studies.definition import HELD_OUT_NAMES
from pipeline.studies.results import StudySummary, TrialRow

SAMPLERS = {
    "list": "a fixed list of configurations",
    "grid": "every combination of the values of a grid",
    "tpe": "configurations proposed one after the other by Optuna's TPE sampler",
    "cmaes": "configurations proposed one after the other by Optuna's CMA-ES sampler",
    "random": "configurations drawn at random",
    "race": "a race: the networks that other studies send, block by block, until those worse than the best have left",
}
# Which data the accuracies `validation_…` are measured on.
HELD_OUT = {
    "validation": "the validation data",
    "fold": "the part of the sequences that belongs to the seed",
    "test": "the test data",
}
PICTURE = "networks.png"
NETWORK = ["cell", "units", "depth", "bidirectional"]
ROWS_SHOWN = 20


def study_note(
    summary: StudySummary,
    sampler: str,
    trials: pd.DataFrame,
    importances: Mapping[str, float],
    shown_in: str | None = None,
) -> str:
    """`importances` is empty where Optuna has none; `shown_in` is the id of the run that has `PICTURE`, if one has."""
    states = ", ".join(f"{count} {state.lower()}" for state, count in summary.states.items())
    data, held_out = HELD_OUT[summary.held_out], HELD_OUT_NAMES[summary.held_out]
    picture = f"![Accuracy and generalization gap by parameters](get-artifact?path={PICTURE}&run_uuid={shown_in})"
    paragraphs = [
        *([picture] if shown_in else []),  # the page shows the first lines, and the others by a click
        f"## Study {summary.study}",
        f"The study is {SAMPLERS[sampler]}. Each nested run is one training; to compare them, select some and press "
        f"Compare, or draw `best_validation_accuracy` against `parameters`. Accuracies `validation_…` are those on "
        f"{data}, `generalization_gap` is train minus {held_out} accuracy, both measured with dropout off.",
        f"Trials: {states}. {_best_sentence(summary.best)}",
        f"All of them, and nothing else, by the search `tags.kind = 'trial' and tags.optuna_study = "
        f"'{summary.optuna_study}'`.",
    ]
    if importances:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in importances.items())
        paragraphs.append(
            f"Importance for being among the best (PED-ANOVA): {shares}. "
            "Optuna's plots are among the artifacts: `plots/optuna.html` has all of them."
        )
    return "\n\n".join([*paragraphs, *_table(configurations(trials, summary.held_out), held_out)]) + "\n"


def _best_sentence(row: TrialRow | None) -> str:
    if row is None:
        return "None was trained to its end."
    return (
        f"The best is #{row.number:03d}, {network_name(row.model_dump())}, with "
        f"{row.validation_accuracy:.2%} after epoch {row.best_epoch}."
    )


def _table(table: pd.DataFrame, held_out: str) -> list[str]:
    """The configurations in Markdown, most accurate first; of their settings only those that differ."""
    if table.empty:
        return []
    varying = [name for name in CONFIGURATION if name not in NETWORK and table[name].nunique(dropna=False) > 1]
    shown = table.sort_values("validation_accuracy", ascending=False, kind="stable").head(ROWS_SHOWN)
    headers = ["network", *varying, "parameters", "seeds", f"{held_out} accuracy", "gap (points)"]
    rows = [
        [
            network_name(row),
            *(_setting(row[name]) for name in varying),
            f"{row['parameters']:,}",
            str(row["seeds"]),
            f"{row['validation_accuracy']:.2%}"
            + (f" ± {100 * row['validation_accuracy_sd']:.2f}" if row["seeds"] > 1 else ""),
            f"{100 * row['generalization_gap']:.2f}",
        ]
        for row in records(shown)
    ]
    lines = [headers, ["---"] * len(headers), *rows]
    title = f"The {len(shown)} best of {len(table)} configurations" if len(shown) < len(table) else "All configurations"
    return [f"{title}, mean ± standard deviation over seeds:", "\n".join(f"| {' | '.join(line)} |" for line in lines)]


def _setting(value: Any) -> str:
    """As in params.yaml."""
    if pd.isna(value):
        return "null"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
