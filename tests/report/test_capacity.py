"""The effect of capacity: returns, saturation and overfitting, in words and tables."""

import dataclasses
from typing import Any

import pandas as pd

from pipeline.analysis.capacity import returns_of_growth, saturation_capacity
from pipeline.report.capacity import Capacity, capacity, growth_findings, onset_findings
from pipeline.report.results import Results
from tests.helpers.pages import ReadPage
from tests.helpers.trials import seeds, study


def test_every_step_cell_and_configuration_has_a_row(page: ReadPage) -> None:
    assert len(page.parts["capacity"][0]) == 1 + 36
    assert [len(table) for part in ("saturation", "onset") for table in page.parts[part]] == [
        1 + 3,
        1 + 9,
        1 + 24,
        1 + 36,
    ]
    assert "SimpleRNN on 1,000 samples: from 182 to " in page.text
    assert "Overfitting is seen with 4 units in " in page.text
    assert "They are widened because the trainings share sequences" in page.text
    assert "GRU: still rising. Growing from 16 to 64 units brings 0.57 points" in page.text


def growth(*configurations: pd.DataFrame, held_out: str = "validation") -> str:
    returns = returns_of_growth(study(*configurations), held_out)
    (sentence,) = growth_findings(saturation_capacity(returns, 0.002, held_out), 0.002, held_out)
    return sentence


def test_growth_is_told_with_what_is_not_known() -> None:
    assert growth(seeds(8, [0.95, 0.96, 0.97]), seeds(16, [0.9501, 0.9602, 0.9703])) == (
        "GRU: levels off from 8 units (800 parameters) on, up to 16 units, the largest with complete trainings. No "
        "larger network among these is likely to bring more than 0.2 points. The largest brings 0.02 points (95 % "
        "interval −0.00 to 0.04 points, 3 seeds)."
    )
    assert growth(seeds(8, [0.98, 0.98, 0.98]), seeds(16, [0.97, 0.9701, 0.9702])) == (
        "GRU: falls from 8 units (800 parameters) to 16 units, the largest with complete trainings. The largest loses "
        "0.99 points (95 % interval 0.97 to 1.01 points, 3 seeds)."
    )
    rising = [seeds(8, [0.95, 0.9501, 0.9502]), seeds(16, [0.98, 0.98, 0.98])]
    assert growth(*rising, seeds(24, [0.97, 0.9701, 0.9702])) == (
        "GRU: rises to 16 units (1,600 parameters) and falls from there to 24 units, the largest with complete "
        "trainings. The largest loses 0.99 points (95 % interval 0.97 to 1.01 points, 3 seeds)."
    )
    assert growth(*rising, seeds(24, [0.976, 0.977, 0.978])) == (
        "GRU: not known. Growing from 16 to 24 units brings −0.30 points (95 % interval −0.55 to −0.05 points, 3 "
        "seeds). That it loses more than 0.2 points is not shown."
    )
    # The mean step is 0.1 points with a deviation of 0.1: t · 0.1 / √n is at most 0.1 from 7 seeds on (2.447 / 2.646).
    assert growth(seeds(8, [0.95, 0.96, 0.97]), seeds(16, [0.95, 0.961, 0.972])) == (
        "GRU: not known. Growing from 8 to 16 units may bring up to 0.35 points (95 % interval −0.15 to "
        "0.35 points, 3 seeds). If mean and spread stay as they are, about 7 seeds would show that it brings at most "
        "0.2 points, and about 7 seeds would show that it brings more than nothing."
    )
    above = growth(seeds(8, [0.95, 0.96, 0.97]), seeds(16, [0.95, 0.963, 0.976]))
    assert (
        "no number of seeds would show that it brings at most 0.2 points, since the mean is 0.30 points, and about 7 "
        "seeds would show that it brings more than nothing." in above
    )
    assert growth(seeds(8, [0.95]), seeds(16, [0.96])).endswith(
        "has 1 seed to compare, which is too few to tell how seeds vary."
    )
    assert "all 2 seeds differ by the same" in growth(seeds(8, [0.95, 0.96]), seeds(16, [0.95, 0.96]))


def capacity_of(results: Results, *configurations: pd.DataFrame) -> Capacity:
    """The section of a study with these configurations."""
    changed = dataclasses.replace(results.studies["capacity"], trials=study(*configurations))
    made = capacity(dataclasses.replace(results, studies=results.studies | {"capacity": changed}))
    assert made is not None
    return made


def test_nothing_brings_more_than_is_left_to_100_percent(results: Results) -> None:
    made = capacity_of(results, seeds(8, [0.85, 0.88, 0.91]), seeds(16, [0.9, 0.98, 0.93]))
    # The mean gain is 5.67 points with a deviation of 4.04: of three folds half an interval is 11.6 points.
    assert "may bring up to 12.00 points (95 % interval −5.93 to 12.00 points, 3 seeds)" in made.growth[0]
    assert made.saturation.rows[0][-1] == "−5.93 to 12.00"
    assert made.returns.rows[0][-2] == "−5.93 to 12.00"


def test_where_it_stops_paying_is_told_in_a_line(results: Results) -> None:
    rising = [seeds(8, [0.95, 0.951, 0.952]), seeds(16, [0.98, 0.98, 0.98])]
    unknown = [frame for units in (8, 16) for frame in [seeds(units, [0.9, 0.95, 0.97], cell="lstm")]]
    assert capacity_of(results, *rising, *unknown).brief == (
        "Where does more capacity stop paying, on 5,000 samples? GRU: still rising; LSTM: not known."
    )
    assert capacity_of(results, rising[0]).brief == (
        "Where more capacity stops paying is not known: the study capacity has only one size of each network."
    )


def test_of_networks_that_tie_none_is_the_most_accurate(results: Results) -> None:
    def found(*accuracies: float) -> str:
        made = capacity_of(results, *(seeds(8 * 2**place, [value] * 3) for place, value in enumerate(accuracies)))
        return made.findings[0]

    assert found(1, 1, 1).endswith("points; 3 of 3 networks have the highest, 100.00 %.")
    assert found(0.9, 0.99, 0.99).endswith("points; 2 of 3 networks have the highest, 99.00 %.")
    assert found(0.9, 0.99, 0.98).endswith("points; GRU 1×16 is the most accurate with 99.00 %.")


def test_networks_are_named_by_what_sets_them_apart(results: Results) -> None:
    rising, falling = [0.97, 0.971, 0.9719], [0.95, 0.9501, 0.9502]
    sets: list[tuple[list[float], dict[str, Any]]] = [
        (rising, {}),
        (falling, {"learning_rate": 0.004, "global_clipnorm": 1.0}),
        (rising, {"bidirectional": True}),
        (falling, {"cell": "lstm", "depth": 2}),
    ]
    made = capacity_of(
        results,
        *(seeds(8, [0.96, 0.96, 0.96], **changes) for _, changes in sets),
        *(seeds(32, accuracies, **changes) for accuracies, changes in sets),
        seeds(64, [0.99] * 3, state="FAIL"),
    )
    names = [
        "GRU, learning rate 0.001, global clipnorm none",
        "bi-GRU",
        "GRU, learning rate 0.004, global clipnorm 1",
        "LSTM, 2 layers",
    ]
    told = dict(sentence.split(": ", maxsplit=1) for sentence in made.growth)
    assert sorted(told) == sorted(names) == sorted(row[0] for row in made.saturation.rows)
    assert [told[name].split(" ")[0] for name in names] == ["still", "still", "falls", "falls"]
    assert "to 32 units, the largest with complete trainings." in told[names[2]]


def test_growth_over_folds_is_told_with_what_ten_of_them_can_show() -> None:
    # Mean and deviation are 0.1 points: of ten folds half an interval is 2.262 · 0.1 · √(1/10 + 1/9) = 0.104.
    assert growth(seeds(8, [0.95, 0.96, 0.97]), seeds(16, [0.95, 0.961, 0.972]), held_out="fold") == (
        "GRU: not known. Growing from 8 to 16 units may bring up to 0.39 points (95 % interval −0.19 to 0.39 "
        "points, 3 seeds). If mean and spread stay as they are, not even 10 seeds, one for each part of the "
        "sequences, would show that it brings at most 0.2 points, and not even 10 seeds, one for each part of the "
        "sequences, would show that it brings more than nothing."
    )
    # With a mean of 0.08 points and a deviation of 0.08 the tolerance is 1.5 deviations away: 0.12 takes 6 folds.
    assert growth(seeds(8, [0.95, 0.96, 0.97]), seeds(16, [0.95, 0.9608, 0.9716]), held_out="fold").endswith(
        "about 6 seeds would show that it brings at most 0.2 points, and not even 10 seeds, one for each part of the "
        "sequences, would show that it brings more than nothing."
    )


def test_onset_of_overfitting_is_told_by_samples_and_by_size() -> None:
    rows = pd.DataFrame(
        [(1000, 8, 3, 1.0, 4.0, 0.3), (1000, 32, 1, 1.0, 8.0, 0.7), (5000, 8, 2, 0.5, 10.0, 0.1),
         (5000, 32, 2, 0.0, float("nan"), 0.0)],
        columns=["train_samples", "units", "seeds", "onset_share", "onset_epoch", "overfit_at_end"],
    )  # fmt: skip
    by_samples, by_size = onset_findings(rows)
    assert by_samples == (
        "Overfitting is seen on 1,000 samples in 4 of 4 trainings, from epoch 5 on average, the loss 0.4 nats above "
        "its lowest at the end; on 5,000 samples in 1 of 4 trainings, from epoch 10 on average, the loss 0.05 nats "
        "above its lowest at the end."
    )
    assert "with 32 units in 1 of 3 trainings, from epoch 8 on average" in by_size
    assert onset_findings(rows.head(1)) == []
    never = onset_findings(rows.assign(onset_share=0.0, onset_epoch=float("nan")))[0]
    assert "on 1,000 samples in 0 of 4 trainings, the loss 0.4 nats" in never
