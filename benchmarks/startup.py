"""What one waits for before anything happens: `--help`, `dvc repro` with nothing to do, `prepare` on all of MNIST.

    .venv/bin/python -m benchmarks.startup

`prepare` is measured where MNIST can be had: from `MNIST_MIRROR`, or from the internet.
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
    """A DVC project with a graph of which everything is up to date: outputs are stand-ins, recorded as results."""
    (folder / ".dvc").mkdir(parents=True)
    (folder / ".dvc" / "config").write_text(DVC_CONFIG, encoding="utf-8")
    (folder / "dvc.yaml").write_text(yaml.safe_dump(graph, sort_keys=False), encoding="utf-8")
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    shutil.copyfile(ROOT / "params.yaml", folder / "params.yaml")
    shutil.copytree(ROOT / "pipeline", folder / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    for stage in graph["stages"].values():
        for out in (out for kind in ("outs", "metrics") for out in stage.get("do", stage).get(kind, [])):
            for name in params["studies"] if "${key}" in str(out) else ("",):
                path = folder / next(iter(out)).replace("${key}", name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(f"{path.name} {name}", encoding="utf-8")
    (folder / "data" / "raw").unlink(missing_ok=True)  # these two are folders, of which files are depended on
    (folder / "data" / "models" / "champion").unlink(missing_ok=True)
    for file in ("data/raw/manifest.json", "data/models/champion/choice.json"):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(file, encoding="utf-8")
    if graph["stages"]:
        seconds(["dvc", "commit", "--force", "--quiet"], folder)


def prepare_seconds(folder: Path) -> list[float]:
    """`REPETITIONS` measurements, or none where MNIST cannot be had."""
    document = params_document() | {"data": {"dataset": "mnist", "validation": 0.1}}
    (folder / "params.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    try:
        seconds(["pipeline", "download"], folder)
    except RuntimeError:
        return []
    return [seconds(["pipeline", "prepare"], folder) for _ in range(REPETITIONS)]


def measure() -> dict[str, float]:
    """`help_seconds`, `no_op_repro_ratio` and, where MNIST can be had, `prepare_seconds`, with their spread."""
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
