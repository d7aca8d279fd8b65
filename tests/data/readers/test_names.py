import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.data.readers.names import names_of


def names(*written: object) -> tuple[object, ...]:
    return names_of(written, np.arange(len(written))).names


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ((3, 1, 2), (1, 2, 3)),
        ((3.0, -1.0), (-1, 3)),
        ((True, False), ("false", "true")),
        (("True", "FALSE"), ("false", "true")),
        (("10", "9"), (9, 10)),
        (("1.0", "2.", "+3"), (1, 2, 3)),
        (("01", "1"), ("01", "1")),
        (("1", "2", "x"), ("1", "2", "x")),
        (("1.5", "2"), ("1.5", "2")),
        (("9" * 30, "1"), ("1", "9" * 30)),
        ((b"b", "a "), ("a", "b")),
        (("zwölf", "Elf"), ("Elf", "zwölf")),
        (("می\u200cروم", "👩\u200d💻"), ("می\u200cروم", "👩\u200d💻")),
    ],
)
def test_what_is_written_and_what_it_is_called(written: tuple[object, ...], expected: tuple[object, ...]) -> None:
    assert names(*written) == expected


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ((1, 0.5), "0.5 is no whole number of 64 bits"),
        ((1, float("inf")), "inf is no whole number"),
        ((1, 2**63), "is no whole number of 64 bits"),
        ((1, float("nan")), r"it is missing \(NaN\)"),
        ((1, None), "None is no whole number, text or truth value"),
        ((1, "a"), "'a' is a text among numbers"),
        ((b"\xff", "a"), "is no text in UTF-8"),
        (("a", " "), r"it is missing \(an empty text\)"),
        (("a", "\u200d"), r"it is missing \(an empty text\)"),
        (("a", "b\u202ec"), r"has characters that cannot be printed"),
        (("a", "b\nc"), r"'b\\nc' has characters that cannot be printed"),
    ],
)
def test_what_is_no_name(written: tuple[object, ...], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        names(*written)


@settings(deadline=None)
@given(
    st.lists(st.one_of(st.integers(-(2**62), 2**62)), min_size=1) | st.lists(st.sampled_from(list("abcde")), min_size=1)
)
def test_every_sequence_keeps_its_name(written: list[object]) -> None:
    distinct = list(dict.fromkeys(written))
    found = names_of(distinct, np.array([distinct.index(name) for name in written]))
    assert [found.names[code] for code in found.codes] == written
    assert list(found.names) == sorted(found.names, key=lambda name: name)
