"""The command line as its users meet it: in a process of its own."""

import errno
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from shlex import quote

import pytest
import typer

from pipeline import __version__
from pipeline.cli import plain_errors
from pipeline.errors import PipelineError
from pipeline.params.document import Params, load_params
from tests.helpers.command_line import ROOT, change, pipeline

STAGES = ["download", "prepare", "study", "champion", "evaluate", "report"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the real params.yaml."""
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    return tmp_path


def test_help_teaches_the_stages_in_order(tmp_path: Path) -> None:
    result = pipeline("--help", folder=tmp_path)
    assert result.returncode == 0
    verbs = re.findall(r"^\W*(\w+) +[A-Zd]", result.stdout, flags=re.MULTILINE)
    assert [verb for verb in verbs if verb in [*STAGES, "doctor"]] == [*STAGES, "doctor"]
    assert "data/raw → data/sequences" in result.stdout


def test_help_loads_none_of_the_libraries_that_stages_need() -> None:
    script = (
        "import sys, pipeline.cli\n"
        "heavy = {'pandas', 'numpy', 'mlflow', 'optuna', 'distributed', 'pydantic', 'tensorflow', 'matplotlib'}\n"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    output = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True)
    assert output.stdout == "[]\n"


@pytest.mark.parametrize(
    ("place", "value", "line"),
    [
        ("data.validatoin", 6000, "error: params.yaml: data.validatoin: unknown key; check its spelling"),
        ("training.epochs", "many", "error: params.yaml: training.epochs: must be a valid integer, got 'many'"),
        (
            "studies.capacity.space.units",
            [8, 0],
            "error: params.yaml: studies.capacity.space.units.1: must be at least 1",
        ),
        (
            "studies.capacity.space.units",
            [],
            "error: params.yaml: studies.capacity.space.units: must have at least one",
        ),
        (
            "studies.search.space.cell",
            ["elman"],
            "error: params.yaml: studies.search.space.cell.0: must be 'simple_rnn'",
        ),
    ],
)
def test_mistake_in_params_is_one_line_and_no_traceback(project: Path, place: str, value: object, line: str) -> None:
    change(project, place, value)
    result = pipeline("study", "search", folder=project)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(line)
    assert result.stderr.count("\n") == 1
    assert os.listdir(project) == ["params.yaml"], "a mistake leaves everything as it was"


def test_outside_a_project_it_says_where_to_run(tmp_path: Path) -> None:
    result = pipeline("prepare", folder=tmp_path)
    assert result.returncode == 1
    assert result.stderr == f"error: params.yaml not found in {tmp_path}: run `cd {quote(str(ROOT))}` first\n"


def test_what_only_reads_works_in_any_folder(tmp_path: Path) -> None:
    result = pipeline("recommend", "--max-parameters", "30000", folder=tmp_path)
    assert (result.returncode, result.stderr) == (0, f"in {ROOT}\n")
    assert result.stdout.startswith("Use ")
    missing = pipeline("predict", "mine.npz", folder=tmp_path)
    assert f"error: {tmp_path}/mine.npz: " in missing.stderr


def test_it_knows_its_version(tmp_path: Path) -> None:
    result = pipeline("--version", folder=tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (0, f"howbig {__version__}\n", "")


@pytest.mark.parametrize("arguments", [("study", "views"), ("verify", "views"), ("champion",)])
def test_what_no_stage_has_made_yet_is_named(project: Path, arguments: tuple[str, ...]) -> None:
    result = pipeline(*arguments, folder=project)
    assert result.returncode == 1
    assert result.stderr == "error: data/sequences/summary.json not found: `dvc repro` makes it\n"


def test_every_mistake_gets_a_line_of_its_own(project: Path) -> None:
    change(project, "data.seed", -1)
    change(project, "champion.seeds", 0)
    lines = pipeline("report", folder=project).stderr.splitlines()
    assert [line.split(": ")[:3] for line in lines] == [
        ["error", "params.yaml", "data.seed"],
        ["error", "params.yaml", "champion.seeds"],
    ]


def test_unknown_verb_is_refused(tmp_path: Path) -> None:
    result = pipeline("trian", folder=tmp_path)
    assert result.returncode == 2
    assert "trian" in result.stderr


def test_stages_run_without_a_terminal(project: Path) -> None:
    change(project, "data.dataset", "mnist5k")
    change(project, "data.validation", 500)
    for verb in ("download", "prepare"):
        result = pipeline(verb, folder=project)
        assert (result.returncode, result.stderr) == (0, ""), result.stderr
        assert "\x1b" not in result.stdout
    assert (project / "data" / "sequences" / "train.npz").exists()


def test_ctrl_c_is_a_sentence_and_130(project: Path) -> None:
    # A mirror that accepts the connection and then says nothing.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with subprocess.Popen(
            [sys.executable, "-m", "pipeline", "download"],
            cwd=project,
            env=os.environ | {"PYTHONPATH": str(ROOT), "MNIST_MIRROR": address},
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            silent.accept()  # the download has begun
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=200)  # a loaded machine is no reason to fail
    assert process.returncode == 130
    assert errors == "stopped; finished work is kept, and the same command goes on from there\n"


def test_load_params_reads_the_real_file() -> None:
    params = load_params(ROOT / "params.yaml")
    assert isinstance(params, Params)
    with pytest.raises(PipelineError, match="there is no study 'other'"):
        params.study("other")


def test_a_file_in_the_way_is_named_with_a_cure(project: Path) -> None:
    change(project, "data.dataset", "mnist5k")
    (project / "data").write_text("in the way")
    result = pipeline("download", folder=project)
    assert result.returncode == 1
    assert result.stderr.startswith("error: data/")
    assert result.stderr.count("\n") == 1
    assert (project / "data").read_text() == "in the way"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "mlflow.db"),
            "error: mlflow.db: No space left on device: ",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "data/x"),
            "error: data/x: Permission denied: give",
        ),
        (
            FileNotFoundError(errno.ENOENT, "No such file or directory", "elsewhere/data"),
            "error: elsewhere/data: No such file or directory",
        ),
        (MemoryError(), "error: memory is full: fewer workers"),
        (sqlite3.OperationalError("database is locked"), "error: a database failed (database is locked): see"),
    ],
)
def test_what_the_system_refuses_is_one_line(error: Exception, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as caught, plain_errors():
        raise error
    assert caught.value.exit_code == 1
    told = capsys.readouterr().err
    assert told.startswith(line)
    assert told.count("\n") == 1


def test_a_reader_that_has_read_enough_is_no_error(project: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = f"{sys.executable} -m pipeline doctor | head -c 1; exit ${{PIPESTATUS[0]}}"
    process = subprocess.run(
        ["bash", "-c", command], cwd=project, env=environment, capture_output=True, text=True, timeout=200
    )
    assert process.stderr == ""


def test_a_terminal_without_the_signs_is_written_to_all_the_same(project: Path) -> None:
    change(project, "data.dataset", "größe×.csv")
    result = pipeline("download", folder=project, PYTHONIOENCODING="ascii")
    assert result.returncode == 1
    assert "gr??e?.csv" in result.stderr
    assert "Traceback" not in result.stderr
