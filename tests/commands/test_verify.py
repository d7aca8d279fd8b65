"""verify says `reproduced` of what comes out the same, `changed` of what does not, and exits accordingly."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from pipeline import paths
from pipeline.commands import study as study_stage
from pipeline.params.document import Params
from pipeline.studies.results import TRIAL_COLUMNS
from tests.helpers.sequences import params_with, write_sequences

ROOT = Path(__file__).parents[2]
GRID = {"sampler": "grid", "seeds": 1, "space": {"cell": ["simple_rnn"], "units": [2, 3, 4]}}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project's folder with one finished study."""
    folder = tmp_path_factory.mktemp("project")
    params: Params = params_with({"grid": GRID})
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        monkeypatch.setenv("PIPELINE_HOME", str(folder))
        write_sequences(paths.SEQUENCES)
        Path("params.yaml").write_text(yaml.safe_dump(params.model_dump(mode="json", exclude_unset=True)))
        study_stage.run(params, "grid")
    return folder


def verify(project: Path, *arguments: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "pipeline", "verify", *arguments]
    process = subprocess.run(
        command, cwd=project, env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"},
        capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip
    return process.returncode, process.stdout + process.stderr


def test_the_stage_wrote_all_of_a_study(project: Path) -> None:
    folder = project / "data/studies/grid"
    assert sorted(path.name for path in folder.iterdir()) == [
        "best.json", "curves.csv", "during_fit.csv", "networks.json", "timings.csv", "trials.csv",
    ]  # fmt: skip
    trials = pd.read_csv(folder / "trials.csv")
    assert trials.columns.tolist() == TRIAL_COLUMNS
    assert trials.parameters.tolist() == [u * (4 + u + 1) + 3 * (u + 1) for u in (2, 3, 4)]
    assert (trials.train_samples == 96).all()
    assert len(pd.read_csv(folder / "curves.csv")) == 9
    assert json.loads((folder / "best.json").read_text())["states"] == {"COMPLETE": 3}


def test_what_comes_out_the_same_is_reproduced_and_what_does_not_is_changed(project: Path) -> None:
    status, output = verify(project, "grid")
    assert status == 0, output
    assert output.count("reproduced") == 3

    table = project / "data/studies/grid/trials.csv"
    right = table.read_text(encoding="utf-8")
    trials = pd.read_csv(table)
    trials.loc[1, "weights_sha256"] = "0" * 64
    trials.to_csv(table, index=False)
    status, output = verify(project, "grid", "--trials", "0,1")
    table.write_text(right, encoding="utf-8")
    assert status == 1
    assert (output.count("reproduced"), output.count("changed")) == (1, 1)
    assert "weights_sha256: " + "0" * 64 in output
    assert "another version of TensorFlow" in output
    assert "processor: recorded" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("grid", "--trials", "7"), "no trained trial 7 in this study: it has 0 to 2"),
        (("grid", "--trials", "x"), "--trials wants numbers with commas between them, got 'x'"),
        (("gird",), "there is no study 'gird' in params.yaml; the studies are grid"),
    ],
)
def test_mistakes_are_named(project: Path, arguments: tuple[str, ...], message: str) -> None:
    status, output = verify(project, *arguments)
    assert status == 1
    assert f"error: {message}" in output


def test_curves_of_another_run_are_named(project: Path) -> None:
    curves = project / "data/studies/grid/curves.csv"
    right = curves.read_text(encoding="utf-8")
    curves.write_text("\n".join(right.splitlines()[:4]), encoding="utf-8")
    status, output = verify(project, "grid", "--trials", "2")
    curves.write_text(right, encoding="utf-8")
    assert status == 1
    assert "curves.csv is not of the same run as trials.csv: run `dvc checkout --force`" in output
