"""A small project with the real code and every kind of stage, and what is there to compare when it has run."""

import gzip
import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import yaml
from mlflow import MlflowClient

from pipeline.commands.quick import make_workspace

ROOT = Path(__file__).parents[2]
EXPERIMENT = "faults"
CELLS = {"cell": ["simple_rnn"]}
STUDIES = {
    "capacity": {"sampler": "grid", "held_out": "fold", "seeds": 2, "space": {**CELLS, "units": [4, 8]}},
    "search": {
        "sampler": "tpe", "trials": 6, "pruner": "median", "startup_trials": 2, "seed": 0, "window": 2,
        "space": {
            **CELLS, "units": {"low": 2, "high": 8}, "learning_rate": {"low": 0.0005, "high": 0.05, "log": True}
        },
    },
}  # fmt: skip
RACE = {"entrants": ["capacity", "search"], "tolerance": 0.1, "max_blocks": 5}
# What depends on the clock, and with it what DVC says of them.
CLOCK = re.compile(
    r"data/(studies/\w+/timings\.csv|reports/(prediction_times\.csv|report\.html)|record/\w+\.jsonl\.gz)"
)
TOLD_OF_CLOCK = re.compile(r"data/studies(/\w+)?|data/reports/(prediction_times\.csv|report\.html)")
VIEWS = ("mlflow.db", "mlruns", "optuna.db")
INTERNAL = (".dvc", ".locks", "pipeline", *VIEWS)


def make_small(folder: Path, empty_mlflow: Path) -> Path:
    """The project, as a workspace of `quick` is one; its databases are in it."""
    make_workspace(ROOT, folder, "mnist5k")
    file = folder / "params.yaml"
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    document["data"]["validation"] = 100
    document["training"] |= {"epochs": 2, "train_samples": 300, "batch_size": 64}
    document |= {"studies": STUDIES, "race": RACE, "tracking": {"experiment": EXPERIMENT}}
    document["champion"] |= {"seeds": 2}
    document["execution"] = {"workers": 2, "scheduler": None}
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    graph = yaml.safe_load((folder / "dvc.yaml").read_text(encoding="utf-8"))
    graph["stages"]["race"]["params"].remove("studies.book")  # there is none
    (folder / "dvc.yaml").write_text(yaml.safe_dump(graph, sort_keys=False), encoding="utf-8")
    shutil.copy(empty_mlflow, folder)
    return folder


def files(folder: Path) -> dict[str, str]:
    """The sha256 of every file of the project but those of the views and of DVC, by path."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name.split("/")[0].removesuffix("-wal").removesuffix("-shm") not in INTERNAL:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def outputs(found: dict[str, str]) -> dict[str, str]:
    """Of these the results that do not depend on the clock."""
    return {name: sha256 for name, sha256 in found.items() if name.startswith("data/") and not CLOCK.fullmatch(name)}


def check_whole(path: Path) -> None:
    """Raise an error if a file that depends on the clock is not whole."""
    if path.suffix == ".gz":
        for line in gzip.decompress(path.read_bytes()).decode().splitlines():
            json.loads(line)
    elif path.suffix == ".html":
        assert path.read_text(encoding="utf-8").rstrip().endswith("</html>"), path
    elif path.suffix == ".csv":
        assert path.read_bytes().endswith(b"\n"), path
        assert not pd.read_csv(path).isna().any().any(), path
    elif path.suffix == ".json":
        json.loads(path.read_text(encoding="utf-8"))


def lock_document(folder: Path) -> Any:
    """dvc.lock without the hashes and sizes of what depends on the clock."""
    document = yaml.safe_load((folder / "dvc.lock").read_text(encoding="utf-8"))
    for stage in document["stages"].values():
        for entry in (*stage.get("deps", []), *stage.get("outs", [])):
            if TOLD_OF_CLOCK.fullmatch(entry["path"]):
                del entry["md5"], entry["size"]
    return document


def optuna_trials(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every trial of every study: its state, parameters, value and curve."""
    storage = f"sqlite:///{folder}/optuna.db"
    return {
        name: [
            (trial.number, trial.state.name, trial.params, trial.value, trial.intermediate_values)
            for trial in optuna.load_study(study_name=name, storage=storage).trials
        ]
        for name in sorted(optuna.get_all_study_names(storage))
    }


def mlflow_runs(folder: Path) -> list[tuple[str, str, str]]:
    """Stage, name and status of every run."""
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        return []
    runs = client.search_runs([experiment.experiment_id], max_results=5000)
    return sorted((run.data.tags.get("stage", ""), str(run.info.run_name), run.info.status) for run in runs)
