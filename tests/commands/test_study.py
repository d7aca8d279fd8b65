"""study NAME: all of its files, from a record as from trainings, and only new trials where more are asked for."""

import json
import shutil
from pathlib import Path

import optuna
import pandas as pd
import pytest

from pipeline import paths
from pipeline.commands import study
from pipeline.errors import PipelineError
from pipeline.locks import alone_in_database
from pipeline.params.document import Params
from pipeline.studies.results import FILES, TRIAL_COLUMNS, has_results
from tests.helpers.runs import all_runs
from tests.helpers.sequences import params_with, write_sequences

SEARCH = {
    "sampler": "random",
    "trials": 3,
    "space": {"cell": ["simple_rnn"], "units": {"low": 2, "high": 99}, "train_samples": [96, 1000]},
}
GRID = {"sampler": "grid", "seeds": 1, "space": {"cell": ["simple_rnn"], "units": [2, 3, 4]}}


def params_of(trials: int) -> Params:
    return params_with({"grid": GRID, "search": SEARCH | {"trials": trials}})


def contents(name: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in paths.study_folder(name).iterdir()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, empty_mlflow: Path) -> Path:
    """A project's folder with one finished study."""
    folder = tmp_path_factory.mktemp("finished")
    shutil.copy(empty_mlflow, folder)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        monkeypatch.setenv("PIPELINE_HOME", str(folder))
        write_sequences(paths.SEQUENCES)
        study.run(params_of(3), "search")
    return folder


@pytest.fixture
def clone(finished: Path, home: Path) -> Path:
    """The files of the project that git carries, and its data: no database, no journal."""
    shutil.copytree(finished / "data", home / "data")
    return home


def test_it_writes_all_of_a_study(clone: Path) -> None:
    assert contents("search").keys() == set(FILES)
    trials = pd.read_csv(paths.study_folder("search") / "trials.csv")
    assert trials.columns.tolist() == TRIAL_COLUMNS
    assert trials.parameters.tolist() == [units * (4 + units + 1) + 3 * (units + 1) for units in trials.units]
    assert (trials.train_samples == 96).all(), "as many as there are"
    assert len(pd.read_csv(paths.study_folder("search") / "curves.csv")) == 9
    assert json.loads((paths.study_folder("search") / "best.json").read_text())["states"] == {"COMPLETE": 3}
    assert [path.name for path in paths.RECORD.iterdir()] == ["search.jsonl.gz"]


def test_from_the_record_everything_comes_out_to_the_byte_and_nothing_is_trained(
    clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, recorded = contents("search"), (paths.RECORD / "search.jsonl.gz").read_bytes()
    shutil.rmtree(paths.STUDIES)
    study.run(params_of(3), "search")
    assert contents("search") == before
    assert (paths.RECORD / "search.jsonl.gz").read_bytes() == recorded
    captured = capsys.readouterr()
    assert "study search: 3 of 3 trainings taken from finished ones: trained on " in captured.err
    assert captured.out.startswith("study search: 1,000 training samples are asked for, 96 there are; the trainings")


def test_more_trials_train_only_the_new_ones(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = pd.read_csv(paths.study_folder("search") / "trials.csv")
    study.run(params_of(5), "search")
    after = pd.read_csv(paths.study_folder("search") / "trials.csv")
    pd.testing.assert_frame_equal(after.head(3), before)
    told = capsys.readouterr().err
    assert [line.split()[0] for line in told.splitlines() if "/5]" in line] == ["[4/5]", "[5/5]"]
    assert "study search: 3 of 5 trainings taken from finished ones" in told


def test_with_both_databases_in_postgresql_it_is_the_same_study(
    finished: Path,
    clone: Path,
    postgresql: str,
    postgresql_for_mlflow: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Really trained, by the addresses that PostgreSQL's pages show; another machine's driver is kept out meanwhile."""
    monkeypatch.setenv("OPTUNA_STORAGE", postgresql)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", postgresql_for_mlflow.replace("postgresql://", "postgres://"))
    before = contents("search")
    shutil.rmtree(paths.STUDIES)
    shutil.rmtree(paths.RECORD)
    [name] = optuna.get_all_study_names(f"sqlite:///{finished}/optuna.db")
    with alone_in_database(f"study {name}", postgresql), pytest.raises(PipelineError, match=f"study {name} is held by"):
        study.run(params_of(3), "search")
    study.run(params_of(3), "search")
    assert "[3/3]" in capsys.readouterr().err
    for file in ("trials.csv", "curves.csv"):
        assert contents("search")[file] == before[file]
    urls = (postgresql, f"sqlite:///{finished}/optuna.db")
    studies = [optuna.load_study(study_name=name, storage=url) for url in urls]
    there, here = ([(trial.params, trial.values) for trial in study.trials] for study in studies)
    assert there == here
    assert {run.info.status for run in all_runs().values()} == {"FINISHED"}
    assert len(all_runs()) == 4
    assert not (clone / "optuna.db").exists()


def test_the_record_answers_for_no_other_training(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shorter = SEARCH | {"space": SEARCH["space"] | {"epochs": [2]}}  # type: ignore[operator]
    study.run(params_with({"search": shorter}), "search")
    assert "taken from finished ones" not in capsys.readouterr().err


def test_an_unknown_study_is_named_before_anything_starts(clone: Path) -> None:
    with pytest.raises(PipelineError, match=r"no study 'serach' in params\.yaml; the studies are grid, search"):
        study.run(params_of(3), "serach")


@pytest.mark.parametrize("padded", [True, False])
def test_a_study_of_views_has_no_results_of_ones_own_sequences(
    padded: bool, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not even those that an earlier run on images has left, and it says so: the stages after it go on."""
    summary = write_sequences(paths.SEQUENCES)
    own = {"padded": padded, "scale": "standard", "missing": "refuse"}
    summary.model_copy(update=own).write(paths.SEQUENCES_SUMMARY)
    folder = paths.study_folder("views")
    folder.mkdir(parents=True)
    (folder / "best.json").write_text("{}")
    views = GRID | {"space": GRID["space"] | {"view": ["rows", "columns"]}}  # type: ignore[operator]
    params = params_with({"views": views, "search": SEARCH})
    study.run(params, "views")
    assert capsys.readouterr().out == "study views: not run, as it asks for views that only images have\n"
    assert not has_results("views")
    assert list(folder.iterdir()) == []
