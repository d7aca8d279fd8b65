"""The metrics are those of scikit-learn."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from pipeline.training.metrics import score


def test_a_rare_class_that_is_never_found() -> None:
    y, predicted = np.array([0] * 98 + [1] * 2), np.zeros(100, int)
    assert score("accuracy", y, predicted) == 0.98
    assert score("balanced_accuracy", y, predicted) == 0.5
    assert score("macro_f1", y, predicted) == pytest.approx((2 * 98 / 198) / 2)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60))
def test_scores_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    y, predicted = np.array(pairs).T
    assert score("accuracy", y, predicted) == accuracy_score(y, predicted)
    assert score("macro_f1", y, predicted) == pytest.approx(f1_score(y, predicted, average="macro"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a class that is predicted and not there
        assert score("balanced_accuracy", y, predicted) == pytest.approx(balanced_accuracy_score(y, predicted))
