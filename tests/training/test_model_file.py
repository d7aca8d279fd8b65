"""A saved model is the same bytes in every process, and predicts as the model that was saved."""

import hashlib
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from pipeline.params.network import NetworkSpec, Pooling
from pipeline.training.build import build
from pipeline.training.model_file import load_model, model_bytes

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
import sys
import keras, numpy as np
found = keras.saving.load_model(sys.argv[1] + "/model.keras")
np.save(sys.argv[1] + "/there.npy", found.predict(np.load(sys.argv[1] + "/x.npy"), verbose=0))
print(*sorted(name for name in sys.modules if name.split(".")[0] in ("pipeline", "tests")))
"""


@pytest.mark.parametrize("pooling", ["attention", "mean_max", "last"])
def test_a_model_with_every_option_needs_no_code_of_ours(pooling: Pooling, tmp_path: Path) -> None:
    """Keras alone loads it, in a process that knows nothing of this project, and predicts the same."""
    network = NetworkSpec(
        cell="gru", units=4, depth=2, bidirectional=pooling != "last", dropout=0.2, recurrent_dropout=0.1,
        pooling=pooling, layer_normalization=True, residual=True,
    )  # fmt: skip
    model = build(network, *SIZES, seed=1)
    (tmp_path / "model.keras").write_bytes(model_bytes(model))
    x = np.random.default_rng(0).normal(size=(8, *SIZES[:2])).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    done = subprocess.run(
        [sys.executable, "-c", PLAIN, str(tmp_path)], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert done.stdout.split() == []
    np.testing.assert_allclose(np.load(tmp_path / "there.npy"), model(x), atol=1e-6)
