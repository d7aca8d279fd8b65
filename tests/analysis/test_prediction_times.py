"""Prediction times: which networks are measured, with what, and how the table is read; never how long it takes."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.analysis import prediction_times
from pipeline.params.network import NetworkSpec
from pipeline.params.settings import Configuration, View
from pipeline.training.build import build
from pipeline.training.reading import AS_THEY_ARE, Reading

SMALL, BOTH_WAYS = (
    Configuration(cell="gru", units=4), Configuration(cell="lstm", units=3, depth=2, bidirectional=True),
)  # fmt: skip
SHAPES: dict[View | None, tuple[int, int]] = {None: (5, 3), "columns": (3, 5)}


def test_networks_that_predict_alike_are_measured_once() -> None:
    rows = [
        SMALL,
        Configuration(**SMALL.network.model_dump() | {"dropout": 0.3, "recurrent_dropout": 0.1, "learning_rate": 0.1}),
        BOTH_WAYS,
        SMALL.model_copy(update={"units": 5}),
    ]
    assert prediction_times.distinct_networks(rows) == [SMALL, BOTH_WAYS, SMALL.model_copy(update={"units": 5})]


@pytest.mark.usefixtures("one_thread")
def test_every_network_is_measured_with_both_batch_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction_times, "SECONDS_OF_SGEMM", 0.001)
    saved = {BOTH_WAYS: build(BOTH_WAYS.network, 5, 3, 2, seed=1)}
    table = prediction_times.prediction_times([SMALL, BOTH_WAYS], saved, SHAPES, 2, AS_THEY_ARE)
    assert table.columns.tolist() == prediction_times.COLUMNS
    assert table[["cell", "depth", "model", "batch_size"]].to_numpy().tolist() == [
        ["gru", 1, "untrained", 1],
        ["gru", 1, "untrained", 128],
        ["lstm", 2, "saved", 1],
        ["lstm", 2, "saved", 128],
    ]
    assert (table["calls"] >= 50).all()
    assert (table["lower_quartile_ms"] <= table["median_ms"]).all()
    assert (table["median_ms"] <= table["upper_quartile_ms"]).all()
    assert (table[["lower_quartile_ms", "sgemm_gflops"]] > 0).all(axis=None)
    assert table.groupby("cell")["sgemm_gflops"].nunique().eq(1).all()


@pytest.mark.usefixtures("one_thread")
def test_a_network_is_timed_on_what_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns where it reads columns; raw values where it standardizes them, of sequences that may end early."""
    monkeypatch.setattr(prediction_times, "SECONDS_OF_SGEMM", 0.001)
    built = []

    def noted(spec: NetworkSpec, *arguments: Any) -> Any:
        built.append(build(spec, *arguments))
        return built[-1]

    monkeypatch.setattr(prediction_times, "build", noted)
    columns = SMALL.model_copy(update={"view": "columns"})
    table = prediction_times.prediction_times([SMALL, columns], {}, SHAPES, 2, AS_THEY_ARE)
    assert table["view"].fillna("none").tolist() == ["none", "none", "columns", "columns"]
    assert [model.input_shape for model in built] == [(None, 5, 3), (None, 3, 5)]
    built.clear()
    reading = Reading(padded=True, mean=(0.0, 1.0, 2.0), variance=(1.0, 1.0, 4.0))
    prediction_times.prediction_times([SMALL], {}, SHAPES, 2, reading)
    assert built[0].input_shape == (None, None, 3)
    assert "standardized" in [layer.name for layer in built[0].layers]


@pytest.mark.usefixtures("one_thread")
def test_what_is_timed_is_the_models_own_answer() -> None:
    model = build(SMALL.network, 5, 3, 2, seed=0)
    x = np.random.default_rng(0).random((7, 5, 3), dtype=np.float32)
    np.testing.assert_allclose(prediction_times._compiled(model)(x), model.predict(x, verbose=0), atol=1e-6)


def test_calls_that_warm_up_are_not_counted() -> None:
    calls: list[None] = []
    times = prediction_times.milliseconds(lambda: calls.append(None), calls=7)
    assert len(times) == 7
    assert len(calls) == 7 + prediction_times.WARM_UP


def test_times_stand_beside_the_configurations_of_their_networks() -> None:
    small, both_ways = ({**network.model_dump(), "view": "rows"} for network in (SMALL, BOTH_WAYS))
    table = pd.DataFrame([small | {"learning_rate": rate} for rate in (0.1, 0.2)] + [both_ways])
    times = pd.DataFrame([small | {"batch_size": size, "median_ms": time} for size, time in ((1, 0.5), (128, 3.0))])
    joined = prediction_times.with_prediction_times(table, times)
    assert joined["predict_ms"].tolist()[:2] == [0.5, 0.5]
    assert joined["predict_batch_ms"].tolist()[:2] == [3.0, 3.0]
    assert joined.iloc[2][["predict_ms", "predict_batch_ms"]].isna().all()
    assert prediction_times.with_prediction_times(table, None)["predict_ms"].isna().all()
