"""How it was made: the data's hashes, and where and when each training was done."""

import dataclasses
import json
from typing import Any

from pipeline.report.provenance import provenance
from pipeline.report.results import Results
from tests.helpers.pages import ReadPage
from tests.helpers.results import PROCESSOR


def test_data_and_studies_are_identified(page: ReadPage, results: Results) -> None:
    data, studies = page.parts["made"]
    assert [row[1] for row in data[1:]] == [
        results.summary.train.sha256, results.summary.validation.sha256, results.summary.test.sha256,
    ]  # fmt: skip
    trainings = {"book": 4, "capacity": 108, "search": 49, "ablation": 40, "race": _of_race(results)}
    assert [row[:3] for row in studies[1:]] == [
        [name, results.studies[name].summary.fingerprint, str(count)] for name, count in trainings.items()
    ]
    assert {row[3] for row in studies[1:]} == {PROCESSOR}
    assert studies[1][4:] == ["2026-11-26 15:00", "2026-11-26 15:03"]


def test_the_page_says_where_its_trainings_were_done_and_that_they_are_replayed(
    page: ReadPage, results: Results
) -> None:
    here = results.lineage.environment["processor"]
    assert (
        f"Behind this page are {4 + 108 + 49 + 40 + _of_race(results)} trainings. The table says on which processors "
        "they were done, and when the first and the last of them ended. They are kept in the record (data/record): a "
        "study that asks for the same trainings replays them from there, on any machine, and trains none of them "
        f"again. The page was made on {here}."
    ) in page.text
    nothing = provenance(dataclasses.replace(results, studies={}))
    assert nothing.trainings_words.startswith("No study has trained a network yet.")


def test_lengths_that_differ_are_told(results: Results) -> None:
    def words(**lengths: Any) -> str:
        summary = results.summary.model_copy(update={"timesteps": 8, **lengths})
        return provenance(dataclasses.replace(results, summary=summary)).data_words

    assert " test sequences of 3 to 8 steps with 28 features" in words(padded=True, lengths=(3, 5, 8))
    assert " test sequences of up to 8 steps with" in words(padded=True)
    assert " test sequences of 8 steps with" in words(padded=False, lengths=(8, 8, 8))


def _of_race(results: Results) -> int:
    """The trainings of the race: one for each block that a network took part in."""
    assert results.race_table is not None
    return int(results.race_table["blocks"].sum())


def test_results_are_committed_after_the_page_was_made(results: Results) -> None:
    def reproduce(**lineage: Any) -> str | None:
        changed = dataclasses.replace(results.lineage, git_commit="f00", **lineage)
        return provenance(dataclasses.replace(results, lineage=changed)).reproduce

    assert reproduce() is None
    assert reproduce(experiment="mnist-rnn-quick") == "git checkout f00 && python -m pipeline quick --dataset mnist"
    assert reproduce(dvc_experiment="tiny") == "git checkout f00 && dvc exp apply tiny && dvc repro report"
    outside = dataclasses.replace(results, lineage=dataclasses.replace(results.lineage, git_commit=""))
    assert provenance(outside).reproduce == "dvc repro report"


def test_parameters_are_those_of_the_file(results: Results) -> None:
    """The class's defaults would say that a race is trained by plain Adam, whatever `training` says."""
    shown = json.loads(provenance(results).parameters)
    assert shown["training"]["optimizer"] == "adamw"
    assert "training" not in shown["studies"]["search"]
    assert [trial.get("global_clipnorm", "as in training") for trial in shown["studies"]["ablation"]["trials"]] == [
        *["as in training"] * 6, None, None,
    ]  # fmt: skip
