"""Two thousand params.yaml, most of them damaged: each is read, or refused in lines that name the file."""

from pathlib import Path

from tests.helpers.trying import tried


def test_every_text_is_parameters_or_lines(tmp_path: Path) -> None:
    tally = tried("params", tmp_path, count=2000)
    assert tally.failures == []
    assert tally.accepted + tally.refused == tally.tried == 2000
    assert min(tally.accepted, tally.refused) > 50, "the inputs are neither all sound nor all nonsense"
    assert tally.peak_megabytes < 100
