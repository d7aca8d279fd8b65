"""What all readers share, and that no bytes, however damaged, get past them but as one sentence."""

import contextlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipeline.data.own import copies_of, files_of, is_own, read_raw
from pipeline.errors import PipelineError
from tests.helpers.own import read, settings, write_arrays, write_ts

X = np.arange(24, dtype=np.float32).reshape(4, 3, 2)


def test_the_suffix_says_whose_reader_it_is() -> None:
    assert all(map(is_own, ("a.npz", "b/A.NPZ", "~/c_TRAIN.ts", "d.csv", "e.parquet")))
    assert not any(map(is_own, ("mnist", "a.npy", "npz", "a.csv.gz")))
    assert copies_of("~/A.NPZ", "sequences") == ["sequences.npz"]
    assert copies_of("b/toy.ts", "sequences") == ["sequences.ts"]
    assert copies_of("b/toy_TEST.ts", "sequences") == ["sequences_TRAIN.ts", "sequences_TEST.ts"]
    with pytest.raises(PipelineError, match=r"a\.xlsx: its name must end in \.npz, \.ts, \.csv, \.parquet"):
        read(Path("a.xlsx"))


def test_paths_are_relative_or_begin_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_arrays(tmp_path / "a.npz", x=X, y=[0, 1, 0, 1])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(read(Path("a.npz")).y) == len(read(Path("~/a.npz")).y) == 4


def test_paths_that_no_system_has_are_not_found() -> None:
    with pytest.raises(PipelineError, match=r"~nobody-here/a\.npz: not found"):
        read(Path("~nobody-here/a.npz"))
    with pytest.raises(PipelineError, match=r"a\.csv: cannot be read \(File name too long\)"):
        read(Path("long" * 100 + "a.csv"))


@pytest.mark.parametrize("name", ["none.npz", "none.csv", "none.parquet", "none.ts", "folder.csv", "none_TRAIN.ts"])
def test_what_is_not_there_is_not_found(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(PipelineError, match=rf"{name}: not found"):
        read(tmp_path / name)


def test_a_part_without_the_other_is_refused(tmp_path: Path) -> None:
    path = write_ts(tmp_path / "toy_TRAIN.ts", "1:a", "2:b")
    with pytest.raises(PipelineError, match=rf"toy_TRAIN\.ts: {tmp_path}/toy_TEST\.ts must lie beside it"):
        read(path)
    write_ts(tmp_path / "toy_TEST.ts", "1:a")
    assert [file.name for file in files_of(tmp_path / "toy_TEST.ts")] == ["toy_TRAIN.ts", "toy_TEST.ts"]


def whole_file(suffix: str, folder: Path) -> Path:
    path = folder / f"whole{suffix}"
    n = np.repeat(np.arange(4), 3)
    table = pd.DataFrame({"sequence": n, "time": list(range(3)) * 4, "value": X[:, :, 0].ravel(), "label": n % 2})
    match suffix:
        case ".npz":
            write_arrays(path, x=X, y=np.array(list("abab")), lengths=[3, 2, 1, 3])
        case ".ts":
            write_ts(path, "1,2,3:a", "4,5:b", "?,6:a")
        case ".csv":
            table.to_csv(path, index=False)
        case ".parquet":
            table.to_parquet(path)
    return path


@pytest.mark.parametrize("suffix", [".npz", ".ts", ".csv", ".parquet"])
@hypothesis_settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_bytes_are_read_or_refused_with_a_sentence(suffix: str, data: st.DataObject, tmp_path: Path) -> None:
    whole = whole_file(suffix, tmp_path).read_bytes()
    damaged = bytearray(whole)
    for place, value in data.draw(st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=6)):
        damaged[place] = value
    path = tmp_path / f"damaged{suffix}"
    path.write_bytes(damaged[: data.draw(st.just(len(whole)) | st.integers(0, len(whole)))])
    with contextlib.suppress(PipelineError):  # of one sentence, too: anything else fails
        read_raw(path, settings(path))
    try:
        found = read(path, missing=data.draw(st.sampled_from(["refuse", "forward"])))
    except PipelineError as refusal:
        sentence = str(refusal)
        assert sentence.startswith(f"params.yaml: data.dataset: {path}: ")
        assert "\n" not in sentence
        return
    assert found.x.dtype == np.float32
    assert len(found.x) == len(found.y)
    assert sorted(set(found.y.tolist())) == list(range(len(found.labels)))
    ends = np.isnan(found.x)
    assert (ends.all(axis=2) == ends.any(axis=2)).all(), "a step is padding, or none of its values is missing"
    assert (np.diff(ends.all(axis=2).astype(int), axis=1) >= 0).all(), "padding is at the end"
    assert not ends[:, 0].any()
    assert not np.isinf(found.x).any()
