"""Every path that the pipeline reads or writes, and the two databases."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any

PARAMS = Path("params.yaml")

RAW = Path("data/raw")
MANIFEST = RAW / "manifest.json"

SEQUENCES = Path("data/sequences")
TRAIN = SEQUENCES / "train.npz"
VALIDATION = SEQUENCES / "validation.npz"
TEST = SEQUENCES / "test.npz"
SEQUENCES_SUMMARY = SEQUENCES / "summary.json"

STUDIES = Path("data/studies")

CHAMPION = Path("data/models/champion")
CHOICE = CHAMPION / "choice.json"
BEST_MODEL = CHAMPION / "best-0.keras"
CHAMPION_CURVES = CHAMPION / "curves.csv"

REPORTS = Path("data/reports")
METRICS = REPORTS / "metrics.json"
CONFUSION = REPORTS / "confusion.csv"
PREDICTIONS = REPORTS / "predictions.csv"
MCNEMAR = REPORTS / "mcnemar.json"
PREDICTION_TIMES = REPORTS / "prediction_times.csv"
BOOK_TABLE = REPORTS / "book_table.csv"
CAPACITY = REPORTS / "capacity.csv"
VIEWS = REPORTS / "views.csv"
ANSWER = REPORTS / "answer.svg"
REPORT = REPORTS / "report.html"
NETWORKS = REPORTS / "networks"
FIGURES = REPORTS / "figures"


def study_folder(name: str) -> Path:
    """The folder of one study's results: its tables, networks.json and best.json."""
    return STUDIES / name


def missing_results(study: str) -> list[str]:
    """The files of a finished study's results that are not there."""
    files = ["trials.csv", "curves.csv", "during_fit.csv", "timings.csv", "networks.json", "best.json"]
    return [file for file in files if not (study_folder(study) / file).exists()]


def home() -> Path:
    """The folder of the databases: `PIPELINE_HOME`, else the DVC root, else the current folder.

    DVC runs queued experiments in a temporary copy of the project and names the original in
    `DVC_ROOT`; databases left in the copy would be deleted with it.
    """
    return Path(os.environ.get("PIPELINE_HOME") or os.environ.get("DVC_ROOT") or ".").resolve()


def optuna_storage() -> str:
    """URL of the Optuna storage: `OPTUNA_STORAGE`, else `optuna.db` at home."""
    return os.environ.get("OPTUNA_STORAGE") or f"sqlite:///{home()}/optuna.db"


def tracking_uri() -> str:
    """URI of the MLflow tracking store: `MLFLOW_TRACKING_URI`, else `mlflow.db` at home."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home()}/mlflow.db"


def journal_folder() -> Path:
    """Where finished trainings wait until their study has recorded them (and for studies that repeat them)."""
    return home() / ".journal"


@contextmanager
def atomic_write(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a file that appears at `path` only when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = {} if "b" in mode else {"encoding": "utf-8", "newline": "\n"}
    with NamedTemporaryFile(mode, dir=path.parent, prefix=f".{path.name}-", delete=False, **options) as file:
        temporary = Path(file.name)
        try:
            yield file
            file.flush()
            temporary.chmod(0o644)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def write_json(path: Path, document: Any) -> None:
    """Write `document` as indented JSON, atomically; NaN is refused."""
    with atomic_write(path) as file:
        json.dump(document, file, indent=2, allow_nan=False)
        file.write("\n")
