"""The studies: their configurations, best first, and what is missing of each."""

import dataclasses

import pandas as pd

from pipeline.report.results import Results
from pipeline.report.studies import studies
from tests.helpers.pages import ReadPage
from tests.helpers.trials import seeds


def test_configurations_come_best_first(page: ReadPage) -> None:
    assert "50 trials: 36 complete, 13 pruned (left out below), 1 failed (left out below)." in page.text
    _, capacity, search, ablation, race = page.parts["studies"]  # views has not run
    assert len(capacity) == 1 + 36
    assert len(search) == 1 + 36
    assert len(ablation) == 1 + 8
    assert len(race) == 1 + 12
    settings = ["network", "optimizer", "dropout", "schedule", "warm-up epochs", "weight decay", "gradients clipped at"]
    places = [ablation[0].index(name) for name in settings]
    assert len({tuple(row[place] for place in places) for row in ablation[1:]}) == 8, "each has its own settings"
    accuracies = [float(row[2].removesuffix(" %")) for row in search[1:]]
    assert accuracies == sorted(accuracies, reverse=True)


def test_a_study_that_is_gone_is_named(results: Results) -> None:
    made = studies(dataclasses.replace(results, studies={"capacity": results.studies["capacity"]}))
    assert [study.name for study in made] == list(results.params.studies)
    gone = [study.name for study in made if study.missing and study.missing.startswith("This study has not run")]
    assert gone == [name for name in results.params.studies if name != "capacity"]


def test_rows_that_look_alike_have_names_that_tell_them_apart(results: Results) -> None:
    twins = [
        seeds(8, accuracies, merge_mode="concat", patience=patience, batch_size=size)
        for patience, size, accuracies in ((1, 64, [0.9, 0.8]), (None, 64, [0.7, 0.9]), (1, 32, [0.6, 0.7]))
    ]
    trials = pd.concat(twins, ignore_index=True).assign(number=range(6))
    book = dataclasses.replace(results.studies["book"], trials=trials, timings=results.studies["book"].timings[:0])
    shown = next(study for study in studies(dataclasses.replace(results, studies={"book": book})) if study.table)
    assert shown.table is not None
    assert [row[0] for row in shown.table.rows] == ["GRU 1×8, patience 1", "GRU 1×8, patience none", "GRU 1×8"]
