"""Advice that programs print: the commands in it, run in a shell as whoever reads it would."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
SEARCH = {
    "sampler": "random", "trials": 2,
    "space": {"cell": ["gru"], "units": {"low": 2, "high": 8}, "train_samples": [200], "epochs": [1]},
}  # fmt: skip
IDENTITY = {f"GIT_{role}_{part}": f"{part.lower()}@example.org" for role in ("AUTHOR", "COMMITTER")
            for part in ("NAME", "EMAIL")}  # fmt: skip


def command_in(text: str) -> str:
    """The first command that stands in backticks."""
    command = re.search(r"`([^`]+)`", text)
    assert command is not None, text
    return command[1]


def shell(command: str, folder: Path, **environment: str) -> str:
    """Run a command that must succeed; returns all that it prints."""
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=os.environ | IDENTITY | environment, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=400,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}: {done.stdout}"
    return done.stdout


def make_small_project(folder: Path) -> None:
    """A project with one small study, all of whose stages up to `evaluate` have run, as somebody has committed it."""
    shutil.copytree(ROOT / "pipeline", folder / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / ".dvc").mkdir()
    for name in (".dvc/config", ".dvc/.gitignore", ".gitignore", ".dvcignore"):
        shutil.copyfile(ROOT / name, folder / name)
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    for name in ("race", "report"):  # a study decides, and its page would take longer than all the rest
        del stages[name]
    stages["champion"]["params"].remove("race")
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}, sort_keys=False))
    params = {
        "data": {"dataset": "mnist5k", "validation": 500},
        "training": {"batch_size": 32, "epochs": 1, "train_samples": 200},
        "studies": {"search": SEARCH},
        "champion": {"studies": ["search"], "seeds": 1, "metric": "accuracy"},
        "execution": {"workers": 1, "scheduler": None},
    }
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    shell("git init --quiet && git add . && git commit --quiet --message code && dvc repro evaluate", folder)
    shell("git add . && git commit --quiet --message results", folder)
