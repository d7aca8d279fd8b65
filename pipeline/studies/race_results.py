"""What a race has found: its accuracies block by block, where it stands, and race.csv."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.documents import records
from pipeline.params.network import NetworkSpec, network_name, parameter_count
from pipeline.params.settings import Configuration
from pipeline.params.studies import RaceStudy
from pipeline.studies.definition import StudyDefinition
from pipeline.studies.racing import FIRST_LOOK, Standing, standing

# How an entrant is described in race.csv, beside its network.
TRAINED_BY = ("optimizer", "learning_rate", "batch_size", "epochs")

RACE_COLUMNS = [
    "entrant", "network", *NetworkSpec.model_fields, *TRAINED_BY, "parameters", "blocks", "validation_accuracy",
    "behind", "behind_low", "behind_high", "left_after", "as_good", "settled", "reason",
]  # fmt: skip


def race_accuracies(definition: StudyDefinition, trials: pd.DataFrame) -> NDArray[np.float64]:
    """Validation accuracies (blocks, entrants) out of a race's trials.csv, NaN where there is none."""
    blocks = int(trials["seed"].max()) - definition.study.seed + 1 if len(trials) else 0
    table = np.full((blocks, len(definition.entrants)), np.nan)
    for row in records(trials[trials["state"] == "COMPLETE"]):
        table[row["seed"] - definition.study.seed, definition.entrant(row)] = row["validation_accuracy"]
    return table


def race_standing(definition: StudyDefinition, accuracies: NDArray[np.float64]) -> Standing:
    """Where this one race stands after these blocks; see `racing.standing`, whose first axis has length 1."""
    assert isinstance(definition.study, RaceStudy)
    sizes = [parameter_count(entrant.network, *definition.summary.sizes) for entrant in definition.entrants]
    return standing(accuracies[None], definition.study, definition.held_out_samples, sizes)


def race_table(definition: StudyDefinition, trials: pd.DataFrame) -> pd.DataFrame:
    """race.csv: a row for each entrant, the smallest network first, columns `RACE_COLUMNS`.

    `blocks` is how many it took part in, `validation_accuracy` its mean over them. `behind` is by how much the leader
    was more accurate at the last look that included it, with its bounds, as fractions; they are missing for the leader.
    `left_after` is the block after which it left, missing for those still in the race. `as_good` is whether it is shown
    to be at most the tolerance worse than every other one still in the race. `settled` is whether the race has settled
    upon it. `reason` says all this in a sentence.
    """
    assert isinstance(definition.study, RaceStudy)
    accuracies = race_accuracies(definition, trials)
    state = race_standing(definition, accuracies)
    rows = [
        entrant.model_dump(include={*NetworkSpec.model_fields, *TRAINED_BY})
        | {
            "entrant": place,
            "network": network_name(entrant),
            "learning_rate": entrant.effective_learning_rate,
            "parameters": parameter_count(entrant.network, *definition.summary.sizes),
            "blocks": int(np.isfinite(accuracies[:, place]).sum()),
            "validation_accuracy": _mean(accuracies[:, place]),
            "behind": state.behind[0, place],
            "behind_low": state.behind_low[0, place],
            "behind_high": state.behind_high[0, place],
            "left_after": int(state.left_after[0, place]) or None,
            "as_good": bool(state.as_good[0, place]),
            "settled": bool(state.settled[0] == place),
            "reason": _reason(state, place, definition.study, definition.entrants),
        }
        for place, entrant in enumerate(definition.entrants)
    ]
    return pd.DataFrame(rows, columns=RACE_COLUMNS).astype({"left_after": "Int64"})


def _mean(accuracies: NDArray[np.float64]) -> float:
    known = accuracies[np.isfinite(accuracies)]
    return float(known.mean()) if len(known) else float("nan")


def _reason(state: Standing, place: int, rules: RaceStudy, entrants: list[Configuration]) -> str:
    tolerance, low = f"{100 * rules.tolerance:.2g} points", state.behind_low[0, place]
    left = int(state.left_after[0, place])
    if state.failed[0, place]:
        return f"a training failed in block {left}"
    if left:
        return (
            f"shown to be worse than the leader by more than {tolerance} after block {left}: by {100 * low:.2f} or more"
        )
    if state.settled[0] == place and not state.failed[0].any():
        return f"the smallest network, and shown to be at most {tolerance} worse than any other one left in the race"
    if state.as_good[0, place]:
        return f"shown to be at most {tolerance} worse than any other one left in the race"
    if state.alone[0]:
        return "the only network left"
    if state.blocks[0] < FIRST_LOOK:
        return "not compared yet"
    if place == state.leader[0]:
        return f"leads, but not shown to be at most {tolerance} worse than any other one left in the race"
    return f"not known whether it is more than {tolerance} worse than the best"
