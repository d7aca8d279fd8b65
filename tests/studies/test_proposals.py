"""Lists and grids as numbered trials; search spaces as constants and distributions."""

import pytest

from pipeline.params.network import NetworkSpec, Sizes, parameter_count
from pipeline.params.settings import Configuration, TrainingSettings
from pipeline.params.studies import Grid, GridStudy, IntegerRange, ListEntry, ListStudy, Space
from pipeline.studies.proposals import constants, fixed_trials, units_within, varying_fields

DEFAULTS = TrainingSettings(epochs=7, patience=2, batch_size=32)
MNIST = Sizes(28, 28, 10)


def test_a_grid_is_every_combination_with_every_seed() -> None:
    study = GridStudy(sampler="grid", seed=10, seeds=2, space=Grid(cell=("gru", "lstm"), units=(4, 8), epochs=(3,)))
    trials = fixed_trials(study, DEFAULTS)
    assert [(t.number, t.configuration.cell, t.configuration.units, t.seed) for t in trials] == [
        (0, "gru", 4, 10), (1, "gru", 4, 11), (2, "gru", 8, 10), (3, "gru", 8, 11),
        (4, "lstm", 4, 10), (5, "lstm", 4, 11), (6, "lstm", 8, 10), (7, "lstm", 8, 11),
    ]  # fmt: skip
    assert {(t.configuration.epochs, t.configuration.patience, t.configuration.batch_size) for t in trials} == {
        (3, 2, 32)
    }


def test_a_grid_may_give_each_cell_a_rate_of_its_own() -> None:
    grid = Grid(cell=("gru", "lstm"), units=(4, 8), learning_rate={"lstm": 0.5, "gru": None})
    trials = fixed_trials(GridStudy(sampler="grid", space=grid), DEFAULTS)
    assert [(t.configuration.cell, t.configuration.units, t.configuration.learning_rate) for t in trials] == [
        ("gru", 4, None), ("gru", 8, None), ("lstm", 4, 0.5), ("lstm", 8, 0.5),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("budget", "units"), [(282_121, 511), (282_122, 512), (10**9, 600), (75_530, 256), (1, 100)]
)  # Table 1.5.1 has the parameters of 256 and 512 units
def test_a_budget_buys_as_many_units_as_fit(budget: int, units: int) -> None:
    assert units_within({"cell": "simple_rnn"}, IntegerRange(low=100, high=600), budget, MNIST) == units


def test_a_budget_counts_every_setting_of_the_network() -> None:
    fields = {"cell": "gru", "depth": 2, "bidirectional": True, "epochs": 5}
    units = units_within(fields, IntegerRange(low=1, high=600), 50_000, MNIST)
    spec = {"cell": "gru", "depth": 2, "bidirectional": True}
    assert parameter_count(NetworkSpec(**spec, units=units), 28, 28, 10) <= 50_000  # type: ignore[arg-type]
    assert parameter_count(NetworkSpec(**spec, units=units + 1), 28, 28, 10) > 50_000  # type: ignore[arg-type]


def test_a_list_overrides_defaults_only_with_what_it_says() -> None:
    entries = (ListEntry(cell="gru", units=4, patience=None), ListEntry(cell="gru", units=4, optimizer="sgd"))
    one, two = fixed_trials(ListStudy(sampler="list", trials=entries), DEFAULTS)
    assert (one.configuration.patience, one.configuration.epochs, one.configuration.optimizer) == (None, 7, "adam")
    assert (two.configuration.patience, two.configuration.optimizer) == (2, "sgd")
    assert two.configuration.effective_learning_rate == 0.01


def test_constants_are_the_axes_with_one_value() -> None:
    space = Space(cell=("gru",), units=(4, 8), epochs=(3,))
    assert constants(space) == {
        "cell": "gru", "epochs": 3, "depth": 1, "bidirectional": False, "dropout": 0.0, "recurrent_dropout": 0.0,
        "merge_mode": "concat", "unroll": False, "pooling": "last", "layer_normalization": False, "residual": False,
        "view": None,
    }  # fmt: skip


def test_varying_fields_keep_cell_and_units_in_any_case() -> None:
    configurations = [Configuration(cell="gru", units=4, depth=depth) for depth in (1, 2)]
    assert varying_fields(configurations) == {"cell": ["gru"], "units": [4], "depth": [1, 2]}


def test_an_entry_of_a_list_may_have_seeds_of_its_own() -> None:
    entries = (ListEntry(cell="gru", units=4, seeds=3), ListEntry(cell="gru", units=8))
    trials = fixed_trials(ListStudy(sampler="list", trials=entries, seeds=2, seed=5), DEFAULTS)
    assert [(t.number, t.configuration.units, t.seed) for t in trials] == [
        (0, 4, 5), (1, 4, 6), (2, 4, 7), (3, 8, 5), (4, 8, 6),
    ]  # fmt: skip


def test_titles_are_short() -> None:
    study = GridStudy(sampler="grid", space=Grid(cell=("lstm",), units=(128,), depth=(2,), bidirectional=(False, True)))
    assert [t.title for t in fixed_trials(study, DEFAULTS)] == ["#000 LSTM 2×128", "#001 bi-LSTM 2×128"]
    assert fixed_trials(study, DEFAULTS)[0].configuration.network == NetworkSpec(cell="lstm", units=128, depth=2)


def test_what_training_switches_on_an_entry_may_switch_off() -> None:
    entries = ListEntry(cell="gru", units=4), ListEntry(cell="gru", units=4, shift_pixels=0.0)
    study = ListStudy(sampler="list", trials=entries)
    shifted, still = fixed_trials(study, TrainingSettings(shift_pixels=2.0))
    assert (shifted.configuration.shift_pixels, still.configuration.shift_pixels) == (2.0, 0.0)
