"""Whole results and the page that they make: made once, to look at, not to change."""

from pathlib import Path

import pytest

from pipeline.commands import report
from pipeline.report.results import Results, load_results
from tests.helpers.pages import ReadPage, read_page
from tests.helpers.results import project_params, write_results


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which every stage, and last the report, has run."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        monkeypatch.setattr(report, "log_report", lambda **_: None)  # tests/tracking/test_outcomes.py
        write_results()
        report.run(project_params())
    return folder


@pytest.fixture(scope="session")
def page(whole: Path) -> ReadPage:
    return read_page(whole)


@pytest.fixture(scope="session")
def results(whole: Path) -> Results:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(whole)
        return load_results(project_params())


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, to write results into."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(report, "log_report", lambda **_: None)
    return tmp_path
