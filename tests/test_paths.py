"""Files are the same bytes for the same content, wherever they are written; the databases are where they should be."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from pipeline import paths
from pipeline.errors import PipelineError
from pipeline.paths import write_npz

# With Python 3.11.2 and 3.11.7, between which the bytes of `numpy.savez` differ.
DIGEST = "f42fdb3f4208fd4d8d8198bad24269ffb8c4d95308c535ef11589cf674bfccd7"


def test_arrays_are_written_as_bytes_that_no_version_of_python_decides(tmp_path: Path) -> None:
    x, y = np.arange(12, dtype=np.float32).reshape(2, 3, 2), np.array([0, 1])
    path = tmp_path / "sequences" / "train.npz"
    write_npz(path, x=x, y=y)
    with np.load(path, allow_pickle=False) as arrays:
        assert sorted(arrays) == ["x", "y"]
        np.testing.assert_array_equal(arrays["x"], x)
        np.testing.assert_array_equal(arrays["y"], y)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == DIGEST


def test_the_short_address_of_postgresql_is_that_of_its_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTUNA_STORAGE", "postgres://me:postgres://@host/optuna")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgres://me@host/mlflow")
    assert paths.optuna_storage() == "postgresql://me:postgres://@host/optuna"
    assert paths.tracking_uri() == "postgresql://me@host/mlflow"


def test_optuna_and_mlflow_need_a_database_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow's own words for it are "Can't locate revision identified by 'v3.2.0.a'"."""
    monkeypatch.setenv("OPTUNA_STORAGE", "postgres://me:secret@host/db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:secret@host/db")
    with pytest.raises(PipelineError) as caught:
        paths.optuna_storage()
    assert str(caught.value) == (
        "OPTUNA_STORAGE and MLFLOW_TRACKING_URI both name postgresql://***@host/db: Optuna and MLflow need a database "
        "each; make another one (of PostgreSQL by `createdb NAME`), and let one of the two name it"
    )
