"""The Markdown on top of a study's parent run."""

import pandas as pd

from pipeline.studies.results import StudySummary, TrialRow
from pipeline.tracking.study_note import study_note
from tests.helpers.trials import seeds, study

BEST = TrialRow(
    number=3,
    state="COMPLETE",
    cell="gru",
    units=64,
    depth=1,
    bidirectional=True,
    dropout=0.0,
    optimizer="adam",
    learning_rate=0.001,
    batch_size=128,
    train_samples=5000,
    epochs=10,
    seed=0,
    best_epoch=7,
    validation_accuracy=0.985,
    recurrent_dropout=0.0,
    merge_mode="concat",
    unroll=False,
    view="rows",
    pooling="last",
    layer_normalization=False,
    residual=False,
    learning_rate_schedule="constant",
    warmup_epochs=0.0,
    weight_decay=0.0,
    global_clipnorm=None,
    label_smoothing=0.0,
    ema_momentum=None,
)


def summary(name: str, held_out: str, states: dict[str, int], best: TrialRow | None) -> StudySummary:
    return StudySummary(
        study=name,
        optuna_study=f"{name}-abc123",
        fingerprint="abc123",
        held_out=held_out,
        environment={},
        states=states,
        best=best,
    )


def note(trials: pd.DataFrame, importances: dict[str, float]) -> str:
    return study_note(summary("capacity", "validation", {"COMPLETE": 4, "FAIL": 1}, BEST), "grid", trials, importances)


def test_the_note_names_study_counts_best_trial_and_configurations() -> None:
    trials = study(seeds(16, [0.95, 0.97]), seeds(64, [0.98], dropout=0.25), seeds(32, [0.9], state="PRUNED"))
    first, how, trials_line, search, mattered, title, table = (
        note(trials, {"units": 0.75, "dropout": 0.25}).strip().split("\n\n")
    )
    assert first == "## Study capacity"
    assert how.startswith("The study is every combination of the values of a grid.")
    assert trials_line == "Trials: 4 complete, 1 fail. The best is #003, bi-GRU 1×64, with 98.50% after epoch 7."
    assert search.endswith("by the search `tags.kind = 'trial' and tags.optuna_study = 'capacity-abc123'`.")
    assert "(PED-ANOVA): units 75%, dropout 25%." in mattered
    assert title.startswith("All configurations, ")
    assert table.splitlines() == [
        "| network | dropout | parameters | seeds | validation accuracy | gap (points) |",
        "| --- | --- | --- | --- | --- | --- |",
        "| GRU 1×64 | 0.25 | 6,400 | 1 | 98.00% | 1.00 |",
        "| GRU 1×16 | 0 | 1,600 | 2 | 96.00% ± 1.41 | 3.00 |",
    ]


def test_its_picture_comes_first() -> None:
    told = summary("capacity", "fold", {"COMPLETE": 1}, BEST)
    text = study_note(told, "grid", study(seeds(16, [0.95])), {}, "abc")
    assert text.splitlines()[0] == (
        "![Accuracy and generalization gap by parameters](get-artifact?path=networks.png&run_uuid=abc)"
    )


def test_many_configurations_are_cut_to_the_best_and_fit_in_a_tag() -> None:
    trials = study(*(seeds(units, [units / 1000], learning_rate=units / 7) for units in range(1, 41)))
    text = note(trials, {})
    assert "The 20 best of 40 configurations" in text
    rows = [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| GRU")]
    assert rows == [f"| GRU 1×{units}" for units in range(40, 20, -1)]
    assert "importan" not in text
    assert len(text) < 5000


def test_a_study_without_a_complete_trial_has_no_table() -> None:
    text = study_note(summary("book", "test", {"FAIL": 2}, None), "list", study(), {})
    assert "Trials: 2 fail. None was trained to its end." in text
    assert "|" not in text
