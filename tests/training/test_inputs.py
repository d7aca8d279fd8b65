"""What a training sees of the prepared sequences."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.data.sequences import change_view
from pipeline.training.inputs import load_data
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
