"""How it was made: the data's hashes, and where and when each training was done."""

import dataclasses

from pipeline.report.provenance import provenance
from pipeline.report.results import Results
from tests.helpers.pages import ReadPage
from tests.helpers.results import PROCESSOR


def test_data_and_studies_are_identified(page: ReadPage, results: Results) -> None:
    data, studies = page.parts["made"]
    assert [row[1] for row in data[1:]] == [
        results.summary.train.sha256, results.summary.validation.sha256, results.summary.test.sha256,
    ]  # fmt: skip
    assert [row[:3] for row in studies[1:]] == [
        [name, results.studies[name].summary.fingerprint, trainings]
        for name, trainings in (("book", "4"), ("capacity", "54"), ("search", "15"))
    ]
    assert {row[3] for row in studies[1:]} == {PROCESSOR}
    assert studies[1][4:] == ["2026-11-26 15:00", "2026-11-26 15:03"]


def test_a_clone_that_trained_nothing_says_so(page: ReadPage, results: Results) -> None:
    here = results.lineage.environment["processor"]
    assert (
        "Behind this page are 73 trainings. The table says on which processors they were done, and when the first and "
        "the last of them ended. This clone's journal of finished trainings (.journal) has none of them: all are "
        f"replayed from the record (data/record). The page was made on {here}."
    ) in page.text


def test_a_clone_that_trained_some_or_all_says_so(results: Results) -> None:
    done = {
        name: list(zip(study.timings["trained_at"], study.timings["fit_seconds"], strict=True))
        for name, study in results.studies.items()
    }
    some = provenance(dataclasses.replace(results, journal=frozenset(done["search"])))
    assert "has 15 of them, which were trained from here. The other 58 are replayed" in some.trainings_words
    everything = frozenset(moment for moments in done.values() for moment in moments)
    assert (
        "has all of them: they were trained from here."
        in provenance(
            dataclasses.replace(results, journal=everything | {("2020-01-01T00:00:00Z", 1.0)})
        ).trainings_words
    )
    nothing = provenance(dataclasses.replace(results, studies={}))
    assert nothing.trainings_words.startswith("No study has trained a network yet.")
