"""Files are whole or not there, whoever dies, and the same bytes for the same content, where they should be."""

import hashlib
import os
import signal
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from pipeline import cli, paths
from pipeline.errors import PipelineError
from pipeline.paths import sweep, write_json, write_npz, write_text

ROOT = Path(__file__).parents[1]

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


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("sqlite:///optuna.db", Path("optuna.db")),
        ("sqlite:////my home/optuna.db?timeout=5", Path("/my home/optuna.db")),
        ("sqlite:///:memory:", None),
        ("sqlite://", None),
        ("postgresql://me@host/optuna", None),
    ],
)
def test_the_file_of_a_database(url: str, file: Path | None) -> None:
    assert paths.sqlite_file(url) == file


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


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_the_users_umask_decides_who_may_read(umask: int, mode: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        write_text(tmp_path / "page.html", "text")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "page.html").stat().st_mode) == mode
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_an_error_leaves_the_file_before_and_nothing_else(tmp_path: Path) -> None:
    write_text(tmp_path / "page.html", "before")
    with pytest.raises(ValueError, match="nan"):
        write_json(tmp_path / "page.html", {"accuracy": float("nan")})
    assert (tmp_path / "page.html").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


KILLED_WHILE_WRITING = """
import os, signal, sys
from pathlib import Path
from pipeline.paths import atomic_write
with atomic_write(Path(sys.argv[1])) as file:
    file.write("half")
    file.flush()
    if sys.argv[2] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    print("writing", flush=True)
    sys.stdin.read()
"""


def writer(folder: Path, path: str, what: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", KILLED_WHILE_WRITING, path, what], cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_what_a_killed_process_leaves_is_in_no_output_and_swept_but_a_living_ones_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "my project"
    home.mkdir()
    monkeypatch.chdir(home)
    monkeypatch.setenv("PIPELINE_HOME", str(home))
    for path in ("data/studies/search/trials.csv", "data/reports/report.html", ".journal/key.json"):
        assert writer(home, path, "killed").wait(timeout=30) == -signal.SIGKILL
        assert {entry.name for entry in (home / path).parent.iterdir()} <= {".tmp"}
    living = writer(home, "data/studies/search/curves.csv", "lives")
    assert living.stdout is not None
    assert living.stdout.readline() == "writing\n"
    assert len(list((home / "data" / ".tmp").iterdir())) == 3
    assert len(list((home / ".journal" / ".tmp").iterdir())) == 1
    (home / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    with cli.params_yaml():  # as every command does
        pass
    assert [path.name for path in (home / "data" / ".tmp").rglob("*") if path.is_file()] == ["curves.csv"]
    assert not (home / ".journal" / ".tmp").exists()
    assert living.communicate("") == ("", None)
    assert (home / "data/studies/search/curves.csv").read_text() == "half"
    assert not (home / "data" / ".tmp").exists()


def test_two_processes_that_sweep_and_write_at_once_disturb_nobody(tmp_path: Path) -> None:
    def sweep_and_write(number: int) -> None:
        sweep(tmp_path)
        write_text(tmp_path / str(number), "text")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(sweep_and_write, range(2000)))
    assert {path.name for path in tmp_path.iterdir()} == {str(number) for number in range(2000)}
