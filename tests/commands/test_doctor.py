"""doctor: it lists this machine's means, and fails where something is missing that the pipeline needs."""

import json
import os
import re
from pathlib import Path

import pytest

from tests.helpers.command_line import ROOT, change, pipeline

# No proxy listens on port 9: every public mirror is out of reach, whatever this machine's network.
OUT_OF_REACH = {"HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9", "MNIST_MIRROR": ""}


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
        OPTUNA_STORAGE="postgresql://me:secret@127.0.0.1:9/db",
        COLUMNS="200",
    )
    assert result.returncode == 0, result.stdout
    assert re.search(r"ok +tensorflow +\d+\.\d+", result.stdout)
    assert re.search(r"ok +mnist from +MNIST_MIRROR \(folder\): ok, 5 bytes", result.stdout)
    assert "postgresql://***@127.0.0.1:9/db" in result.stdout
    assert "secret" not in result.stdout
    assert "3 workers" in result.stdout


def test_doctor_fails_when_the_data_cannot_be_had(project: Path) -> None:
    result = pipeline("doctor", folder=project, **OUT_OF_REACH)
    assert result.returncode == 1
    assert re.search(r"!! +mnist from", result.stdout)
    assert "MNIST_MIRROR" in result.stdout
    assert not re.search(r"!! +fashion_mnist", result.stdout), "what params.yaml does not ask for may be missing"


def test_a_mirror_out_of_reach_is_no_fault_where_the_data_are_here_and_named_all_the_same(project: Path) -> None:
    (project / "data/raw").mkdir(parents=True)
    (project / "data/raw/manifest.json").write_text("{}")
    result = pipeline("doctor", "--json", folder=project, **OUT_OF_REACH)
    document = json.loads(result.stdout)
    assert (result.returncode, document["fine"]) == (0, True)
    mirrors = [finding for finding in document["findings"] if finding["subject"] == "mnist from"]
    assert [finding["state"] for finding in mirrors] == ["note", "note"]
    assert all("the proxy does not answer" in finding["found"] for finding in mirrors)


def test_json_is_the_whole_of_standard_output(project: Path) -> None:
    change(project, "execution.workers", 3)
    change(project, "data.dataset", "mnist5k")
    result = pipeline("doctor", "--json", folder=project, **OUT_OF_REACH)
    document = json.loads(result.stdout)
    found = {finding["subject"]: (finding["found"], finding["state"]) for finding in document["findings"]}
    assert (document["fine"], result.returncode) == (True, 0)
    assert found["execution"] == ("an embedded cluster of 3 workers, one thread each", "ok")
    assert found["cores"][0].endswith(f" usable of {os.cpu_count()}")
    assert re.fullmatch(r"NumPy: \w+ [\d.]+, \d+ threads; SciPy: \w+ [\d.]+, \d+ threads", found["BLAS"][0])
    assert found["folder"] == (str(project), "ok")
    assert {finding["state"] for finding in document["findings"]} == {"ok", "note"}


def test_a_mistake_in_params_is_a_fault_beside_the_others(project: Path) -> None:
    change(project, "data.seed", -1)
    result = pipeline("doctor", folder=project)
    assert result.returncode == 1
    assert re.search(r"^!!  params\.yaml  data\.seed: must be at least 0", result.stdout, re.MULTILINE)
    assert re.search(r"ok +tensorflow", result.stdout)
