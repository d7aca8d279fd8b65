"""Who competes for the champion, and which of them it is: by a race, or by the one-standard-error rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.analysis.configurations import (
    COLUMNS,
    CONFIGURATION,
    complete_trials,
    configurations,
    distinct,
    standard_error,
)
from pipeline.documents import Document, Frozen, records
from pipeline.errors import PipelineError
from pipeline.params.document import RACE
from pipeline.params.network import network_name
from pipeline.params.settings import Configuration, View
from pipeline.params.studies import RaceStudy
from pipeline.studies.definition import StudyDefinition
from pipeline.studies.race_results import race_accuracies, race_standing, race_table
from pipeline.studies.racing import FIRST_LOOK, Standing

RULE = (
    "Among the configurations trained on the most samples, the smallest network whose mean validation accuracy "
    "is within one standard error of the best one's; the standard error is the best one's, the larger of that "
    "over its seeds and the binomial one of the validation data."
)


RACE_RULE = (
    "The smallest network shown to be at most {tolerance} less accurate than any other one left in the race; where no "
    "network is shown to be, the most accurate one."
)


class Candidate(Configuration):
    """One of the configurations that competed. Figures are means over its seeds; `sd` is None for a single seed.

    `patience` is told where the trials of its study differ in it. It has decided the epochs that count.

    Of a race accuracy and gap are those of `over_all_blocks`, which can be compared. There are also `behind`, by how
    much the leader was more accurate when both were last compared, with its bounds, as fractions, None for the leader;
    `left_after`, the block after which it left, None if it stayed; `as_good`, whether it is shown to be as good as
    every other one left; and the `reason` in a sentence. See `studies.race_results`.
    """

    study: str
    train_samples: int
    view: View
    seeds: int
    parameters: int
    best_epoch: float
    validation_accuracy: float
    validation_accuracy_sd: float | None
    generalization_gap: float
    within_one_standard_error: bool
    behind: float | None = None
    behind_low: float | None = None
    behind_high: float | None = None
    left_after: int | None = None
    as_good: bool | None = None
    reason: str | None = None


OF_THE_RACE = ("behind", "behind_low", "behind_high", "left_after", "as_good", "reason")
CANDIDATE = [name for name in Candidate.model_fields if name not in OF_THE_RACE]


class Finalist(Candidate):
    """A candidate that is trained again: for `refit_epochs`, since there is no validation data to stop it."""

    refit_epochs: int

    @property
    def refit(self) -> Configuration:
        """The configuration as it is trained again, on all data but the test data."""
        left_out = {"epochs", "patience", "train_samples"}
        settings = {name: getattr(self, name) for name in Configuration.model_fields if name not in left_out}
        return Configuration(**settings, epochs=self.refit_epochs)


class LeftOut(Frozen):
    """So many configurations of a study that did not compete, and why."""

    study: str
    reason: str
    configurations: int


class RaceFinding(Frozen):
    """What a race has settled.

    `trainings` is how many it took, of `most_trainings` if nobody had left. `settled`: the choice is shown to be as
    good as every other network left, and no smaller one is left. `shown`: at least the first of the two. `not_known`
    are the smaller networks still in the race, of which it is not known whether they are as good, by their numbers
    among the entrants, from 0, the smallest first. `failed` names the networks that left because a training failed:
    nothing is shown of them. `alone`: the race ended without settling, since only the choice is left, or it was the
    single one from the start.
    """

    tolerance: float
    confidence: float
    blocks: int
    max_blocks: int
    trainings: int
    most_trainings: int
    settled: bool
    shown: bool
    not_known: tuple[int, ...]
    failed: tuple[str, ...] = ()
    alone: bool = False

    @property
    def compared_until(self) -> int:
        """The last block after which networks were compared, 0 if none: in its last, who is left is alone."""
        last = self.blocks - self.alone
        return last if last >= FIRST_LOOK else 0


class Choice(Document):
    """choice.json: the rule, the candidates with the most accurate first, the best of them and the choice.

    `data_sha256` are the hashes of the training and the validation data, from which it was chosen. Where a race has
    chosen, `race` says with what certainty; `one_standard_error` is what the rule of that name would choose.
    """

    data_sha256: tuple[str, ...] = ()
    rule: str
    compared_train_samples: int
    left_out: tuple[LeftOut, ...]
    standard_error: float
    threshold: float
    best: Finalist
    candidates: tuple[Candidate, ...]
    choice: Finalist
    race: RaceFinding | None = None
    one_standard_error: Candidate | None = None

    @classmethod
    def read_for(cls, data_sha256: Sequence[str], path: Path) -> Choice:
        """Read `path`; raises PipelineError if it was chosen from other data than those of these hashes."""
        choice = cls.read(path)
        if choice.data_sha256 != tuple(data_sha256):
            raise PipelineError(
                f"{path} was chosen from other data than data/sequences holds: run `dvc repro champion`"
            )
        return choice

    def name_of(self, network: Candidate) -> str:
        """What a network is called among the candidates; where it shares a name with another it is told apart."""
        rows = [row.model_dump() for row in self.candidates]
        same = network.model_dump(exclude={"refit_epochs"})
        names = zip(rows, distinct_names(rows), strict=True)
        return next((name for row, name in names if row == same), network_name(network))


@dataclass(frozen=True)
class Competitors:
    """The configurations that compete: of the studies' complete trials those trained on the most samples.

    `trials` are these trials by study, studies without any left out. `table` has the columns of `configurations`, and
    `study`, a row for each configuration; it is empty where no study has a complete trial. Figures of a race are those
    of `over_all_blocks`.
    """

    train_samples: int
    trials: dict[str, pd.DataFrame]
    table: pd.DataFrame

    def of(self, study: str) -> pd.DataFrame:
        """The rows of `table` that come from one study."""
        return self.table[self.table["study"] == study]


def competitors(studies: Mapping[str, pd.DataFrame], held_out: str = "validation") -> Competitors:
    """Who competes among the studies, given the trials.csv of each. More samples would only look better than fewer.

    `held_out` is what all of them hold out, as in params.yaml.
    """
    complete = {name: complete_trials(trials) for name, trials in studies.items()}
    most = int(max((trials["train_samples"].max() for trials in complete.values() if len(trials)), default=0))
    trials = {
        name: compared for name, table in complete.items() if len(compared := table[table["train_samples"] == most])
    }
    tables = [
        (over_all_blocks(table) if name == RACE else configurations(table, held_out)).assign(study=name)
        for name, table in trials.items()
    ]
    none = pd.DataFrame(columns=[*COLUMNS, "study"])
    return Competitors(most, trials, pd.concat(tables, ignore_index=True) if tables else none)


def over_all_blocks(trials: pd.DataFrame) -> pd.DataFrame:
    """The `configurations` of a race's complete trials, with accuracies and gaps that can be compared.

    The tenths that the blocks hold out are not equally hard, and a network that left early was measured on the first
    ones only. Its comparable accuracy is the leader's mean minus the mean difference of the two over the blocks that
    both have. The leader is the most accurate of those that were measured in all blocks, whose own means stay as they
    are. Bounds move with the means, so that an interval is as wide as its own blocks make it.
    """
    table = configurations(trials, "fold")
    if table.empty:
        return table
    trials = complete_trials(trials)
    place = trials.groupby(CONFIGURATION, sort=False, dropna=False).ngroup()  # the row of `table`
    in_all_blocks = table["seeds"] == table["seeds"].max()
    leader = table["validation_accuracy"].where(in_all_blocks).idxmax()
    for measure in ("validation_accuracy", "generalization_gap"):
        blocks = trials.assign(place=place).pivot(index="seed", columns="place", values=measure)
        own = blocks[leader]
        elsewhere = own.mean() - blocks.notna().apply(lambda both, own=own: own[both].mean())  # 0 if in all blocks
        for column in (measure, f"{measure}_low", f"{measure}_high"):
            table[column] += elsewhere
    accuracies = [f"validation_accuracy{suffix}" for suffix in ("", "_low", "_high")]
    return table.assign(**table[accuracies].clip(0, 1))


def name_among(network: Mapping[str, Any], networks: Sequence[Mapping[str, Any]]) -> str:
    """The name of a network, for people, with the view that it reads where these networks read several."""
    name, view = network_name(network), network.get("view")
    several = len({row.get("view") for row in networks}) > 1
    return f"{name} on {view.replace('_', ' ')}" if several and view else name


def distinct_names(networks: Sequence[Mapping[str, Any]], besides: Sequence[str] = ()) -> list[str]:
    """The `name_among` these of each; where two have the same, their settings tell them apart.

    These are dropout and learning rate if they differ in either, and all others in which they differ. What stands
    `besides` the names in a table tells its rows apart already.
    """
    names = [network_name(row) if "view" in besides else name_among(row, networks) for row in networks]
    shares: dict[str, set[tuple[float | None, float | None]]] = {}
    for name, row in zip(names, networks, strict=True):
        shares.setdefault(name, set()).add((row.get("dropout"), row.get("learning_rate")))
    names = [
        name
        if len(shares[name]) == 1 or {"dropout", "learning_rate"} <= set(besides)
        else f"{name}, dropout {row['dropout']:.3g}, rate {row['learning_rate']:.3g}"
        for name, row in zip(names, networks, strict=True)
    ]
    return distinct(names, networks, besides)


def named(networks: Sequence[Mapping[str, Any]], besides: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The rows of a table with their `distinct_names` as `network`."""
    names = distinct_names(networks, besides)
    return [{**row, "network": name} for row, name in zip(networks, names, strict=True)]


def choose_champion(
    studies: Mapping[str, pd.DataFrame],
    validation_samples: int,
    data_sha256: Sequence[str] = (),
    held_out: str = "validation",
) -> Choice:
    """Choose a configuration by the one-standard-error rule.

    `studies` are the trials.csv of the studies that compete, all of which hold out `held_out`; `data_sha256` are the
    hashes of the data behind them. Ties in size go to the higher accuracy. Raises PipelineError where no study has a
    complete trial.
    """
    everything = competitors(studies, held_out)
    if everything.table.empty:
        raise PipelineError(
            f"no champion can be chosen: none of the studies {', '.join(studies)} has a complete trial; "
            "see the column `state` of data/studies/*/trials.csv"
        )
    table = best_first(everything.table)
    error = _standard_error(table.iloc[0], validation_samples, held_out)
    threshold = float(table["validation_accuracy"].iloc[0]) - error
    table = table.assign(within_one_standard_error=table["validation_accuracy"] >= threshold)
    near = table[table["within_one_standard_error"]]
    smallest = near.sort_values(["parameters", "validation_accuracy"], ascending=[True, False], kind="stable")
    candidates = tuple(Candidate(**_plain(row)) for row in records(table[CANDIDATE]))
    best, choice = (
        Finalist(**_plain(records(rows.head(1)[CANDIDATE])[0]), refit_epochs=_refit_epochs(rows))
        for rows in (table, smallest)
    )
    return Choice(
        data_sha256=tuple(data_sha256),
        rule=RULE,
        compared_train_samples=everything.train_samples,
        left_out=tuple(_left_out(studies, everything.train_samples)),
        standard_error=error,
        threshold=threshold,
        best=best,
        candidates=candidates,
        choice=choice,
    )


def choose_by_race(definition: StudyDefinition, trials: pd.DataFrame, data_sha256: Sequence[str] = ()) -> Choice:
    """Choose what the race has settled upon, or else the smallest network that it has shown to be as good as the best.

    `trials` is its trials.csv. The most accurate network is the leader of the race. Raises PipelineError where no
    training is complete.
    """
    assert isinstance(definition.study, RaceStudy)
    rules, accuracies = definition.study, race_accuracies(definition, trials)
    table = competitors({RACE: trials}).table
    if table.empty:
        raise PipelineError(f"{definition.name} has no complete trial: see the column `state` of its trials.csv")
    state = race_standing(definition, accuracies)
    if not state.running.any():
        raise PipelineError(f"{definition.name}: every network had a training that failed: see its race.csv")
    leader, named = int(state.leader[0]), int(state.named[0])
    chosen = named if named >= 0 else leader

    rows = {definition.entrant(row): row for row in records(table)}
    first = rows[leader]
    held_out = definition.held_out_samples * int(first["seeds"])
    standard_error = _standard_error(pd.Series(first), held_out, "validation")  # the field's rule knows no overlap
    threshold = first["validation_accuracy"] - standard_error
    reasons = {row["entrant"]: row for row in records(race_table(definition, trials))}
    failed = state.failed[0]
    candidates = {
        entrant: _plain(
            {name: row[name] for name in CANDIDATE if name in row}
            | {name: reasons[entrant][name] for name in OF_THE_RACE}
            | {"within_one_standard_error": bool(row["validation_accuracy"] >= threshold and not failed[entrant])}
        )
        for entrant, row in rows.items()
    }
    order = sorted(candidates, key=lambda entrant: (entrant != leader, -candidates[entrant]["validation_accuracy"]))
    best, choice = (
        Finalist(**candidates[entrant], refit_epochs=max(1, round(candidates[entrant]["best_epoch"])))
        for entrant in (leader, chosen)
    )
    near = [row for row in candidates.values() if row["within_one_standard_error"]]
    smallest = min(near, key=lambda row: (row["parameters"], -row["validation_accuracy"]))
    not_known = [
        entrant for entrant in np.flatnonzero(state.running[0] & ~state.as_good[0]).tolist()
        if rows[entrant]["parameters"] < rows[chosen]["parameters"]
    ]  # fmt: skip
    names = distinct_names(
        [each.model_dump() | {"learning_rate": each.effective_learning_rate} for each in definition.entrants]
    )
    return Choice(
        data_sha256=tuple(data_sha256),
        rule=RACE_RULE.format(tolerance=f"{100 * rules.tolerance:.2g} points"),
        compared_train_samples=int(table["train_samples"].max()),
        left_out=(),
        standard_error=standard_error,
        threshold=threshold,
        best=best,
        candidates=tuple(Candidate(**candidates[entrant]) for entrant in order),
        choice=choice,
        race=RaceFinding(
            tolerance=rules.tolerance,
            confidence=rules.confidence,
            blocks=int(state.blocks[0]),
            max_blocks=rules.max_blocks,
            trainings=len(trials),
            most_trainings=definition.total,
            settled=bool(state.settled[0] >= 0),
            shown=named >= 0,
            not_known=tuple(not_known),
            failed=tuple(names[entrant] for entrant in np.flatnonzero(failed)),
            alone=bool(state.alone[0]),
        ),
        one_standard_error=Candidate(**smallest),
    )


def shown_among(state: Standing, entrants: Sequence[int]) -> list[int]:
    """Which of these entrants are shown to be as good as all of them, in the one race of `state`.

    Each pair is judged by the last look of the race that had both, whoever has left since. Where one entrant stands
    alone nothing is shown of it.
    """
    good = ~state.may_be_better[0][np.ix_(entrants, entrants)].any(axis=0)
    return [entrant for entrant, shown in zip(entrants, good, strict=True) if shown and len(entrants) > 1]


def best_first(table: pd.DataFrame) -> pd.DataFrame:
    """Configurations by their mean validation accuracy, the highest first; of equals the smaller first."""
    return table.sort_values(["validation_accuracy", "parameters"], ascending=[False, True], kind="stable")


def _refit_epochs(rows: pd.DataFrame) -> int:
    return max(1, round(rows["best_epoch"].iloc[0]))


def _standard_error(best: pd.Series, validation_samples: int, held_out: str) -> float:
    accuracy, seeds = best["validation_accuracy"], best["seeds"]
    binomial = np.sqrt(accuracy * (1 - accuracy) / validation_samples)
    over_seeds = standard_error(best["validation_accuracy_sd"], seeds, held_out) if seeds >= 2 else 0.0
    return float(max(binomial, over_seeds))


def _left_out(studies: Mapping[str, pd.DataFrame], samples: int) -> list[LeftOut]:
    entries: list[LeftOut] = []
    for name, trials in studies.items():
        table = configurations(trials)
        if table.empty:
            entries.append(LeftOut(study=name, reason="it has no complete trial", configurations=0))
        for count, group in table[table["train_samples"] < samples].groupby("train_samples"):
            reason = f"trained on {count:,} samples, not on {samples:,}"
            entries.append(LeftOut(study=name, reason=reason, configurations=len(group)))
    return entries


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with Python's own types, None for NaN."""
    values = {key: value.item() if isinstance(value, np.generic) else value for key, value in row.items()}
    plain = {key: None if pd.isna(value) else value for key, value in values.items()}
    return plain | {"patience": plain["patience"] and int(plain["patience"])}  # no whole number in a column with NaN
