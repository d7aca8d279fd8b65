"""verify says `reproduced` of what comes out the same, `changed` of what does not, and exits accordingly."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from pipeline.commands import download, prepare, study
from tests.helpers.command_line import pipeline
from tests.helpers.sequences import params_with, samples

GRID = {"sampler": "grid", "seeds": 1, "space": {"cell": ["simple_rnn"], "units": [2, 3, 4]}}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project's folder with one finished study of somebody's own sequences."""
    folder = tmp_path_factory.mktemp("project")
    params = params_with({"grid": GRID})
    params = params.model_copy(update={"data": params.data.model_copy(update={"dataset": "mine.npz"})})
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        monkeypatch.setenv("PIPELINE_HOME", str(folder))
        mine = samples(240, 0)
        np.savez("mine.npz", x=mine.x, y=mine.y)
        Path("params.yaml").write_text(yaml.safe_dump(params.model_dump(mode="json", exclude_unset=True)))
        download.run(params)
        prepare.run(params)
        study.run(params, "grid")
    return folder


def verify(project: Path, *arguments: str) -> tuple[int, str]:
    process = pipeline("verify", *arguments, folder=project, COLUMNS="200")
    return process.returncode, process.stdout + process.stderr


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
    assert "a processor with other vector instructions" in output
    assert "processor: recorded" in output


def test_where_the_data_are_missing_it_makes_them_first(project: Path) -> None:
    shutil.rmtree(project / "data/raw")
    for path in (project / "data/sequences").glob("*.npz"):
        path.unlink()
    status, output = verify(project, "grid", "--sample", "1")
    assert status == 0, output
    assert output.count("reproduced") == 1
    assert "prepare: mine.npz: train 132" in output


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
    assert "curves.csv is not of the same run as trials.csv: run `dvc repro study@grid`" in output
