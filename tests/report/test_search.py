"""The search: the expected best of so many trials, and the best of each budget."""

import dataclasses

from pipeline.params.studies import SampledStudy
from pipeline.report.results import Results
from pipeline.report.search import searches
from tests.helpers.pages import ReadPage, hovers


def test_each_cell_has_a_line_as_long_as_its_trials(page: ReadPage, results: Results) -> None:
    (search,) = searches(results)
    trials = results.studies["search"].trials
    assert len(hovers(search.figures["expected_best_search"])) == len(trials) - 1, "all but the one that failed"
    counts = trials.loc[trials["state"] != "FAIL", "cell"].value_counts()
    assert f"after {counts['lstm']} trials" in search.finding
    assert search.finding.endswith("; 1 failed trial left out.")
    assert search.finding in page.text


def test_a_study_by_budgets_shows_the_best_of_each(results: Results) -> None:
    (search,) = searches(results)
    assert search.budgets is not None
    assert [row[0] for row in search.budgets.rows] == ["1,000", "3,000", "10,000", "30,000", "65,000"]
    assert search.budgets.rows[4][1:4] == ["LSTM 1×111 mean+max", "64,390", "98.91 %"]
    assert [int(row[6]) for row in search.budgets.rows].count(10) == 5


def test_a_study_without_budgets_has_no_table(results: Results) -> None:
    study = results.params.study("search")
    assert isinstance(study, SampledStudy)
    plain = study.model_copy(update={"parameter_budgets": None})
    params = results.params.model_copy(update={"studies": results.params.studies | {"search": plain}})
    (search,) = searches(dataclasses.replace(results, params=params))
    assert search.budgets is None
    assert searches(dataclasses.replace(results, studies={})) == ()
