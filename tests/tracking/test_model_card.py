"""The registered model's card."""

from typing import Any

import pytest

from pipeline.analysis.choice import RaceFinding
from pipeline.analysis.configurations import accuracy_interval
from pipeline.params.settings import View
from pipeline.tracking.model_card import model_card
from tests.helpers.runs import DATA, OWN_DATA, choice, record


@pytest.mark.parametrize(
    ("seeds", "deviation", "interval"),
    [
        (3, 0.001, "97.75% to 98.25%"),  # 4.303 · 0.001 / √3 around the mean
        (3, 0.0, "89.50% to 99.65%"),  # seeds that agree: Wilson's interval for 50 images
    ],
)
def test_the_card_gives_the_interval_that_the_seeds_allow(seeds: int, deviation: float, interval: str) -> None:
    data = DATA.model_copy(update={"validation": DATA.validation.model_copy(update={"samples": 50})})
    card = model_card(choice(0.98, deviation, seeds), record(0), data, "accuracy", "none", "make quick")
    assert interval in card


@pytest.mark.parametrize(
    ("settled", "shown", "sentence"),
    [
        (True, True, "The race has settled on it with 95% confidence, after 7 blocks."),
        (False, True, "This is shown of it with 95% confidence; of 2 smaller ones it is not known."),
        (False, False, "The race has shown this of no network with 95% confidence: this one is the most accurate."),
    ],
)
def test_a_choice_by_a_race_rests_on_tenths(settled: bool, shown: bool, sentence: str) -> None:
    found = RaceFinding(
        tolerance=0.002, confidence=0.95, blocks=7, max_blocks=10, trainings=20, most_trainings=30, settled=settled,
        shown=shown, not_known=(0, 1),
    )  # fmt: skip
    raced = choice(0.98, 0.001, 7).model_copy(update={"race": found})
    card = model_card(raced, record(0), DATA, "accuracy", "none", "make quick")
    assert sentence in card
    # Student's with 6 degrees of freedom, of tenths that share samples: 2.447 · 0.001 · √(1/7 + 1/9) = 0.0012.
    assert "interval 97.88% to 98.12%, the mean over 7 tenths that were held out in turn)" in card


def test_folds_of_whole_groups_are_no_tenths() -> None:
    """Of seeds that agree the interval is Wilson's over the sequences held out: 2 + 2 + 3 of the smallest folds."""
    found = RaceFinding(
        tolerance=0.02, confidence=0.95, blocks=3, max_blocks=5, trainings=6, most_trainings=6, settled=True,
        shown=True, not_known=(),
    )  # fmt: skip
    raced = choice(1.0, 0.0, 3).model_copy(update={"race": found})
    data = OWN_DATA.model_copy(update={"folds": (30, 2, 2, 3, *[14] * 5, 13)})
    low, _ = accuracy_interval([1.0], 7)
    card = model_card(raced, record(0), data, "accuracy", "the owner's", "dvc repro")
    assert f"interval {low:.2%} to 100.00%, the mean over 3 folds of whole groups that were held out in turn)" in card
    assert "tenth" not in card


def test_the_card_names_network_data_training_and_rule() -> None:
    card = model_card(choice(0.75), record(0, held_out=False), DATA, "accuracy", "CC BY-SA 3.0", "dvc repro champion")
    for fact in (
        "## LSTM 1×4 for mnist5k as rows",
        f"train 90 sequences, sha256 {'1a' * 32}; validation 30 sequences, sha256 {'2b' * 32}",
        "Licence: CC BY-SA 3.0.",
        "1,234 parameters; adam with learning rate 0.001, batches of 128, dropout 0, 4 epochs",
        f"seed 100. Weights sha256 {'f0' * 32}",
        "among 2 configurations",
        "\n\n**Test accuracy** of this model: not measured yet; `dvc repro evaluate` does it.\n\n",
        "The rule: the smallest within one standard error",
        "Sequences have 5 steps with 3 features: pixels from 0 to 1, in the view rows.",
        "The probabilities of 3 classes, in this order: 0, 1, 2. They are those of one network, seed 100; `python -m "
        "pipeline predict` answers with the same one.",
        "`dvc repro champion`",
    ):
        assert fact in card, fact


@pytest.mark.parametrize(
    ("view", "sentence"),
    [
        ("columns", "Sequences have 3 steps with 5 features: pixels from 0 to 1, in the view columns."),
        ("pixels", "Sequences have 15 steps with 1 feature: pixels from 0 to 1, in the view pixels."),
    ],
)
def test_the_card_says_what_goes_into_a_network_with_a_view_of_its_own(view: View, sentence: str) -> None:
    found = choice(0.75)
    chosen = found.model_copy(update={"choice": found.choice.model_copy(update={"view": view})})
    assert sentence in model_card(chosen, record(0), DATA, "accuracy", "none", "make quick")


@pytest.mark.parametrize(
    ("seeds", "deviation", "figures"),
    [
        (3, 0.001, "98.00% (95% interval 97.75% to 98.25%, seeds: 3)"),
        (1, None, "98.00% (seeds: 1)"),  # Wilson's interval is of accuracies
    ],
)
def test_the_card_names_the_metric(seeds: int, deviation: float | None, figures: str) -> None:
    card = model_card(choice(0.98, deviation, seeds), record(0), DATA, "balanced_accuracy", "none", "make quick")
    assert f"**Validation balanced accuracy** of the configuration, before it was trained again: {figures}." in card


@pytest.mark.parametrize(
    ("changes", "sentences"),
    [
        (
            {},
            "Sequences have 5 steps. Features, in this order: mV, °C, rpm. They are raw values, each feature in the "
            "unit of the data: the network standardizes them itself.",
        ),
        ({"scale": "none"}, "They are raw values, each feature in the unit of the data; they are not scaled."),
        (
            {"padded": True, "lengths": (2, 3, 5)},
            "Sequences have any number of steps; after the end of a shorter one all features are NaN (null in JSON). "
            "Those of the data have 2 to 5 steps, half of them at most 3. Features,",
        ),
        (
            {"scale": None, "tokens": 5000, "features": 1, "feature_names": ("word",)},
            "Features, in this order: word. They are tokens, whole numbers from 0 to 4,999; all others count as one "
            "unknown token.",
        ),
    ],
)  # fmt: skip
def test_the_card_says_what_goes_in_and_what_comes_out(changes: dict[str, Any], sentences: str) -> None:
    data = OWN_DATA.model_copy(update=changes)
    card = model_card(choice(0.75), record(0), data, "accuracy", "the owner's", "dvc repro")
    assert sentences in card
    assert "The probabilities of 3 classes, in this order: idle, run, walk." in card
    assert "## LSTM 1×4 for mine.csv" in card


def test_a_card_of_many_classes_is_no_longer_than_mlflow_takes() -> None:
    labels = tuple(f"species number {number}" for number in range(1000))
    many = OWN_DATA.model_copy(update={"classes": 1000, "labels": labels, "feature_names": labels})
    card = model_card(choice(0.75), record(0), many, "accuracy", "the owner's", "dvc repro")
    assert card.count("order: species number 0, species number 1,") == card.count(" … (1,000 in all).") == 2
    assert len(card) < 5000
