"""What is said of one's own sequences."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.data.datasets import Dataset
from pipeline.data.description import description, warnings
from pipeline.data.splits import split
from pipeline.params.settings import DataParams, TableColumns

DATA = DataParams(dataset="mine.npz", validation=0.2)


def dataset_of(y: list[int], timesteps: int = 9, features: int = 2, **others: object) -> Dataset:
    """Noise, of as many classes as there are in `y`; the text "a" names the first."""
    x = np.random.default_rng(0).normal(size=(len(y), timesteps, features)).astype(np.float32)
    labels = tuple("abcdef"[: max(y) + 1])
    return replace(Dataset(x, np.array(y), None, None, labels), **others)  # type: ignore[arg-type]


def described(dataset: Dataset, data: DataParams = DATA) -> dict[str, object]:
    return description(dataset, split(dataset, data.validation, data.seed), data)


def warned(dataset: Dataset, data: DataParams = DATA) -> list[str]:
    return list(warnings(dataset, split(dataset, data.validation, data.seed), data))


PLENTY = [0, 1] * 400


def test_sequences_of_one_length() -> None:
    assert described(dataset_of(PLENTY, feature_names=("left", "right"))) == {
        "feature_names": ("left", "right"),
        "padded": False,
        "lengths": (9, 9, 9),
        "tokens": None,
        "scale": "standard",
        "missing": "refuse",
        "max_timesteps": None,
        "columns": None,
        "warnings": (),
    }


def test_sequences_of_several_lengths() -> None:
    dataset = dataset_of(PLENTY)
    for place, steps in enumerate([2, 4, 4, 7]):
        dataset.train_x[place * 200 : (place + 1) * 200, steps:] = np.nan
    found = described(dataset)
    assert (found["padded"], found["lengths"]) == (True, (2, 4, 7))
    dataset.train_x[1] = 0.5
    assert described(dataset)["lengths"] == (2, 4, 9)


def test_a_median_is_a_length_that_there_is() -> None:
    dataset = dataset_of(PLENTY)
    dataset.train_x[::2, 4:] = np.nan
    assert described(dataset)["lengths"] == (4, 4, 9)


def test_tokens_and_tables() -> None:
    dataset = dataset_of(PLENTY, features=1)
    dataset.train_x[:] = 3
    dataset.train_x[17, 2] = 41
    dataset.train_x[18, 2:] = np.nan
    data = DATA.model_copy(update={"tokens": True, "dataset": "mine.CSV", "max_timesteps": 9})
    found = described(dataset, data)
    assert (found["tokens"], found["scale"], found["columns"], found["max_timesteps"]) == (42, None, TableColumns(), 9)


def test_groups_and_folds_are_counted() -> None:
    found = described(dataset_of(PLENTY, groups=tuple(np.arange(800) // 40)))
    groups, folds = found["groups"], found["folds"]
    assert isinstance(groups, dict)
    assert isinstance(folds, tuple)
    assert sum(groups.values()) == 20
    assert folds == tuple(40 * np.array(folds) // 40)
    assert (len(folds), sum(folds)) == (10, 40 * (groups["train"] + groups["validation"]))
    assert found["validation_asked"] == 0.2
    assert found["warnings"] == ()
    few = described(dataset_of(PLENTY, groups=tuple(np.arange(800) // 100)))
    assert "folds" not in few


def test_nothing_to_say() -> None:
    assert warned(dataset_of(PLENTY)) == []


def test_notes_come_first() -> None:
    found = warned(dataset_of([0, 1] * 60, notes=("two columns were not numbers", "so they were left out")))
    assert found[:2] == ["two columns were not numbers", "so they were left out"]
    assert len(found) == 3


def test_few_validation_samples() -> None:
    data = DATA.model_copy(update={"validation": 25})
    assert warned(dataset_of(PLENTY), data) == [
        "only 25 validation samples: chance alone may move an accuracy by 20 points; more sequences, or a "
        "larger data.validation, would tell more"
    ]
    assert warned(dataset_of(PLENTY), DATA.model_copy(update={"validation": 100})) == []


@pytest.mark.parametrize(("small", "expected"), [(200, 0), (100, 1)])
def test_a_large_class(small: int, expected: int) -> None:
    found = warned(dataset_of([1] * 800 + [0] * small))
    assert len(found) == expected
    if found:
        assert found[0].startswith(
            "89% of the test samples are of the class b: who always answers that is right as often"
        )


def test_a_class_that_is_not_in_validation() -> None:
    [sentence] = warned(dataset_of(PLENTY + [2] * 4))
    assert sentence == "no validation sample is of the classes c: nobody can see how well they do"


def test_whole_numbers_in_one_feature() -> None:
    dataset = dataset_of(PLENTY, features=1)
    assert warned(dataset) == []
    dataset.train_x[:] = np.random.default_rng(0).integers(0, 50, dataset.train_x.shape)
    dataset.train_x[3, 5:] = np.nan
    [sentence] = warned(dataset)
    assert "are these tokens? Then data.tokens: true" in sentence
    assert warned(dataset, DATA.model_copy(update={"tokens": True})) == []
    assert warned(replace(dataset, train_x=-dataset.train_x)) == [], "what is below 0 is no token"
    assert warned(replace(dataset, train_x=np.repeat(dataset.train_x, 2, axis=2))) == [], "nor are two features"


def test_groups_on_both_sides_of_an_official_split() -> None:
    dataset = dataset_of(PLENTY, groups=tuple(f"p{number % 20}" for number in range(800)))
    test = replace(dataset, test_x=dataset.train_x[:50], test_y=dataset.train_y[:50])
    assert warned(replace(test, test_groups=("q",) * 50)) == []
    [sentence] = warned(replace(test, test_groups=("p3", "p1", "q", "p3", *["q"] * 46)))
    assert sentence.startswith("2 groups are on both sides of the split that the data bring, such as p1: ")


def test_groups_that_are_fewer_than_folds_or_alone_with_a_class() -> None:
    few = dataset_of(PLENTY, groups=tuple(np.arange(800) // 80))
    groups = split(few, 0.2, 0).groups
    assert groups is not None
    learning = groups["train"] + groups["validation"]
    assert learning < 10
    [sentence] = warned(few)
    assert sentence.startswith(f"{learning} groups to learn from are too few for 10 folds")
    # Class c is in two groups: one to test on, and one, in one fold, to learn from.
    lonely = dataset_of(PLENTY + [2] * 80, groups=(*(np.arange(800) // 20), *(np.arange(80) // 40 + 100)))
    assert (
        "all samples to learn from of the classes c are in one fold: a training that holds it out does not know them"
        in (warned(lonely))
    )


def test_numbers_of_tokens_that_never_occur_are_told() -> None:
    dataset = dataset_of(PLENTY, features=1)
    tokens = DATA.model_copy(update={"tokens": True})
    for x in (dataset.train_x, dataset.test_x):
        if x is not None:
            x[:] = 7
    dataset.train_x[3, 2] = 16_000_000
    [sentence] = warned(dataset, tokens)
    assert sentence == (
        "2 different tokens occur, but their numbers go up to 16,000,000, and each number has an embedding: numbered "
        "from 0 to 1, networks would have 15,999,999 × 32 fewer parameters"
    )
    dataset.train_x[3, 2] = 3
    assert [sentence for sentence in warned(dataset, tokens) if "occur" in sentence] == [
        "2 different tokens occur, but their numbers go up to 7, and each number has an embedding: numbered from 0 to "
        "1, networks would have 6 × 32 fewer parameters"
    ]
