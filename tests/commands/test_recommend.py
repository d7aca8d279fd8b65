"""recommend: the answer within a budget, checked against the tables that it is made from."""

import dataclasses
import json
import re
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from pipeline import paths
from pipeline.analysis.configurations import configurations
from pipeline.commands.recommend import recommend
from pipeline.data.sequences import SequencesSummary
from pipeline.documents import records
from pipeline.errors import PipelineError
from pipeline.params.document import Params, validate_params
from pipeline.params.network import network_name
from pipeline.studies.definition import StudyDefinition
from pipeline.studies.race_results import race_standing
from pipeline.training.trials import State, TrialRecord
from tests.helpers.results import (
    project_params,
    read_trials,
    record,
    without_race,
    write_results,
    write_study,
    write_summary,
)


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    monkeypatch.chdir(tmp_path)
    return project_params()


def answer(params: Params, **limits: float | None) -> tuple[bool, str]:
    console = Console(file=StringIO(), width=200)
    asked = {"max_parameters": None, "max_predict_ms": None, "min_accuracy": None} | limits
    found = recommend(params, **asked, console=console)  # type: ignore[arg-type]
    return found, console.file.getvalue()  # type: ignore[attr-defined]


def compared() -> pd.DataFrame:
    """The candidates of the example: those of the race."""
    return configurations(read_trials("race"))


def test_without_a_limit_it_is_the_champion(params: Params) -> None:
    write_results()
    found, text = answer(params)
    assert found
    assert text.startswith("Use GRU 2×51 mean+max: 29,335 parameters")
    assert "12 of 12 networks trained on 54,000 samples qualify" in text
    assert "In the race: shown to be at most 0.2 points worse than any other one left in the race." in text


def test_no_network_above_the_limit_of_parameters_is_named(params: Params) -> None:
    write_results()
    found, text = answer(params, max_parameters=29_000)
    within = compared()[compared()["parameters"] <= 29_000]
    assert found
    assert f"{len(within)} of 12 networks" in text
    rows = text.splitlines()[4:-1]
    assert len(rows) == min(len(within), 8)
    assert all(int(re.split(r"  +", row)[1].replace(",", "")) <= 29_000 for row in rows)
    assert text.startswith("Use GRU 1×64: 18,698 parameters"), "not the most accurate, LSTM 2×44"
    assert (
        "Of those that qualify it is the smallest shown to be at most 0.2 points less accurate than any other "
        "(95 % confidence).\nIn the race: not known whether it is more than 0.2 points worse than the best." in text
    )


def test_where_none_is_shown_to_be_as_good_it_is_the_most_accurate_and_that_is_said(params: Params) -> None:
    write_results()
    _, text = answer(params, max_parameters=3_000)
    assert text.startswith("Use GRU 2×12 mean+max: 2,698 parameters, validation accuracy 98.15 % ")
    assert (
        "Of those that qualify it is the most accurate, but none is shown to be at most 0.2 points less accurate than "
        "any other: which is the smallest that is good enough is not known." in text
    )
    _, alone = answer(params, max_parameters=906)
    assert alone.startswith("Use bi-GRU 1×4")
    assert "Of those that qualify" not in alone


def raced(networks: list[dict[str, object]], accuracies: list[list[float]], metric: str = "accuracy") -> Params:
    """Results of a race of five blocks among these networks; NaN is a training that fails."""
    params = validate_params(
        {
            "data": {"dataset": "mnist", "validation": 0.1}, "training": {"epochs": 1},
            "studies": {"some": {"sampler": "list", "held_out": "fold", "trials": networks}},
            "race": {"entrants": ["some"], "max_blocks": 5},
            "champion": {"studies": ["race"], "seeds": 3, "metric": metric},
        },
        "params.yaml",
    )  # fmt: skip
    write_summary()

    def played(definition: StudyDefinition) -> list[TrialRecord]:
        found: list[TrialRecord] = []
        for block in range(5):
            state = race_standing(definition, np.array(accuracies)[:block])
            for place in np.flatnonzero(state.running[0]) if not state.ended[0] else ():
                accuracy = accuracies[block][place]
                failed: State = "FAIL" if np.isnan(accuracy) else "COMPLETE"
                one = record(len(found), definition.entrants[place], block, definition.available_samples, failed)
                if one.result is not None:
                    epochs = (dataclasses.replace(one.result.epochs[-1], validation_accuracy=accuracy),)
                    one = dataclasses.replace(
                        one, result=dataclasses.replace(one.result, epochs=epochs, best_epoch=len(epochs))
                    )
                found.append(one)
        return found

    write_study("race", played, params)
    return params


def test_who_failed_is_not_recommended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    noise = [[0, 1e-4, 0], [1e-4, 0, 0], [0, 0, 1e-4], [0, 1e-4, 0], [0, 0, 0]]
    accuracies = (np.array([0.9, 0.988, 0.99]) + noise).tolist()
    accuracies[3][2] = float("nan")
    params = raced([{"cell": "gru", "units": units} for units in (8, 16, 32)], accuracies)
    for limits in ({}, {"min_accuracy": 0.95}):
        found, text = answer(params, **limits)
        assert found
        assert text.startswith("Left out, because a training failed: GRU 1×32.\nUse GRU 1×16: 2,378 parameters")
        assert "In the race: the only network left." in text


def test_within_a_limit_a_smaller_one_than_the_race_s_choice_may_be_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The leader, which the limit excludes, keeps it from being shown in the race."""
    monkeypatch.chdir(tmp_path)
    noise = np.array([[2, -2, 1], [-2, 2, 0], [1, 0, -2], [0, -1, 2], [-1, 1, 0]]) * 1e-4
    accuracies = (np.array([0.9880, 0.9892, 0.9897]) + noise).tolist()
    params = raced([{"cell": "gru", "units": units} for units in (8, 16, 32)], accuracies)
    assert answer(params)[1].startswith("Use GRU 1×16")
    _, text = answer(params, max_parameters=3_000)
    assert text.startswith("Use GRU 1×8: 1,002 parameters")
    assert "Of those that qualify it is the smallest shown to be at most 0.2 points less accurate than any" in text


def test_networks_that_left_early_are_compared_over_the_blocks_that_they_share(params: Params) -> None:
    """Four networks left after two blocks, on which the leader was 0.02 points better than over all ten."""
    write_results()
    trials = read_trials("race")
    own = float(compared().query("units == 12")["validation_accuracy"].iloc[0])
    leader = trials[trials["parameters"] == 63_814].sort_values("seed")["validation_accuracy"]
    comparable = own + leader.mean() - leader.iloc[:2].mean()
    assert abs(comparable - own) > 0.0001
    _, text = answer(params, max_parameters=10_000)
    (row,) = [line for line in text.splitlines() if "GRU 2×12 mean+max" in line]
    assert f" {100 * comparable:.2f} " in row
    assert "its accuracy is the leader's minus the difference over the blocks that both have" in text


def test_the_smallest_of_those_that_are_accurate_enough(params: Params) -> None:
    write_results()
    enough = compared()[compared()["validation_accuracy"] >= 0.985]
    smallest = records(enough.sort_values("parameters"))[0]
    found, text = answer(params, min_accuracy=0.985)
    assert found
    assert text.startswith(f"Use {network_name(smallest)}: {smallest['parameters']:,} parameters")


def test_time_is_that_of_one_sequence_alone(params: Params) -> None:
    write_results()
    times = pd.read_csv(paths.PREDICTION_TIMES)
    alone = times[times["batch_size"] == 1]
    limit = float(alone["median_ms"].median())
    found, text = answer(params, max_predict_ms=limit)
    assert found
    assert f"{(alone['median_ms'] <= limit).sum()} of 12 networks" in text
    least = float(alone["median_ms"].min())
    found, text = answer(params, max_predict_ms=least)
    assert found
    assert f"{least:.3g} ms for one prediction. 1 of 12 networks" in text


def test_without_prediction_times_only_the_limit_on_them_cannot_be_obeyed(params: Params) -> None:
    write_results()
    paths.PREDICTION_TIMES.unlink()
    found, text = answer(params, max_parameters=30_000)
    assert found
    assert "– ms for one prediction" in text
    with pytest.raises(PipelineError, match=r"prediction_times\.csv not found: `dvc repro evaluate` measures"):
        answer(params, max_predict_ms=1)


def test_it_says_when_nothing_qualifies(params: Params) -> None:
    write_results()
    found, text = answer(params, max_parameters=10)
    assert not found
    assert text.startswith("None of the 12 networks qualifies: parameters from ")
    assert "ms, validation accuracy up to " in text


def test_figures_have_the_name_of_their_metric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    networks: list[dict[str, object]] = [{"cell": "gru", "units": units} for units in (8, 16)]
    accuracies = [[0.90, 0.95], [0.91, 0.96], [0.90, 0.96], [0.89, 0.95], [0.90, 0.96]]
    params = raced(networks, accuracies, metric="balanced_accuracy")
    found, text = answer(params)
    assert found
    assert text.startswith("Use GRU 1×16: 2,378 parameters, validation balanced accuracy 95.50 %")
    assert not re.search(r"(?<!balanced )accuracy", text)
    assert "balanced accuracy, %" in text
    assert "validation balanced accuracy up to 95.50 %" in answer(params, max_parameters=10)[1]


def test_labels_are_printed_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What looks like markup is part of a label."""
    monkeypatch.chdir(tmp_path)
    params = raced([{"cell": "gru", "units": units} for units in (8, 16)], [[0.09, 0.1]] * 5)
    summary = SequencesSummary.read(paths.SEQUENCES_SUMMARY)
    for label in ("[/b] x", "[red]x"):
        labels = (label, *summary.labels[1:])
        summary.model_copy(update={"labels": labels}).write(paths.SEQUENCES_SUMMARY)
        assert not recommend(params, None, None, None)
        assert f"is not shown to be better than always answering '{label}', which" in capsys.readouterr().out


def test_the_results_of_other_data_never_answer(params: Params) -> None:
    write_results()
    summary = SequencesSummary.read(paths.SEQUENCES_SUMMARY)
    train = summary.train.model_copy(update={"sha256": "f" * 64})
    summary.model_copy(update={"train": train}).write(paths.SEQUENCES_SUMMARY)
    with pytest.raises(PipelineError, match=r"data/studies/[a-z]+ does not hold study"):
        answer(params)


def test_before_any_study_it_says_what_to_do(params: Params) -> None:
    write_summary()
    with pytest.raises(PipelineError, match=r"study [a-z]+ has not run: `dvc repro"):
        answer(params)


@pytest.mark.parametrize(
    ("width", "headers"),
    [
        (60, "network parameters accuracy, % 95 % interval"),
        (80, "network parameters accuracy, % 95 % interval seeds ms for 1"),
        (100, "network parameters accuracy, % 95 % interval seeds ms for 1 ms for 128"),
    ],
)
def test_the_table_fits_into_a_terminal_and_cuts_no_word(params: Params, width: int, headers: str) -> None:
    write_results()
    console = Console(file=StringIO(), width=width)
    recommend(params, None, None, None, console)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    (top,) = [place for place, line in enumerate(lines) if line.startswith("network")]
    assert " ".join(lines[top].split()) == headers
    table = lines[top:-1]
    assert max(map(len, table)) <= width
    assert "…" not in "".join(table)
    names = {network_name(row) for row in records(compared())}
    ends = lines[top].index("parameters") - 2
    parts = [line[:ends].strip() for line in table[1:]]
    whole = [part for part in parts if part in names]
    assert len(whole) == 8 or width == 60
    assert all(any(part in name for name in names) for part in parts), "a name goes on in the next line, between words"


@pytest.mark.usefixtures("params")
def test_studies_that_compete_are_told_apart() -> None:
    write_results()
    _, text = answer(without_race(), max_parameters=5_000)
    assert re.search(r"^network +study +parameters", text, re.MULTILINE)


def test_json_has_the_numbers_of_the_tables_and_nothing_else_is_printed(
    params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    write_results()
    assert recommend(params, 29_000, None, None, as_json=True)
    output = capsys.readouterr()
    document = json.loads(output.out)
    within = compared()[compared()["parameters"] <= 29_000]
    assert (document["recommended"], document["metric"], document["compared"]) == (True, "accuracy", 12)
    assert document["train_samples"] == 54_000
    assert document["choice"]["network"] == "GRU 1×64"
    chosen = within[(within["cell"] == "gru") & (within["units"] == 64)]
    for name in ("parameters", "units", "learning_rate", "seeds"):
        assert document["choice"][name] == chosen[name].item()
    times = pd.read_csv(paths.PREDICTION_TIMES)
    same = (times["cell"] == "gru") & (times["units"] == 64) & (times["batch_size"] == 1)
    assert document["choice"]["predict_ms"] == times[same]["median_ms"].item()
    assert document["choice"] in document["qualifying"]
    assert sorted(row["parameters"] for row in document["qualifying"]) == sorted(within["parameters"])
    assert output.err.splitlines() == document["sentences"]
    assert document["sentences"][0].startswith("Use GRU 1×64: 18,698 parameters")


def test_json_says_null_where_nothing_is_known(params: Params, capsys: pytest.CaptureFixture[str]) -> None:
    write_results()
    paths.PREDICTION_TIMES.unlink()
    assert recommend(params, None, None, None, as_json=True)
    assert json.loads(capsys.readouterr().out)["choice"]["predict_ms"] is None
    assert not recommend(params, 10, None, None, as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert (document["recommended"], document["choice"], document["qualifying"]) == (False, None, [])
