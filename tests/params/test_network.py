"""NetworkSpec: what may be asked for, its names, and its closed-form counts."""

from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.params.network import CELLS, Cell, NetworkSpec, multiplications, network_name, parameter_count


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        ({"cell": "simple_rnn", "units": 256}, 72_960 + 2_570),
        ({"cell": "simple_rnn", "units": 512}, 282_122),
        ({"cell": "lstm", "units": 256}, 294_410),
        ({"cell": "mlp", "units": 256, "depth": 2}, 269_322),
        ({"cell": "cnn", "units": 64, "depth": 3}, 80_266),
    ],
)
def test_parameter_count_is_that_of_the_book(network: dict[str, Any], expected: int) -> None:
    assert parameter_count(NetworkSpec(**network), timesteps=28, features=28, classes=10) == expected


def test_multiplications_are_those_of_the_formulas() -> None:
    """28 steps share the weights of a recurrent cell; a convolution's kernel serves every place of its output."""
    mnist = {"timesteps": 28, "features": 28, "classes": 10}
    assert multiplications(NetworkSpec(cell="simple_rnn", units=256), **mnist) == 28 * 72_960 + 2_570
    elman = NetworkSpec(cell="elman_output", units=256)
    assert multiplications(elman, **mnist) == 28 * 72_960 + 256 * 257 + 2_570
    assert multiplications(NetworkSpec(cell="mlp", units=256, depth=2), **mnist) == 269_322
    cnn = NetworkSpec(cell="cnn", units=64, depth=3)
    assert multiplications(cnn, **mnist) == 640 * 26**2 + 36_928 * 11**2 + 36_928 * 3**2 + 5_770


def test_embeddings_are_parameters_that_nothing_is_multiplied_by() -> None:
    """Each of 1,000 tokens, and one for all others, has 32 values, which the first layer reads."""
    gru = NetworkSpec(cell="gru", units=8)
    assert parameter_count(gru, 20, 1, 3, tokens=1000) == 1001 * 32 + 3 * 8 * (32 + 8 + 2) + 3 * 9
    assert multiplications(gru, 20, 1, 3, tokens=1000) == 20 * 3 * 8 * (32 + 8 + 2) + 3 * 9


@pytest.mark.parametrize(
    "wrong",
    [
        {"units": 0},
        {"units": -3},
        {"depth": 0},
        {"dropout": 1.0},
        {"cell": "lstmm"},
        {"cell": "mlp", "bidirectional": True},
        {"cell": "cnn", "unroll": True},
        {"cell": "mlp", "recurrent_dropout": 0.1},
        {"pooling": "min"},
    ],
)
def test_what_is_no_network_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        NetworkSpec.model_validate({"cell": "lstm", "units": 4} | wrong)


@pytest.mark.parametrize("cell", ["mlp", "cnn"])
@pytest.mark.parametrize(
    ("setting", "value"),
    [("pooling", pooling) for pooling in ("mean", "max", "mean_max", "attention")]
    + [("layer_normalization", True), ("residual", True), ("bidirectional", True), ("unroll", True)],
)
def test_a_network_without_states_has_nothing_to_do_with_them(cell: str, setting: str, value: object) -> None:
    with pytest.raises(ValidationError, match=f"cell {cell} is not recurrent: it has no {setting}"):
        NetworkSpec.model_validate({"cell": cell, "units": 4, setting: value})


@pytest.mark.parametrize("cell", ["simple_rnn", "elman_output", "lstm", "gru"])
@pytest.mark.parametrize("pooling", ["last", "mean", "max", "mean_max", "attention"])
def test_residual_layers_in_two_directions_need_a_pooling(cell: str, pooling: str) -> None:
    network = {"cell": cell, "units": 4, "residual": True, "bidirectional": True, "pooling": pooling}
    if pooling != "last":
        assert NetworkSpec.model_validate(network).hands_on_sequences
        return
    with pytest.raises(ValidationError) as caught:
        NetworkSpec.model_validate(network)
    assert (
        "residual: the last states of the two directions belong to different time steps: choose a pooling "
        "(mean, max, mean_max or attention), or bidirectional: false"
    ) in str(caught.value)


def test_options_cost_what_the_formulas_say() -> None:
    sizes = {"timesteps": 28, "features": 28, "classes": 10}
    plain = parameter_count(NetworkSpec(cell="gru", units=64), **sizes)
    assert parameter_count(NetworkSpec(cell="gru", units=64, pooling="mean"), **sizes) == plain
    assert parameter_count(NetworkSpec(cell="gru", units=64, pooling="mean_max"), **sizes) == plain + 640 == 19_338
    assert parameter_count(NetworkSpec(cell="gru", units=64, pooling="attention"), **sizes) == plain + 64
    assert parameter_count(NetworkSpec(cell="gru", units=64, layer_normalization=True), **sizes) == plain + 128
    deep = NetworkSpec(cell="gru", units=64, depth=3, bidirectional=True, pooling="mean")
    residual = deep.model_copy(update={"residual": True})
    assert parameter_count(residual, **sizes) == parameter_count(deep, **sizes)
    # The last layer's output layer and normalization serve every time step as soon as all states are seen.
    elman = NetworkSpec(cell="elman_output", units=8, layer_normalization=True)
    pooled = elman.model_copy(update={"pooling": "max"})
    assert multiplications(pooled, **sizes) - multiplications(elman, **sizes) == 27 * (8 * 9 + 16)


def test_every_cell_is_in_the_table_with_what_its_network_is_made_of() -> None:
    cells = Cell.__args__  # type: ignore[attr-defined]
    assert set(CELLS) == set(cells)
    assert {cell for cell, kind in CELLS.items() if not kind.recurrent} == {"mlp", "cnn"}
    for kind in CELLS.values():
        assert 0 < kind.cost.efficiency <= 1
        assert kind.cost.step >= 0
        assert kind.cost.unit >= 0
    for looks in ("title", "colour", "dark_colour", "marker"):
        assert len({getattr(kind, looks) for kind in CELLS.values()}) == len(CELLS), f"two cells share a {looks}"


def test_names_are_short_for_people_and_whole_for_files() -> None:
    network = NetworkSpec(cell="lstm", units=128, depth=2, bidirectional=True)
    assert network_name(network) == "bi-LSTM 2×128"
    assert network_name({"cell": "simple_rnn", "depth": 1, "units": 256, "bidirectional": False}) == "SimpleRNN 1×256"
    assert network.file_name == "bidirectional-lstm-2x128"
    assert NetworkSpec(cell="cnn", units=64, depth=3).file_name == "cnn-3x64"
    summed, multiplied = (network.model_copy(update={"merge_mode": mode}) for mode in ("sum", "mul"))
    assert network_name(summed) == "bi-LSTM 2×128 directions summed"
    assert network_name(multiplied.model_dump()) == "bi-LSTM 2×128 directions multiplied"
    assert summed.file_name == "bidirectional-lstm-2x128-sum"
    one_way = summed.model_copy(update={"bidirectional": False})
    assert (network_name(one_way), one_way.file_name) == ("LSTM 2×128", "lstm-2x128"), "there is nothing to join"
    pooled = network.model_copy(update={"pooling": "mean_max", "residual": True, "layer_normalization": True})
    assert network_name(pooled) == "bi-LSTM 2×128 mean+max residual normalized"
    assert pooled.file_name == "bidirectional-lstm-2x128-mean_max-residual-normalized"
