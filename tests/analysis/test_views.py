"""The same configurations in other views, compared seed by seed."""

import numpy as np
import pytest
from scipy import stats

from pipeline.analysis.views import VIEW_COLUMNS, views_table
from pipeline.studies.results import trials_table
from tests.helpers.trials import table, trial


def test_views_are_compared_seed_by_seed() -> None:
    rows = [
        trial(number, 8, accuracy, seed=seed, view=view)
        for number, (view, seed, accuracy) in enumerate(
            [("rows", 0, 0.90), ("rows", 1, 0.92), ("rows", 2, 0.94),
             ("columns", 0, 0.91), ("columns", 1, 0.94), ("columns", 2, 0.95)]
        )
    ]  # fmt: skip
    one, other = views_table(table(*rows), "validation").to_dict("records")
    assert (one["view"], other["view"]) == ("rows", "columns")
    assert np.isnan(one["difference"])
    differences = [0.01, 0.02, 0.01]
    expected = stats.ttest_1samp(differences, 0).confidence_interval()
    assert other["difference"] == pytest.approx(np.mean(differences))
    assert (other["difference_low"], other["difference_high"]) == pytest.approx((expected.low, expected.high))
    assert views_table(table(*rows[:1], *rows[3:4]), "fold")["difference_low"].isna().all()
    assert views_table(trials_table([]), "fold").columns.tolist() == VIEW_COLUMNS


def test_what_else_tells_networks_apart_is_there_too() -> None:
    """A direction that all have is in the name of each; a pooling is there where it differs."""
    rows = [
        trial(number, 8, 0.9, view=view, bidirectional=True, dropout=dropout, weight_decay=0.1)
        for number, (view, dropout) in enumerate([("rows", 0.0), ("columns", 0.0), ("rows", 0.1), ("columns", 0.1)])
    ]
    result = views_table(table(*rows), "validation")
    assert result.columns.tolist() == [*VIEW_COLUMNS, "bidirectional", "dropout"]
    assert result["dropout"].tolist() == [0.0, 0.0, 0.1, 0.1]
