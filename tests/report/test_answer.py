"""The answer: one sentence that follows from choice.json, and a figure with every configuration that competed."""

import dataclasses
from typing import Any

import pandas as pd

from pipeline.analysis.choice import choose_champion
from pipeline.documents import records
from pipeline.report.answer import answer, finding
from pipeline.report.limits import limits
from pipeline.report.results import Results
from tests.helpers.pages import ReadPage, texts
from tests.helpers.trials import seeds, study


def test_it_says_what_to_use(page: ReadPage, results: Results) -> None:
    assert results.choice is not None
    assert results.chosen is not None
    chosen = results.choice.choice
    assert (
        "Use GRU 2×51 mean+max: with 29,335 parameters it is shown to be at most 0.2 points less accurate than any "
        "other in the race (95 % confidence)."
    ) in page.text
    assert (
        "GRU, 2 layers of 51 units, mean and max pooling over time; adamw with learning rate 0.00473, which falls "
        "along "
        "a cosine after 1 epoch of warm-up, weight decay 0.004, gradients clipped at 1, dropout 0.122, batches of "
        "128, "
    ) in page.text
    assert f"one prediction {chosen.parameters / 1e6:.3g} ms" in page.text
    assert f"training, in the study {results.chosen['fit_seconds']:.3g} s" in page.text
    assert "A network that left the race early stands where its difference to the leader puts it, over the" in page.text
    (candidates,) = page.parts[""]
    assert [row[3] for row in candidates[1:]] == [*["10"] * 7, "7", *["2"] * 4]
    assert [row[-1] for row in candidates[1:]] == ["yes", "yes", "yes", *["no"] * 9]


def with_race(results: Results, **found: Any) -> Results:
    assert results.choice is not None
    assert results.choice.race is not None
    choice = results.choice.model_copy(update={"race": results.choice.race.model_copy(update=found)})
    return dataclasses.replace(results, choice=choice)


def test_first_lines_say_what_the_test_shows_and_what_is_not_known(results: Results) -> None:
    on_test, model, unknown, larger, rule = answer(results).lines
    assert on_test == (
        "On the test sequences GRU 2×51 mean+max has 98.79 % (mean of 3 seeds); the most accurate in the race, "
        "GRU 2×78 mean+max with 63,814 parameters, has 98.87 % (mean of 3 seeds). Among all 6 networks tested, none is "
        "shown to be better than GRU 2×51 mean+max or than GRU 2×78 mean+max, first models compared. With the models "
        "of all seeds, GRU 2×78 mean+max does best against GRU 2×51 mean+max: it has more sequences right in 9 of 9 "
        "pairs."
    )
    assert unknown == (
        "Whether a smaller network is good enough is not known: GRU 1×42 mean+max (9,922 parameters) may be 0.19 "
        "to 0.44 points less accurate than the leader; GRU 1×64 (18,698 parameters) may be 0.01 to 0.29 points less "
        "accurate than the leader; LSTM 2×44 (28,962 parameters) may be 0.04 to 0.25 points less accurate than the "
        "leader."
    )
    assert larger == (
        "The most accurate, GRU 2×78 mean+max, is the largest GRU compared in the race: whether a larger one would be "
        "more accurate is not known."
    )
    assert rule.startswith("The field's usual rule, the smallest network within one standard error of the best, would")
    assert rule.endswith("would choose GRU 2×78 mean+max with 63,814 parameters, at 98.87 %.")
    assert model == (
        "The model that predict gives you, and MLflow where it is registered, is one network of this size: seed 0, "
        "with 98.75 % of the test sequences right (95 % interval over sequences 98.51 to 98.95 %)."
    )
    facts = dict(answer(results).facts)
    assert facts["test accuracy of this size, 3 seeds"] == "98.79 %"
    assert facts["test accuracy of the model, seed 0"] == "98.75 %"


def test_nobody_does_best_who_is_never_ahead(results: Results) -> None:
    assert results.test_table is not None
    behind = results.test_table.assign(model_pairs_ahead=0)
    on_test, *_ = answer(dataclasses.replace(results, test_table=behind)).lines
    assert on_test.endswith(
        "With the models of all seeds, no network has more sequences right than GRU 2×51 mean+max in any pair."
    )
    tied = results.test_table.assign(model_pairs_ahead=results.test_table["model_pairs"])
    on_test, *_ = answer(dataclasses.replace(results, test_table=tied)).lines
    assert "GRU 2×78 mean+max does as well as any other against GRU 2×51 mean+max: it has" in on_test


def test_a_smaller_network_may_be_no_more_accurate_than_everything(results: Results) -> None:
    """The leader is always right, and intervals reach beyond that."""
    assert results.choice is not None
    rows = [
        row.model_copy(update={"validation_accuracy": 0.9, "behind": 0.1, "behind_low": -0.4, "behind_high": 1.3})
        if row.units == 64
        else row
        for row in results.choice.candidates
    ]
    choice = results.choice.model_copy(update={"candidates": tuple(rows)})
    lines = " ".join(answer(dataclasses.replace(results, choice=choice)).lines)
    assert "GRU 1×64 (18,698 parameters) may be up to 100.00 points less accurate than the leader;" in lines


def test_a_settled_race_names_the_smallest_and_nothing_that_is_not_known(results: Results) -> None:
    assert results.choice is not None
    gone = [
        row.model_copy(update={"left_after": 9} if row.parameters < results.choice.choice.parameters else {})
        for row in results.choice.candidates
    ]
    settled = with_race(results, settled=True, shown=True, not_known=())
    assert settled.choice is not None
    choice = settled.choice.model_copy(update={"candidates": tuple(gone)})
    made = answer(dataclasses.replace(settled, choice=choice))
    assert (
        finding(choice)
        == "GRU 2×51 mean+max is the smallest network shown to be within 0.2 points of the best in the race"
    )
    assert made.headline == (
        "Use GRU 2×51 mean+max: with 29,335 parameters it is the smallest network shown to be at most 0.2 points less "
        "accurate than any other in the race (95 % confidence)."
    )
    assert not any("smaller network is good enough" in line for line in made.lines)


def test_a_race_that_has_shown_nothing_recommends_nothing(results: Results) -> None:
    made = answer(with_race(results, settled=False, shown=False))
    assert made.headline == (
        "The race is open: GRU 2×51 mean+max, with 29,335 parameters, leads it with 98.78 %, but no network is "
        "shown to "
        "be at most 0.2 points less accurate than any other in the race."
    )
    assert "no network is shown" in " ".join(texts(made.figures["answer"]))


def test_networks_that_failed_are_named_and_nothing_is_the_smallest(results: Results) -> None:
    made = answer(with_race(results, settled=True, shown=True, failed=("GRU 1×20", "LSTM 2×60")))
    assert made.headline == (
        "Use GRU 2×51 mean+max: with 29,335 parameters it is shown to be at most 0.2 points less accurate than any "
        "other left in the race (95 % confidence)."
    )
    assert "Not compared to the end, because a training failed: GRU 1×20 and LSTM 2×60." in made.lines
    alone = with_race(results, settled=False, shown=False, failed=("GRU 1×20",), alone=True)
    late = answer(alone)
    assert finding(alone.choice) == "GRU 2×51 mean+max is the only network left in the race"
    assert late.headline == (
        "GRU 2×51 mean+max, with 29,335 parameters and 98.78 %, is the only network left in the race. All others have "
        "failed or left, and networks were compared until block 9."
    )
    alone = with_race(results, blocks=1, settled=False, shown=False, failed=("GRU 1×20",), alone=True)
    assert finding(alone.choice) == "GRU 2×51 mean+max was compared with no other network"
    assert answer(alone).headline == (
        "Nothing was compared: GRU 2×51 mean+max, with 29,335 parameters and 98.78 %, is the only network in the race "
        "whose trainings did not fail."
    )


def test_the_leader_is_no_smaller_network_of_which_it_is_not_known(results: Results) -> None:
    """A twin of the choice, trained otherwise, and a leader smaller than the choice."""
    assert results.choice is not None
    chosen = results.choice.choice
    twin = chosen.model_copy(update={"dropout": 0.3, "as_good": False})
    leader = results.choice.best.model_copy(update={"parameters": 20_000, "as_good": False})
    rows = [leader, twin, *(row for row in results.choice.candidates[1:] if row.left_after is not None or row.as_good)]
    choice = results.choice.model_copy(update={"candidates": tuple(rows), "best": leader})
    made = answer(dataclasses.replace(results, choice=choice))
    assert made.lines[2] == (
        "Whether a smaller network is good enough is not known: GRU 2×78 mean+max (20,000 parameters) leads, but is "
        "not shown to be as good as every other one."
    )
    assert made.candidates is not None
    names = [row[0] for row in made.candidates.rows]
    assert "GRU 2×51 mean+max, dropout 0.3, rate 0.00473" in names
    assert "GRU 2×51 mean+max, dropout 0.122, rate 0.00473" in names


def test_a_network_that_is_shown_to_be_better_is_named_in_the_first_lines(results: Results) -> None:
    assert results.test_table is not None
    rows = records(results.test_table)
    rows[2] |= {"difference": 0.004, "difference_low": 0.002, "difference_high": 0.006, "verdict": "better"}
    table = pd.DataFrame(rows)
    on_test, better, *_ = answer(dataclasses.replace(results, test_table=table)).lines
    assert "none is shown" not in on_test
    assert better == (
        "Shown to be better than GRU 2×51 mean+max on these sequences, first models compared: SimpleRNN 1×512 of the "
        "study book (sgd, 282,122 parameters) by 0.40 points (0.20 to 0.60; ahead in 1 of 3 pairs of models)."
    )


def test_a_network_that_is_shown_to_be_better_than_the_most_accurate_is_named_too(results: Results) -> None:
    assert results.test_table is not None
    rows = records(results.test_table)
    rows[2] |= {"difference_to_best": 0.004, "difference_low_to_best": 0.002, "difference_high_to_best": 0.006}
    rows[2]["verdict_to_best"] = "better"
    on_test, better, *_ = answer(dataclasses.replace(results, test_table=pd.DataFrame(rows))).lines
    assert "none is shown" not in on_test
    assert better == (
        "Shown to be better than GRU 2×78 mean+max on these sequences, first models compared: SimpleRNN 1×512 of the "
        "study book (sgd, 282,122 parameters) by 0.40 points (0.20 to 0.60; ahead in 0 of 3 pairs of models)."
    )


def test_a_choice_stands_without_its_studies(results: Results) -> None:
    made = answer(dataclasses.replace(results, studies={}))
    assert made.headline.startswith("Use GRU 2×51 mean+max"), "what has been chosen stands in choice.json"
    assert "one prediction" not in dict(made.facts)
    assert "no study has a complete trial" in texts(made.figures["answer"])


def test_finding_names_the_saving() -> None:
    # With few validation samples the bar is low, with many only the best passes it.
    trials = {"some": study(seeds(10, [0.95, 0.951]), seeds(52, [0.96, 0.961])).assign(merge_mode="concat")}
    assert finding(choose_champion(trials, 10)) == (
        "GRU 1×10 is within one standard error of the best, GRU 1×52, with 81% fewer parameters"
    )
    assert finding(choose_champion(trials, 10**6)).startswith("GRU 1×52 is the most accurate")


def test_networks_that_differ_in_their_view_alone_are_told_apart(results: Results) -> None:
    trials = study(seeds(8, [0.90, 0.91]), seeds(8, [0.95, 0.96], view="columns")).assign(merge_mode="concat")
    choice = choose_champion({"views": trials}, 6000)
    of_views = dataclasses.replace(results.studies["search"], trials=trials)
    champion = results.params.champion.model_copy(update={"studies": ("views",)})
    params = results.params.model_copy(update={"champion": champion})
    columns = dataclasses.replace(results, params=params, choice=choice, studies={"views": of_views})
    made = answer(columns)
    assert made.headline.startswith("Use GRU 1×8 on columns: with 800 parameters it has the highest")
    assert made.recipe is not None
    assert made.recipe.startswith("GRU, 1 layer of 8 units, reading columns; adam with")
    assert made.candidates is not None
    assert [row[0] for row in made.candidates.rows] == ["GRU 1×8 on columns", "GRU 1×8 on rows"]
    assert "champion: GRU 1×8 on columns" in texts(made.figures["answer"])
    assert limits(columns).sentences[1] == "The choice, GRU 1×8 on columns, reads the images as columns."
    assert answer(results).recipe is not None
    assert "reading" not in str(answer(results).recipe)
