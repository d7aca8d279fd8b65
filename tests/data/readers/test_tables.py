"""Long tables, the same whichever file they are in."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipeline.errors import PipelineError
from tests.helpers.own import read

NAN = np.nan
TABLE = pd.DataFrame(
    {
        "sequence": ["q", "q", "b", "q", "b", "c"],
        "time": [2.0, 1.0, 10.0, 3.5, 9.0, 0.0],
        "heart": [20, 10, 40, 30, 50, 60],
        "label": ["run", "run", "sit", "run", "sit", "run"],
        "step": [0.5, 1.5, 2.5, 3.5, 4.5, 5.5],
        "who": [7, 7, 3, 7, 3, 7],
        "part": ["train", "train", "train", "train", "train", "test"],
    }
)
COLUMNS = {"group": "who", "split": "part"}
Write = Callable[[pd.DataFrame], Path]


@pytest.fixture(params=["csv", "parquet"])
def write(request: pytest.FixtureRequest, tmp_path: Path) -> Write:
    path = tmp_path / f"mine.{request.param}"

    def written(table: pd.DataFrame) -> Path:
        if request.param == "csv":
            table.to_csv(path, index=False)
        else:
            table.to_parquet(path)
        return path

    return written


def test_rows_become_sequences_in_order_of_appearance_and_of_time(write: Write) -> None:
    found = read(write(TABLE), columns=COLUMNS)
    assert found.features == ("heart", "step")
    np.testing.assert_array_equal(found.x[:, :, 0], [[10, 20, 30], [50, 40, NAN], [60, NAN, NAN]])
    np.testing.assert_array_equal(found.x[:, :, 1], [[1.5, 0.5, 3.5], [4.5, 2.5, NAN], [5.5, NAN, NAN]])
    assert (found.labels, found.y.tolist()) == (("run", "sit"), [0, 1, 0])
    assert found.groups == (7, 3, 7)
    assert found.is_test is not None
    assert found.is_test.tolist() == [False, False, True]
    assert found.notes == ()


@pytest.mark.parametrize("column", ["sequence", "label", "who"])
def test_lists_in_a_column_are_refused(column: str, tmp_path: Path) -> None:
    table = TABLE.copy()
    table[column] = [[1, 2]] * len(TABLE)
    table.to_parquet(tmp_path / "mine.parquet")
    with pytest.raises(PipelineError, match=rf"column '{column}' must hold a number or a text in each row"):
        read(tmp_path / "mine.parquet", columns=COLUMNS)


def test_columns_have_the_names_that_params_yaml_says(write: Write) -> None:
    table = TABLE[["sequence", "time", "heart", "label"]]
    other = table.rename(columns={"sequence": "recording", "time": "second", "label": "activity"})
    names = {"sequence": "recording", "time": "second", "label": "activity"}
    found, same = read(write(other), columns=names), read(write(table))
    np.testing.assert_array_equal(found.x, same.x)
    assert (found.labels, found.y.tolist(), found.notes) == (same.labels, same.y.tolist(), ())


@pytest.mark.parametrize(
    "times",
    [
        ["2026-01-02", "2026-01-01T23:00:00", "2026-01-10", "2026-02-01 00:00:00.5", "2026-01-09", "2026-01-01"],
        ["2026-01-01T00:00+00:00", "2026-01-01T01:30:00+02:00", "2026-01-10", "2026-02-01", "2026-01-09", "2026-01-01"],
    ],
)
def test_times_may_be_texts(times: list[str], write: Write) -> None:
    found = read(write(TABLE.assign(time=times)), columns=COLUMNS)
    np.testing.assert_array_equal(found.x[:, :, 0], [[10, 20, 30], [50, 40, NAN], [60, NAN, NAN]])


@pytest.mark.parametrize("labels", [[True, True, False, True, False, True], [1.0, 1.0, 0.0, 1.0, 0.0, 1.0]])
def test_labels_may_be_truth_values_or_whole_numbers(labels: list[Any], write: Write) -> None:
    found = read(write(TABLE.assign(label=labels)), columns=COLUMNS)
    assert found.labels == (("false", "true") if labels[0] is True else (0, 1))
    assert found.y.tolist() == [1, 0, 1]


def test_features_may_be_truth_values_and_may_be_missing(write: Write) -> None:
    path = write(TABLE.assign(heart=[1, NAN, 2, 3, 4, 5], step=[True, False, True, True, False, True]))
    with pytest.raises(
        PipelineError, match=r"1 in 1 of 3 sequences, the first at sequence 'q', time 1\.0, column 'heart'; "
    ):
        read(path, columns=COLUMNS)
    found = read(path, columns=COLUMNS, missing="forward")
    np.testing.assert_array_equal(found.x[:, :, 0], [[1, 1, 3], [4, 2, NAN], [5, NAN, NAN]])
    np.testing.assert_array_equal(found.x[:, :, 1], [[0, 1, 1], [0, 1, NAN], [1, NAN, NAN]])


def test_cutting_keeps_the_first_moments(write: Write) -> None:
    found = read(write(TABLE), columns=COLUMNS, max_timesteps=1)
    assert found.x[:, :, 0].tolist() == [[10], [50], [60]]
    assert found.notes[0] == "2 of 3 sequences are longer than data.max_timesteps: cut after 1 steps"


def test_a_column_that_is_called_group_is_a_feature_with_a_note(write: Write) -> None:
    found = read(write(TABLE.rename(columns={"who": "group"}).drop(columns="part")))
    assert found.features == ("heart", "step", "group")
    assert found.notes == ("column 'group' is a feature; if it is the group of a sequence, set data.columns.group",)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"time": [1, 1, 10, 2, 9, 0]}, "has two rows of sequence 'q', time 1, and 1 such rows in all"),
        ({"label": ["run", "sit", "sit", "run", "sit", "run"]}, "column 'label' changes within sequence 'q', time 2.0, "
         "from 'sit' to 'run': it must be the same in all rows of a sequence"),
        ({"who": [7, 7, 3, 8, 3, 7]}, "column 'who' changes within sequence 'q', time 3.5"),
        ({"part": ["train"] * 3 + ["test"] * 3}, "column 'part' changes within sequence"),
        ({"part": ["train"] * 4 + ["trian"] * 2, "sequence": list("qqqqbb"), "label": list("aaaabb"), "who": 1},
         'the split of a sequence must be "train" or "test", got \'trian\''),
        ({"label": ["run", "run", None, "run", "sit", "run"]}, "column 'label' is empty in 1 rows, the first is data "
         "row 3: every row must say it"),
        ({"sequence": ["q", None, "b", "q", "b", "c"]}, "column 'sequence' is empty in 1 rows, the first is data row "
         "2"),
        ({"time": [1, 2, NAN, 3, 9, 0]}, "column 'time' has no time in data row 3, but"),
        ({"time": ["1", "2", "noon", "3", "9", "0"]}, "column 'time' has no time in data row 1, but '1'"),
        ({"time": ["01/02/2026", "02/02/2026", "3", "4", "5", "6"]}, "column 'time' has no time in data row 1, but"),
        ({"time": [True] * 6}, "column 'time' has no time in data row 1, but"),
        ({"heart": [1, 2, 3, 4, 5, np.inf]}, "too large for float32 .3.4e38.: 1 in 1 of 3 sequences, the first at "
         "sequence 'c', time 0.0, column 'heart' .inf.; mend"),
        ({"heart": list("abcdef")}, "no numbers.*'heart'|'heart'.*no numbers"),
    ],
)  # fmt: skip
def test_unfit_rows_are_named(changes: dict[str, Any], sentence: str, write: Write) -> None:
    with pytest.raises(PipelineError, match=sentence):
        read(write(TABLE.assign(**changes)), columns=COLUMNS)


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        (
            {"label": "class"},
            r"has no column 'class', only \['sequence', .*say in params.yaml which .*columns\.label\)",
        ),
        ({"label": "time"}, "data.columns.time and data.columns.label are both 'time': they must differ"),
        ({"group": "who"}, "'part'"),
    ],
)
def test_unfit_columns_are_named(columns: dict[str, str], sentence: str, write: Write) -> None:
    with pytest.raises(PipelineError, match=sentence):
        read(write(TABLE), columns=columns)


def test_no_rows_and_no_features_are_refused(write: Write) -> None:
    with pytest.raises(PipelineError, match=r"has no rows|are no numbers"):
        read(write(TABLE[:0]), columns=COLUMNS)
    with pytest.raises(PipelineError, match="has no column for a feature beside sequence, time, label"):
        read(write(TABLE[["sequence", "time", "label"]]))


@hypothesis_settings(deadline=None)
@given(seed=st.integers(0, 2**32))
def test_the_order_of_rows_within_a_sequence_does_not_matter(
    seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 6, rng.integers(2, 6))
    sequences = np.repeat(np.arange(len(lengths)), lengths)
    times = np.concatenate([np.arange(length) for length in lengths])
    values = rng.normal(size=len(times))
    table = pd.DataFrame({"sequence": sequences, "time": times, "value": values, "label": sequences % 2})
    path = tmp_path_factory.mktemp("table") / "mine.parquet"
    shuffled = table.iloc[rng.permutation(len(table))]
    shuffled.to_parquet(path)
    found = read(path)
    for number, name in enumerate(dict.fromkeys(shuffled["sequence"])):
        expected = values[sequences == name].astype(np.float32)
        assert found.x[number, : len(expected), 0].tolist() == expected.tolist()
        assert np.isnan(found.x[number, len(expected) :]).all()
        assert found.labels[found.y[number]] == name % 2


def test_another_separator_is_named(tmp_path: Path) -> None:
    path = tmp_path / "excel.csv"
    path.write_text("sequence;time;label;a\n1;1;x;0,5\n")
    with pytest.raises(PipelineError, match="has one column, 'sequence;time;label;a': save it with commas between"):
        read(path)
