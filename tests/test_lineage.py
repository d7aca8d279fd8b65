"""Lineage read from real git repositories and from dvc.lock."""

import subprocess
from pathlib import Path

import pytest

from pipeline.data.sequences import SequencesSummary
from pipeline.lineage import Lineage, lineage, uncommitted_changes
from pipeline.training.identity import stable_hash
from pipeline.training.machine import surroundings
from tests.helpers.runs import DATA, OWN_DATA


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder outside any repository, as current folder."""
    folder = tmp_path / "my project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.delenv("DVC_EXP_NAME", raising=False)
    return folder


def git(*arguments: str) -> str:
    identity = ["-c", "user.name=Tester", "-c", "user.email=tester@example.org"]
    return subprocess.run(["git", *identity, *arguments], check=True, capture_output=True, text=True).stdout.strip()


def committed(project: Path) -> str:
    """Make the project a repository with sources and results; returns the commit."""
    git("init", "--quiet")
    for name in ("pipeline/study.py", "params.yaml", "dvc.lock"):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text("")
    git("add", ".")
    git("commit", "--quiet", "--message", "first")
    return git("rev-parse", "HEAD")


def study_lineage(experiment: str = "mnist-rnn") -> Lineage:
    return lineage(
        "study", experiment=experiment, data=DATA, fingerprint="abc", study="capacity", optuna_study="capacity-abc"
    )


def test_the_race_is_a_stage_of_its_own(project: Path) -> None:
    commit = committed(project)
    race = lineage("study", experiment="mnist-rnn", data=DATA, fingerprint="abc", study="race")
    assert race.reproduce == f"git checkout {commit} && dvc repro race"


def test_tags_in_a_clean_repository(project: Path) -> None:
    commit = committed(project)
    assert (
        study_lineage().tags(trial="12", seed="7")
        == {
            "stage": "study",
            "kind": "trial",
            "study": "capacity",
            "trial": "12",
            "seed": "7",
            "git_commit": commit,
            "git_dirty": "false",
            "data_md5": stable_hash(DATA.model_dump(mode="json")),
            "fingerprint": "abc",
            "optuna_study": "capacity-abc",
            "dvc_experiment": "",
            "reproduce": f"git checkout {commit} && dvc repro study@capacity",
        }
        | surroundings()
    )


@pytest.mark.parametrize(
    ("changed", "dirty"),
    [("pipeline/study.py", "true"), ("pipeline/new.py", "true"), ("params.yaml", "true"), ("dvc.lock", "false")],
)
def test_changed_sources_are_dirt_and_changed_results_are_not(project: Path, changed: str, dirty: str) -> None:
    committed(project)
    (project / changed).write_text("# changed")
    assert study_lineage().git_dirty == dirty


def test_a_workspace_inside_the_project_sees_the_projects_changes(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = committed(project)
    (project / ".quick").mkdir()
    monkeypatch.chdir(project / ".quick")
    assert study_lineage().git_dirty == "false"
    (project / "pipeline" / "study.py").write_text("# changed")
    quick = study_lineage("mnist-rnn-quick")
    assert (quick.git_dirty, quick.reproduce) == ("true", f"git checkout {commit} && make quick")


@pytest.mark.parametrize(
    ("data", "command"),
    [
        (OWN_DATA, "python -m pipeline quick --dataset mine.csv"),
        (
            OWN_DATA.model_copy(update={"dataset": "/there/my data.csv"}),
            "python -m pipeline quick --dataset 'my data.csv'",
        ),
        (DATA.model_copy(update={"dataset": "mnist"}), "python -m pipeline quick --dataset mnist"),
    ],
)
def test_of_other_data_the_command_names_them_without_their_folder(data: SequencesSummary, command: str) -> None:
    found = lineage("champion", experiment="mine-quick", data=data, fingerprint="abc")
    assert found.reproduce == command
    assert "/there" not in str(found.tags())


def test_uncommitted_changes_make_the_commit_what_was_run(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    committed(project)
    assert uncommitted_changes() == ""
    (project / "pipeline" / "study.py").write_text("windows = 8  \n\n")
    (project / "pipeline" / "new.py").write_text("seeds = 3\n")
    (project / "dvc.lock").write_text("a result\n")
    (project / ".quick").mkdir()
    patches = [uncommitted_changes()]
    monkeypatch.chdir(project / ".quick")
    patches.append(uncommitted_changes())
    monkeypatch.chdir(project)
    git("stash", "--include-untracked", "--quiet")
    for number, patch in enumerate(patches):
        (project / f"{number}.diff").write_text(patch)
        git("apply", f"{number}.diff")
        assert (project / "pipeline" / "study.py").read_text() == "windows = 8  \n\n"
        assert (project / "pipeline" / "new.py").read_text() == "seeds = 3\n"
        assert (project / "dvc.lock").read_text() == ""
        git("checkout", "--quiet", ".")
        git("clean", "--quiet", "--force", "pipeline")


def test_without_a_repository_or_without_git(monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (None, "/nonexistent"):
        if path is not None:
            monkeypatch.setenv("PATH", path)
        found = study_lineage()
        assert (found.git_commit, found.git_dirty, found.reproduce) == ("", "", "dvc repro study@capacity")


def test_a_dvc_experiment_is_named_and_applied(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = committed(project)
    monkeypatch.setenv("DVC_EXP_NAME", "tiny-lynx")
    found = lineage("champion", experiment="mnist-rnn", data=DATA, fingerprint="abc")
    assert found.tags()["dvc_experiment"] == "tiny-lynx"
    assert found.reproduce == f"git checkout {commit} && dvc exp apply tiny-lynx && dvc repro champion"


@pytest.mark.parametrize(
    ("outputs", "md5"),
    [
        ("[{path: data/sequences, md5: 11.dir}]", "11.dir"),
        (
            "[{path: data/sequences/train.npz, md5: '22'}, {path: data/sequences/test.npz, md5: '33'}]",
            "test.npz:33 train.npz:22",
        ),
        ("[{path: data/other, md5: '44'}]", stable_hash(DATA.model_dump(mode="json"))),
    ],
)
def test_data_md5_is_that_of_dvc_lock(project: Path, outputs: str, md5: str) -> None:
    (project / "dvc.lock").write_text(f"stages: {{prepare: {{outs: {outputs}}}}}")
    assert study_lineage().data_md5 == md5
