from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.data.readers import table_files
from pipeline.errors import PipelineError
from tests.helpers.own import read


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_csv_as_people_write_them(tmp_path: Path) -> None:
    lines = ["\ufeffsequence, time, value, label", "01, 1, ?, NA", "", "01, 2, 1e2, NA", f"1, 1, {10**20}, None", ""]
    found = read(write(tmp_path / "a.csv", "\r\n".join(lines)), missing="forward")
    assert found.labels == ("NA", "None"), "names like others"
    np.testing.assert_array_equal(found.x[:, :, 0], np.array([[100, 100], [1e20, np.nan]], np.float32))


def test_numbers_with_a_point_are_texts_in_a_csv_but_in_parquet_no_classes(tmp_path: Path) -> None:
    text = "sequence,time,value,label\na,1,1,0.5\nb,1,1,1.0\n"
    assert read(write(tmp_path / "a.csv", text)).labels == ("0.5", "1.0")
    with pytest.raises(PipelineError, match=r"column 'label': 0\.5 is no whole number of 64 bits; number the classes"):
        read(parquet(tmp_path / "a.parquet", label=[0.5, 1]))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("sequence,time,value,label\n", "has no rows"),
        ("sequence;time;value;label\n1;1;1;1\n", "has one column, 'sequence;time;value;label'"),
        (",sequence,time,value,label\n0,a,1,1,x\n", "column 1 has no name: is it the index of a table of pandas"),
        ("sequence,time,value,value,label\n", "has two columns 'value': rename one"),
        ("sequence,time,value,label\na,1,1,x,9\nb,1,1,y,9\n", "is not a table of comma-separated values"),
        ("sequence,time,value,label\na,1,1,x\nb,1,1,y,9\n", "Expected 4 fields in line 3, saw 5"),
        ("sequence,time,value,label\na,1,1,x\nb,1\n", "column 'label' is empty in 1 rows"),
        (
            "sequence,time,value,label\na,1,1,x\nb,1,1 kg,y\n",
            "column 'value' has values that are no numbers, such as '1 kg'",
        ),
        ('sequence,time,value,label\n"a,1,1,x\n', "EOF inside string"),
        (b"sequence,time,value,label\na,1,1,caf\xe9\n", "is not a table of comma-separated values"),
        (b"\xff\xfe\x00", "is not a table of comma-separated values"),
    ],
)
def test_unfit_csv_files_are_refused(text: str | bytes, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=sentence):
        read(write(tmp_path / "a.csv", text))


def test_a_header_without_end_and_a_huge_csv_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="its first line, the names of columns, has no end"):
        read(write(tmp_path / "a.csv", b"a" * (1 << 20)))
    with (tmp_path / "b.csv").open("wb") as file:
        file.truncate(table_files.MOST_CSV_BYTES + 1)  # sparse
    with pytest.raises(PipelineError, match="is larger than 2 GiB: take fewer rows"):
        read(tmp_path / "b.csv")


def parquet(path: Path, **columns: object) -> Path:
    table = pd.DataFrame({"sequence": [5, 6], "time": [0, 0], "value": [1.0, 2.0], "label": [0, 1]} | columns)
    table.to_parquet(path)
    return path


def test_kinds_of_columns_in_parquet(tmp_path: Path) -> None:
    times = pd.to_datetime(["2026-01-01", "2026-01-02"], utc=True)
    columns = {"value": [Decimal("1.5"), Decimal("2.5")], "label": pd.Categorical(["u", "v"]), "time": times}
    found = read(parquet(tmp_path / "a.parquet", **columns))
    assert found.x.ravel().tolist() == [1.5, 2.5]
    assert found.labels == ("u", "v")
    for moments in (times - times[0], times.date, times.astype(str)):
        assert len(read(parquet(tmp_path / "c.parquet", time=moments)).x) == 2


def test_pandas_index_is_no_feature(tmp_path: Path) -> None:
    table = pd.read_parquet(parquet(tmp_path / "a.parquet"))
    table.iloc[::-1].to_parquet(tmp_path / "b.parquet")
    assert read(tmp_path / "b.parquet").features == ("value",)
    table.set_index(["sequence", "time"]).to_parquet(tmp_path / "c.parquet")
    found = read(tmp_path / "c.parquet")
    assert (found.features, found.x.ravel().tolist()) == (("value",), [1, 2])


def test_columns_that_are_no_numbers_are_all_named(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", note=["x", "y"], when=pd.to_datetime(["2026-01-01"] * 2), deep=[[1], [2]])
    with pytest.raises(PipelineError, match=r"no numbers: 'note' \(.*string\), 'when' \(timestamp.*, 'deep' \(list"):
        read(path)


def test_a_damaged_and_a_huge_parquet_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PipelineError, match=r"is not a \.parquet file, or a damaged one"):
        read(write(tmp_path / "a.parquet", b"PAR1 and no more PAR1"))
    path = parquet(tmp_path / "b.parquet")
    monkeypatch.setattr(table_files, "MOST_VALUES", 7)
    with pytest.raises(PipelineError, match=r"has 2 rows, and at most .* and 7 values are read: take fewer rows"):
        read(path)
