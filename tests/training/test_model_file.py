"""A saved model is the same bytes in every process, and predicts as the model that was saved."""

import hashlib
import io
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.params.network import NetworkSpec, Pooling
from pipeline.training.build import build
from pipeline.training.model_file import load_model, model_bytes
from pipeline.training.reading import Reading

pytestmark = pytest.mark.usefixtures("one_thread")
ROOT = Path(__file__).parents[2]
# Bidirectional layers share objects, which Keras numbers by their addresses; Elman's layer is our own.
NETWORKS = [
    NetworkSpec(cell="gru", units=4, depth=2, bidirectional=True, dropout=0.2),
    NetworkSpec(cell="elman_output", units=4, depth=2),
]
SIZES = (6, 4, 3)


def digests(networks: list[NetworkSpec]) -> list[str]:
    return [hashlib.sha256(model_bytes(build(network, *SIZES, seed=1))).hexdigest() for network in networks]


SCRIPT = """
import sys
from pipeline.training.process import configure_tensorflow
configure_tensorflow("avx2")
from tests.training.test_model_file import NETWORKS, digests
print(*digests(NETWORKS[::int(sys.argv[1])]))
"""


def test_a_model_is_the_same_bytes_in_every_process() -> None:
    """Here, and in two new processes that make the networks in different orders."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, step],
            cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": seed}, stdout=subprocess.PIPE, text=True,
        )
        for step, seed in (("1", "1"), ("-1", "2"))
    ]  # fmt: skip
    one, other = (process.communicate(timeout=300)[0].split() for process in processes)
    assert one == other[::-1] == digests(NETWORKS)
    assert len(set(one)) == 2


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.cell)
def test_a_model_is_loaded_as_it_was_saved(network: NetworkSpec, tmp_path: Path) -> None:
    model = build(network, *SIZES, seed=1)
    content = model_bytes(model)
    (tmp_path / "model.keras").write_bytes(content)
    loaded = load_model(tmp_path / "model.keras")
    x = np.random.default_rng(0).normal(size=(8, *SIZES[:2])).astype(np.float32)
    np.testing.assert_array_equal(loaded(x), model(x))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_another_models_file_is_other_bytes() -> None:
    assert len({model_bytes(build(NETWORKS[1], *SIZES, seed)) for seed in (1, 2)}) == 2


PLAIN = """
import pathlib, sys
sys.modules["pipeline"] = None  # whoever imports it fails
import keras, numpy as np
for file in pathlib.Path(sys.argv[1]).glob("*.keras"):
    x = np.load(file.with_suffix(".x.npy"))
    np.save(file.with_suffix(".there.npy"), keras.models.load_model(file).predict(x, verbose=0))
"""


def predict_without_this_project(folder: Path) -> None:
    """Have Keras alone load every NAME.keras in `folder` and predict NAME.x.npy, in a process without `pipeline`."""
    subprocess.run([sys.executable, "-c", PLAIN, str(folder)], cwd=folder, check=True, capture_output=True)


PADDED = Reading(padded=True, mean=(290.0, 3.0, 0.0, 1e-3), variance=(25.0, 4.0, 1.0, 1e-8))
READ = {
    "standardized": (NetworkSpec(cell="lstm", units=4, depth=2), replace(PADDED, padded=False)),
    "padded": (NetworkSpec(cell="gru", units=4, dropout=0.2), PADDED),
    "padded-bidirectional": (NetworkSpec(cell="gru", units=4, depth=2, bidirectional=True), PADDED),
    "padded-residual": (NetworkSpec(cell="simple_rnn", units=4, depth=2, residual=True), PADDED),
    "padded-mean": (NetworkSpec(cell="lstm", units=4, pooling="mean"), PADDED),
    "padded-max": (NetworkSpec(cell="gru", units=4, pooling="max"), PADDED),
    "padded-mean_max": (NetworkSpec(cell="gru", units=4, bidirectional=True, pooling="mean_max"), PADDED),
    "padded-attention": (NetworkSpec(cell="simple_rnn", units=4, pooling="attention"), PADDED),
    "attention": (NetworkSpec(cell="gru", units=4, pooling="attention"), replace(PADDED, padded=False)),
    "tokens": (NetworkSpec(cell="lstm", units=4), Reading(tokens=7)),
    "padded-tokens": (NetworkSpec(cell="gru", units=4, bidirectional=True), Reading(padded=True, tokens=7)),
    "mlp": (NetworkSpec(cell="mlp", units=4, depth=2), PADDED),
    "cnn": (NetworkSpec(cell="cnn", units=4, depth=2), PADDED),
}


def test_whatever_reads_raw_values_has_the_same_bits_without_this_project(tmp_path: Path) -> None:
    """Predicted there, as here, in one batch: the order of sums depends on its size."""
    rng = np.random.default_rng(0)
    here = {}
    for name, (network, reading) in READ.items():
        raw = rng.integers(-1, 9, (8, 6, 1)) if reading.tokens else rng.normal(290, 5, (8, 6, 4))
        x = np.asarray(raw, np.float32)
        if reading.padded:
            x[::2, 4:], x[1, 1:] = np.nan, np.nan
        model = build(network, 6, x.shape[2], 3, seed=1, reading=reading)
        (tmp_path / f"{name}.keras").write_bytes(model_bytes(model))
        np.save(tmp_path / f"{name}.x.npy", x)
        here[name] = model.predict(x, verbose=0)
        assert np.isfinite(here[name]).all()
    predict_without_this_project(tmp_path)
    there = {name: np.load(tmp_path / f"{name}.there.npy") for name in READ}
    assert [name for name in READ if not np.array_equal(there[name], here[name])] == []


@pytest.mark.parametrize("pooling", ["attention", "mean_max", "last"])
def test_a_model_with_every_option_needs_no_code_of_ours(pooling: Pooling, tmp_path: Path) -> None:
    """The last bits may differ, as Keras's own layer normalization takes a root in another way."""
    network = NetworkSpec(
        cell="gru", units=4, depth=2, bidirectional=pooling != "last", dropout=0.2, recurrent_dropout=0.1,
        pooling=pooling, layer_normalization=True, residual=True,
    )  # fmt: skip
    model = build(network, *SIZES, seed=1)
    (tmp_path / "model.keras").write_bytes(model_bytes(model))
    x = np.random.default_rng(0).normal(size=(8, *SIZES[:2])).astype(np.float32)
    np.save(tmp_path / "model.x.npy", x)
    predict_without_this_project(tmp_path)
    np.testing.assert_allclose(np.load(tmp_path / "model.there.npy"), model(x), atol=1e-6)
