"""doctor: it lists this machine's means, and fails where something is missing that the pipeline needs."""

import re
from pathlib import Path

import pytest

from tests.helpers.command_line import ROOT, change, pipeline


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the real params.yaml."""
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    return tmp_path


def test_doctor_reports_what_is_here(project: Path, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "train-images-idx3-ubyte.gz").write_bytes(b"12345")
    change(project, "execution.workers", 3)
    result = pipeline(
        "doctor",
        folder=project,
        MNIST_MIRROR=str(mirror),
        OPTUNA_STORAGE="postgresql://me:secret@host/db",
        COLUMNS="200",
    )
    assert result.returncode == 0, result.stdout
    assert re.search(r"ok +tensorflow +\d+\.\d+", result.stdout)
    assert re.search(r"ok +mnist from +MNIST_MIRROR \(folder\): ok, 5 bytes", result.stdout)
    assert "postgresql://***@host/db" in result.stdout
    assert "secret" not in result.stdout
    assert "3 workers" in result.stdout


def test_doctor_fails_when_the_data_cannot_be_had(project: Path) -> None:
    # No proxy listens on port 9: every public mirror is out of reach, whatever this machine's network.
    result = pipeline(
        "doctor", folder=project, HTTP_PROXY="http://127.0.0.1:9", HTTPS_PROXY="http://127.0.0.1:9", MNIST_MIRROR=""
    )
    assert result.returncode == 1
    assert re.search(r"!! +mnist from", result.stdout)
    assert "MNIST_MIRROR" in result.stdout
    assert not re.search(r"!! +fashion_mnist", result.stdout), "what params.yaml does not ask for may be missing"
