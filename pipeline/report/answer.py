"""Section "the answer": the network to use, and all that competed drawn against its size."""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.analysis.choice import Candidate, Choice, RaceFinding, distinct_names
from pipeline.analysis.on_test_data import TO_BEST
from pipeline.documents import records
from pipeline.params.network import CELLS
from pipeline.params.settings import METRIC_NAMES, Metric, View
from pipeline.report.answer_figure import accuracies_shown, answer_figure
from pipeline.report.baseline import champion_against_baseline
from pipeline.report.drawing import baseline_words
from pipeline.report.race import possible
from pipeline.report.results import Results
from pipeline.report.tested import described, model_words, named, pairs_ahead, shown
from pipeline.report.text import (
    Column,
    Table,
    interval,
    listed,
    number,
    percent,
    plural,
    points,
    text_table,
    tolerance_words,
)

TITLE_WIDTH = 52  # characters
MEANS: dict[Metric, str] = {
    "balanced_accuracy": "the mean of the classes' recalls",
    "macro_f1": "the mean of the classes' F1 scores",
}
PLACED_BY_RACE = (
    "A network that left the race early stands where its difference to the leader puts it, over the blocks that both "
    "have: blocks are not equally hard. "
)


@dataclass(frozen=True)
class Answer:
    """What to use, and how that network was trained (None before a choice); `facts` are label and value.

    `lines` say by which metric it was chosen, if not by accuracy, what is not known, what the test has shown, and what
    others would choose.
    """

    headline: str
    lines: tuple[str, ...]
    recipe: str | None
    facts: tuple[tuple[str, str], ...]
    tested: bool
    figures: dict[str, str]
    caption: str
    candidates: Table | None


def answer(results: Results) -> Answer:
    """The page's first screen, before a choice too."""
    choice, found = results.choice, finding(results.choice)
    doubt, recommended = _doubt(results), results.recommended
    studies = {name: results.competitors.of(name) for name in results.competitors.trials}
    told = found if doubt is None else "No network is recommended"
    alt = f"Validation accuracy and generalization gap against the number of parameters. {told}."
    title = "\n".join(textwrap.wrap(told, TITLE_WIDTH))
    figure = answer_figure(studies, results.baseline, recommended, title, alt)
    headline = f"{found}." if choice is None else _headline(choice)
    lines = () if choice is None else (*_lines_of_the_test(results), *_model(results), *_lines_of_the_race(choice))
    if doubt is not None:
        headline, lines = f"No network is recommended: {doubt}", (f"{found}.", *lines)
    return Answer(
        headline=headline,
        lines=(*_lines_of_the_metric(results), *lines),
        recipe=None if choice is None else _recipe(choice, results.summary.view),
        facts=tuple(_facts(results)),
        tested=results.metrics is not None,
        figures={"answer": figure},
        caption=(
            "Higher is more accurate, further left is smaller"
            f"{'; the ring marks the champion' * (recommended is not None)}. "
            "Each point is a configuration: point at it or touch it for its numbers. "
            f"{baseline_words(results.baseline, accuracies_shown(studies, recommended)) if studies else ''}"
            f"{PLACED_BY_RACE * (results.race is not None)}Bars are 95 % intervals over seeds; one that ends in "
            "an arrow reaches further. Lines join networks that differ in their number of units alone."
        ),
        candidates=None if choice is None else _candidates(choice),
    )


def _doubt(results: Results) -> str | None:
    """That the choice is not shown to be better than answering without a look; None where it is."""
    against, choice = results.against_baseline, results.choice
    if choice is None or results.recommended is not None:
        return None
    name = choice.name_of(choice.choice)
    if against is None:
        return (
            f"it is not known whether {name} is better than always giving the same answer. It was not tested, and the "
            f"study {choice.choice.study}, which has chosen it, is not here."
        )
    return against.doubt(name)


def _lines_of_the_metric(results: Results) -> list[str]:
    """By what networks were chosen, where that is not accuracy, and what it is of the choice on the test data."""
    if (metric := results.metric) == "accuracy":
        return []
    name = METRIC_NAMES[metric]
    line = (
        f"Networks were chosen by {name}, {MEANS[metric]}. On this page a validation accuracy, the train accuracy "
        "beside it and their gap are of that. Accuracy and gap on the test sequences are plain."
    )
    metrics, choice = results.metrics, results.choice
    if metrics is None or metrics.test_score is None or choice is None:
        return [line]
    chosen = choice.name_of(choice.choice)
    line += f" On the test sequences {chosen} has a {name} of {percent(metrics.test_score)}."
    plain = champion_against_baseline(results.summary, metrics, "accuracy")
    return [line] if plain.shown else [line, f"By plain accuracy {plain.doubt(chosen)}"]


def finding(choice: Choice | None) -> str:
    """The answer in one clause."""
    if choice is None:
        return "No network is recommended yet"
    chosen, best = choice.choice, choice.best
    name = choice.name_of(chosen)
    if choice.race is not None:
        tolerance = tolerance_words(choice.race.tolerance)
        if choice.race.alone and choice.race.compared_until:
            return f"{name} is the only network left in the race"
        if choice.race.alone:
            return f"{name} was compared with no other network"
        if not choice.race.shown:
            return f"{name} leads, but no network is shown to be within {tolerance} of all others"
        smallest = "the smallest network " * _is_smallest(choice.race)
        best_of = f"the best {'left ' * bool(choice.race.failed)}in the race"
        return f"{name} is {smallest}shown to be within {tolerance} of {best_of}"
    if chosen.parameters == best.parameters:
        return f"{name} is the most accurate, and nothing smaller comes within one standard error"
    fewer = 1 - chosen.parameters / best.parameters
    share = f"{fewer:.0%} fewer" if fewer >= 0.01 else "slightly fewer"
    return f"{name} is within one standard error of the best, {choice.name_of(best)}, with {share} parameters"


def _is_smallest(found: RaceFinding) -> bool:
    """Whether the choice is shown to be the smallest as good as the best: not where a network was not compared."""
    return found.settled and not found.failed


def _headline(choice: Choice) -> str:
    chosen, best = choice.choice, choice.best
    name, size, accuracy = choice.name_of(chosen), number(chosen.parameters), percent(chosen.validation_accuracy)
    if (found := choice.race) is not None:
        confidence = f"({100 * found.confidence:g} % confidence)"
        as_good = (
            f"at most {tolerance_words(found.tolerance)} less accurate than any other "
            f"{'left ' * bool(found.failed)}in the race"
        )
        if found.alone and found.compared_until:
            return (
                f"{name}, with {size} parameters and {accuracy}, is the only network left in the race. All others have "
                f"failed or left, and networks were compared until block {found.compared_until}."
            )
        if found.alone:
            return (
                f"Nothing was compared: {name}, with {size} parameters and {accuracy}, is the only "
                f"network in the race{' whose trainings did not fail' * bool(found.failed)}."
            )
        if _is_smallest(found):
            return f"Use {name}: with {size} parameters it is the smallest network shown to be {as_good} {confidence}."
        if found.shown:
            return f"Use {name}: with {size} parameters it is shown to be {as_good} {confidence}."
        return (
            f"The race is open: {name}, with {size} parameters, leads it with {accuracy}, but no "
            f"network is shown to be {as_good}."
        )
    error = f"one standard error ({points(choice.standard_error)} points)"
    if chosen.parameters == best.parameters:
        return (
            f"Use {name}: with {size} parameters it has the highest validation accuracy, {accuracy}, "
            f"and nothing smaller comes within {error}."
        )
    return (
        f"Use {name}: with {size} parameters its validation accuracy of {accuracy} is within {error} "
        f"of the best, {percent(best.validation_accuracy)} by {choice.name_of(best)} with {number(best.parameters)} "
        "parameters."
    )


def _lines_of_the_race(choice: Choice) -> list[str]:
    """The networks that failed, the smaller ones of which the race does not know, larger ones, and the choice by the
    rule of one standard error."""
    found, chosen, best, lines = choice.race, choice.choice, choice.best, []
    if found is None:
        return []
    if found.failed:
        lines.append(f"Not compared to the end, because a training failed: {listed(found.failed)}.")
    names = distinct_names([row.model_dump() for row in choice.candidates])
    told = [
        (row.parameters, f"{name} ({number(row.parameters)} parameters) {_may_be(row, leads=position == 0)}")
        for position, (name, row) in enumerate(zip(names, choice.candidates, strict=True))
        if row.left_after is None and not row.as_good and row.parameters < chosen.parameters
    ]
    if told:
        listing = "; ".join(words for _, words in sorted(told))
        lines.append(f"Whether a smaller network is good enough is not known: {listing}.")
    if not found.alone and all(row.parameters <= best.parameters for row in choice.candidates if row.cell == best.cell):
        lines.append(
            f"The most accurate, {choice.name_of(best)}, is the largest {CELLS[best.cell].title} compared in the race: "
            "whether a larger one would be more accurate is not known."
        )
    rule = choice.one_standard_error
    if rule is not None and rule.model_dump() != chosen.model_dump(exclude={"refit_epochs"}):
        lines.append(
            "The field's usual rule, the smallest network within one standard error of the best, would choose "
            f"{choice.name_of(rule)} with {number(rule.parameters)} parameters, at {percent(rule.validation_accuracy)}."
        )
    return lines


def _may_be(row: Candidate, leads: bool) -> str:
    if leads:
        return "leads, but is not shown to be as good as every other one"
    if row.behind_low is None or row.behind_high is None:
        return "has not been compared yet"
    low, high = possible(row.validation_accuracy + (row.behind or 0), row.behind_low, row.behind_high)
    if low > 0:
        return f"may be {points(low)} to {points(high)} points less accurate than the leader"
    return f"may be up to {points(high)} points less accurate than the leader{', or more accurate' * (low < 0)}"


def _lines_of_the_test(results: Results) -> list[str]:
    """The test accuracies of the choice and of the most accurate network, and who is shown to be better than either."""
    choice, table = results.choice, results.test_table
    if choice is None or table is None:
        return []
    champion, *others = records(table)
    best = results.most_accurate_tested
    against = {"": choice.name_of(choice.choice)}
    line = f"On the test sequences {against['']} has {_tested(champion)}"
    if best is not None:
        where = " in the race" * (choice.race is not None)
        against[TO_BEST] = choice.name_of(choice.best)
        line += f"; the most accurate{where}, {against[TO_BEST]} with {number(best['parameters'])} parameters, has "
        line += _tested(best)
    if not others:
        return [f"{line}."]
    better = [
        f"Shown to be better than {name} on these sequences, first models compared: "
        f"{listed([described(row, suffix) for row in found])}."
        for suffix, name in against.items()
        if (found := shown(table, "better", suffix))
    ]
    if better:
        return [f"{line}.", *better]
    shares = [row["model_pairs_ahead"] / row["model_pairs"] for row in others]
    nearest = others[shares.index(max(shares))]
    does = "does best" if shares.count(max(shares)) == 1 else "does as well as any other"
    name = against[TO_BEST] if nearest["role"] == "most accurate" else named(nearest)
    return [
        f"{line}. Among all {plural(len(table), 'network')} tested, none is shown to be better than "
        f"{' or than '.join(against.values())}, first models compared. With the models of all seeds, "
        + (
            f"{name} {does} against {against['']}: it has more sequences right in {pairs_ahead(nearest)} pairs."
            if max(shares)
            else f"no network has more sequences right than {against['']} in any pair."
        )
    ]


def _model(results: Results) -> list[str]:
    """Which of the networks of this size one gets, and how good that one is."""
    metrics = results.metrics
    if metrics is None:
        return []
    return [
        f"The model that predict gives you, and MLflow where it is registered, is one network of this size: seed "
        f"{metrics.model_seed}, with {model_words(metrics)}."
    ]


def _tested(row: Mapping[str, Any]) -> str:
    seeds = "one seed" if row["seeds"] == 1 else f"mean of {row['seeds']} seeds"
    return f"{percent(row['test_accuracy'])} ({seeds})"


def _recipe(choice: Choice, view: View) -> str:
    """How the choice is made and trained, of data that have this view."""
    chosen = choice.choice
    extras = [
        f"{chosen.pooling.replace('mean_max', 'mean and max')} pooling over time" * (chosen.pooling != "last"),
        "residual connections" * chosen.residual,
        "layer normalization" * chosen.layer_normalization,
        f"reading {chosen.view.replace('_', ' ')}" * (chosen.view != view),
    ]
    epochs = f"{number(chosen.warmup_epochs)} epoch{'s' * (chosen.warmup_epochs != 1)}"
    warm_up = f" after {epochs} of warm-up" * bool(chosen.warmup_epochs)
    training = [
        f"{chosen.optimizer} with learning rate {number(chosen.effective_learning_rate)}",
        f"which falls along a cosine{warm_up}" * (chosen.learning_rate_schedule == "cosine"),
        f"weight decay {number(chosen.weight_decay)}" * bool(chosen.weight_decay),
        f"gradients clipped at {number(chosen.global_clipnorm or 0)}" * bool(chosen.global_clipnorm),
        f"label smoothing {number(chosen.label_smoothing)}" * bool(chosen.label_smoothing),
        f"averaged weights (momentum {number(chosen.ema_momentum or 0)})" * bool(chosen.ema_momentum),
        f"images moved by up to {number(chosen.shift_pixels)} pixels" * bool(chosen.shift_pixels),
        f"images turned by up to {number(chosen.rotation_degrees)}°" * bool(chosen.rotation_degrees),
        f"images bent by {number(chosen.elastic_pixels)} pixels" * bool(chosen.elastic_pixels),
        f"dropout {number(chosen.dropout)}",
        f"batches of {chosen.batch_size}",
        plural(chosen.refit_epochs, "epoch"),
    ]
    network = [
        f"{CELLS[chosen.cell].title}, {plural(chosen.depth, 'layer')} of {chosen.units} units"
        f"{' in each direction' if chosen.bidirectional else ''}",
        *extras,
    ]
    return (
        f"{', '.join(filter(None, network))}; {', '.join(filter(None, training))}; chosen from "
        f"{plural(len(choice.candidates), 'configuration')} trained on {number(choice.compared_train_samples)} "
        "sequences."
    )


def _facts(results: Results) -> list[tuple[str, str]]:
    facts = []
    if (metrics := results.metrics) is not None:
        facts += [
            (f"test accuracy of this size, {plural(metrics.seeds, 'seed')}", percent(metrics.test_accuracy)),
            ("its 95 % interval, %", interval(metrics.test_accuracy_low, metrics.test_accuracy_high)),
            (f"test accuracy of the model, seed {metrics.model_seed}", percent(metrics.model_test_accuracy)),
            ("train minus test, points", points(metrics.generalization_gap)),
        ]
        if metrics.metric is not None:
            against = champion_against_baseline(results.summary, metrics, metrics.metric)
            facts += [
                (
                    f"test {METRIC_NAMES[metrics.metric]} of this size, {plural(metrics.seeds, 'seed')}",
                    percent(against.score),
                ),
                ("its 95 % interval, %", interval(against.low, against.high)),
            ]
    if results.choice is not None:
        facts.append(("parameters", number(results.choice.choice.parameters)))
    if (chosen := results.chosen) is not None:
        facts += [
            ("training, in the study", f"{number(chosen['fit_seconds'])} s"),
            ("one prediction", f"{number(chosen['predict_ms'])} ms"),
        ]
    return facts


def _candidates(choice: Choice) -> Table:
    """The configurations that competed, best first."""
    rows = [candidate.model_dump() for candidate in choice.candidates]
    rows = [row | {"network": name} for row, name in zip(rows, distinct_names(rows), strict=True)]
    columns: dict[str, Column] = {
        "network": ("network", str), "study": ("study", str), "parameters": ("parameters", number),
        "seeds": ("seeds", number), "validation_accuracy": ("validation accuracy", percent),
        "validation_accuracy_sd": ("sd, points", points), "generalization_gap": ("gap, points", points),
        "within_one_standard_error": ("within one standard error", _yes),
    }  # fmt: skip
    if choice.race is not None:
        columns["as_good"] = (f"shown to be within {tolerance_words(choice.race.tolerance)} of all others", _yes)
    return text_table(rows, columns)


def _yes(value: bool) -> str:
    return "yes" if value else "no"
