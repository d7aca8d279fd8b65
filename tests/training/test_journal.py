"""The journal and the record give back what they were given, and nothing else."""

import gzip
import itertools
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.errors import PipelineError
from pipeline.training.journal import Journal
from pipeline.training.trials import EpochMetrics, TrainingResult

RESULT = TrainingResult(
    parameters=12,
    epochs=(
        EpochMetrics(1, 0.1 + 0.2, 0.5, 1 / 3, 0.25, 2.0, 0.125),
        EpochMetrics(2, 1e-17, 0.75, None, None, 1.0, 0.5),
    ),
    best_epoch=2,
    pruned=False,
    weights_sha256="ab",
    fit_seconds=1.5,
    predict_microseconds_per_sequence=3.25,
    model_summary="table ┃\n",
    model_dot="digraph {}",
    worker="tcp://127.0.0.1:1",
    processor="a processor",
    trained_at="2026-11-26T15:30:00Z",
)


def result(number: int) -> TrainingResult:
    return replace(RESULT, weights_sha256=str(number), fit_seconds=number / 3)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "record"


def test_a_result_and_its_model_come_back_to_the_last_bit(folder: Path, record: Path) -> None:
    Journal(folder, record).put("key", RESULT, b"model")
    Journal(folder, record).put("other", result(7))
    journal = Journal(folder, record)
    assert (journal.get("key"), journal.model("key")) == (RESULT, b"model")
    assert (journal.get("other"), journal.model("other")) == (result(7), None)
    assert not record.exists(), "only a finished study writes the record"


def test_what_is_not_there_or_broken_is_none(folder: Path, record: Path) -> None:
    journal = Journal(folder, record)
    assert (journal.get("key"), journal.model("key")) == (None, None)
    journal.put("key", RESULT)
    (path,) = folder.iterdir()
    text = path.read_text(encoding="utf-8")
    path.write_text(text[: len(text) // 2], encoding="utf-8")
    assert journal.get("key") is None
    path.write_text(text.replace("best_epoch", "best_round"), encoding="utf-8")
    assert journal.get("key") is None


def test_what_is_broken_in_the_journal_is_there_in_the_record(folder: Path, record: Path) -> None:
    journal = Journal(folder, record)
    journal.put("key", RESULT)
    journal.record("study", ["key"])
    (folder / "key.json").write_text("{", encoding="utf-8")
    assert Journal(folder, record).get("key") == RESULT


def test_the_same_trainings_give_the_same_record_in_any_order(tmp_path: Path) -> None:
    written = []
    for place, keys in enumerate(itertools.permutations("abc")):
        journal = Journal(tmp_path / str(place), tmp_path / f"record-{place}")
        for key in keys:
            journal.put(key, result(ord(key)), b"model" if key == "b" else None)
        journal.record("study", [*reversed(keys), keys[0], "never trained"])
        written.append(files(tmp_path / f"record-{place}"))
    assert written == written[:1] * 6
    assert sorted(written[0]) == ["b.keras", "study.jsonl.gz"]


def test_the_record_is_a_line_for_each_training_and_the_same_bytes_once_more(folder: Path, record: Path) -> None:
    journal = Journal(folder, record)
    for number in (2, 1):
        journal.put(f"key-{number}", result(number))
    journal.record("study", ["key-2", "key-1", "key-3"])
    before = files(record)
    assert list(before) == ["study.jsonl.gz"]
    lines = [json.loads(line) for line in gzip.decompress(before["study.jsonl.gz"]).splitlines()]
    assert [(line["key"], line["weights_sha256"]) for line in lines] == [("key-1", "1"), ("key-2", "2")]
    Journal(folder, record).record("study", ["key-1", "key-2"])
    assert files(record) == before


def test_a_record_answers_where_the_journal_is_empty(folder: Path, record: Path, tmp_path: Path) -> None:
    """As in a fresh clone; what it answers with can be recorded again, models and all, to the same bytes."""
    first = Journal(folder, record)
    first.put("a", result(1), b"model of a")
    first.put("b", result(2))
    first.put("c", result(3))
    first.record("champion", ["a"])
    first.record("study", ["b", "c"])
    before = files(record)

    clone = Journal(tmp_path / "empty", record)
    assert [clone.get(key) for key in "abcd"] == [result(1), result(2), result(3), None]
    assert [clone.model(key) for key in "abcd"] == [b"model of a", None, None, None]
    clone.record("champion", ["a"])
    clone.record("study", ["c", "b"])
    assert files(record) == before
    assert not (tmp_path / "empty").exists()


def test_models_go_along_and_those_of_an_earlier_record_go_back_to_the_journal(folder: Path, record: Path) -> None:
    """With their results: a training that no study has any more is not lost."""
    journal = Journal(folder, record)
    for key in "abc":
        journal.put(key, RESULT, f"model of {key}".encode())
    journal.record("champion", "ab")
    journal.record("other", "c")

    clone = Journal(folder / "empty", record)
    clone.record("champion", "b")
    assert sorted(files(record)) == ["b.keras", "c.keras", "champion.jsonl.gz", "other.jsonl.gz"]
    assert files(record)["b.keras"] == b"model of b"
    assert sorted(files(folder / "empty")) == ["a.json", "a.keras"]
    assert (clone.get("a"), clone.model("a")) == (RESULT, b"model of a")
    assert Journal(folder / "another", record).get("a") is None


def test_the_record_comes_before_the_journal(folder: Path, record: Path) -> None:
    """A result and its model are always of the same training, whatever else this machine has trained."""
    journal = Journal(folder, record)
    journal.put("key", RESULT, b"recorded")
    journal.record("champion", ["key"])
    before = files(record)
    journal.put("key", replace(RESULT, weights_sha256="of another processor"), b"here")
    for each in (journal, Journal(folder, record)):
        assert (each.get("key"), each.model("key")) == (RESULT, b"recorded")
        each.record("champion", ["key"])
    assert files(record) == before


def test_a_record_that_says_the_same_stays_the_same_file(folder: Path, record: Path) -> None:
    """Another version of zlib would write other bytes, and git would show a change where there is none.

    The champion's trainings have no prediction time: NaN, which is not equal to itself.
    """
    journal = Journal(folder, record)
    journal.put("key", replace(RESULT, predict_microseconds_per_sequence=math.nan))
    journal.record("champion", ["key"])
    path = record / "champion.jsonl.gz"
    otherwise = gzip.compress(gzip.decompress(path.read_bytes()), compresslevel=1, mtime=7)
    assert otherwise != path.read_bytes()
    path.write_bytes(otherwise)
    for each in (journal, Journal(folder, record), Journal(folder / "empty", record)):
        each.record("champion", ["key"])
        assert path.read_bytes() == otherwise
    journal.put("more", RESULT)
    journal.record("champion", ["key", "more"])
    assert path.read_bytes() != otherwise


def recorded(folder: Path, record: Path) -> Path:
    """The record of a study with one training."""
    journal = Journal(folder, record)
    journal.put("a", RESULT)
    journal.record("study", ["a"])
    return record / "study.jsonl.gz"


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-12],
        lambda content: b"not gzip",
        lambda content: content[:20] + b"\xff" + content[21:],
        lambda content: gzip.compress(b'{"key": "a"'),
        lambda content: gzip.compress(b"\xff\n"),
    ],
    ids=["cut off", "no gzip", "a byte", "half a line", "no text"],
)
def test_a_damaged_record_is_named_with_its_cure(folder: Path, record: Path, damage) -> None:  # type: ignore[no-untyped-def]
    path = recorded(folder, record)
    path.write_bytes(damage(path.read_bytes()))
    for action in (lambda journal: journal.get("a"), lambda journal: journal.record("study", ["a"])):
        with pytest.raises(PipelineError) as caught:
            action(Journal(folder / "empty", record))
        message = str(caught.value)
        assert message.startswith(f"{path} is damaged (")
        assert (
            f"`git checkout HEAD -- {path}` restores it if git has it; after `rm {path}` its trainings are" in message
        )
    path.unlink()
    assert Journal(folder / "empty", record).get("a") is None
    assert Journal(folder, record).get("a") == RESULT, "what this machine has trained is there all the same"


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(b"best_epoch", b"best_round"),
        lambda text: text.replace(b"{", b'{"unknown": 1, ', 1),
        lambda text: b'{"key": "a"}\n',
        lambda text: b'["a"]\n',
    ],
    ids=["renamed", "unknown", "no result", "a list"],
)
def test_a_training_that_another_version_has_recorded_is_done_again(folder: Path, record: Path, change) -> None:  # type: ignore[no-untyped-def]
    """The rest of the record answers."""
    path = recorded(folder, record)
    text = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(change(text) + text.replace(b'"a"', b'"b"', 1)))
    journal = Journal(folder / "empty", record)
    assert (journal.get("a"), journal.get("b")) == (None, RESULT)
