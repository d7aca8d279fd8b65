"""The Markdown on top of a study's parent run."""

import pandas as pd

from pipeline.tracking.study_note import study_note
from tests.helpers.trials import seeds, study

BEST = {"number": 3, "cell": "gru", "units": 64, "depth": 1, "bidirectional": True, "best_epoch": 7}


def note(trials: pd.DataFrame, importances: dict[str, float]) -> str:
    best = {
        "study": "capacity",
        "held_out": "validation",
        "states": {"COMPLETE": 4, "FAIL": 1},
        "best": BEST | {"validation_accuracy": 0.985},
    }
    return study_note(best, "grid", trials, importances)


def test_the_note_names_study_counts_best_trial_and_configurations() -> None:
    trials = study(seeds(16, [0.95, 0.97]), seeds(64, [0.98], dropout=0.25), seeds(32, [0.9], state="PRUNED"))
    first, how, trials_line, mattered, title, table = (
        note(trials, {"units": 0.75, "dropout": 0.25}).strip().split("\n\n")
    )
    assert first == "## Study capacity"
    assert how.startswith("The study is every combination of the values of a grid.")
    assert trials_line == "Trials: 4 complete, 1 fail. The best is #003, bi-gru 1×64, with 98.50% after epoch 7."
    assert "(PED-ANOVA): units 75%, dropout 25%." in mattered
    assert title.startswith("All configurations, ")
    assert table.splitlines() == [
        "| network | dropout | parameters | seeds | validation accuracy | gap (points) |",
        "| --- | --- | --- | --- | --- | --- |",
        "| gru 1×64 | 0.25 | 6,400 | 1 | 98.00% | 1.00 |",
        "| gru 1×16 | 0 | 1,600 | 2 | 96.00% ± 1.41 | 3.00 |",
    ]


def test_many_configurations_are_cut_to_the_best_and_fit_in_a_tag() -> None:
    trials = study(*(seeds(units, [units / 1000], learning_rate=units / 7) for units in range(1, 41)))
    text = note(trials, {})
    assert "The 20 best of 40 configurations" in text
    rows = [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| gru")]
    assert rows == [f"| gru 1×{units}" for units in range(40, 20, -1)]
    assert "importan" not in text
    assert len(text) < 5000


def test_a_study_without_a_complete_trial_has_no_table() -> None:
    best = {"study": "book", "held_out": "test", "states": {"FAIL": 2}, "best": None}
    text = study_note(best, "list", study(), {})
    assert "Trials: 2 fail. None was trained to its end." in text
    assert "|" not in text
