"""Takes the pictures of MLflow's and Optuna's pages that docs/mlflow.md shows, and that of the page to draw on.

    .venv/bin/python -m docs.screenshots [EXPERIMENT]
    .venv/bin/python -m docs.screenshots demo

The first line reads mlflow.db and optuna.db in the current folder, the project's root. EXPERIMENT is `mnist-rnn`, or
`mnist-rnn-quick` for the runs of `make quick`. The second also measures how long a stroke takes. Needs Debian's package
chromium.
"""

import re
import statistics
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow import MlflowClient

from pipeline.tracking.links import MODEL_TRAINING
from tests.helpers.servers import Server, browser_page, mlflow_server, optuna_dashboard, serving

if TYPE_CHECKING:
    from playwright.sync_api import Page

DOCS = Path("docs")
STUDY = "search"
HIDDEN = ["Dataset", "Source", "Models"]
COLUMNS = ["parameters", "best_validation_accuracy", "best_generalization_gap", "dropout", "learning_rate"]
CLOSE = "[data-component-id='mlflow.assistant.chat_panel.close']"  # of the panel in which MLflow offers an assistant
FIVE = [  # strokes from point to point (x, y), as shares of the paper
    [(0.36, 0.2), (0.33, 0.45), (0.5, 0.42), (0.64, 0.5), (0.66, 0.65), (0.56, 0.77), (0.42, 0.79), (0.32, 0.72)],
    [(0.36, 0.2), (0.66, 0.18)],
]


def main(experiment: str = "mnist-rnn") -> None:
    client = MlflowClient("sqlite:///mlflow.db")
    found = client.get_experiment_by_name(experiment)
    if found is None:
        sys.exit(f"error: mlflow.db has no experiment {experiment}: `make report` or `make quick` makes one")
    condition = f"tags.stage = 'study' and tags.study = '{STUDY}'"
    runs = client.search_runs([found.experiment_id], condition, order_by=["attributes.start_time DESC"])
    parent = next(run for run in runs if not run.data.tags["trial"])
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    best = next(run for run in children if int(run.data.tags["trial"]) == parent.data.metrics["best_number"])

    mlflow, dashboard = mlflow_server(Path.cwd(), "ui"), optuna_dashboard(Path.cwd())
    try:
        mlflow.start()
        dashboard.start()
        with browser_page(1200, 720) as page:
            home = f"{mlflow.address}/#/experiments/{found.experiment_id}"
            page.goto(f"{home}/runs?{MODEL_TRAINING}")
            page.locator(CLOSE).click()
            show_study(page, str(parent.info.run_name))
            page.screenshot(path=DOCS / "mlflow.png")
            page.goto(f"{home}/runs/{parent.info.run_id}?{MODEL_TRAINING}")
            page.get_by_text("Show more").first.click()
            page.locator("img[src*='networks.png']").wait_for()
            settle(page)
            page.screenshot(path=DOCS / "mlflow-study.png")
            page.goto(f"{home}/runs/{best.info.run_id}/model-metrics?{MODEL_TRAINING}")
            page.locator(".js-plotly-plot .scatterlayer .point").nth(8).wait_for()
            settle(page)
            page.screenshot(path=DOCS / "mlflow-run.png")
            page.goto(dashboard.address)
            page.get_by_text(parent.data.tags["optuna_study"]).click()
            page.locator(".js-plotly-plot .scatterlayer .point").first.wait_for()
            settle(page)
            page.screenshot(path=DOCS / "optuna-dashboard.png")
    finally:
        mlflow.kill()
        dashboard.kill()


def demo() -> None:
    """The page in the middle of a reading; and, by the browser's clock, the milliseconds from a move of the pointer to
    the new bars."""
    server = Server(Path.cwd(), [sys.executable, "-m", "pipeline", "demo", "--port"], "/")
    with serving(server) as address, browser_page(1280, 940) as page:
        page.goto(address)
        page.locator("#told").filter(has_text="A test image").wait_for()
        page.locator("#clear").click()
        settle(page)
        page.evaluate("performance.clearMeasures()")
        box = page.locator("#canvas").bounding_box()
        assert box is not None
        for stroke in FIVE:
            points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
            page.mouse.move(*points[0])
            page.mouse.down()
            for point in points[1:]:
                page.mouse.move(*point, steps=8)
                page.wait_for_timeout(20)
            page.mouse.up()
        settle(page)
        taken = page.evaluate("performance.getEntriesByName('stroke').map(entry => entry.duration)")
        median, slow = statistics.median(taken), statistics.quantiles(taken, n=20)[-1]
        print(f"{len(taken)} answers: median {median:.0f} ms, 95th percentile {slow:.0f} ms")
        page.locator("#steps").fill("15")
        settle(page)
        page.screenshot(path=DOCS / "demo.png")


def show_study(page: "Page", name: str) -> None:
    """Unfold a study's trials in the list of runs, with `COLUMNS` and without `HIDDEN`."""
    for column in [*HIDDEN, *COLUMNS]:
        page.get_by_role(
            "button", name="Columns", exact=True
        ).click()  # open anew, it has no group of columns folded away
        page.get_by_placeholder("Search columns").fill(column)
        entry = page.locator("[class*=tree-treenode]").filter(has_text=re.compile(f"^{column}$"))
        entry.locator("[class*=tree-checkbox]").first.click()
        page.keyboard.press("Escape")
    page.get_by_role("row").filter(has_text=name).get_by_role("button").first.click()
    page.get_by_role("link", name="#000").wait_for()
    settle(page)


def settle(page: "Page") -> None:
    """Wait until the page no longer moves, with the pointer out of the way."""
    page.mouse.move(0, 0)
    page.wait_for_timeout(3000)  # milliseconds


if __name__ == "__main__":
    demo() if sys.argv[1:] == ["demo"] else main(*sys.argv[1:])
