"""The race: its course in words and numbers, and about how many more blocks would tell what is not known."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from pipeline.documents import records
from pipeline.params.studies import RaceStudy
from pipeline.report.palette import MARK
from pipeline.report.race import behind_the_leader, between, possible, race
from pipeline.report.results import Results
from pipeline.studies.racing import blocks_to_settle, standing
from tests.helpers.pages import ReadPage, hovers, texts

RULES = RaceStudy(entrants=("search",))
BOUNDS = ["behind", "behind_low", "behind_high"]


def test_the_course_and_what_is_not_known(page: ReadPage, results: Results) -> None:
    assert results.race_table is not None
    made = race(results)
    assert made is not None
    course, refused, soon_told, first, second, also_soon_told = made.findings
    assert course.startswith("12 networks started. ")
    assert "There were 10 blocks, the most that were allowed, and it is not settled. 7 networks stayed" in course
    trainings, left_after = results.race_table["blocks"].sum(), results.race_table["left_after"]
    assert f"{trainings} trainings of the 120 that 10 blocks of all networks would be" in course
    assert course.endswith(
        "With 95 % confidence, however often it looked, nobody has left who is as good, and whoever is named as good "
        "is."
    )
    assert refused.startswith("Refused for their size: ")
    assert "SimpleRNN 1×512 (282,122 parameters)" in refused
    assert "More than 130,000 parameters, 2 times the largest budget, would take" in refused
    assert soon_told.startswith("Of GRU 1×42 mean+max (9,922 parameters) it is not known whether it is more than ")
    assert "it may be 0.19 to 0.44 points less accurate" in soon_told
    assert also_soon_told.startswith("Of SimpleRNN 1×256 (75,530 parameters) it is not known")
    assert first.startswith("Of GRU 1×64 (18,698 parameters) it is not known whether it is more than 0.2 points less ")
    open_ = results.race_table.iloc[[6, 7]]
    for finding, (behind, low, high) in zip((first, second), open_[BOUNDS].to_numpy(), strict=True):
        assert finding.endswith(
            f"than the leader: it may be {100 * low:.2f} to {100 * high:.2f} points less accurate. The blocks "
            "differ so much that no number of them is likely to tell on which side of the tolerance its mean lies, "
            f"{100 * behind:.2f} points behind the leader."
        )
    (table,) = page.parts["race"]
    assert [row[:3] for row in table[1:3]] == [["bi-GRU 1×4", "906", "2"], ["GRU 2×6", "970", "2"]]
    assert [row[6] for row in table[1:]] == ["–" if pd.isna(left) else str(int(left)) for left in left_after]
    assert list(left_after.isna()) == [*[False] * 5, *[True] * 7]
    assert "Is bigger better?" not in page.text


def test_every_entrant_is_drawn_and_the_choice_ringed(results: Results) -> None:
    assert results.race_table is not None
    table = results.race_table
    chosen = records(table)[8]
    svg = behind_the_leader(table, RULES, chosen, "alt")
    assert len(hovers(svg)) == 12
    assert hovers(svg)[8].startswith("GRU 2×51 mean+max, 29,335 parameters: shown to be at most 0.2 points worse than")
    accuracy, behind = chosen["validation_accuracy"], chosen["behind"]
    assert hovers(svg)[8].endswith(f"accuracy {accuracy:.2%} over 10 blocks, {100 * behind:.2f} points behind")
    assert "champion: GRU 2×51 mean+max" in texts(svg)
    assert svg.count(f"stroke: {MARK}") > behind_the_leader(table, RULES, None, "alt").count(f"stroke: {MARK}")


def test_about_how_many_more_blocks_would_tell(results: Results) -> None:
    assert results.race_table is not None
    table = results.race_table.copy()
    table.loc[6, ["behind", "behind_low", "behind_high"]] = [0.001, -0.0004, 0.0021]
    made = race(dataclasses.replace(results, race_table=table))
    assert made is not None
    assert made.findings[3] == (
        "Of GRU 1×64 (18,698 parameters) it is not known whether it is more than 0.2 points less accurate than the "
        "leader: it may be up to 0.21 points less accurate and up to 0.04 points more accurate. If mean and spread "
        "stay as they are, about 5 more blocks would tell; but there are only 10 different parts to hold "
        "out."
    )


def test_a_settled_race_and_one_that_has_not_looked_yet(results: Results) -> None:
    assert results.race_table is not None
    table = results.race_table
    settled = race(dataclasses.replace(results, race_table=table.assign(settled=table.index == 8, as_good=True)))
    assert settled is not None
    assert len(settled.findings) == 2
    assert "10 blocks, and then it was settled." in settled.findings[0]
    nothing = dict.fromkeys(("behind", "behind_low", "behind_high", "left_after"), np.nan)
    early = race(dataclasses.replace(results, race_table=table.assign(blocks=1, as_good=False, **nothing)))
    assert early is not None
    assert early.figures == {}
    assert len(early.findings) == 2 + 12
    assert early.findings[2] == (
        "bi-GRU 1×4 (906 parameters) has not been compared yet: the race looks after 2 blocks first."
    )
    assert race(dataclasses.replace(results, race_table=None)) is None


def test_no_network_is_said_to_be_unknown_where_it_is_known(results: Results) -> None:
    """A network may be as good as the leader, but not as another one; and the leader itself may be unsure."""
    assert results.race_table is not None
    table = results.race_table.assign(as_good=False)
    made = race(dataclasses.replace(results, race_table=table))
    assert made is not None
    assert made.findings[5] == (
        "GRU 2×51 mean+max (29,335 parameters) is shown to be at most 0.2 points less accurate than the leader, but "
        "not than every other network that is left."
    )
    assert made.findings[6].startswith("GRU 2×78 mean+max (63,814 parameters) leads, but is not shown to be at most")


def test_who_failed_is_named_and_not_said_to_be_worse(results: Results) -> None:
    assert results.race_table is not None
    table = results.race_table.copy()
    table.loc[[7, 11], ["behind", "behind_low", "behind_high", "left_after"]] = [np.nan, np.nan, np.nan, 1]
    made = race(dataclasses.replace(results, race_table=table))
    assert made is not None
    assert made.findings[0].endswith(
        "nobody who left for being less accurate is as good, and whoever is named as good is. Not compared to the end, "
        "because a training failed: LSTM 2×44 and SimpleRNN 1×256. Of these nothing is shown."
    )
    table.loc[table.index != 8, ["behind", "behind_low", "behind_high", "left_after"]] = [np.nan, np.nan, np.nan, 1]
    table = table.assign(as_good=False)
    alone = race(dataclasses.replace(results, race_table=table.assign(blocks=1 - table["left_after"].fillna(0))))
    assert alone is not None
    assert "There was 1 block, and then it ended, since fewer than two networks were left." in alone.findings[0]
    assert len(alone.findings) == 2, "the course and who was refused; nobody leads"
    assert "So no two networks were compared, and nothing is shown. Not compared to the end" in alone.findings[0]
    assert "confidence" not in alone.findings[0]
    late = race(dataclasses.replace(results, race_table=table.assign(left_after=table["left_after"].mul(4), blocks=4)))
    assert late is not None
    assert "There were 4 blocks, and then it ended" in late.findings[0]
    assert "Networks were compared until block 3, and none is named as good. Not compared to the" in late.findings[0]


def test_networks_that_tie_with_the_leader_do_not_lead(results: Results) -> None:
    """And twins are told apart."""
    assert results.race_table is not None
    table = results.race_table.copy()
    table.loc[[8, 10], "behind"] = 0.0
    svg = behind_the_leader(table, RULES, records(table)[9], "alt")
    assert [", 0.00 points behind" in text for text in hovers(svg)] == [index in (8, 10) for index in range(12)]
    assert "points behind" not in hovers(svg)[9]
    twins = table.copy()
    shape = ["cell", "units", "depth", "bidirectional", "pooling"]
    twins.loc[7, shape] = twins.loc[8, shape]
    made = race(dataclasses.replace(results, race_table=twins))
    assert made is not None
    names = [row[0] for row in made.table.rows]
    assert len(set(names)) == 12
    assert names[8] == "GRU 2×51 mean+max, dropout 0.122, rate 0.00473"
    assert names[9] == "GRU 2×78 mean+max"


def test_no_difference_is_said_or_drawn_that_accuracies_cannot_have(results: Results) -> None:
    """Two blocks that differ much make intervals of hundreds of points."""
    assert results.race_table is not None
    table = results.race_table.copy()
    table.loc[6, [*BOUNDS, "validation_accuracy"]] = [0.0846, -2.1125, 1.4545, 0.9]
    table.loc[7, [*BOUNDS, "validation_accuracy"]] = [0.4, -1.1, 1.9, 0.6]
    made = race(dataclasses.replace(results, race_table=table))
    assert made is not None
    assert "it may be up to 98.46 points less accurate and up to 1.54 points more accurate. The" in made.findings[3]
    assert made.findings[3].endswith("its mean lies, 8.46 points behind the leader.")
    assert "it may be up to 100.00 points less accurate. The blocks differ" in made.findings[4], "none beyond 100 %"
    assert [row[6 - 1] for row in made.table.rows[6:8]] == ["−1.54 to 98.46", "0.00 to 100.00"]
    cut = table.copy()
    cut.loc[6, ["behind_low", "behind_high"]] = [-0.0154, 0.9846]
    cut.loc[7, ["behind_low", "behind_high"]] = [0, 1]
    assert behind_the_leader(table, RULES, None, "alt") == behind_the_leader(cut, RULES, None, "alt")
    assert possible(0.1 + 0.9 - 1e-16, -0.5, 0.5) == (0.0, 0.5)
    assert possible(0.98, -0.001, 0.003) == (-0.001, 0.003)


def test_words_for_an_interval() -> None:
    assert between(0, 0.003) == "it may be up to 0.30 points less accurate"
    assert between(0.001, 0.003) == "it may be 0.10 to 0.30 points less accurate"
    assert between(-0.001, 0.003) == "it may be up to 0.30 points less accurate and up to 0.10 points more accurate"


@pytest.mark.parametrize("behind", [0.0003, 0.0005, 0.0035])
def test_with_so_many_blocks_the_race_would_know(behind: float) -> None:
    """Differences that deviate as much as before, drawn out to the number of blocks: the interval then just excludes
    the tolerance, if the look errs as often as the one before."""
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 0.0009, (5, 2))
    noise -= noise.mean(axis=0)
    accuracies = 0.98 + noise - [behind, 0]
    state = standing(accuracies[None], RULES.model_copy(update={"tolerance": 0.002}), 6000)
    high = state.behind_high[0, 0]
    assert state.behind[0, 0] == pytest.approx(behind)
    needed = blocks_to_settle(RULES, 2, 2, 5, behind, high)
    assert needed is not None
    reach = high - behind
    assert needed > 5
    assert reach > abs(0.002 - behind), "it is not known yet"
    # more blocks narrow an interval at best to sqrt((1/9) / (1/5 + 1/9)) of its width, times the quantiles' ratio
    assert abs(0.002 - behind) > 0.35 * reach


def test_near_the_tolerance_no_number_of_blocks_would_tell() -> None:
    assert blocks_to_settle(RULES, 8, 8, 10, 0.0019, 0.003) is None
    assert blocks_to_settle(RULES, 8, 8, 10, 0.001, 0.0021) == 15
    # Half an interval of 0.12 points: with seven others that might lead, leaving takes more than with one.
    assert [blocks_to_settle(RULES, entrants, 8, 4, 0.0030, 0.0042) for entrants in (2, 8)] == [5, 6]
