"""The journal gives back what it was given, and nothing else."""

import math
from pathlib import Path

from pipeline.training.identity import stable_hash
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
)


def test_a_result_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    Journal(tmp_path).put("key", RESULT)
    assert Journal(tmp_path).get("key") == RESULT


def test_what_is_not_there_or_broken_is_none(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    assert journal.get("key") is None
    journal.put("key", RESULT)
    (path,) = tmp_path.iterdir()
    text = path.read_text(encoding="utf-8")
    path.write_text(text[: len(text) // 2], encoding="utf-8")
    assert journal.get("key") is None
    path.write_text(text.replace("best_epoch", "best_round"), encoding="utf-8")
    assert journal.get("key") is None


def test_hashes_are_stable() -> None:
    assert stable_hash({"b": 1, "a": [math.pi]}) == stable_hash({"a": [math.pi], "b": 1})
    assert stable_hash({"a": 1})[:12] == "f9d86028c6e0"
