"""`doctor`: this machine, the sources and stores that the pipeline would use, and what is stuck."""

import importlib.metadata
import os
import platform
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dask.system import CPU_COUNT  # knows the limits of containers; workers are as many
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline import paths
from pipeline.analysis.choice import Choice
from pipeline.analysis.evaluation import champion_file, tested_model
from pipeline.commands.champion import outdated
from pipeline.commands.stuck import (
    Finding,
    damaged_lock,
    git_repository,
    half_studies,
    held_locks,
    missing_drivers,
    orphaned_runs,
)
from pipeline.data import datasets
from pipeline.data.mirrors import Source, find_sources, probe
from pipeline.data.sequences import prepared_sequences
from pipeline.documents import print_json
from pipeline.errors import PipelineError, runnable, without_credentials
from pipeline.params.document import ExecutionParams, Params, load_params
from pipeline.report.tested import model_words

PACKAGES = ["tensorflow", "keras", "optuna", "distributed", "mlflow", "dvc", "pandas", "numpy"]
BLAS_OF = {"numpy.libs": "NumPy", "scipy.libs": "SciPy"}  # in a wheel each has its own, elsewhere they share one
PROBE_SECONDS = 5.0
MARKS = {"ok": ("ok", "green"), "note": ("--", "yellow"), "fault": ("!!", "bold red")}


def diagnose(as_json: bool = False) -> bool:
    """Print all findings: what is well in a table, notes and faults below it, each in a line with its cure.

    Returns whether there is no fault.
    """
    findings = [Finding(subject, runnable(found), state) for subject, found, state in _findings()]
    fine = all(finding.state != "fault" for finding in findings)
    if as_json:
        print_json({"fine": fine, "findings": [finding._asdict() for finding in findings]})
        return fine
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for subject, found, state in findings:
        if state == "ok":
            table.add_row(Text(*MARKS["ok"]), Text(subject), Text(found, overflow="fold"))
    console = Console()
    console.print(table)
    for subject, found, state in findings:
        if state != "ok":  # as one line: a command in it can be copied
            console.print(Text.assemble(MARKS[state], f"  {subject}  {found}"), soft_wrap=True)
    return fine


def _findings() -> list[Finding]:
    findings = [
        *_versions(),
        Finding("cores", f"{CPU_COUNT} usable of {os.cpu_count()}"),
        Finding("BLAS", _blas()),
    ]
    try:
        params = load_params()
    except PipelineError as error:
        subject = "params.yaml" if paths.PARAMS.exists() else "folder"
        lines = [line.removeprefix(f"{paths.PARAMS}: ") for line in str(error).splitlines()]
        return [*findings, *(Finding(subject, line, "fault") for line in lines)]
    try:
        paths.optuna_storage()
    except PipelineError as error:  # it is MLflow's, too: neither could be asked
        return [*findings, Finding("databases", str(error), "fault")]
    drivers = missing_drivers()
    return [
        *findings,
        Finding("folder", str(Path.cwd())),
        git_repository(),
        *_data(params.data.dataset),
        _champion(params),
        *_stores(),
        Finding("execution", _execution(params.execution)),
        *held_locks(),
        *damaged_lock(),
        *(drivers or [*half_studies(params), *orphaned_runs(params)]),
    ]


def _versions() -> list[Finding]:
    findings = [Finding("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")]
    for package in PACKAGES:
        try:
            findings.append(Finding(package, importlib.metadata.version(package)))
        except importlib.metadata.PackageNotFoundError:
            findings.append(Finding(package, "not installed: `make venv` installs it", "fault"))
    return findings


def _blas() -> str:
    """The linear algebra libraries and their threads; TensorFlow brings its own, on one thread a worker."""
    import numpy  # noqa: F401 - only libraries that are loaded can be asked
    import scipy.linalg  # noqa: F401
    from threadpoolctl import threadpool_info

    pools = {
        BLAS_OF.get(Path(pool["filepath"]).parent.name, "NumPy and SciPy"): pool
        for pool in threadpool_info()
        if pool["user_api"] == "blas"
    }
    found = (
        f"{users}: {pool['internal_api']} {pool['version']}, {pool['num_threads']} threads"
        for users, pool in sorted(pools.items())
    )
    return "; ".join(found) or "NumPy: built in; workers use one TensorFlow thread each"


def _data(dataset: str) -> list[Finding]:
    """The answer of each source of every known data set.

    One that has not what it is asked for is a fault only if its data are needed and missing.
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
    findings = [Finding("data", f"{dataset} (params.yaml: data.dataset), {paths.RAW} {_size(paths.RAW)}")]
    for (known, source), answer in zip(asked, answers, strict=True):
        needed = known.name == dataset and not here and known.name not in reachable
        advice = ": set MNIST_MIRROR to a folder or URL that has it, or run `make quick`" if needed else ""
        found = f"{source.name}: {answer}{advice}"
        findings.append(
            Finding(f"{known.name} from", found, "fault" if needed else "ok" if answer.startswith("ok") else "note")
        )
    return findings


def _champion(params: Params) -> Finding:
    """The model that answers, how good it is, and whether it is that of params.yaml and of the data."""
    if not paths.CHOICE.exists():
        return Finding("champion", "not made yet")
    try:
        summary = prepared_sequences(params.data)
        choice = Choice.read_for(summary.learning_sha256, paths.CHOICE)
        told = f"{choice.name_of(choice.choice)}, {champion_file(paths.CHAMPION)}"
        tested = tested_model(choice.choice, summary.all_sha256, params.champion.metric)
        told += f", {model_words(tested)}" if tested else ", test accuracy not known: `dvc repro evaluate` measures it"
        reason = outdated(params, summary, choice)
        if reason:
            return Finding("champion", f"{told}; it may not be the study's choice any more: {reason}", "note")
        return Finding("champion", told)
    except FileNotFoundError as error:
        return Finding("champion", f"{error.filename} not found: `dvc repro` makes it", "note")
    except PipelineError as error:
        return Finding("champion", str(error), "note")


def _answer(source: Source, name: str) -> str:
    return probe(source, name, timeout_seconds=PROBE_SECONDS)


def _stores() -> list[Finding]:
    """Where the databases are, and how big; an address's password is not shown."""
    journal = paths.journal_folder()
    stores = [("Optuna", paths.optuna_storage()), ("MLflow", paths.tracking_uri())]
    findings = []
    for name, address in stores:
        hidden = without_credentials(address)
        file = paths.sqlite_file(address)
        findings.append(Finding(name, hidden if file is None else f"{hidden}, {_size(file)}"))
    return [*findings, Finding("journal", f"{journal}, {_size(journal)}")]


def _size(path: Path) -> str:
    if not path.exists():
        return "not made yet"
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    return f"{sum(file.stat().st_size for file in files) / 1e6:,.1f} MB"


def _execution(execution: ExecutionParams) -> str:
    if execution.scheduler is not None:
        return f"the Dask scheduler at {execution.scheduler}"
    return f"an embedded cluster of {execution.workers or CPU_COUNT} workers, one thread each"
