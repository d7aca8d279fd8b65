"""`doctor`: this machine, and the sources and stores that the pipeline would use, in one table."""

import importlib.metadata
import os
import platform
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dask.system import CPU_COUNT  # knows the limits of containers; workers are as many
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline import paths
from pipeline.analysis.choice import Choice
from pipeline.analysis.evaluation import champion_file
from pipeline.commands.champion import outdated, tested_model
from pipeline.data import datasets
from pipeline.data.mirrors import Source, find_sources, probe
from pipeline.data.sequences import prepared_sequences
from pipeline.errors import PipelineError, without_credentials
from pipeline.params.document import ExecutionParams, Params
from pipeline.report.tested import model_words

PACKAGES = ["tensorflow", "keras", "optuna", "distributed", "mlflow", "dvc", "pandas", "numpy"]
PROBE_SECONDS = 5.0

# A subject, the finding, and whether the pipeline can work with it.
Finding = tuple[str, str, bool]


def diagnose(params: Params, console: Console | None = None) -> bool:
    """Print the table; returns whether nothing that the pipeline needs is missing."""
    findings = [
        *_versions(),
        ("cores", f"{CPU_COUNT} usable of {os.cpu_count()}", True),
        ("BLAS", _blas(), True),
        *_data(params.data.dataset),
        _champion(params),
        *_stores(),
        ("execution", _execution(params.execution), True),
    ]
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for subject, found, fine in findings:
        mark = Text("ok", style="green") if fine else Text("!!", style="bold red")
        table.add_row(mark, Text(subject), Text(found, overflow="fold"))
    (console or Console()).print(table)
    return all(fine for _, _, fine in findings)


def _versions() -> list[Finding]:
    findings = [("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}", True)]
    for package in PACKAGES:
        try:
            findings.append((package, importlib.metadata.version(package), True))
        except importlib.metadata.PackageNotFoundError:
            findings.append((package, "not installed: make venv", False))
    if shutil.which("git"):
        version = subprocess.run(["git", "--version"], capture_output=True, text=True).stdout
        findings.append(("git", version.removeprefix("git version").strip(), True))
    else:
        findings.append(("git", "not found on the PATH: runs cannot name their commit", False))
    return findings


def _blas() -> str:
    """The linear algebra library below NumPy and its threads; TensorFlow brings its own, on one thread a worker."""
    import numpy  # noqa: F401 - only a library that is loaded can be asked
    from threadpoolctl import threadpool_info

    return (
        "; ".join(
            f"NumPy: {pool['internal_api']} {pool['version']}, {pool['num_threads']} threads"
            for pool in threadpool_info()
            if pool["user_api"] == "blas"
        )
        or "NumPy: built in; workers use one TensorFlow thread each"
    )


def _data(dataset: str) -> list[Finding]:
    """The answer of each source of every known data set.

    An unreachable source is a fault only if its data are needed and missing.
    """
    here = paths.MANIFEST.exists()
    asked = [
        (known, source)
        for known in datasets.IMAGE_DATASETS.values()
        for source in find_sources(known.mirrors)
        if known.name == dataset or source.location in known.mirrors  # MNIST_MIRROR is for the one that is wanted
    ]
    with ThreadPoolExecutor(max_workers=max(len(asked), 1)) as pool:
        answers = list(pool.map(lambda pair: _answer(pair[1], next(iter(pair[0].files))), asked))
    reachable = {known.name for (known, _), answer in zip(asked, answers, strict=True) if answer.startswith("ok")}
    findings = [("data", f"{dataset} (params.yaml: data.dataset), {paths.RAW} {_size(paths.RAW)}", True)]
    for (known, source), answer in zip(asked, answers, strict=True):
        needed = known.name == dataset and not here and known.name not in reachable
        advice = ": set MNIST_MIRROR to a folder or URL that has it, or run make quick" if needed else ""
        findings.append((f"{known.name} from", f"{source.name}: {answer}{advice}", not needed))
    return findings


def _champion(params: Params) -> Finding:
    """The model that answers, how good it is, and whether it is that of params.yaml and of the data."""
    if not paths.CHOICE.exists():
        return "champion", "not made yet", True
    try:
        summary = prepared_sequences(params.data)
        choice = Choice.read_for(summary.learning_sha256, paths.CHOICE)
        told = f"{choice.name_of(choice.choice)}, {champion_file(paths.CHAMPION)}"
        tested = tested_model(params, summary, choice)
        told += f", {model_words(tested)}" if tested else ", test accuracy not known: `dvc repro evaluate` measures it"
        reason = outdated(params, summary, choice)
        return "champion", f"{told}; it may not be the study's choice any more: {reason}" if reason else told, True
    except FileNotFoundError as error:
        return "champion", f"{error.filename} not found: `dvc repro` makes it", True
    except PipelineError as error:
        return "champion", str(error), True


def _answer(source: Source, name: str) -> str:
    return probe(source, name, timeout_seconds=PROBE_SECONDS)


def _stores() -> list[Finding]:
    """Where the databases are, and how big; an address's password is not shown."""
    journal = paths.journal_folder()
    stores = [("Optuna", paths.optuna_storage()), ("MLflow", paths.tracking_uri())]
    findings = []
    for name, address in stores:
        hidden = without_credentials(address)
        local = address.removeprefix("sqlite:///")
        findings.append((name, f"{hidden}, {_size(Path(local))}" if local != address else hidden, True))
    return [*findings, ("journal", f"{journal}, {_size(journal)}", True)]


def _size(path: Path) -> str:
    if not path.exists():
        return "not made yet"
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    return f"{sum(file.stat().st_size for file in files) / 1e6:,.1f} MB"


def _execution(execution: ExecutionParams) -> str:
    if execution.scheduler is not None:
        return f"the Dask scheduler at {execution.scheduler}"
    return f"an embedded cluster of {execution.workers or CPU_COUNT} workers, one thread each"
