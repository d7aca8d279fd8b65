"""`python -m pipeline quick`: the real params.yaml made small, and the workspace that it runs in."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.commands import download, prepare
from pipeline.commands.quick import LEFT_OUT, make_workspace, run, shrink, shrunk_to_own
from pipeline.data.sequences import prepared_sequences
from pipeline.errors import PipelineError
from pipeline.params.document import validate_params
from pipeline.params.network import NetworkSpec, parameter_count
from pipeline.params.studies import GridStudy, IntegerRange, ListStudy, RaceStudy, SampledStudy
from pipeline.paths import HOME_OF_WORKSPACE, home
from pipeline.studies.definition import StudyDefinition
from tests.helpers.own import write_arrays

ROOT = Path(__file__).parents[2]


@pytest.fixture
def document() -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    return parsed


def test_shrunk_params_are_valid_and_keep_every_study(document: dict[str, Any]) -> None:
    params = validate_params(shrink(document), "shrunk")
    assert list(params.studies) == [*(name for name in document["studies"] if name not in LEFT_OUT), "race"]
    assert params.champion.studies == tuple(document["champion"]["studies"])
    assert params.data.dataset == "mnist5k"
    assert params.tracking.experiment == "mnist-rnn-quick"


def test_shrunk_studies_are_small(document: dict[str, Any]) -> None:
    params = validate_params(shrink(document), "shrunk")
    assert (params.training.epochs, params.training.batch_size, params.training.train_samples) == (6, 32, 4000)
    book, capacity, search, views, race = params.studies.values()
    assert isinstance(book, ListStudy)
    assert [(t.cell, t.units, t.optimizer) for t in book.trials] == [
        ("simple_rnn", 32, "sgd"),
        ("simple_rnn", 32, "rmsprop"),
        ("simple_rnn", 32, "adam"),
        ("lstm", 32, "adam"),
        ("gru", 32, "adam"),
        ("mlp", 32, "adam"),
        ("cnn", 32, "adam"),
    ]
    assert book.training.epochs == 6
    assert isinstance(capacity, GridStudy)
    assert (capacity.space.units, capacity.seeds, capacity.space.epochs) == ((4, 16, 32), 1, (6,))
    assert capacity.space.train_samples == (1000, 4000)
    assert isinstance(views, GridStudy)
    assert (views.space.units, views.seeds) == ((32,), 1)
    assert isinstance(search, SampledStudy)
    assert (search.trials, search.parameter_budgets, len(search.enqueue)) == (8, (3000, 10000), 4)
    assert search.space.units == IntegerRange(low=4, high=32)
    assert isinstance(race, RaceStudy)
    assert (race.tolerance, race.max_blocks, race.entrants) == (0.02, 5, ("capacity", "search"))


def test_shrinking_leaves_the_real_document_alone(document: dict[str, Any]) -> None:
    before = yaml.safe_dump(document)
    shrink(document)
    assert yaml.safe_dump(document) == before


def test_a_document_already_small_only_changes_its_data(document: dict[str, Any]) -> None:
    small = shrink(document)
    again = shrink(small)
    assert again["studies"] == small["studies"]


def test_workspace_is_a_dvc_project_of_the_same_graph_and_code(tmp_path: Path) -> None:
    folder = tmp_path / "with space"
    make_workspace(ROOT, folder, "mnist5k")
    (folder / "data").mkdir()
    (folder / "data" / "kept").touch()
    (folder / "pipeline" / "gone.py").touch()
    for place in (folder, folder / ".dvc"):
        (place / ".tmp" / "of-a-killed-process").mkdir(parents=True)
    make_workspace(ROOT, folder, "mnist5k")
    code = [path.relative_to(ROOT) for path in (ROOT / "pipeline").rglob("*.py")]
    for path in [Path("dvc.yaml"), Path(".dvcignore"), Path(".dvc/plots/by_cell.json"), *code]:
        assert (folder / path).read_bytes() == (ROOT / path).read_bytes()
    assert not list(folder.rglob("__pycache__"))
    assert not list(folder.rglob(".tmp"))
    assert not (folder / "pipeline" / "gone.py").exists(), "code that the project no longer has must not stay"
    begun = {path: path.stat().st_ino for path in (folder / "pipeline").rglob("*.py")}
    make_workspace(ROOT, folder, "mnist5k")
    assert {path: path.stat().st_ino for path in begun} == begun, "a stage that runs there may be importing it"
    assert (folder / "data" / "kept").exists(), "results stay, so that only what is out of date runs again"
    written = yaml.safe_load((folder / "params.yaml").read_text(encoding="utf-8"))
    assert validate_params(written, "shrunk").data.dataset == "mnist5k"


def test_commands_in_a_workspace_find_the_runs_of_its_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIPELINE_HOME")
    folder = tmp_path / "project" / ".quick"
    make_workspace(ROOT, folder, "mnist5k")
    assert (folder / HOME_OF_WORKSPACE).read_text() == os.path.relpath(ROOT, folder)
    monkeypatch.chdir(folder)
    assert home() == ROOT
    monkeypatch.setenv("DVC_ROOT", str(folder))  # as in a stage
    monkeypatch.chdir(tmp_path)
    assert home() == ROOT
    monkeypatch.setenv("PIPELINE_HOME", str(tmp_path))
    assert home() == tmp_path


def test_a_file_of_ones_own_is_found_from_anywhere_and_studied_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("mine.npz", x=np.zeros((40, 5, 2)), y=["a", "b"] * 20)
    params = make_workspace(ROOT, tmp_path / "quick", "mine.npz", minutes=0.1)
    assert params.data.dataset == str(tmp_path / "mine.npz")
    assert params.tracking.experiment == "mine-quick", "never MNIST's"
    assert "views" not in params.studies
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("quick: networks of up to 64 units, about ")
    assert second == (
        "quick: that is longer than the 0.1 minutes asked for, but no study is much shorter; of up to 5 steps "
        "`data.max_timesteps: 2` in params.yaml leaves 2, which takes about 67% of the time"
    )


def test_quick_advises_to_cut_steps_only_if_that_makes_it_much_shorter(
    tmp_path: Path, document: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """A training of two steps takes most of its time to start."""
    document["execution"]["workers"] = 1
    np.savez(tmp_path / "short.npz", x=np.zeros((40, 2, 2)), y=["a", "b"] * 20)
    shrunk_to_own(document, str(tmp_path / "short.npz"), minutes=0.1)
    assert capsys.readouterr().out.splitlines()[1:] == [
        "quick: that is longer than the 0.1 minutes asked for, but no study is much shorter"
    ]


def test_too_few_groups_to_learn_from_are_told_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of eleven groups two are for testing. Both ways out that the sentence names are some."""
    path, y = tmp_path / "mine.npz", np.array(["a", "b"] * 30)
    np.savez(path, x=np.zeros((60, 5, 2)), y=y, groups=np.arange(60) % 11)
    with pytest.raises(
        PipelineError,
        match=r"mine\.npz: 9 groups to learn from are too few for 10 folds.* \(2 more are for testing\).* "
        r"add sequences of other groups, or leave the groups out \(the array groups, or data\.columns\.group",
    ):
        make_workspace(ROOT, tmp_path / "quick", str(path))
    assert not (tmp_path / "quick").exists()
    for number, others in enumerate(({"groups": np.arange(60) % 13}, {})):
        write_arrays(path, x=np.zeros((60, 5, 2)), y=y, **others)
        folder = tmp_path / f"quick-{number}"
        params = make_workspace(ROOT, folder, str(path))
        monkeypatch.chdir(folder)
        download.run(params)
        prepare.run(params)
        StudyDefinition("capacity", params, prepared_sequences(params.data))


def test_too_few_sequences_for_a_race_and_unknown_names_are_told_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("mine.npz", x=np.zeros((11, 5, 2)), y=np.arange(11) % 2)
    with pytest.raises(PipelineError, match=r"mine\.npz: 9 sequences to learn from are too few for 10 folds"):
        make_workspace(ROOT, tmp_path / "quick", "mine.npz")
    with pytest.raises(PipelineError, match=r"'mine\.txt' is unknown; it must be mnist, fashion_mnist, mnist5k"):
        run("mine.txt", tmp_path / "quick")
    assert not (tmp_path / "quick").exists()


def test_tokens_are_studied_with_the_sizes_of_their_embeddings(tmp_path: Path, document: dict[str, Any]) -> None:
    document["data"]["tokens"] = True
    rng = np.random.default_rng(0)
    x = rng.integers(0, 50, (60, 7, 1))
    x[0, 0] = 99
    np.savez(tmp_path / "words.npz", x=x, y=["a", "b", "c"] * 20)
    small = shrunk_to_own(document, str(tmp_path / "words.npz"), minutes=0.1)
    assert small["studies"]["search"]["parameter_budgets"] == [
        parameter_count(NetworkSpec(cell="gru", units=units, pooling="mean_max"), 7, 1, 3, tokens=100)
        for units in (4, 16, 64)
    ]


def test_the_verb_says_where_to_run_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["quick", "--folder", "elsewhere"])
    assert (result.exit_code, result.output) == (
        1,
        "error: params.yaml not found: run from the project's root, where it lies\n",
    )
    assert list(tmp_path.iterdir()) == []


def test_mistake_in_the_real_params_is_reported_as_such(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("data: {dataset: mnist, validation: 0}\n", encoding="utf-8")
    with pytest.raises(
        PipelineError, match=r"^params.yaml: data.validation: must be a number of samples, at least 1, or a fraction"
    ):
        make_workspace(tmp_path, tmp_path / "quick", "mnist5k")
    assert not (tmp_path / "quick").exists()
