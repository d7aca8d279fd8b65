"""Every path that the pipeline reads or writes, the two databases, and how files are read and written."""

from __future__ import annotations

import fcntl
import io
import json
import os
import re
import shutil
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import IO, TYPE_CHECKING, Any

from pipeline.errors import PipelineError, damage, made_again

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

PARAMS = Path("params.yaml")
DATA = Path("data")
TEMPORARIES = ".tmp"

RAW = Path("data/raw")
MANIFEST = RAW / "manifest.json"

SEQUENCES = Path("data/sequences")
TRAIN = SEQUENCES / "train.npz"
VALIDATION = SEQUENCES / "validation.npz"
TEST = SEQUENCES / "test.npz"
SEQUENCES_SUMMARY = SEQUENCES / "summary.json"

STUDIES = Path("data/studies")
RACE = STUDIES / "race" / "race.csv"
RECORD = Path("data/record")

HOME_OF_WORKSPACE = Path(".dvc/home")  # of `quick`: the way from there to where its runs are

CHAMPION = Path("data/models/champion")
CHOICE = CHAMPION / "choice.json"
CHAMPION_CURVES = CHAMPION / "curves.csv"
CALIBRATION = CHAMPION / "calibration.json"

REPORTS = Path("data/reports")
METRICS = REPORTS / "metrics.json"
CONFUSION = REPORTS / "confusion.csv"
PREDICTIONS = REPORTS / "predictions.csv"
MEASURED_CALIBRATION = REPORTS / "calibration.json"
COVERAGE = REPORTS / "coverage.csv"
MCNEMAR = REPORTS / "mcnemar.json"
TEST_TABLE = REPORTS / "test.csv"
PREDICTION_TIMES = REPORTS / "prediction_times.csv"
BOOK_TABLE = REPORTS / "book_table.csv"
CAPACITY = REPORTS / "capacity.csv"
VIEWS = REPORTS / "views.csv"
ANSWER = REPORTS / "answer.svg"
REPORT = REPORTS / "report.html"
NETWORKS = REPORTS / "networks"
FIGURES = REPORTS / "figures"


def checkout() -> Path | None:
    """The project whose code this is; None where the code is installed without one."""
    folder = Path(__file__).resolve().parents[1]
    return folder if (folder / PARAMS).is_file() else None


def study_folder(name: str) -> Path:
    """The folder of one study's results: its tables, networks.json and best.json."""
    return STUDIES / name


def study_stage(name: str) -> str:
    """The stage of dvc.yaml that makes these results: the race is one of its own."""
    return name if study_folder(name) == RACE.parent else f"study@{name}"


def home() -> Path:
    """The folder of the databases: `PIPELINE_HOME`, else that of a workspace's project, else the project's own.

    DVC runs queued experiments in a temporary copy of the project and names the original in
    `DVC_ROOT`; databases left in the copy would be deleted with it.
    """
    if named := os.environ.get("PIPELINE_HOME"):
        return Path(named).resolve()
    root = Path(os.environ.get("DVC_ROOT") or ".")
    of_workspace = root / HOME_OF_WORKSPACE
    return (root / of_workspace.read_text(encoding="utf-8") if of_workspace.is_file() else root).resolve()


def optuna_storage() -> str:
    """URL of the Optuna storage: `OPTUNA_STORAGE`, else `optuna.db` at home; raises PipelineError if MLflow has it."""
    url = _database("OPTUNA_STORAGE", "optuna.db")
    if url == tracking_uri():  # both keep the version of their tables in a table of the same name
        raise PipelineError(
            f"OPTUNA_STORAGE and MLFLOW_TRACKING_URI both name {url}: Optuna and MLflow need a database each; make "
            "another one (of PostgreSQL by `createdb NAME`), and let one of the two name it"
        )
    return url


def tracking_uri() -> str:
    """URI of the MLflow tracking store: `MLFLOW_TRACKING_URI`, else `mlflow.db` at home."""
    return _database("MLFLOW_TRACKING_URI", "mlflow.db")


def _database(variable: str, file: str) -> str:
    url = os.environ.get(variable) or f"sqlite:///{home()}/{file}"
    return re.sub("^postgres://", "postgresql://", url)  # the short form is PostgreSQL's too, but not SQLAlchemy's


def sqlite_file(url: str) -> Path | None:
    """The file of the database at `url`; None where it is no file, as on a server or in memory."""
    scheme, _, name = url.partition("?")[0].partition(":///")
    return Path(name) if scheme == "sqlite" and name not in ("", ":memory:") else None


def journal_folder() -> Path:
    """Where finished trainings wait until their study has recorded them (and for studies that repeat them)."""
    return home() / ".journal"


def locks_folder() -> Path:
    """Where the files lie by which processes keep each other from what they work on."""
    return home() / ".locks"


@contextmanager
def atomic_write(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a file that appears at `path` only when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = {} if "b" in mode else {"encoding": "utf-8", "newline": "\n"}
    with temporary_folder(path) as folder:
        try:
            with (folder / path.name).open(mode, **options) as file:
                yield file
            (folder / path.name).replace(path)
        except OSError as error:
            if error.filename is None:  # a disk that is full does not say which file
                error.filename = str(path)
            raise


@contextmanager
def temporary_folder(path: Path) -> Iterator[Path]:
    """A new folder for what will be moved to `path`; it is gone when the block ends.

    It is on the same file system, and in no output of DVC: a process that dies changes none. Until then the process
    holds a lock on it, so that `sweep` leaves it alone.
    """
    folder, lock = _locked_folder((DATA if path.is_relative_to(DATA) else path.parent) / TEMPORARIES)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)
        with suppress(OSError):  # others are in it
            folder.parent.rmdir()


def _locked_folder(place: Path) -> tuple[Path, int]:
    place.parent.mkdir(parents=True, exist_ok=True)
    while True:
        folder = place / token_hex(8)  # another name each time: who has locked one that is gone may remove that name
        with suppress(FileExistsError):
            place.mkdir()
        with suppress(FileNotFoundError):  # removed by another process before it was locked
            folder.mkdir()
            lock = os.open(folder, os.O_RDONLY)
            with suppress(OSError):  # a file system that has no locks: nobody sweeps there
                fcntl.flock(lock, fcntl.LOCK_EX)
            if folder.exists():
                return folder, lock
            os.close(lock)


def sweep(*tops: Path) -> None:
    """Remove from these folders, such as `DATA`, what processes were writing when they were killed."""
    for place in (top / TEMPORARIES for top in tops):
        with suppress(OSError):  # there is none, or somebody is at work in it
            for folder in list(place.iterdir()):
                _remove_unless_locked(folder)
            place.rmdir()


def _remove_unless_locked(folder: Path) -> None:
    with suppress(OSError):
        lock = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while the writer lives
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)


def read_json(path: Path) -> Any:
    """The document that the JSON file at `path` holds; raises PipelineError where it is damaged."""
    with damage(path, "is damaged", made_again(path)):
        return json.loads(path.read_bytes())


def write_json(path: Path, document: Any) -> None:
    """Write `document` as indented JSON, atomically; NaN is refused."""
    with atomic_write(path) as file:
        json.dump(document, file, indent=2, allow_nan=False)
        file.write("\n")


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write `table` without its index, atomically; numbers as pandas writes them, which read back to the same bits."""
    with atomic_write(path) as file:
        table.to_csv(file, index=False, lineterminator="\n")


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    with atomic_write(path) as file:
        file.write(text)


def write_zip(file: IO[bytes], members: Iterable[tuple[str, bytes]]) -> None:
    """Write an archive, not compressed, in which the same members are the same bytes.

    No moment is in it, and no version of Python. NumPy and Keras write members as streams, whose headers differ between
    Python 3.11.2 and 3.11.7.
    """
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content)  # of 1980, the first year that there is in a zip file


def write_npz(path: Path, **arrays: np.ndarray) -> None:
    """Write an .npz, atomically: as `numpy.savez`, but the same arrays are the same bytes (see `write_zip`)."""
    import numpy as np

    def content(array: np.ndarray) -> bytes:
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=False)
        return buffer.getvalue()

    with atomic_write(path, "wb") as file:
        write_zip(file, ((f"{name}.npy", content(array)) for name, array in arrays.items()))
