"""Rows or columns: each view against the first, and what the seeds can show."""

import dataclasses

import pandas as pd

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


def test_networks_keep_their_direction_and_what_else_tells_them_apart(results: Results) -> None:
    trials = study(
        *(
            seeds(8, accuracies, view=view, bidirectional=True, pooling=pooling)
            for view, accuracies in (("rows", [0.90, 0.91]), ("columns", [0.95, 0.97]))
            for pooling in ("last", "mean")
        )
    ).assign(merge_mode="concat", dropout=0.1)
    trials = pd.concat([trials, trials.assign(learning_rate=0.002, number=trials["number"] + len(trials))])
    study_of_views = dataclasses.replace(results.studies["capacity"], trials=trials)
    made = views(dataclasses.replace(results, studies={"views": study_of_views}))
    assert made is not None
    assert sorted({row[0] for row in made.table.rows}) == [
        "bi-GRU 1×8 mean, learning rate 0.001", "bi-GRU 1×8 mean, learning rate 0.002",
        "bi-GRU 1×8, learning rate 0.001", "bi-GRU 1×8, learning rate 0.002",
    ]  # fmt: skip
    assert all(finding.startswith("bi-GRU 1×8") for finding in made.findings)
    assert len({finding.partition(":")[0] for finding in made.findings}) == 4
