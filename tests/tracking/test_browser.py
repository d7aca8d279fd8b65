"""A finished study as its user sees it: MLflow's and Optuna's pages in a real browser."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import optuna
import pytest

from tests.helpers.project import Project
from tests.helpers.servers import browser_page, mlflow_server, needs_chromium, optuna_dashboard, serving

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def mlflow(project: Project) -> Iterator[str]:
    """The address of `mlflow ui`, started in the project's folder."""
    with serving(mlflow_server(project.folder, "ui")) as address:
        yield address


@pytest.fixture(scope="module")
def dashboard(project: Project) -> Iterator[str]:
    """The address of `optuna-dashboard sqlite:///optuna.db`, started in the project's folder."""
    with serving(optuna_dashboard(project.folder)) as address:
        yield address


@pytest.fixture(scope="module")
def page() -> Iterator["Page"]:
    with browser_page() as page:
        yield page


def test_mlflow_shows_the_study_and_its_trials_below_it(project: Project, mlflow: str, page: "Page") -> None:
    page.goto(mlflow)
    page.get_by_text("Model training", exact=True).click()  # MLflow begins with what it has for language models
    page.get_by_role("link", name="mnist-rnn", exact=True).click()
    row = page.get_by_role("row").filter(has_text="study/search")
    row.wait_for()
    names = {run.info.run_name for run in project.runs("tags.stage = 'study'") if run.data.tags["trial"]}
    assert page.get_by_text("#000", exact=False).count() == 0, "trials are folded away at first"
    row.get_by_role("button").first.click()
    page.get_by_role("link").filter(has_text="#0").nth(len(names) - 1).wait_for()
    shown = {link.inner_text() for link in page.get_by_role("link").filter(has_text="#0").all()}
    assert shown == names


def test_mlflow_draws_the_validation_accuracy_over_epochs(project: Project, mlflow: str, page: "Page") -> None:
    [run] = project.runs("tags.trial = '0' and tags.stage = 'study'")
    page.goto(f"{mlflow}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}/model-metrics")
    page.get_by_placeholder("Search metric charts").fill("^validation_accuracy$")
    chart = page.locator(".js-plotly-plot", has=page.locator(".scatterlayer .trace"))
    chart.wait_for()
    line = chart.evaluate("plot => plot.data.find(trace => trace.mode.includes('markers'))")
    points = project.epochs(run, "validation_accuracy")
    assert (line["x"], line["y"]) == (list(points), list(points.values()))
    chart.locator(".scatterlayer .point").nth(len(points) - 1).wait_for(state="attached")
    assert chart.locator(".scatterlayer .point").count() == len(points) == 4


def test_mlflow_shows_the_champion_in_its_registry(mlflow: str, page: "Page") -> None:
    page.goto(f"{mlflow}/#/models/mnist-rnn")
    version = page.get_by_role("row").filter(has_text="Version 1")
    version.get_by_text("@\N{NO-BREAK SPACE}champion", exact=True).wait_for()
    version.get_by_role("link", name="Version 1").click()
    page.get_by_role("heading", name="SimpleRNN 1×").wait_for()  # the model card


def test_optunas_dashboard_shows_the_study(project: Project, dashboard: str, page: "Page") -> None:
    [name] = optuna.get_all_study_names(project.optuna_storage)
    page.goto(dashboard)
    page.get_by_text(name).click()
    history = page.locator(".js-plotly-plot", has=page.locator(".scatterlayer .point")).first
    history.wait_for()
    shown = history.evaluate("plot => plot.data.flatMap(trace => Array.from(trace.y ?? []))")
    study = optuna.load_study(study_name=name, storage=project.optuna_storage)
    assert set(shown) >= {trial.value for trial in study.trials if trial.state.name == "COMPLETE"}
