"""The effect of capacity: returns, saturation and overfitting, in words and tables."""

import pandas as pd

from pipeline.report.capacity import onset_findings
from tests.helpers.pages import ReadPage


def test_every_step_cell_and_configuration_has_a_row(page: ReadPage) -> None:
    assert len(page.parts["capacity"][0]) == 1 + 18
    assert [len(table) for part in ("saturation", "onset") for table in page.parts[part]] == [1 + 6, 1 + 12, 1 + 18]
    assert "SimpleRNN on 5,000 samples: from 386 to " in page.text
    assert "Overfitting is seen with 8 units in " in page.text


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
