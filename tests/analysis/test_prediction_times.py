"""Prediction times: which networks are measured, with what, and how the table is read; never how long it takes."""

import numpy as np
import pandas as pd
import pytest

from pipeline.analysis import prediction_times
from pipeline.params.network import NetworkSpec
from pipeline.params.settings import Configuration
from pipeline.training.build import build

SMALL, BOTH_WAYS = NetworkSpec(cell="gru", units=4), NetworkSpec(cell="lstm", units=3, depth=2, bidirectional=True)


def test_networks_that_predict_alike_are_measured_once() -> None:
    rows = [
        SMALL,
        Configuration(**SMALL.model_dump() | {"dropout": 0.3, "recurrent_dropout": 0.1, "learning_rate": 0.1}),
        BOTH_WAYS,
        SMALL.model_copy(update={"units": 5}),
    ]
    assert prediction_times.distinct_networks(rows) == [SMALL, BOTH_WAYS, SMALL.model_copy(update={"units": 5})]


@pytest.mark.usefixtures("one_thread")
def test_every_network_is_measured_with_both_batch_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction_times, "SECONDS_OF_SGEMM", 0.001)
    saved = {BOTH_WAYS: build(BOTH_WAYS, 5, 3, 2, seed=1)}
    table = prediction_times.prediction_times([SMALL, BOTH_WAYS], saved, (5, 3), classes=2)
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
def test_what_is_timed_is_the_models_own_answer() -> None:
    model = build(SMALL, 5, 3, 2, seed=0)
    x = np.random.default_rng(0).random((7, 5, 3), dtype=np.float32)
    np.testing.assert_allclose(prediction_times._compiled(model)(x), model.predict(x, verbose=0), atol=1e-6)


def test_calls_that_warm_up_are_not_counted() -> None:
    calls: list[None] = []
    times = prediction_times.milliseconds(lambda: calls.append(None), calls=7)
    assert len(times) == 7
    assert len(calls) == 7 + prediction_times.WARM_UP


def test_times_stand_beside_the_configurations_of_their_networks() -> None:
    table = pd.DataFrame(
        [SMALL.model_dump() | {"learning_rate": rate} for rate in (0.1, 0.2)] + [BOTH_WAYS.model_dump()]
    )
    times = pd.DataFrame(
        [SMALL.model_dump() | {"batch_size": size, "median_ms": time} for size, time in ((1, 0.5), (128, 3.0))]
    )
    joined = prediction_times.with_prediction_times(table, times)
    assert joined["predict_ms"].tolist()[:2] == [0.5, 0.5]
    assert joined["predict_batch_ms"].tolist()[:2] == [3.0, 3.0]
    assert joined.iloc[2][["predict_ms", "predict_batch_ms"]].isna().all()
    assert prediction_times.with_prediction_times(table, None)["predict_ms"].isna().all()
