"""Always answering the largest class: what it is worth, and that nothing is recommended that may be worth no more."""

import dataclasses
import shutil
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from pipeline import paths
from pipeline.analysis.evaluation import Metrics
from pipeline.commands import champion, evaluate, report, study
from pipeline.commands.recommend import recommend
from pipeline.data.datasets import Manifest
from pipeline.data.sequences import Samples, SequencesSummary
from pipeline.params.document import Params
from pipeline.params.settings import Metric
from pipeline.report.answer import answer
from pipeline.report.baseline import champion_against_baseline, on_test_sequences, validated_against_baseline
from pipeline.report.results import Results, load_results
from pipeline.training.metrics import score
from tests.helpers.pages import ReadPage, read_page
from tests.helpers.results import (
    capacity_records,
    choice_of,
    project_params,
    without_race,
    write_results,
    write_study,
    write_summary,
)
from tests.helpers.sequences import FEATURES, TIMESTEPS, params_with, write_sequences


@pytest.fixture
def skewed(results: Results) -> SequencesSummary:
    """Two classes, of which one has 80 % of the test samples, and 70 % of those for training and validation."""
    counts = {"train": (210, 90), "validation": (70, 30), "test": (80, 20)}
    parts = {
        name: results.summary.split(name).model_copy(update={"samples": sum(pair), "per_class": pair})  # type: ignore[arg-type]
        for name, pair in counts.items()
    }
    return results.summary.model_copy(update={**parts, "labels": ("walks", "falls"), "classes": 2})


@pytest.mark.parametrize(
    ("metric", "score", "worth"),
    [
        ("accuracy", 0.8, "is right for 80.00 % of the test sequences"),
        ("balanced_accuracy", 0.5, "has a balanced accuracy of 50.00 % on the test sequences"),
        ("macro_f1", 0.5, "has a macro F1 of 50.00 % on the test sequences"),
    ],
)
def test_it_is_worth_what_the_metric_says(skewed: SequencesSummary, metric: Metric, score: float, worth: str) -> None:
    largest = on_test_sequences(skewed, metric)
    guess = "guessing each class as often as it occurs"
    assert largest.name == (guess if metric == "macro_f1" else "always answering 'walks'")
    assert largest.score == pytest.approx(score)
    assert largest.worth == worth


def measured(results: Results, **figures: Any) -> Metrics:
    assert results.metrics is not None
    return results.metrics.model_copy(update=figures)


def test_both_seeds_and_sequences_have_to_show_it(results: Results, skewed: SequencesSummary) -> None:
    agreeing = {"seeds": 3, "test_accuracy": 0.85, "test_accuracy_low": 0.84, "test_accuracy_high": 0.86}
    of_sequences = champion_against_baseline(skewed, measured(results, **agreeing), "accuracy")
    assert not of_sequences.shown, "of 100 sequences 85 may be luck, however much seeds agree"
    assert of_sequences.over == "sequences"
    assert (of_sequences.low, of_sequences.high) == pytest.approx((0.7672, 0.9069), abs=1e-4)
    disagreeing = {"seeds": 3, "test_accuracy": 0.92, "test_accuracy_low": 0.75, "test_accuracy_high": 1.0}
    of_seeds = champion_against_baseline(skewed, measured(results, **disagreeing), "accuracy")
    assert (of_seeds.shown, of_seeds.over, of_seeds.low) == (False, "seeds", 0.75)
    both = disagreeing | {"test_accuracy_low": 0.91}
    assert champion_against_baseline(skewed, measured(results, **both), "accuracy").shown
    by_metric = {"metric": "macro_f1", "test_score": 0.6, "test_score_low": 0.51, "test_score_high": 0.7}
    assert champion_against_baseline(skewed, measured(results, **by_metric), "macro_f1").shown


def test_a_network_that_was_not_tested_is_compared_where_it_was_validated(skewed: SequencesSummary) -> None:
    row = {"validation_accuracy": 0.76, "validation_accuracy_low": 0.71, "validation_accuracy_high": 0.81, "seeds": 10}
    folds = validated_against_baseline(skewed, row, "accuracy", "fold", 1)
    assert (folds.shown, folds.baseline.score, folds.over) == (True, 0.7, "seeds")
    assert folds.baseline.sequences == "sequences that are held out in turn"
    few = validated_against_baseline(skewed, row | {"seeds": 5}, "accuracy", "fold", 1)
    assert (few.shown, few.over) == (False, "sequences"), "five tenths of 400 sequences"
    assert (few.low, few.high) == pytest.approx((0.69627, 0.81393), abs=1e-5)
    alone = row | {"validation_accuracy": 0.75, "validation_accuracy_low": np.nan, "validation_accuracy_high": np.nan}
    assert validated_against_baseline(skewed, alone, "accuracy", "validation", 1).doubt("GRU 1×4") == (
        "GRU 1×4 is not shown to be better than always answering 'walks', which is right for 70.00 % of the validation "
        "sequences. The network's accuracy on them is 75.00 % (95 % interval over sequences: 65.70 to 82.45)."
    )


def test_a_guess_has_the_macro_f1_that_is_told(skewed: SequencesSummary) -> None:
    """In the mean over guesses, and no other share of answers has a higher one."""
    y, rng = np.repeat([0, 1], skewed.test.per_class), np.random.default_rng(0)
    scores = {
        share: np.mean([score("macro_f1", y, rng.choice(2, y.size, p=[share, 1 - share])) for _ in range(2_000)])
        for share in (0.5, 0.65, 0.8, 0.9, 1.0)
    }
    assert on_test_sequences(skewed, "macro_f1").score == pytest.approx(scores[0.8], abs=0.01)
    assert max(scores, key=lambda share: scores[share]) == 0.8
    assert scores[1.0] == pytest.approx(0.4444, abs=1e-4)


def test_the_luckiest_of_many_that_guess_is_not_recommended(skewed: SequencesSummary) -> None:
    """Of one seed each: of 40 networks that answer by the shares of ten equal classes the best is rarely shown."""
    ten = skewed.validation.model_copy(update={"samples": 200, "per_class": (20,) * 10})
    summary = skewed.model_copy(update={"validation": ten, "labels": tuple("abcdefghij"), "classes": 10})
    unknown = {"validation_accuracy_low": np.nan, "validation_accuracy_high": np.nan, "seeds": 1}
    best = np.random.default_rng(0).binomial(200, 0.1, size=(1_000, 40)).max(axis=1) / 200
    shown = {
        compared: np.mean([
            validated_against_baseline(
                summary, {"validation_accuracy": value} | unknown, "accuracy", "validation", compared
            ).shown
            for value in best
        ])
        for compared in (1, 40)
    }  # fmt: skip
    assert shown[1] > 0.5
    assert shown[40] < 0.06
    lucky = {"validation_accuracy": 0.165} | unknown
    assert validated_against_baseline(summary, lucky, "accuracy", "validation", 1).shown
    doubt = validated_against_baseline(summary, lucky, "accuracy", "validation", 40).doubt("GRU 1×4")
    assert doubt.endswith(
        "The network's accuracy on them is 16.50 % (95 % interval over sequences, for all 40 networks at once: 9.74 to "
        "26.58)."
    )


@pytest.mark.parametrize(("accuracy", "shown"), [(0.09, False), (0.107, False), (0.108, True)])
def test_one_seed_of_ten_equal_classes(workspace: Path, accuracy: float, shown: bool) -> None:
    """6,000 held-out sequences: by chance up to 10.8 % of them are right."""
    write_summary()
    trained = capacity_records(seeds=1)[0]
    assert trained.result is not None
    epochs = tuple(dataclasses.replace(epoch, validation_accuracy=accuracy) for epoch in trained.result.epochs)
    result = dataclasses.replace(trained.result, epochs=epochs)
    write_study("capacity", [dataclasses.replace(trained, result=result)])
    choice_of("capacity").write(paths.CHOICE)
    params = without_race("capacity")
    found, text = recommended(params)
    assert found == shown
    for told in (text, answer(load_results(params)).headline):
        assert told.startswith(
            "Use SimpleRNN 1×8: " if shown else "No network is recommended: SimpleRNN 1×8 is not shown"
        )
    assert f"validation accuracy {100 * accuracy:.2f} % (1 seed)" in text


def test_a_choice_whose_study_is_gone_is_not_recommended(workspace: Path) -> None:
    write_results()
    params = project_params()
    shutil.rmtree(paths.study_folder("race"))
    assert answer(load_results(params)).headline.startswith("Use GRU 2×51 mean+max"), "it was tested"
    paths.METRICS.unlink()
    assert load_results(params).recommended is None
    assert answer(load_results(params)).headline == (
        "No network is recommended: it is not known whether GRU 2×51 mean+max is better than always giving the same "
        "answer. It was not tested, and the study race, which has chosen it, is not here."
    )


def test_seeds_that_nearly_agree_show_nothing_of_few_sequences(skewed: SequencesSummary) -> None:
    """25 of 30 sequences are right, 24 are of the largest class, and all seeds have nearly the same right."""
    few = skewed.validation.model_copy(update={"samples": 30, "per_class": (24, 6)})
    summary = skewed.model_copy(update={"validation": few})
    row = {"validation_accuracy": 25 / 30, "validation_accuracy_low": 0.82, "validation_accuracy_high": 0.85}
    row["seeds"] = 5
    found = validated_against_baseline(summary, row, "accuracy", "validation", 1)
    assert (found.shown, found.over, found.baseline.score) == (False, "sequences", 0.8)
    assert (found.low, found.high) == pytest.approx((0.6644, 0.9266), abs=1e-4)
    absent = few.model_copy(update={"per_class": (15, 15, 0)})
    summary = skewed.model_copy(update={"validation": absent})
    balanced = validated_against_baseline(summary, row, "balanced_accuracy", "validation", 1)
    assert (balanced.shown, balanced.low) == (True, found.low), "a class without sequences is not in the metric"


def test_axes_of_validation_accuracies_have_the_baseline_of_those_sequences(results: Results) -> None:
    test = results.summary.test.model_copy(update={"per_class": (9_100, *[100] * 9)})
    summary = results.summary.model_copy(update={"test": test})
    raced = dataclasses.replace(results, summary=summary)
    assert (raced.baseline.score, raced.baseline.sequences) == (0.1, "sequences that are held out in turn")
    once = dataclasses.replace(raced, params=without_race("search"))
    assert (once.baseline.score, once.baseline.sequences) == (0.1, "validation sequences")
    assert on_test_sequences(summary, "accuracy").score == 0.91


def test_figures_of_another_network_or_other_data_never_decide(workspace: Path) -> None:
    params = project_params()
    write_results()
    tested = load_results(params)
    assert tested.against_baseline is not None
    assert tested.against_baseline.baseline.sequences == "test sequences"
    metrics = Metrics.read(paths.METRICS)
    worse = {"test_accuracy": 0.05, "test_accuracy_low": 0.04, "test_accuracy_high": 0.06}
    metrics.model_copy(update=worse).write(paths.METRICS)
    assert not recommended(params)[0]
    metrics.model_copy(update=worse | {"tested": "f" * 64}).write(paths.METRICS)
    found, text = recommended(params)
    assert found
    assert text.startswith("Use GRU 2×51 mean+max")
    foreign = load_results(params)
    assert (foreign.metrics, foreign.predictions, foreign.test_table) == (None, None, None)
    assert foreign.against_baseline is not None
    assert foreign.against_baseline.baseline.sequences == "sequences that are held out in turn"
    assert foreign.recommended is not None


def test_digits_are_told_far_better_than_by_the_largest_class(page: ReadPage, results: Results) -> None:
    assert results.recommended is not None
    shown = "Always answering '0' is right for 10.00 % of the sequences that are held out in turn, below this range."
    assert shown in page.text
    assert "For comparison: always answering '0' is right for 10.00 % of the test sequences." in page.text
    assert "Networks were chosen by" not in page.text


def test_the_first_lines_name_the_metric(results: Results) -> None:
    params = results.params.model_copy(
        update={"champion": results.params.champion.model_copy(update={"metric": "balanced_accuracy"})}
    )
    figures = {"metric": "balanced_accuracy", "test_score": 0.97, "test_score_low": 0.96, "test_score_high": 0.98}
    figures["model_test_score"] = 0.975
    by_metric = dataclasses.replace(results, params=params, metrics=measured(results, **figures))
    made = answer(by_metric)
    assert made.headline.startswith("Use GRU 2×51 mean+max")
    assert made.lines[0] == (
        "Networks were chosen by balanced accuracy, the mean of the classes' recalls. On this page a validation "
        "accuracy, the train accuracy beside it and their gap are of that. Accuracy and gap on the test sequences are "
        "plain. On the test sequences GRU 2×51 mean+max has a balanced accuracy of 97.00 %."
    )
    assert by_metric.book_table.empty, "published numbers are accuracies"
    assert dict(made.facts)["test balanced accuracy of this size, 3 seeds"] == "97.00 %"
    assert made.lines[2].endswith(" 98.51 to 98.95 %), balanced accuracy 97.50 %.")
    assert "Validation balanced accuracy" in made.figures["answer"]
    below = figures | {"test_accuracy": 0.05, "test_accuracy_low": 0.04, "test_accuracy_high": 0.06}
    made = answer(dataclasses.replace(by_metric, metrics=measured(results, **below)))
    assert made.headline.startswith("Use GRU 2×51 mean+max"), "by the metric that matters it is better"
    assert made.lines[1].startswith(
        "By plain accuracy GRU 2×51 mean+max is not shown to be better than always answering '0', which is right for "
    )


def at_random(count: int, seed: int) -> Samples:
    """Noise, and classes that have nothing to do with it, of which one has 80 %."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat([0, 1, 2], [count - 2 * (count // 10), count // 10, count // 10]))
    return Samples(rng.normal(size=(count, TIMESTEPS, FEATURES)).astype(np.float32), y)


@pytest.fixture
def nothing_to_learn(home: Path, one_thread: None, monkeypatch: pytest.MonkeyPatch) -> Params:
    """A whole project, really trained, whose labels are random."""
    monkeypatch.setattr(report, "log_report", lambda **_: None)
    write_sequences(paths.SEQUENCES, made=at_random)
    Manifest(dataset="slopes", source="made up", files={}, licence="none").write(paths.MANIFEST)
    space = {"cell": ["gru", "simple_rnn"], "units": [2, 4]}
    params = params_with({"grid": {"sampler": "grid", "seeds": 2, "space": space}})
    study.run(params, "grid")
    champion.run(params)
    return params


def recommended(params: Params) -> tuple[bool, str]:
    console = Console(file=StringIO(), width=200)
    found = recommend(params, None, None, None, console=console)
    return found, console.file.getvalue()  # type: ignore[attr-defined]


def test_where_labels_are_random_no_network_is_recommended(nothing_to_learn: Params) -> None:
    found, text = recommended(nothing_to_learn)
    assert not found
    assert "always answering '0', which is right for 80.00 % of the validation sequences." in text, "before the test"
    evaluate.run(nothing_to_learn)
    report.run(nothing_to_learn)
    page = read_page()
    metrics = Metrics.read(paths.METRICS)
    assert metrics.test_accuracy <= 0.8
    doubt = "is not shown to be better than always answering '0', which is right for 80.00 % of the test sequences."
    found, text = recommended(nothing_to_learn)
    assert not found
    assert text.startswith("No network is recommended: ")
    assert doubt in text
    assert "\nElse it would be " in text
    assert doubt in page.text.partition("The answer")[0][:600]
    assert "No network is recommended: " in page.text[:400]
    assert "the ring marks the champion" not in page.text
    assert "champion: " not in paths.ANSWER.read_text(encoding="utf-8")
