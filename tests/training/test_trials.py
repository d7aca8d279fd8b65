"""A training's title, its best epoch and its generalization gap."""

from dataclasses import replace

from pipeline.params.settings import Configuration
from pipeline.training.trials import EpochMetrics, TrainingResult, Trial

EPOCHS = (
    EpochMetrics(1, 0.9, 0.5, 1.0, 0.4, 1.2, 0.3),
    EpochMetrics(2, 0.1 + 0.2, 0.875, 0.7, 0.75, 0.8, 0.6),
    EpochMetrics(3, 0.2, 0.9, 0.9, 0.7, 0.5, 0.7),
)
RESULT = TrainingResult(42, EPOCHS, 2, False, "abc", 6.0, 3.5, "", "")


def test_the_figures_are_those_of_the_best_epoch() -> None:
    assert RESULT.best == EPOCHS[1]
    assert RESULT.generalization_gap == 0.125


def test_a_refit_without_held_out_data_has_no_gap() -> None:
    alone = replace(RESULT, epochs=(EpochMetrics(1, 0.9, 0.5, None, None, 1.2, 0.3),), best_epoch=1)
    assert alone.generalization_gap is None


def test_a_title_is_the_number_and_the_network() -> None:
    assert Trial(7, Configuration(cell="gru", units=4, bidirectional=True), seed=0).title == "#007 bi-GRU 1×4"
    assert Trial(1234, Configuration(cell="cnn", units=64, depth=3), seed=0).title == "#1234 CNN 3×64"
