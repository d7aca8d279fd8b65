from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.data.readers.checks import mend
from pipeline.data.readers.found import Found
from pipeline.data.readers.names import Names
from pipeline.errors import PipelineError
from tests.helpers.own import settings

NAN = np.nan
PATH = Path("mine.npz")


def found_of(x: Any, lengths: list[int] | None = None) -> Found:
    array: NDArray[np.float32] = np.array(x, np.float32)
    if array.ndim == 2:
        array = array[:, :, None]
    counts = np.full(len(array), array.shape[1]) if lengths is None else np.array(lengths)
    names = tuple(f"feature {number}" for number in range(array.shape[2]))
    return Found(array, counts, Names(np.zeros(len(array), np.int64), (0,)), names, lambda i, t, f: f"({i}, {t}, {f})")


def test_a_missing_value_is_as_the_one_before_it_or_at_the_beginning_as_the_next() -> None:
    found = found_of([[NAN, NAN, 3, NAN, 5], [1, 2, NAN, NAN, NAN]], [5, 4])
    notes = mend(PATH, found, settings(missing="forward"))
    np.testing.assert_array_equal(found.x[:, :, 0], [[3, 3, 3, 3, 5], [1, 2, 2, 2, NAN]])
    assert notes == (
        "missing values replaced (data.missing: forward): 5 of 9",
        "sequences that end in a step without any value: 1; if that pads them, end them before it",
    )


def test_features_are_filled_each_by_itself() -> None:
    found = found_of([[[1, NAN], [NAN, 2], [3, NAN]]])
    assert mend(PATH, found, settings(missing="forward")) == (
        "missing values replaced (data.missing: forward): 3 of 6",
    )
    assert found.x[0].tolist() == [[1, 2], [1, 2], [3, 2]]


@pytest.mark.parametrize(
    ("x", "options", "sentence"),
    [
        ([[1, NAN], [NAN, 2]], {}, r"has missing values: 2 in 2 of 2 sequences, the first at \(0, 1, 0\); mend them, "
         "or set `data.missing: forward` in params.yaml"),
        ([[[1, 1]], [[1, NAN]]], {"missing": "forward"}, r"a sequence has no value at all of a feature, from "
         r"\(1, 0, 1\)"),
        ([[1, np.inf]], {"missing": "forward"}, r"infinite or too large for float32 \(3.4e38\): 1 in 1 of 1 sequences"),
        ([[1, 0.5]], {"tokens": True}, r"no tokens \(data.tokens\), whole numbers from 0 to 16,777,215: 1 in 1 of 1 "
         r"sequences, the first at \(0, 1, 0\) \(0.5\); number the tokens"),
        ([[1, -1]], {"tokens": True}, r"the first at \(0, 1, 0\) \(-1\)"),
        ([[1, 2**24]], {"tokens": True}, r"the first at \(0, 1, 0\) \(1.67772e\+07\)"),
        ([[[1, 2]]], {"tokens": True}, "data.tokens is true, but there are 2 features: tokens are one whole number"),
    ],
)  # fmt: skip
def test_unfit_values_are_refused(x: Any, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(PipelineError, match=sentence):
        mend(PATH, found_of(x), settings(**options))


def test_tokens_may_end_early() -> None:
    assert mend(PATH, found_of([[0, 2**24 - 1], [3, NAN]], [2, 1]), settings(tokens=True)) == ()


@hypothesis_settings(deadline=None)
@given(seed=st.integers(0, 2**32))
def test_filling_leaves_what_is_there_and_nothing_missing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, timesteps, features = rng.integers(1, [5, 9, 4])
    x = rng.normal(size=(n, timesteps, features)).astype(np.float32)
    lengths = rng.integers(1, timesteps + 1, n)
    x[rng.random(x.shape) < 0.4] = NAN
    for number, length in enumerate(lengths):
        x[number, rng.integers(length)] = 7  # none is missing all along
        x[number, length:] = NAN
    found = found_of(x, lengths.tolist())
    mend(PATH, found, settings(missing="forward"))
    for before, after, length in zip(x, found.x, lengths, strict=True):
        assert np.isnan(after[length:]).all()
        for feature in range(features):
            values: list[float] = before[:length, feature].tolist()
            expected, last = [], next(value for value in values if value == value)
            for value in values:
                last = value if value == value else last
                expected.append(last)
            assert after[:length, feature].tolist() == expected
