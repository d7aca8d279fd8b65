"""The effect of capacity: returns, saturation and overfitting, in words and tables."""

import pandas as pd

from pipeline.analysis.capacity import returns_of_growth, saturation_capacity
from pipeline.report.capacity import growth_findings, onset_findings
from tests.helpers.pages import ReadPage
from tests.helpers.trials import seeds, study


def test_every_step_cell_and_configuration_has_a_row(page: ReadPage) -> None:
    assert len(page.parts["capacity"][0]) == 1 + 36
    assert [len(table) for part in ("saturation", "onset") for table in page.parts[part]] == [
        1 + 3,
        1 + 9,
        1 + 24,
        1 + 36,
    ]
    assert "SimpleRNN on 1,000 samples: from 182 to " in page.text
    assert "Overfitting is seen with 4 units in " in page.text
    assert "GRU, 1 layer: still rising. Growing from 16 to 64 units brings 0.57 points" in page.text


def growth(*configurations: pd.DataFrame) -> str:
    (sentence,) = growth_findings(saturation_capacity(returns_of_growth(study(*configurations)), 0.002), 0.002)
    return sentence


def test_growth_is_told_with_what_is_not_known() -> None:
    assert growth(seeds(8, [0.95, 0.96, 0.97]), seeds(16, [0.9501, 0.9602, 0.9703])) == (
        "GRU, 1 layer: levels off from 8 units (800 parameters) on, up to 16 units, the largest trained. No larger "
        "network among these is likely to bring more than 0.2 points. The largest brings 0.02 points (95 % interval "
        "−0.00 to 0.04 points, 3 seeds)."
    )
    assert growth(seeds(8, [0.98, 0.98, 0.98]), seeds(16, [0.97, 0.9701, 0.9702])) == (
        "GRU, 1 layer: falls from 8 units (800 parameters) to 16 units, the largest trained. No larger network among "
        "these is likely to bring more than 0.2 points. The largest loses 0.99 points (95 % interval 0.97 to 1.01 "
        "points, 3 seeds)."
    )
    # The mean step is 0.1 points with a deviation of 0.1: t · 0.1 / √n is at most 0.1 from 7 seeds on (2.447 / 2.646).
    assert growth(seeds(8, [0.95, 0.96, 0.97]), seeds(16, [0.95, 0.961, 0.972])) == (
        "GRU, 1 layer: not known. Growing from 8 to 16 units may bring up to 0.35 points (95 % interval −0.15 to "
        "0.35 points, 3 seeds). About 7 seeds would show that it brings at most 0.2 points, and about 7 that it brings "
        "more than nothing, if mean and spread stay as they are."
    )
    above = growth(seeds(8, [0.95, 0.96, 0.97]), seeds(16, [0.95, 0.963, 0.976]))
    assert (
        "No number of seeds is likely to show that it brings at most 0.2 points: its mean, 0.30 points, is not" in above
    )
    assert "and about 7 that it brings more than nothing" in above
    assert growth(seeds(8, [0.95]), seeds(16, [0.96])).endswith(
        "has 1 seed to compare, which say nothing of how seeds vary."
    )
    assert "all 2 seeds differ by the same" in growth(seeds(8, [0.95, 0.96]), seeds(16, [0.95, 0.96]))


def test_onset_of_overfitting_is_told_by_samples_and_by_size() -> None:
    rows = pd.DataFrame(
        [(1000, 8, 3, 1.0, 4.0, 0.3), (1000, 32, 1, 1.0, 8.0, 0.7), (5000, 8, 2, 0.5, 10.0, 0.1),
         (5000, 32, 2, 0.0, float("nan"), 0.0)],
        columns=["train_samples", "units", "seeds", "onset_share", "onset_epoch", "overfit_at_end"],
    )  # fmt: skip
    by_samples, by_size = onset_findings(rows)
    assert by_samples == (
        "Overfitting is seen on 1,000 samples in 4 of 4 trainings, from epoch 5 on average, the loss 0.4 nats above "
        "its lowest at the end; on 5,000 samples in 1 of 4 trainings, from epoch 10 on average, the loss 0.05 nats "
        "above its lowest at the end."
    )
    assert "with 32 units in 1 of 3 trainings, from epoch 8 on average" in by_size
    assert onset_findings(rows.head(1)) == []
    never = onset_findings(rows.assign(onset_share=0.0, onset_epoch=float("nan")))[0]
    assert "on 1,000 samples in 0 of 4 trainings, the loss 0.4 nats" in never
