"""The waits before anything is trained: `--help`, `dvc repro` with nothing to do, `prepare` on all of MNIST.

    .venv/bin/python -m benchmarks.startup

`prepare` is measured where MNIST can be downloaded: from `MNIST_MIRROR`, or from the internet.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from benchmarks.results import spread
from benchmarks.work import ROOT, environment, params_document

REPETITIONS = 5
DVC_CONFIG = "[core]\n    no_scm = true\n    analytics = false\n    check_update = false\n"


def seconds(arguments: list[str], folder: Path) -> float:
    """How long `python -m …` takes in `folder`."""
    started = time.perf_counter()
    command = [sys.executable, "-m", *arguments]
    answer = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True)
    if answer.returncode:
        raise RuntimeError(f"python -m {' '.join(arguments)}:\n{answer.stderr[-3000:]}")
    return time.perf_counter() - started


def make_project(folder: Path, graph: dict[str, Any]) -> None:
    """A DVC project in which everything is up to date: its data are stand-ins, recorded as the stages' outputs."""
    (folder / ".dvc").mkdir(parents=True)
    (folder / ".dvc" / "config").write_text(DVC_CONFIG, encoding="utf-8")
    (folder / "dvc.yaml").write_text(yaml.safe_dump(graph, sort_keys=False), encoding="utf-8")
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for name in ("params.yaml", ".dvcignore"):
        shutil.copyfile(ROOT / name, folder / name)
    shutil.copytree(ROOT / "pipeline", folder / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    stages = [stage.get("do", stage) for stage in graph["stages"].values()]
    outs = [next(iter(out)) for stage in stages for kind in ("outs", "metrics") for out in stage.get(kind, [])]
    read = [dependency for stage in stages for dependency in stage["deps"] if dependency.startswith("data/")]
    for name in outs + read:  # files that are read lie in folders that are written
        for study in params["studies"] if "${key}" in name else ("",):
            path = folder / name.replace("${key}", study)
            if not path.exists():
                file = path if path.suffix else path / "stand-in"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(str(file.relative_to(folder)), encoding="utf-8")
    if graph["stages"]:
        seconds(["dvc", "commit", "--force", "--quiet"], folder)


def prepare_seconds(folder: Path) -> list[float]:
    """`REPETITIONS` measurements, or none where MNIST cannot be downloaded."""
    document = params_document() | {"data": {"dataset": "mnist", "validation": 0.1}}
    (folder / "params.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    try:
        seconds(["pipeline", "download"], folder)
    except RuntimeError:
        return []
    return [seconds(["pipeline", "prepare"], folder) for _ in range(REPETITIONS)]


def measure() -> dict[str, float]:
    """`help_seconds`, `no_op_repro_ratio` and, where MNIST can be downloaded, `prepare_seconds`, with their spread."""
    with tempfile.TemporaryDirectory() as name:
        empty, project, mnist = (Path(name, folder) for folder in ("empty", "project", "mnist"))
        make_project(empty, {"stages": {}})
        make_project(project, yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8")))
        mnist.mkdir()
        prepared = prepare_seconds(mnist)
        helps, ratios = [], []
        for _ in range(REPETITIONS):
            helps.append(seconds(["pipeline", "--help"], ROOT))
            ratios.append(seconds(["dvc", "repro"], project) / seconds(["dvc", "repro"], empty))
    found = spread("help_seconds", helps) | spread("no_op_repro_ratio", ratios)
    return found | (spread("prepare_seconds", prepared) if prepared else {})


def main() -> None:
    for key, value in measure().items():
        Console().print(f"{key}: {value:.2f}")


if __name__ == "__main__":
    main()
