"""A finished study as its user sees it: MLflow's and Optuna's pages in a real browser."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import optuna
import pytest

from pipeline.tracking.links import MODEL_TRAINING, ON_THIS_MACHINE, experiment_pages
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


def page_of(project: Project, mlflow: str) -> str:
    """The address that `make ui` prints of the experiment."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("PIPELINE_HOME", str(project.folder))
        return experiment_pages()["mnist-rnn"].replace(ON_THIS_MACHINE, mlflow)


def test_mlflow_shows_the_study_and_its_trials_below_it(project: Project, mlflow: str, page: "Page") -> None:
    page.goto(page_of(project, mlflow))
    page.get_by_text("How big should a recurrent network be?").wait_for()  # the description
    row = page.get_by_role("row").filter(has_text="study/search")
    row.wait_for()
    names = {run.info.run_name for run in project.runs("tags.stage = 'study'") if run.data.tags["trial"]}
    assert page.get_by_text("#000", exact=False).count() == 0, "trials are folded away at first"
    row.get_by_role("button").first.click()
    page.get_by_role("link").filter(has_text="#0").nth(len(names) - 1).wait_for()
    shown = {link.inner_text() for link in page.get_by_role("link").filter(has_text="#0").all()}
    assert shown == names


def test_the_picture_of_the_networks_is_at_the_top_of_the_studys_run(
    project: Project, mlflow: str, page: "Page"
) -> None:
    [study] = project.runs("tags.kind = 'study'")
    page.goto(f"{mlflow}/#/experiments/{study.info.experiment_id}/runs/{study.info.run_id}?{MODEL_TRAINING}")
    picture = page.locator("img[src*='networks.png']")  # MLflow leaves out its other text
    picture.wait_for()
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 800


def test_a_trials_curves_come_before_its_single_values(project: Project, mlflow: str, page: "Page") -> None:
    [run] = project.runs("tags.kind = 'trial' and tags.trial = '0'")
    page.goto(f"{mlflow}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}/model-metrics?{MODEL_TRAINING}")
    heights = [
        page.get_by_text(re.compile(rf"^{name} ?\(\d+\)$")).bounding_box() for name in ("curves", "Model metrics")
    ]
    assert heights[0] is not None
    assert heights[1] is not None
    assert heights[0]["y"] < heights[1]["y"]


def test_mlflow_draws_the_validation_accuracy_over_epochs(project: Project, mlflow: str, page: "Page") -> None:
    [run] = project.runs("tags.trial = '0' and tags.stage = 'study'")
    page.goto(f"{mlflow}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}/model-metrics")
    from playwright.sync_api import expect

    page.get_by_placeholder("Search metric charts").fill("^curves/validation_accuracy$")
    chart = page.locator(".js-plotly-plot", has=page.locator(".scatterlayer .trace"))
    expect(chart).to_have_count(1)
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
