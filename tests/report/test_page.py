"""The page: whole results, and results with parts missing, built into a file and read back."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from pipeline import paths
from pipeline.commands import report
from pipeline.params.document import validate_params
from pipeline.report.page import VEGA
from pipeline.report.results import Results
from tests.helpers.pages import ReadPage, read_page
from tests.helpers.results import (
    ROOT,
    capacity_records,
    choice_of,
    project_params,
    read_trials,
    search_records,
    without_race,
    write_results,
    write_study,
    write_summary,
)

# As files; the answer has a file of its own, and one figure is of times, which are never the same again.
FIGURES = [
    "ablation", "capacity_maps", "confusion", "coverage", "curves_chosen", "curves_largest", "curves_smallest",
    "error_law", "expected_best_search", "gap_against_samples", "most_confident", "most_confused", "race", "recall",
    "reliability",
]  # fmt: skip


@pytest.mark.parametrize("without", ["nothing", "all but the data"])
def test_links_lead_to_every_section_in_order(whole: Path, workspace: Path, without: str) -> None:
    if without == "nothing":
        shutil.copytree(whole, workspace, dirs_exist_ok=True)
    else:
        write_summary()
        report.run(project_params())
    text = paths.REPORT.read_text(encoding="utf-8")
    navigation = text[text.index("<nav>") : text.index("</nav>")]
    links = re.findall(r'<a href="#(\w+)">([^<]+)</a>', navigation)
    assert links == re.findall(r'<h2 id="(\w+)">([^<]+)</h2>', text)
    assert len(links) == text.count("<h2 ") == (15 if without == "nothing" else 7)
    assert (links[0], links[-1]) == (
        ("race", "The race") if without == "nothing" else ("bigger", "Is bigger better?"), ("made", "How it was made")
    )  # fmt: skip


def test_the_rule_and_those_left_out_are_told(page: ReadPage, results: Results) -> None:
    assert results.choice is not None
    assert results.choice.rule in page.text
    assert results.choice.rule.startswith("The smallest network shown to be at most 0.2 points less accurate than any")


def test_those_left_out_are_told_where_no_race_decides(workspace: Path) -> None:
    write_summary()
    write_study("capacity", capacity_records())
    write_study("search", search_records())
    choice_of("capacity", "search").write(paths.CHOICE)
    report.run(without_race())
    made = read_page()
    assert "Left out: 18 configurations of capacity, trained on 5,000 samples, not on 54,000." in made.text
    assert {"bigger", "search"} <= made.headings
    assert "race" not in made.headings


def test_report_needs_nothing_from_outside(whole: Path, page: ReadPage) -> None:
    assert (whole / paths.REPORT).stat().st_size < 3_000_000
    assert page.addresses  # the figures refer to their own parts
    assert all(address.startswith(("#", "data:image/png;base64,")) for address in page.addresses)
    text = (whole / paths.REPORT).read_text(encoding="utf-8").replace(VEGA.read_text(encoding="utf-8"), "")
    assert not re.findall(r"(?:url\(|@import\s+)[\"']?(?!#)[^)]*", text)  # test_browser.py sees what Vega asks for
    scripts = ["<script>", '<script type="application/json" id="explore-data">', "<script>", '<script type="module">']
    assert re.findall(r"<script[^>]*>", text) == scripts, "all scripts are in the page"


def test_written_files_are_those_of_the_analysis_and_the_same_again(workspace: Path, whole: Path) -> None:
    shutil.copytree(whole, workspace, dirs_exist_ok=True)
    drawn = {f"{name}.svg" for name in FIGURES}
    files = [paths.REPORT, paths.ANSWER, paths.BOOK_TABLE, paths.CAPACITY, paths.VIEWS]
    files += [paths.FIGURES / name for name in sorted(drawn)]
    first = [path.read_bytes() for path in files]
    (paths.FIGURES / "of_another_time.svg").touch()
    report.run(project_params())
    assert [path.read_bytes() for path in files] == first
    assert {path.name for path in paths.FIGURES.iterdir()} == drawn
    assert {path.name for path in paths.NETWORKS.iterdir()} == {
        f"simple_rnn-1x{units}.{kind}" for units in (256, 512) for kind in ("png", "txt")
    }
    assert (paths.NETWORKS / "simple_rnn-1x256.txt").read_text() == "Model: simple_rnn-1x256\n"
    book = pd.read_csv(paths.BOOK_TABLE)
    assert book["book_test_accuracy"].tolist() == [0.98, 0.976, 0.974, 0.983]
    assert book["test_accuracy"].tolist() == read_trials("book")["validation_accuracy"].tolist()
    assert book["test_accuracy_sd"].isna().all()
    assert len(pd.read_csv(paths.CAPACITY)) == 36


def test_without_champion_and_evaluation_the_rest_shows(workspace: Path) -> None:
    params = without_race()
    write_summary()
    write_study("capacity", capacity_records(seeds=1))
    report.run(params)
    made = read_page()
    assert "No network is recommended yet." in made.text
    assert "The stage champion has not run, so nothing has been chosen." in made.text
    assert "the test data are untouched" in made.text
    assert made.text.count("This study has not run: there is no trials.csv of it.") == len(params.studies) - 1
    assert "Every configuration has one seed" in made.text
    assert len(made.parts["studies"][0]) == 1 + 18
    assert "Nothing has been chosen, so there is nothing to compare with." in made.text
    assert "The stage evaluate has not run, so prediction times are not known." in made.text
    assert len(pd.read_csv(paths.BOOK_TABLE)) == 0


def test_one_configuration_with_one_seed(workspace: Path) -> None:
    write_summary()
    write_study("capacity", capacity_records(seeds=1)[:1])
    choice_of("capacity").write(paths.CHOICE)
    report.run(without_race())
    made = read_page()
    assert "Use SimpleRNN 1×8: with 386 parameters it has the highest validation accuracy" in made.text
    assert "No network larger than SimpleRNN 1×8 was trained on as many samples, so nothing can be said." in made.text
    assert "Every configuration has one seed" in made.text
    assert "the result of another seed is not known" in made.text
    assert "Every network was trained on one number of samples" in made.text
    assert "Smallest and chosen and largest: SimpleRNN 1×8" in made.text
    assert len(made.parts["curves"][0]) == 1 + 15


def test_nan_in_the_results(workspace: Path) -> None:
    write_results()
    folder = paths.study_folder("search")
    trials, curves = read_trials("search"), pd.read_csv(folder / "curves.csv")
    spoiled = trials.index[trials["state"] == "COMPLETE"][-1]
    trials.loc[spoiled, ["validation_accuracy", "validation_loss", "generalization_gap"]] = float("nan")
    curves.loc[curves["number"] == 0, "validation_loss"] = float("nan")
    paths.write_csv(folder / "trials.csv", trials)
    paths.write_csv(folder / "curves.csv", curves)
    choice_of("search").write(paths.CHOICE)
    times = pd.read_csv(paths.PREDICTION_TIMES)
    times.loc[0, "median_ms"] = float("nan")
    paths.write_csv(paths.PREDICTION_TIMES, times)
    report.run(without_race("search"))
    made = read_page()
    assert "chosen from 35 configurations" in made.text
    assert len(made.parts[""][0]) == 1 + 35


def test_study_without_complete_trial(workspace: Path) -> None:
    write_results()
    write_study("search", [record for record in search_records() if record.state != "COMPLETE"])
    write_study("book", [])
    paths.CHOICE.unlink()
    report.run(without_race())
    made = read_page()
    assert "4 trials: 3 pruned (left out below), 1 failed (left out below)." in made.text
    assert made.text.count("No trial of this study is complete, so there is nothing to compare.") == 2
    assert "The effect of capacity" in made.text
    assert "Compared with the book" not in made.text


def test_nothing_but_data(workspace: Path) -> None:
    write_summary()
    report.run(project_params())
    made = read_page()
    assert made.text.count("This study has not run") == len(project_params().studies)
    assert "No study has trained a network yet." in made.text
    assert "no study has a complete trial" in paths.ANSWER.read_text(encoding="utf-8")


def test_other_names_of_studies(workspace: Path) -> None:
    document = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    del document["race"]
    document["studies"] = {"wide_nets": document["studies"]["capacity"]}
    document["champion"]["studies"] = ["wide_nets"]
    document["data"]["dataset"] = "fashion_mnist"
    params = validate_params(document, "changed")
    write_summary(dataset="fashion_mnist")
    write_study("wide_nets", capacity_records(), params)
    report.run(params)
    made = read_page()
    assert "wide_nets" in made.text
    assert "Compared with the book" not in made.text
    assert "The effect of capacity" not in made.text


def test_report_imports_neither_tensorflow_nor_mlflow() -> None:
    code = "import sys, pipeline.commands.report; print({'tensorflow', 'keras', 'mlflow'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
