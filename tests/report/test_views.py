"""Rows or columns: each view against the first, and what the seeds can show."""

import dataclasses

from pipeline.report.results import Results
from pipeline.report.views import views
from tests.helpers.trials import seeds, study


def test_each_view_stands_against_the_first(results: Results) -> None:
    trials = study(
        seeds(8, [0.90, 0.91, 0.92]),
        seeds(8, [0.95, 0.961, 0.972], view="columns"),
        seeds(8, [0.89, 0.92, 0.92], view="permuted_pixels"),
    ).assign(merge_mode="concat")
    study_of_views = dataclasses.replace(results.studies["capacity"], trials=trials)
    made = views(dataclasses.replace(results, studies={"views": study_of_views}))
    assert made is not None
    assert [row[1] for row in made.table.rows] == ["rows", "columns", "permuted pixels"]
    clear, unclear = made.findings
    assert clear.startswith("GRU 1×8: columns instead of rows change validation accuracy by 5.10 points (95 % interval")
    assert clear.endswith("3 seeds): a difference is shown.")
    assert unclear.endswith("no difference is shown, nor that there is none.")
    assert views(results) is None
