"""Recall class by class, with Wilson's interval."""

import pandas as pd
import pytest

from pipeline.analysis.recall import recall_table


def test_recall_is_the_share_of_a_class_that_is_found() -> None:
    predictions = pd.DataFrame({"actual": [0] * 10 + [2] * 4, "predicted": [0] * 8 + [1, 2] + [2] * 4})
    table = recall_table(predictions, classes=3)
    assert table["label"].tolist() == [0, 2], "of class 1 there is no sample"
    assert table["samples"].tolist() == [10, 4]
    assert table["right"].tolist() == [8, 4]
    assert table["recall"].tolist() == [0.8, 1.0]
    # Wilson's: (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n), z = 1.96
    assert table["low"].tolist() == pytest.approx([0.49016, 0.51011], abs=1e-5)
    assert table["high"].tolist() == pytest.approx([0.94331, 1.0], abs=1e-4)
