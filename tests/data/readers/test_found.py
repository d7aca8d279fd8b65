from pathlib import Path

import numpy as np
import pytest

from pipeline.data.readers.found import cut, room
from pipeline.errors import PipelineError


def test_room_is_empty_and_has_a_limit() -> None:
    x = room(Path("a"), 2, 3, 4)
    assert (x.shape, x.dtype, np.isnan(x).all()) == ((2, 3, 4), np.float32, True)
    with pytest.raises(
        PipelineError, match=r"2 sequences of up to 536,870,913 steps with 1 features are 4\.0 GiB, at most"
    ):
        room(Path("a"), 2, 2**29 + 1, 1)


def test_longer_sequences_are_cut_with_a_note() -> None:
    lengths = np.array([3, 9, 5, 7])
    assert cut(lengths, None) == (pytest.approx(lengths), ())
    assert cut(lengths, 9) == (pytest.approx(lengths), ())
    short, notes = cut(lengths, 5)
    assert short.tolist() == [3, 5, 5, 5]
    assert notes == ("2 of 4 sequences are longer than data.max_timesteps: cut after 5 steps",)
