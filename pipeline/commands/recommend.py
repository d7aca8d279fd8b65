"""recommend: the finished studies' answer within a budget, in a sentence and a table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from pipeline import paths
from pipeline.analysis.choice import (
    Choice,
    best_first,
    choose_champion,
    competitors,
    distinct_names,
    shown_among,
)
from pipeline.analysis.configurations import CONFIGURATION, is_configuration
from pipeline.analysis.evaluation import tested_model
from pipeline.analysis.prediction_times import BATCH_SIZES, with_prediction_times
from pipeline.commands.champion import choose
from pipeline.data.sequences import prepared_sequences
from pipeline.documents import print_json, read_table, records
from pipeline.errors import PipelineError, runnable
from pipeline.params.document import RACE, Params
from pipeline.params.settings import METRIC_NAMES, Metric
from pipeline.report.baseline import against_baseline
from pipeline.report.text import NOTHING, interval_of_accuracy, listed, number, percent, plural, tolerance_words
from pipeline.studies.race_results import race_accuracies, race_standing
from pipeline.studies.racing import Standing
from pipeline.studies.results import read_results, study_definition

SHOWN = 8  # rows of the table
GAP = 2  # blanks between its columns
NARROW = 14  # characters of a network's name that stay on a line where there is little place
FIGURES = ["parameters", "seeds", "validation_accuracy", "validation_accuracy_low", "validation_accuracy_high",
           "predict_ms", "predict_batch_ms"]  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """What `recommend` has to say: the network to use, None if no network qualifies, and those that do, best first.

    `shown` is whether it is shown to be better than answering without a look at the sequence.
    """

    sentences: list[str]
    chosen: dict[str, Any] | None
    shown: bool
    qualifying: list[dict[str, Any]]
    train_samples: int
    compared: int
    below: list[str]  # sentences below the table


def recommend(
    params: Params,
    max_parameters: int | None,
    max_predict_ms: float | None,
    min_accuracy: float | None,
    console: Console | None = None,
    as_json: bool = False,
) -> bool:
    """Print the network to use among those that qualify; False if none does, or if that network is not shown to be
    better than answering without a look at the sequence. Nothing is trained.

    Networks are those of `champion.studies` trained on the most samples. A prediction's time is that of one sequence
    alone, on one thread, as prediction_times.csv has it; the table gives that of a batch, too. With `min_accuracy` the
    smallest network that qualifies is recommended. Otherwise it is the race's choice if all that are still in the race
    qualify, as they do without a limit. Else it is the smallest that is shown to be as good as all that qualify, or the
    most accurate of them where none is. A network that left the race because a training failed never qualifies. Without
    a race the one-standard-error rule chooses. Raises PipelineError before any study has finished, and for
    `max_predict_ms` before prediction times have been measured. With `as_json` the answer is a document on standard
    output, and sentences go to standard error.
    """
    console = console or Console(highlight=False, markup=False, stderr=as_json)
    answer = _answer(params, max_parameters, max_predict_ms, min_accuracy)
    metric = params.champion.metric
    whole = not console.is_terminal  # a reader that is no terminal gets a sentence as one line
    for sentence in answer.sentences:
        console.print(runnable(sentence), soft_wrap=whole)
    if answer.qualifying and not as_json:
        console.print(_table(answer.qualifying[:SHOWN], METRIC_NAMES[metric], console.width))
    for sentence in answer.below:
        console.print(sentence, soft_wrap=whole)
    if as_json:
        print_json(_document(answer, metric))
    return answer.shown


def _answer(
    params: Params, max_parameters: int | None, max_predict_ms: float | None, min_accuracy: float | None
) -> Answer:
    if max_predict_ms is not None and not paths.PREDICTION_TIMES.exists():
        raise PipelineError(f"{paths.PREDICTION_TIMES} not found: `dvc repro evaluate` measures how long networks take")
    summary = prepared_sequences(params.data)
    studies = {name: read_results(name, params, summary).trials for name in params.champion.studies}
    held_out = params.studies[params.champion.studies[0]].held_out  # of all of them: see `Params`
    compared = competitors(studies, held_out)
    if compared.table.empty:
        raise PipelineError(
            "no study that champion.studies names has a complete trial: see the column `state` of "
            "data/studies/*/trials.csv"
        )
    times = read_table(paths.PREDICTION_TIMES) if paths.PREDICTION_TIMES.exists() else None
    everything = with_prediction_times(compared.table, times)
    everything["network"] = distinct_names(records(everything))
    choice, state = choose(params, summary), None
    sentences: list[str] = []
    below: list[str] = []
    if choice.race is not None:
        definition = study_definition(RACE, params, summary)
        state = race_standing(definition, race_accuracies(definition, studies[RACE]))
        everything["entrant"] = [definition.entrant(row) for row in records(everything)]
        everything = everything[~state.failed[0][everything["entrant"]]]
        if choice.race.failed:
            sentences.append(f"Left out, because a training failed: {listed(choice.race.failed)}.")

    if max_predict_ms is not None and (unknown := int(everything["predict_ms"].isna().sum())):
        verb = "has" if unknown == 1 else "have"
        sentences.append(f"{plural(unknown, 'network')} {verb} not been timed: `dvc repro evaluate` does it.")
    metric, metric_name = params.champion.metric, METRIC_NAMES[params.champion.metric]
    limits = {"parameters": max_parameters, "predict_ms": max_predict_ms}
    qualifying = everything
    for column, limit in limits.items():
        if limit is not None:
            qualifying = qualifying[qualifying[column] <= limit]
    if min_accuracy is not None:
        qualifying = qualifying[qualifying["validation_accuracy"] >= min_accuracy]
    if qualifying.empty:
        best = max(records(everything), key=lambda row: row["validation_accuracy"])
        several = f"None of the {len(everything)} networks qualifies"
        none = several if len(everything) > 1 else "The one network does not qualify"
        sentences.append(
            f"{none}: parameters from {everything['parameters'].min():,}, "
            f"one prediction from {number(everything['predict_ms'].min())} ms, validation {metric_name} up to "
            f"{percent(best['validation_accuracy'])} ({best['network']}, {best['parameters']:,} parameters)."
        )
        return Answer(sentences, None, False, [], compared.train_samples, len(everything), below)

    certainty = ""
    if state is None or min_accuracy is not None:
        chosen = _choose(compared.trials, qualifying, min_accuracy, summary.validation.samples, held_out)
    else:
        chosen, certainty = _raced(choice, state, qualifying)
    metrics = tested_model(choice.choice, summary.all_sha256, metric)
    against = against_baseline(summary, chosen, choice, metrics, metric, held_out, len(compared.table))
    if not against.shown:
        sentences.append(f"No network is recommended: {against.doubt(chosen['network'])}")
    bounds = interval_of_accuracy(chosen["validation_accuracy_low"], chosen["validation_accuracy_high"])
    spread = "" if bounds == NOTHING else f"95 % interval {bounds}, "
    sentences.append(
        f"{'Use' if against.shown else 'Else it would be'} {chosen['network']}: {chosen['parameters']:,} parameters, "
        f"validation {metric_name} "
        f"{percent(chosen['validation_accuracy'])} ({spread}{plural(chosen['seeds'], 'seed')}), "
        f"{number(chosen['predict_ms'])} ms for one prediction. "
        f"{len(qualifying)} of {plural(len(everything), 'network')} trained on {compared.train_samples:,} samples "
        f"{'qualifies' if len(qualifying) == 1 else 'qualify'}"
        f"{f'; below are the {SHOWN} most accurate' * (len(qualifying) > SHOWN)}."
    )
    if certainty:
        sentences.append(certainty)
    if choice.race is not None and (reason := _reason(choice, chosen)):
        sentences.append(f"In the race: {reason}.")
    if choice.race is not None and qualifying["seeds"].nunique() > 1:
        below.append(
            "A network with fewer seeds left the race early: its accuracy is the leader's minus the difference over "
            "the blocks that both have."
        )
    ordered = records(best_first(qualifying))
    return Answer(sentences, chosen, against.shown, ordered, compared.train_samples, len(everything), below)


def _document(answer: Answer, metric: Metric) -> dict[str, Any]:
    """The answer as JSON has it: what is not known is null, and the columns called accuracy hold `metric`."""

    def network(row: dict[str, Any]) -> dict[str, Any]:
        return {name: row[name] for name in ("network", "study", *FIGURES, *CONFIGURATION)}

    return {
        "recommended": answer.shown,
        "choice": network(answer.chosen) if answer.chosen else None,
        "metric": metric,
        "train_samples": answer.train_samples,
        "compared": answer.compared,
        "qualifying": [network(row) for row in answer.qualifying],
        "sentences": answer.sentences + answer.below,
    }


def _raced(choice: Choice, state: Standing, qualifying: pd.DataFrame) -> tuple[dict[str, Any], str]:
    """The row of `qualifying` to use as the race stands, and what is shown of it."""
    assert choice.race is not None
    tolerance = tolerance_words(choice.race.tolerance)
    of_race = is_configuration(qualifying, choice.choice.model_dump())
    everybody = np.isin(np.flatnonzero(state.running[0]), qualifying["entrant"]).all()
    if everybody and (choice.race.shown or choice.race.alone):
        return records(qualifying[of_race])[0], ""
    if len(qualifying) == 1:
        return records(qualifying)[0], ""
    shown = qualifying["entrant"].isin(shown_among(state, qualifying["entrant"].tolist()))
    if choice.race.shown and not choice.race.failed:
        shown |= of_race  # who has left is worse than somebody than whom the race's choice is not
    if shown.any() and not everybody:
        return _smallest(qualifying[shown]), (
            f"Of those that qualify it is the smallest shown to be at most {tolerance} less accurate than any other "
            f"({100 * choice.race.confidence:g} % confidence)."
        )
    return records(qualifying[of_race] if everybody else best_first(qualifying))[0], (
        f"Of those that qualify it is the most accurate, but none is shown to be at most {tolerance} less accurate "
        "than any other: which is the smallest that is good enough is not known."
    )


def _smallest(networks: pd.DataFrame) -> dict[str, Any]:
    """Of several of one size the most accurate."""
    order = networks.sort_values(["parameters", "validation_accuracy"], ascending=[True, False], kind="stable")
    return records(order)[0]


def _reason(choice: Choice, chosen: dict[str, Any]) -> str | None:
    """How the race ended for the network."""
    row = pd.DataFrame([chosen])
    return next((c.reason for c in choice.candidates if is_configuration(row, c.model_dump()).iloc[0]), None)


def _choose(
    trials: Mapping[str, pd.DataFrame],
    qualifying: pd.DataFrame,
    min_accuracy: float | None,
    validation_samples: int,
    held_out: str,
) -> dict[str, Any]:
    """The row of `qualifying` to use."""
    if min_accuracy is not None:
        return _smallest(qualifying)
    within = {
        name: study.merge(qualifying.loc[qualifying["study"] == name, CONFIGURATION]) for name, study in trials.items()
    }
    choice = choose_champion(within, validation_samples, held_out=held_out).choice
    same = is_configuration(qualifying, choice.model_dump()) & (qualifying["study"] == choice.study)
    return records(qualifying[same])[0]


def _table(rows: list[dict[str, Any]], metric_name: str, width: int) -> Table:
    """The networks; what is the same in every row, or finds no place in a terminal of this width, is left out."""
    columns = {
        "network": [row["network"] for row in rows],
        "study": [row["study"] for row in rows],
        "parameters": [number(row["parameters"]) for row in rows],
        f"{metric_name}, %": [percent(row["validation_accuracy"]).removesuffix(" %") for row in rows],
        "95 % interval": [
            interval_of_accuracy(row["validation_accuracy_low"], row["validation_accuracy_high"]) for row in rows
        ],
        "seeds": [str(row["seeds"]) for row in rows],
        "ms for 1": [number(row["predict_ms"]) for row in rows],
        f"ms for {BATCH_SIZES[1]}": [number(row["predict_batch_ms"]) for row in rows],
    }
    if len(set(columns["study"])) == 1:
        del columns["study"]
    needed = {name: max(map(len, [name, *texts])) for name, texts in columns.items()}
    longest = needed["network"]
    needed["network"] = min(NARROW, longest)  # where there is no more place its names go on in a second line
    for optional in (f"ms for {BATCH_SIZES[1]}", "seeds", "study", "ms for 1", "95 % interval"):
        if (left := width - sum(needed[name] + GAP for name in columns) + GAP) >= 0:
            break
        columns.pop(optional, None)
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False)
    for name in columns:
        if name == "network":
            table.add_column(name, width=min(longest, needed[name] + max(left, 0)), overflow="fold")
        else:
            table.add_column(name, justify="left" if name == "study" else "right", no_wrap=True)
    for row in zip(*columns.values(), strict=True):
        table.add_row(*row)
    return table
