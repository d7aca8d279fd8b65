import os
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.readers import ts
from pipeline.errors import PipelineError
from tests.helpers.own import read, write_ts

NAN = np.nan
ARCHIVE = Path(os.environ.get("TIME_SERIES_ARCHIVE", "none"))  # a folder of the archive's own files


def test_both_parts_are_read_whichever_is_named(tmp_path: Path) -> None:
    train = write_ts(tmp_path / "Toy_TRAIN.ts", "1,2,3:4,5,6:b", "1.5,-2e0:?,5:a")
    test = write_ts(tmp_path / "Toy_TEST.ts", "7 , 8:9,NaN:a")
    for path in (train, test):
        found = read(path, missing="forward")
        assert found.x.shape == (3, 3, 2)
        assert found.is_test is not None
        assert found.is_test.tolist() == [False, False, True]
        assert (found.labels, found.y.tolist()) == (("a", "b"), [1, 0, 0])
        assert found.features == ("dimension 1", "dimension 2")
        np.testing.assert_array_equal(found.x[0], [[1, 4], [2, 5], [3, 6]])
        np.testing.assert_array_equal(found.x[1], [[1.5, 5], [-2, 5], [NAN, NAN]])
        np.testing.assert_array_equal(found.x[2], [[7, 9], [8, 9], [NAN, NAN]])


def test_a_file_of_another_name_stands_alone_and_headers_may_be_written_in_any_case(tmp_path: Path) -> None:
    header = "@PROBLEMNAME x\n#More\n\n@TimeStamps FALSE\n@Dimensions\t1\n@classlabel TRUE 1 2"
    path = write_ts(tmp_path / "toy.ts", "1,2:2", "# between", "3,4:1", header=header)
    path.write_bytes(b"\xef\xbb\xbf# caf\xe9\r\n" + path.read_bytes().replace(b"\n", b"\r\n"))
    found = read(path)
    assert (found.is_test, found.labels, found.y.tolist()) == (None, (1, 2), [1, 0])
    assert found.x[:, :, 0].tolist() == [[1, 2], [3, 4]]


def test_long_sequences_are_cut_with_a_note(tmp_path: Path) -> None:
    found = read(write_ts(tmp_path / "toy.ts", "1,2,3,?:a", "4:b"), max_timesteps=2)
    np.testing.assert_array_equal(found.x[:, :, 0], [[1, 2], [4, NAN]])
    assert found.notes == ("1 of 2 sequences are longer than data.max_timesteps: cut after 2 steps",)


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["1,2:a", "1,2"], "line 7 has no label: it must end in a colon and the label"),
        (["1,2:a", "1,2:c"], "line 7 has the label 'c', which @classLabel does not list"),
        (["1,2:a", "1,x:b"], "line 7, dimension 1: 'x' is no number"),
        (["1,2:a", "1,:b"], "line 7, dimension 1: '' is no number"),
        (["1,2:a", ":b"], "line 7, dimension 1: '' is no number"),
        (["1,2:a", "1,1_0:b"], "line 7, dimension 1: '1_0' is no number"),
        (["1,2:a", "(0,1),(1,2):b"], "line 7, dimension 1: '\\(0' is no number"),
        (["1,2:1,2:a", "1,2:3:b"], "line 7: dimension 1 has 2 steps, dimension 2 has 1: they must be as many"),
        (["1,2:a", "1,2:3,4:b"], "toy.ts, line 7 has 2 dimensions, toy.ts, line 6 has 1: they must be as many"),
        (["1,2:a", "1,?:b"], "missing values: 1 in 1 of 2 sequences, the first at toy.ts, line 7, dimension 1, step 2"),
        (["1,2:a", "1,1e39:b"], "the first at toy.ts, line 7, dimension 1, step 2 .inf.; mend them"),
        (["1,2:a", "3,4:a"], "all sequences have the label 'a'"),
        ([], "has no sequences"),
    ],
)
def test_unfit_lines_are_named(lines: list[str], sentence: str, tmp_path: Path) -> None:
    path = write_ts(tmp_path / "toy.ts", *lines)
    with pytest.raises(PipelineError, match=rf"^params\.yaml: data\.dataset: {path}: .*{sentence}"):
        read(path)


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        ("@timestamps true\n@classLabel true a b", "has @timestamps true, which is not read: write the values alone"),
        ("@classLabel false", "has no @classLabel true: sequences without a class cannot be learned"),
        ("@targetLabel true", "has @targetLabel, a number to predict: sequences without a class"),
        ("@problemName toy", "has no @classLabel true"),
        ("@classLabel true a b\n@dimensions 2", "line 5 has 1 dimensions, @dimensions says 2"),
        ("@classLabel true a b\n@dimensions two", "@dimensions must be a number, got 'two'"),
        ("@classLabel true a b\n1,2:a", "line 3 stands before @data"),
    ],
)
def test_unfit_headers_are_named(header: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=sentence):
        read(write_ts(tmp_path / "toy.ts", "1,2:a", "1,2:b", header=header))


def test_what_is_no_such_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "toy.ts"
    for content, sentence in (
        (b"", "has no line @data: it is no .ts file of time series"),
        (b"export const a = 1\n", "line 1 stands before @data"),
        (b"@problemName caf\xe9\n", "line 1 is not in UTF-8"),
    ):
        path.write_bytes(content)
        with pytest.raises(PipelineError, match=sentence):
            read(path)
    monkeypatch.setattr(ts, "LONGEST_LINE_BYTES", 1 << 20)
    path.write_bytes(b"@" + b"a" * (1 << 20))
    with pytest.raises(PipelineError, match="line 1 is longer than 1 MiB: cut the sequence"):
        read(path)


@pytest.mark.parametrize(
    ("name", "shape", "lengths", "per_class", "test"),
    [
        ("JapaneseVowels", (640, 29, 12), (7, 29), [61, 65, 118, 74, 59, 54, 70, 80, 59], 370),
        ("ItalyPowerDemand", (1096, 24, 1), (24, 24), [547, 549], 1029),
    ],
)
def test_the_archives_own_files(
    name: str, shape: tuple[int, ...], lengths: tuple[int, int], per_class: list[int], test: int
) -> None:
    path = ARCHIVE / f"{name}_TRAIN.ts"
    if not path.is_file():
        pytest.skip("TIME_SERIES_ARCHIVE is not set to a folder with these files")
    found = read(path)
    assert found.x.shape == shape
    assert found.labels == tuple(range(1, len(per_class) + 1))
    assert np.bincount(found.y).tolist() == per_class
    assert found.is_test is not None
    assert int(found.is_test.sum()) == test
    steps = (~np.isnan(found.x)).all(axis=2).sum(axis=1)
    assert (steps.min(), steps.max()) == lengths
    assert found.notes == ()


@pytest.mark.parametrize("name", ["JapaneseVowels", "ItalyPowerDemand"])
@pytest.mark.parametrize("part", ["TRAIN", "TEST"])
def test_aeon_reads_the_same(name: str, part: str) -> None:
    aeon = pytest.importorskip("aeon.datasets")
    path = ARCHIVE / f"{name}_{part}.ts"
    if not path.is_file():
        pytest.skip("TIME_SERIES_ARCHIVE is not set to a folder with these files")
    x, y = aeon.load_from_ts_file(str(path))
    found = read(path)
    assert found.is_test is not None
    of_part = np.flatnonzero(found.is_test == (part == "TEST"))
    assert len(of_part) == len(x)
    assert [str(found.labels[code]) for code in found.y[of_part]] == [str(label) for label in y]
    for number, expected in zip(of_part, x, strict=True):  # (features, timesteps)
        np.testing.assert_array_equal(found.x[number, : expected.shape[1]], expected.T.astype(np.float32))
        assert np.isnan(found.x[number, expected.shape[1] :]).all()
