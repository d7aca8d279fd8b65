"""What a training sees of the prepared sequences."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.sequences import Samples, SequencesSummary, change_view
from pipeline.errors import PipelineError
from pipeline.paths import write_npz
from pipeline.training.inputs import FOLDS, fold_limits, fold_of, load_data
from tests.helpers.sequences import CLASSES, FEATURES, TIMESTEPS, write_sequences


@pytest.fixture(scope="module")
def sequences(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sequences")
    write_sequences(folder)
    return folder


def test_held_out_data_is_never_trained_on(sequences: Path) -> None:
    validated, tested, everything = (load_data(sequences, name) for name in ("validation", "test", "nothing"))
    assert (len(validated.x), len(tested.x), len(everything.x)) == (96, 156, 156)
    with np.load(sequences / "test.npz") as test:
        assert tested.held_out_x is not None
        assert np.array_equal(tested.held_out_x, test["x"])
        assert not {row.tobytes() for row in tested.x} & {row.tobytes() for row in test["x"]}
    assert everything.held_out_x is None
    assert {data.classes for data in (validated, tested, everything)} == {CLASSES}


def test_another_view_is_made_of_what_is_trained_on_and_of_what_is_held_out(sequences: Path) -> None:
    rows, same, columns, pixels = (
        load_data(sequences, "validation", view) for view in (None, "rows", "columns", "permuted_pixels")
    )
    assert rows.held_out_x is not None
    assert columns.held_out_x is not None
    assert rows.x.shape[1:] == (TIMESTEPS, FEATURES)
    assert np.array_equal(same.x, rows.x)
    assert np.array_equal(columns.x, rows.x.transpose(0, 2, 1))
    assert np.array_equal(columns.held_out_x, rows.held_out_x.transpose(0, 2, 1))
    assert columns.x.flags.c_contiguous
    assert np.array_equal(pixels.x, change_view(rows.x, "permuted_pixels", seed=0))
    assert np.array_equal(pixels.y, rows.y)


@pytest.mark.parametrize("samples", [10, 100, 156, 60_000, 4_999])
def test_folds_are_disjoint_equally_large_and_leave_less_than_ten_samples(samples: int) -> None:
    limits = [fold_limits(samples, fold) for fold in range(FOLDS)]
    covered = [place for start, stop in limits for place in range(start, stop)]
    assert covered == list(range(samples - samples % FOLDS))
    assert {stop - start for start, stop in limits} == {samples // FOLDS}


def test_seeds_in_a_row_hold_out_one_fold_after_the_other() -> None:
    assert [fold_of(seed) for seed in (0, 1, 9, 10, 23)] == [0, 1, 9, 0, 3]


@pytest.mark.parametrize(("train", "validation"), [(270, 30), (240, 48), (96, 60)])
def test_no_two_folds_share_a_sample_and_none_is_trained_on(train: int, validation: int, tmp_path: Path) -> None:
    write_sequences(tmp_path, train=train, validation=validation)
    everything = [row.tobytes() for row in load_data(tmp_path, "nothing").x]
    held_out: list[bytes] = []
    for fold in range(FOLDS):
        data = load_data(tmp_path, "fold", fold=fold)
        assert data.held_out_x is not None
        assert data.held_out_y is not None
        here = [row.tobytes() for row in data.held_out_x]
        learned = [row.tobytes() for row in data.x]
        assert sorted(learned + here) == sorted(everything)
        assert not set(learned) & set(here)
        counts = np.bincount(data.held_out_y, minlength=CLASSES)
        assert counts.max() - counts.min() <= 2, "classes in proportion"
        assert (len(data.y), len(data.held_out_y)) == (len(data.x), len(data.held_out_x))
        held_out += here
    assert held_out == everything[: len(everything) - len(everything) % FOLDS]


def test_the_last_fold_is_the_validation_data_where_they_are_a_tenth(tmp_path: Path) -> None:
    """So a study that was chosen on the validation data has seen one of the ten before."""
    write_sequences(tmp_path, train=270, validation=30)
    validated, last, first = (
        load_data(tmp_path, *what) for what in (("validation",), ("fold", None, 9), ("fold", None, 0))
    )
    for one, other in ((validated.x, last.x), (validated.y, last.y), (validated.held_out_x, last.held_out_x)):
        assert one is not None
        assert other is not None
        assert np.array_equal(one, other)
    assert first.held_out_x is not None
    assert np.array_equal(first.held_out_x, validated.x[:30])


def test_a_fold_is_in_the_view_that_is_asked_for(sequences: Path) -> None:
    rows, columns = (load_data(sequences, "fold", view, 3) for view in ("rows", "columns"))
    assert rows.held_out_x is not None
    assert columns.held_out_x is not None
    assert np.array_equal(columns.held_out_x, rows.held_out_x.transpose(0, 2, 1))


@pytest.fixture
def grouped(tmp_path: Path) -> Path:
    """Sequences with folds of different sizes, and a summary that says so."""
    summary = write_sequences(tmp_path, train=240, validation=60)
    folds = np.random.default_rng(0).permutation(np.repeat(np.arange(FOLDS), np.arange(21, 40, 2)))
    for name, of in (("train", folds[:240]), ("validation", folds[240:])):
        path = tmp_path / f"{name}.npz"
        write_npz(path, **replace(Samples.read(path), fold=of).arrays)
    changes = {"groups": {"train": 24, "validation": 6}, "folds": tuple(np.bincount(folds).tolist())}
    summary.model_copy(update=changes).write(tmp_path / "summary.json")
    return tmp_path


def test_folds_of_whole_groups_are_held_out_one_after_the_other(grouped: Path) -> None:
    everything = [row.tobytes() for row in load_data(grouped, "nothing").x]
    place_of = {row: place for place, row in enumerate(everything)}
    folds = np.concatenate([Samples.read(grouped / f"{name}.npz").arrays["fold"] for name in ("train", "validation")])
    starts = []
    for fold in range(FOLDS):
        data = load_data(grouped, "fold", fold=fold)
        assert data.held_out_x is not None
        here = [place_of[row.tobytes()] for row in data.held_out_x]
        assert here == np.flatnonzero(folds == fold).tolist()
        assert sorted(here + [place_of[row.tobytes()] for row in data.x]) == list(range(300))
        share = np.bincount(data.y) / len(data.y)
        counts = np.cumsum(data.y[:, None] == np.arange(CLASSES), axis=0)
        assert np.abs(counts - np.outer(np.arange(1, len(data.y) + 1), share)).max() <= 0.5 + share.max() / 2 + 1e-9
        few, _ = data.rows(20)
        assert len({row.tobytes() for row in few}) == 20
        starts.append(place_of[few[0].tobytes()])
    assert len(set(starts)) == FOLDS, "trainings on few samples begin elsewhere in every fold"


def test_folds_are_refused_where_groups_are_too_few(grouped: Path) -> None:
    path = grouped / "summary.json"
    SequencesSummary.read(path).model_copy(update={"groups": {"train": 6, "validation": 3}, "folds": ()}).write(path)
    with pytest.raises(PipelineError, match=r"^9 groups to learn from are too few for 10 folds"):
        load_data(grouped, "fold", fold=0)
    assert len(load_data(grouped, "validation").y) == 240


@pytest.mark.parametrize("count", [20, None])
def test_a_training_s_own_rows_keep_no_others_in_memory(sequences: Path, count: int | None) -> None:
    data = load_data(sequences, "fold", None, 3)
    own = data.only(count)
    x, y = data.rows(count)
    assert own.held_out_x is not None
    assert data.held_out_x is not None
    assert np.array_equal(own.rows(count)[0], x)
    assert np.array_equal(own.y, y)
    assert np.array_equal(own.held_out_x, data.held_out_x)
    assert own.x.base is None
    assert own.held_out_x.base is None
    assert data.held_out_x.base is not None
