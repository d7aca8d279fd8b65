"""Who competes, and the one-standard-error rule."""

import json
from contextlib import chdir
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import paths
from pipeline.analysis.choice import (
    Candidate,
    Choice,
    best_first,
    choose_by_race,
    choose_champion,
    competitors,
    distinct_names,
    over_all_blocks,
    shown_among,
)
from pipeline.analysis.configurations import COLUMNS
from pipeline.analysis.configurations import configurations as configurations_of
from pipeline.data.sequences import SequencesSummary
from pipeline.documents import records
from pipeline.errors import PipelineError
from pipeline.params.network import network_name
from pipeline.params.settings import CHANGES_OF_IMAGES, Configuration
from pipeline.studies.definition import StudyDefinition
from pipeline.studies.race_results import race_accuracies, race_standing
from pipeline.studies.results import study_definition, trials_table
from tests.helpers.results import capacity_records, project_params, read_trials, search_records, write_results
from tests.helpers.trials import seeds, study, table, trial


def test_smallest_within_one_standard_error_is_chosen() -> None:
    # The best has p = 0.98; on 10,000 samples the binomial standard error is 0.0014, so the bar is 0.9786.
    trials = table(trial(0, 64, 0.98), trial(1, 32, 0.9787), trial(2, 16, 0.9785), trial(3, 8, 0.90))
    choice = choose_champion({"search": trials}, 10_000)
    assert choice.standard_error == pytest.approx(0.0014)
    assert choice.threshold == pytest.approx(0.9786)
    assert choice.best.units == 64
    assert choice.choice.units == 32
    assert [row.units for row in choice.candidates] == [64, 32, 16, 8]
    assert [row.within_one_standard_error for row in choice.candidates] == [True, True, False, False]


def test_standard_error_over_seeds_counts_where_it_is_larger() -> None:
    best = [trial(n, 64, accuracy, n) for n, accuracy in enumerate([0.97, 0.98, 0.99])]
    choice = choose_champion({"grid": table(*best, trial(3, 8, 0.975))}, 1_000_000)
    assert choice.standard_error == pytest.approx(0.01 / np.sqrt(3))
    assert choice.best.validation_accuracy_sd == pytest.approx(0.01)
    assert choice.choice.units == 8
    assert choice.choice.validation_accuracy_sd is None


def test_ties_in_size_go_to_the_higher_accuracy() -> None:
    trials = table(trial(0, 8, 0.970, dropout=0.1), trial(1, 8, 0.972), trial(2, 64, 0.973))
    choice = choose_champion({"search": trials}, 1000)
    assert choice.choice.validation_accuracy == 0.972


def test_only_the_most_training_samples_compete() -> None:
    many = table(trial(0, 8, 0.98, train_samples=54_000))
    few = table(trial(0, 8, 0.99), trial(1, 4, 0.99), trial(2, 4, 0.99, train_samples=1000))
    nothing = table(trial(0, 8, 0.5, state="PRUNED"))
    choice = choose_champion({"few": few, "many": many, "nothing": nothing}, 6000)
    assert choice.compared_train_samples == 54_000
    assert [(row.study, row.units) for row in choice.candidates] == [("many", 8)]
    assert [(entry.study, entry.configurations) for entry in choice.left_out] == [
        ("few", 1),
        ("few", 2),
        ("nothing", 0),
    ]
    assert choice.left_out[1].reason == "trained on 5,000 samples, not on 54,000"


def test_refit_trains_as_long_as_the_seeds_needed_on_average() -> None:
    seeds = [trial(n, 8, 0.9, n, best_epoch=epoch) for n, epoch in enumerate([4, 5, 8])]
    choice = choose_champion({"grid": table(*seeds)}, 1000).choice
    assert choice.best_epoch == pytest.approx(17 / 3)
    assert choice.refit_epochs == 6


def test_a_refit_is_the_same_configuration_on_all_data_for_its_own_number_of_epochs() -> None:
    trials = table(trial(0, 8, 0.9, cell="lstm", depth=2, dropout=0.1, learning_rate=0.02, optimizer="sgd"))
    finalist = choose_champion({"search": trials}, 1000).choice
    assert (finalist.train_samples, finalist.epochs, finalist.refit_epochs) == (5000, 10, 7)
    assert finalist.refit == Configuration(
        cell="lstm", units=8, depth=2, dropout=0.1, learning_rate=0.02, optimizer="sgd", epochs=7, view="rows"
    )


def test_choice_is_plain_json_and_the_same_again(tmp_path: Path) -> None:
    studies = {"capacity": trials_table(capacity_records()), "search": trials_table(search_records())}
    first, second = (choose_champion(studies, 6000) for _ in range(2))
    first.write(tmp_path / "choice.json")
    assert Choice.read(tmp_path / "choice.json") == first == second
    document = json.loads((tmp_path / "choice.json").read_text(encoding="utf-8"))
    told = [name for name in Candidate.model_fields if name not in CHANGES_OF_IMAGES]  # of images as they are
    assert list(document["choice"]) == [*told, "refit_epochs"]
    assert list(document["candidates"][0]) == told


@pytest.fixture(scope="module")
def raced(tmp_path_factory: pytest.TempPathFactory) -> tuple[StudyDefinition, pd.DataFrame]:
    """The made-up race's definition and trials.csv."""
    with chdir(tmp_path_factory.mktemp("raced")):
        write_results()
        summary = SequencesSummary.read(paths.SEQUENCES_SUMMARY)
        return study_definition("race", project_params(), summary), read_trials("race")


def test_a_race_chooses_the_smallest_that_is_shown_to_be_as_good(
    raced: tuple[StudyDefinition, pd.DataFrame], tmp_path: Path
) -> None:
    choice = choose_by_race(*raced, ["a", "b"])
    assert choice.race is not None
    assert choice.race.model_dump() == {
        "tolerance": 0.002, "confidence": 0.95, "blocks": 10, "max_blocks": 10, "trainings": 85, "most_trainings": 120,
        "settled": False, "shown": True, "not_known": (5, 6, 7), "failed": (), "alone": False,
    }  # fmt: skip
    assert choice.rule.startswith("The smallest network shown to be at most 0.2 points less accurate than any other")
    chosen = choice.choice
    assert (chosen.study, chosen.parameters, chosen.as_good, chosen.left_after) == ("race", 29_335, True, None)
    assert chosen.behind_high is not None
    assert 0 < chosen.behind_high < 0.002
    assert (choice.best.parameters, choice.best.behind, choice.candidates[0].parameters) == (63_814, None, 63_814)
    assert len(choice.candidates) == 12
    assert choice.one_standard_error is not None
    assert choice.one_standard_error.validation_accuracy >= choice.threshold
    smaller = [row for row in choice.candidates if row.parameters < choice.one_standard_error.parameters]
    assert all(row.validation_accuracy < choice.threshold for row in smaller)
    choice.write(tmp_path / "choice.json")
    assert Choice.read(tmp_path / "choice.json") == choice


def test_a_race_that_has_not_looked_yet_has_a_leader_and_shows_nothing(
    raced: tuple[StudyDefinition, pd.DataFrame],
) -> None:
    definition, trials = raced
    choice = choose_by_race(definition, trials[trials["seed"] == 0])
    assert choice.race is not None
    assert (choice.race.blocks, choice.race.shown, choice.race.settled) == (1, False, False)
    assert choice.choice == choice.best
    assert choice.choice.validation_accuracy == max(row.validation_accuracy for row in choice.candidates)
    with pytest.raises(PipelineError, match="race has no complete trial"):
        choose_by_race(definition, trials.head(0))


def altered(trials: pd.DataFrame, definition: StudyDefinition, **failed_in: int) -> pd.DataFrame:
    """The trials up to where entrants fail: by number, as `e0`, the block from 1."""
    last = [failed_in.get(f"e{definition.entrant(row)}", 99) for row in records(trials)]
    blocks = trials["seed"] + 1
    fails = blocks == last
    altered = trials.assign(state=trials["state"].mask(fails, "FAIL"))
    return altered.assign(validation_accuracy=trials["validation_accuracy"].mask(fails))[blocks <= last]


def test_who_failed_is_named_and_nothing_is_shown_of_it(raced: tuple[StudyDefinition, pd.DataFrame]) -> None:
    definition, trials = raced
    all_but_one = {f"e{entrant}": 1 for entrant in range(12) if entrant != 8}
    choice = choose_by_race(definition, altered(trials, definition, **all_but_one))
    assert choice.race is not None
    assert (choice.race.settled, choice.race.shown, choice.race.alone) == (False, False, True)
    assert len(choice.race.failed) == 11
    assert choice.choice.parameters == 29_335
    assert (choice.race.blocks, choice.race.compared_until) == (1, 0), "no two were compared"
    late = choose_by_race(definition, altered(trials, definition, **dict.fromkeys(all_but_one, 4))).race
    assert late is not None
    assert (late.alone, late.blocks, late.compared_until) == (True, 4, 3)
    two = choose_by_race(definition, altered(trials, definition, e10=9, e11=8)).race
    assert two is not None
    assert two.compared_until == two.blocks == 10
    assert (two.failed, two.alone) == (tuple(network_name(definition.entrants[place]) for place in (10, 11)), False)


def test_who_has_as_many_parameters_is_no_smaller_one(raced: tuple[StudyDefinition, pd.DataFrame]) -> None:
    """Two networks that differ in dropout alone, measured alike: the second leads by one image."""
    definition, trials = raced
    network = definition.entrants[8]
    twins = StudyDefinition(
        "race", project_params(), definition.summary, [network, network.model_copy(update={"dropout": 0.3})]
    )
    rows = trials[[definition.entrant(row) == 8 for row in records(trials)]].head(2)
    both = pd.concat(
        [rows, rows.assign(dropout=0.3, validation_accuracy=[0.5, 0.99]).assign(number=[8, 9])], ignore_index=True
    )
    both["validation_accuracy"] = [0.98, 0.98, 0.99, 0.975]
    choice = choose_by_race(twins, both)
    assert choice.race is not None
    assert (choice.choice.dropout, choice.race.shown) == (0.3, False), "it leads"
    assert choice.race.not_known == ()


def test_a_network_that_left_is_compared_over_the_blocks_that_it_shares_with_the_leader() -> None:
    """8 units leave after two blocks with a higher mean than 16 units, which were better in both and stay."""
    left, stayed = [0.9877, 0.9910], [0.9880, 0.9915, 0.9882, 0.9885, 0.9880]
    trials = study(seeds(8, left), seeds(16, stayed))
    trials["generalization_gap"] = [0.002, 0.004, 0.001, 0.002, 0.003, 0.003, 0.001]
    own, comparable = configurations_of(trials, "fold"), over_all_blocks(trials)
    assert own["validation_accuracy"].idxmax() == 0
    assert comparable["validation_accuracy"].tolist() == pytest.approx([0.98884 - (0.0003 + 0.0005) / 2, 0.98884])
    assert comparable["generalization_gap"].tolist() == pytest.approx([0.002 + 0.0015, 0.002])
    for measure in ("validation_accuracy", "generalization_gap"):
        bounds = [f"{measure}_low", f"{measure}_high"]
        moved = comparable[measure] - own[measure]
        pd.testing.assert_frame_equal(comparable[bounds].sub(moved, axis=0).clip(-1, 1), own[bounds].clip(-1, 1))
    pd.testing.assert_frame_equal(comparable.tail(1), own.tail(1))
    table = competitors({"race": trials}).table
    assert best_first(table)["units"].tolist() == [16, 8]
    assert best_first(competitors({"grid": trials}).table)["units"].tolist() == [8, 16], "only a race has blocks"


def test_the_smallest_that_is_shown_among_some(raced: tuple[StudyDefinition, pd.DataFrame]) -> None:
    definition, trials = raced
    state = race_standing(definition, race_accuracies(definition, trials))
    assert shown_among(state, range(12))[0] == 8, "what the race has shown"
    assert shown_among(state, [6, 7, 8])[0] == 7, "which the leader of all keeps from being shown"
    assert shown_among(state, [8]) == [], "one alone"
    failed = race_standing(definition, race_accuracies(definition, altered(trials, definition, e10=1)))
    assert shown_among(failed, [8, 9])[0] == 8
    assert shown_among(failed, [8, 9, 10]) == [], "one failed before it was compared"


def test_names_tell_networks_apart() -> None:
    rows = [trial(0, 8, 0.9, dropout=0.1), trial(1, 8, 0.9, dropout=0.25, learning_rate=0.00123456), trial(2, 16, 0.9)]
    first, second, third = distinct_names(rows)
    assert first.startswith("GRU 1×8, dropout 0.1, rate ")
    assert second == "GRU 1×8, dropout 0.25, rate 0.00123"
    assert third == "GRU 1×16"


def test_names_tell_whatever_else_tells_networks_apart() -> None:
    rows = [trial(0, 8, 0.9, patience=1), trial(1, 8, 0.8, patience=None, batch_size=64)]
    assert distinct_names(rows) == ["GRU 1×8, batch size 128, patience 1", "GRU 1×8, batch size 64, patience none"]
    choice = choose_champion({"capacity": pd.DataFrame(rows)}, 1000)
    assert [candidate.patience for candidate in choice.candidates] == [1, None]
    assert choice.name_of(choice.best) == "GRU 1×8, batch size 128, patience 1"


def test_names_say_the_view_where_networks_read_several() -> None:
    rows = [trial(0, 8, 0.9), trial(1, 8, 0.9, view="permuted_pixels"), trial(2, 8, 0.9, view="columns", dropout=0.5)]
    assert distinct_names(rows) == ["GRU 1×8 on rows", "GRU 1×8 on permuted pixels", "GRU 1×8 on columns"]
    assert distinct_names(rows[1:2]) == ["GRU 1×8"]
    choice = choose_champion({"views": table(*rows)}, 1000)
    assert [choice.name_of(row) for row in choice.candidates] == distinct_names(rows)
    assert choice.name_of(choice.choice) == f"GRU 1×8 on {choice.choice.view.replace('_', ' ')}"


def test_nothing_complete_is_a_sentence() -> None:
    with pytest.raises(PipelineError, match="none of the studies a, b has a complete trial"):
        choose_champion({"a": table(), "b": table(trial(0, 8, 0.9, state="PRUNED"))}, 1000)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 300), st.floats(0.5, 0.999)), min_size=1, max_size=12), st.randoms())
def test_choice_is_never_larger_than_the_best_and_needs_no_order(networks: list[tuple[int, float]], random) -> None:  # type: ignore[no-untyped-def]
    rows = [trial(n, units, accuracy, learning_rate=n + 1) for n, (units, accuracy) in enumerate(networks)]
    first = choose_champion({"s": table(*rows)}, 6000)
    assert first.choice.parameters <= first.best.parameters
    assert first.choice.validation_accuracy >= first.threshold
    smaller = [row for row in first.candidates if row.parameters < first.choice.parameters]
    assert all(row.validation_accuracy < first.threshold for row in smaller)
    random.shuffle(rows)
    again = choose_champion({"s": table(*rows)}, 6000)
    keys = ("parameters", "validation_accuracy")
    assert [getattr(again.choice, key) for key in keys] == [getattr(first.choice, key) for key in keys]


def test_those_trained_on_the_most_samples_compete_wherever_they_come_from() -> None:
    grid = study(seeds(8, [0.90, 0.92]), seeds(16, [0.93]), seeds(8, [0.99], train_samples=1000))
    search = study(seeds(64, [0.94]), seeds(8, [0.91]), seeds(128, [0.99], state="PRUNED", train_samples=9000))
    found = competitors({"grid": grid, "search": search})
    assert found.train_samples == 5000
    assert list(found.trials) == ["grid", "search"]
    assert [trials["number"].tolist() for trials in found.trials.values()] == [[0, 1, 2], [0, 1]]
    assert found.table.columns.tolist() == [*COLUMNS, "study"]
    assert found.table[["study", "units", "seeds"]].to_numpy().tolist() == [
        ["grid", 8, 2], ["grid", 16, 1], ["search", 64, 1], ["search", 8, 1],
    ]  # fmt: skip
    assert found.table["validation_accuracy"].tolist() == pytest.approx([0.91, 0.93, 0.94, 0.91])
    assert found.of("search")["units"].tolist() == [64, 8]
    assert found.of("nobody").empty


def test_missing_settings_and_missing_accuracies_make_no_competitor_and_lose_none() -> None:
    """`seeds` leaves merge_mode missing; two trials with the same missing setting are one configuration."""
    trials = study(seeds(8, [0.90, np.nan, 0.92]), seeds(16, [np.nan], train_samples=9000))
    assert trials["merge_mode"].isna().all()
    found = competitors({"search": trials})
    assert found.train_samples == 5000
    assert found.table[["units", "seeds"]].to_numpy().tolist() == [[8, 2]]
    assert found.table["validation_accuracy"].tolist() == pytest.approx([0.91])


@pytest.mark.parametrize(
    "empty",
    [
        table(),
        study(),
        table(trial(0, 8, 0.9, state="PRUNED"), trial(1, 8, 0.9, state="PRUNED")),
        table(trial(0, 8, np.nan, state="FAIL", parameters=None, best_epoch=None)),
        table(trial(0, 8, np.nan)),
    ],
    ids=["no trial", "no row", "pruned", "failed", "not measured"],
)
def test_a_study_without_complete_trials_does_not_compete(empty: pd.DataFrame) -> None:
    nobody = competitors({"empty": empty})
    assert (nobody.train_samples, nobody.trials, len(nobody.table)) == (0, {}, 0)
    assert nobody.table.columns.tolist() == [*COLUMNS, "study"]
    assert nobody.of("empty").empty
    assert competitors({}).table.columns.tolist() == [*COLUMNS, "study"]

    grid = study(seeds(8, [0.90]))
    both = competitors({"empty": empty, "grid": grid})
    assert list(both.trials) == ["grid"]
    assert both.table[["study", "units"]].to_numpy().tolist() == [["grid", 8]]


def test_of_equals_the_smaller_comes_first() -> None:
    trials = study(seeds(16, [0.9]), seeds(8, [0.9]), seeds(64, [0.95]))
    assert best_first(configurations_of(trials))["units"].tolist() == [64, 8, 16]
