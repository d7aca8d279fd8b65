"""`python -m pipeline` as its users run it: in a process of its own, in a project's folder."""

import os
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]


def pipeline(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m pipeline` with `folder` as the current folder."""
    return subprocess.run(
        [sys.executable, "-m", "pipeline", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "100", "TERM": "dumb"} | environment,
        capture_output=True,
        text=True,
        timeout=200,
    )


def change(project: Path, place: str, value: object) -> None:
    """Set one key of the project's params.yaml, for example `studies.search.trials`."""
    document = yaml.safe_load((project / "params.yaml").read_text(encoding="utf-8"))
    *parents, key = place.split(".")
    section = document
    for parent in parents:
        section = section[parent]
    section[key] = value
    (project / "params.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
