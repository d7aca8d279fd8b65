"""A sampler proposes the same on every processor: the committed search, asked again with its recorded results."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import FrozenTrial

from pipeline import paths
from pipeline.data.sequences import SequencesSummary
from pipeline.documents import records
from pipeline.params.document import load_params
from pipeline.studies.results import read_results, study_definition
from pipeline.studies.sampling import sampling_of
from pipeline.studies.window import sliding_window
from pipeline.training.journal import Journal
from pipeline.training.trials import TrialRecord

ROOT = Path(__file__).parents[2]


def test_numpy_uses_the_same_instructions_everywhere() -> None:
    """Its newer ones have other last bits of logarithms, and so has a sampler that takes them."""
    script = (
        "import pipeline, numpy as np, hashlib\n"
        "from numpy._core._multiarray_umath import __cpu_features__ as found\n"
        "x = np.random.default_rng(0).uniform(1e-4, 10, 100_000)\n"
        "print(found['X86_V4'], hashlib.sha256(np.log(x).tobytes() + np.exp(x).tobytes()).hexdigest()[:16])\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "NPY_DISABLE_CPU_FEATURES"}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    )
    assert done.stdout.split() == ["False", "1797891487e2a80d"]


def test_the_committed_search_is_proposed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    params, summary = load_params(), SequencesSummary.read(paths.SEQUENCES_SUMMARY)
    study, results = study_definition("search", params, summary), read_results("search", params, summary)
    rows = {row["number"]: row for row in records(results.trials)}
    record = Journal(Path("no journal"), paths.RECORD)
    sampling = sampling_of(study.study, study.pruning_epochs, summary.sizes)  # type: ignore[arg-type]
    differing: dict[int, dict[str, Any]] = {}

    def ask(number: int) -> FrozenTrial:
        asked = sampling.ask(number)
        row = rows[number]
        other = {name: value for name, value in asked.params.items() if name in row and row[name] != value}
        differing.update({number: other} if other else {})
        return asked

    def wait(number: int) -> TrialRecord:
        row = rows[number]
        trial = study.recorded_trial(row)
        kept = (record.get(key) for key in study.possible_keys(trial))
        result = next(found for found in kept if found and found.pruned == (row["state"] == "PRUNED"))
        return study.record(trial, result)

    sliding_window(
        study.total, study.study.window, ask, lambda _number, _trial: None, wait,
        lambda _number, _trial, told: sampling.tell(told),
    )  # fmt: skip
    assert not differing
