"""The whole pipeline in minutes: params.yaml shrunk, in a workspace of its own; the real study stays untouched."""

import copy
import importlib.metadata
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.commands.own_study import VALIDATION as OWN_VALIDATION
from pipeline.commands.own_study import own_study
from pipeline.commands.stuck import is_damaged
from pipeline.data.datasets import check_is_known, own_dataset
from pipeline.data.description import token_count
from pipeline.data.own import at_home, is_own, read_own
from pipeline.data.sequences import too_few_for_folds, too_few_sequences
from pipeline.data.splits import split
from pipeline.errors import PLACE, PipelineError, runnable
from pipeline.lineage import DVC_LOCK
from pipeline.locks import alone
from pipeline.params.document import Params, as_name, validate_params
from pipeline.params.file import read_document
from pipeline.params.network import Sizes
from pipeline.paths import HOME_OF_WORKSPACE, PARAMS, REPORT, atomic_write, checkout, sweep
from pipeline.progress import about
from pipeline.tracking.links import ON_THIS_MACHINE
from pipeline.tracking.run_store import RunStore, StoreAway

# Small enough for minutes on two cores, large enough that networks learn and differ.
VALIDATION = 500
UNITS = 32
EPOCHS = 6
TRAIN_SAMPLES = 4000
BATCH_SIZE = 32  # of few samples, small batches still make enough steps
TRIALS = 6
BUDGETS = range(2_000, 10_001)  # fewer parameters learn too little from few samples, more take too long
SEEDS = 5  # of the champion: with two, an interval is seven times as wide
COMPETING_SEEDS = 3  # of a study that chooses the champion without a race
LEFT_OUT = ("ablation",)  # with one seed it could not tell what a part of the recipe brings
MINUTES = 5.0  # for a dataset of one's own
MUCH_LONGER = 2  # than asked for: estimates are rough
MUCH_SHORTER = 0.75  # of the time, with half of the steps: only then it is worth to cut them
SECONDS_TO_END = 30.0
DISTRIBUTION, PACKED = "how-big-should-my-rnn-be", "share/howbig"  # what a wheel has besides the code: pyproject.toml
# With few images to measure on, a race settles coarser questions, and sooner.
RACE = {"tolerance": 0.02, "max_blocks": 5}


def shrink(document: dict[str, Any], dataset: str = "mnist5k") -> dict[str, Any]:
    """A params.yaml of the same shape that runs in minutes on `dataset`, every study in it but those in `LEFT_OUT`."""
    small = copy.deepcopy(document)
    small["data"] |= {"dataset": dataset, "validation": VALIDATION}
    small["training"] |= {"epochs": EPOCHS, "batch_size": BATCH_SIZE, "train_samples": TRAIN_SAMPLES}
    competing = small["champion"]["studies"]
    small["studies"] = {
        name: _shrink_study(study, COMPETING_SEEDS if name in competing else 1)
        for name, study in small["studies"].items()
        if name not in LEFT_OUT
    }
    if "race" in small:
        small["race"] |= RACE
        # A shrunk list has the networks that a shrunk search begins with.
        lists = {name for name, study in small["studies"].items() if study["sampler"] == "list"}
        others = [name for name in small["race"]["entrants"] if name not in lists]
        small["race"]["entrants"] = others or small["race"]["entrants"]
    small["champion"]["seeds"] = min(small["champion"]["seeds"], SEEDS)
    small.setdefault("tracking", {}).setdefault("experiment", "mnist-rnn")
    small["tracking"]["experiment"] += "-quick"
    return small


def _shrink_study(study: dict[str, Any], seeds: int) -> dict[str, Any]:
    small = dict(study)
    if "epochs" in small.get("training", {}):
        small["training"] = small["training"] | {"epochs": min(small["training"]["epochs"], EPOCHS)}
    if "parameter_budgets" in small:
        budgets = small["parameter_budgets"]
        small["parameter_budgets"] = [budget for budget in budgets if budget in BUDGETS] or [min(budgets)]
    if "enqueue" in small:
        small["enqueue"] = [trial for trial in small["enqueue"] if trial.get("units", 0) <= UNITS]
    if "seeds" in small:
        small["seeds"] = min(small["seeds"], seeds)
    if "space" in small:
        small["space"] = _shrink_axes(small["space"])
    if study["sampler"] == "grid":  # it multiplies
        if "depth" in small["space"]:
            small["space"]["depth"] = small["space"]["depth"][:1]
        if samples := small["space"].get("train_samples"):
            small["space"]["train_samples"] = list(dict.fromkeys([samples[0], samples[-1]]))
    if study["sampler"] == "list":
        one_value_an_axis = (
            {axis: [value] for axis, value in trial.items() if axis != "seeds"} for trial in study["trials"]
        )
        shrunk = map(_shrink_axes, one_value_an_axis)
        trials = [{axis: value for axis, (value,) in axes.items()} for axes in shrunk]
        small["trials"] = [trial for index, trial in enumerate(trials) if trial not in trials[:index]]
    elif "trials" in small:
        enqueued = len(small.get("enqueue", ())) * len(small.get("parameter_budgets", (None,)))
        small["trials"] = min(small["trials"], max(TRIALS, enqueued))
    return small


def _shrink_axes(axes: dict[str, Any]) -> dict[str, Any]:
    """Lower every setting that makes a training long; of values that become the same, one stays."""
    limits = {"units": UNITS, "epochs": EPOCHS, "train_samples": TRAIN_SAMPLES, "batch_size": BATCH_SIZE}
    small = dict(axes)
    for axis in limits.keys() & small.keys():
        values, limit = small[axis], limits[axis]
        if isinstance(values, dict):
            small[axis] = values | {"low": min(values["low"], limit), "high": min(values["high"], limit)}
        else:
            small[axis] = list(dict.fromkeys(limit if value is None else min(value, limit) for value in values))
    return small


def shrunk_to_own(document: dict[str, Any], dataset: str, minutes: float) -> dict[str, Any]:
    """A params.yaml that studies somebody's own file in about so many minutes on this machine."""
    from dask.system import CPU_COUNT

    path = at_home(Path(dataset)).absolute()  # a link keeps its name, which says what it is
    document["data"] |= {"dataset": str(path)}
    params = validate_params(document, str(PARAMS))
    workers = params.execution.workers or CPU_COUNT
    if missing := {"book", "capacity", "search"} - params.studies.keys():
        raise PipelineError(
            f"{PARAMS}: quick makes its studies from book, capacity and search; {min(missing)} is missing"
        )
    own = own_dataset(read_own(path, params.data))
    splits = split(own, OWN_VALIDATION, params.data.seed)
    learning = len(splits.train.y) + len(splits.validation.y)
    if (few := too_few_sequences(learning)) is not None:
        raise PipelineError(f"{path}: {few}")
    if splits.groups is not None and splits.train.fold is None:
        raise PipelineError(f"{path}: {too_few_for_folds(splits.groups)}")
    _, timesteps, features = splits.train.x.shape
    sizes = Sizes(timesteps, features, len(own.labels), token_count(splits) if params.data.tokens else None)
    study = own_study(document, sizes, learning, minutes, workers)
    study.document["tracking"] = {"experiment": f"{as_name(path.stem)}-quick"}
    print(
        f"quick: networks of up to {study.units} units, {about(60 * study.minutes)} on {workers} "
        f"worker{'s' * (workers > 1)}; --minutes asks for more or less"
    )
    if study.minutes > MUCH_LONGER * minutes:
        half = max(1, timesteps // 2)
        shorter = own_study(document, sizes._replace(timesteps=half), learning, minutes, workers)
        advice = ""
        if shorter.minutes < MUCH_SHORTER * study.minutes:
            advice = (
                f"; of up to {timesteps:,} steps `data.max_timesteps: {half}` in params.yaml leaves {half:,}, which "
                f"takes about {shorter.minutes / study.minutes:.0%} of the time"
            )
        print(f"quick: that is longer than the {minutes:g} minutes asked for, but no study is much shorter{advice}")
    return study.document


def make_workspace(
    root: Path, folder: Path, dataset: str, minutes: float = MINUTES, runs: Path | None = None
) -> Params:
    """Lay out `folder` as a DVC project of its own: the code and the graph of `root`, its params.yaml shrunk.

    The results of an earlier run stay there, so that only stages that are out of date run again. The databases are in
    the folder `runs`, by default `root`. Returns what the workspace's params.yaml says.
    """
    document = read_document(root / PARAMS)
    validate_params(document, str(PARAMS))
    small = shrunk_to_own(document, dataset, minutes) if is_own(dataset) else shrink(document, dataset)
    params = validate_params(small, f"{PARAMS}, shrunk")
    sweep(folder, folder / ".dvc")
    with atomic_write(folder / ".dvc" / "config") as file:  # first: by it the next run knows the folder for its own
        file.write("[core]\n    no_scm = true\n    analytics = false\n    check_update = false\n")
    with atomic_write(folder / HOME_OF_WORKSPACE) as file:
        file.write(os.path.relpath(os.environ.get("PIPELINE_HOME") or runs or root, folder))
    with atomic_write(folder / PARAMS) as file:
        YAML().dump(small, file)
    shutil.copytree(root / ".dvc" / "plots", folder / ".dvc" / "plots", dirs_exist_ok=True)
    for name in ("dvc.yaml", ".dvcignore"):
        shutil.copyfile(root / name, folder / name)
    code = root / "pipeline" if (root / "pipeline").is_dir() else Path(__file__).parents[1]
    if _files(folder / "pipeline") != _files(code):  # else a stage that runs there may be importing it
        shutil.rmtree(folder / "pipeline", ignore_errors=True)
        shutil.copytree(code, folder / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    return params


def _files(folder: Path) -> dict[Path, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder): path.read_bytes() for path in files}


def run(dataset: str, folder: Path, minutes: float = MINUTES) -> None:
    """Reproduce the shrunk pipeline in `folder`, its runs in the databases of the current folder.

    `minutes` are for a dataset of one's own.
    """
    check_is_known(dataset)
    root = Path.cwd() if PARAMS.exists() else packed_project()
    if root is None:
        raise PipelineError(f"{PARAMS} not found: run from the project's root, where it lies")
    _check_folder(Path.cwd(), folder)
    with alone(f"workspace {folder.resolve()}"):
        _run(root, dataset, folder, minutes)


def packed_project() -> Path | None:
    """The folder of the project's files that a wheel has brought; None where the program is that of a project."""
    if checkout() is not None:
        return None
    files = importlib.metadata.files(DISTRIBUTION) or ()
    found = (Path(str(file.locate())) for file in files if file.match(f"{PACKED}/{PARAMS}"))
    return next((file.resolve().parent for file in found), None)


def _check_folder(root: Path, folder: Path) -> None:
    """Raises PipelineError where a workspace would replace files that are somebody's."""
    if root.is_relative_to(folder.resolve()):
        raise PipelineError(
            f"--folder {folder}: the project itself lies there; take a folder of its own, such as .quick"
        )
    config = folder / ".dvc" / "config"
    made_here = config.is_file() and "no_scm" in config.read_text(encoding="utf-8", errors="replace")
    if folder.is_dir() and any(folder.iterdir()) and not made_here:
        raise PipelineError(f"--folder {folder}: something else lies there; take a new folder, or an empty one")


def _run(root: Path, dataset: str, folder: Path, minutes: float) -> None:
    started = time.monotonic()
    here = Path.cwd()
    experiment = make_workspace(root, folder, dataset, minutes, here).tracking.experiment
    environment = os.environ | {
        "PIPELINE_HOME": os.environ.get("PIPELINE_HOME") or str(here),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),  # dvc.yaml says `python`
        PLACE: str(folder.resolve()),
    }
    if is_damaged(folder / DVC_LOCK):  # DVC died while it wrote it; the stages run again, and train nothing again
        (folder / DVC_LOCK).unlink()
    # DVC does not look at somebody's own file: where that has changed, another copy is what it sees.
    steps = [["pipeline", "download"]] * is_own(dataset) + [["dvc", "repro"]]
    if any(_ended_with_this([sys.executable, "-m", *step], folder, environment) for step in steps):
        raise PipelineError(f"the run in {folder} stopped; the reason stands above")
    print(f"\nDone in {time.monotonic() - started:.0f} seconds.")
    print(f"The report:          open {folder / REPORT} in a browser")
    show = "make ui" if root == here else runnable("mlflow ui --host 127.0.0.1")
    print(f"Every run:           {show}, then {_page(experiment)}")
    if root == here:
        print("The study in full:   make repro")


def _page(experiment: str) -> str:
    try:
        return RunStore(experiment).page
    except StoreAway:  # the stages have said so
        return ON_THIS_MACHINE


def _ended_with_this(command: list[str], folder: Path, environment: dict[str, str]) -> int:
    """Run a command and return its status. Where this process is stopped, all that the command has started is, too.

    DVC would die alone: it does not tell the stage that it runs.
    """
    with subprocess.Popen(command, cwd=folder, env=environment, process_group=0) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            deadline = time.monotonic() + SECONDS_TO_END
            with suppress(ProcessLookupError):  # all have ended
                os.killpg(process.pid, signal.SIGTERM)
                while time.monotonic() < deadline:
                    process.poll()
                    os.killpg(process.pid, 0)
                    time.sleep(0.1)
            raise
