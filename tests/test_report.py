"""The page: whole results, and results with parts missing, built into a file and read back."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
import yaml

from pipeline import paths, wording
from pipeline.errors import PipelineError
from pipeline.params import Params, load_params, validate_params
from pipeline.stages import report
from tests.example_results import (
    book_records,
    capacity_records,
    read_trials,
    search_records,
    write_results,
    write_study,
    write_summary,
)

ROOT = Path(__file__).parents[1]
VOID = {"meta", "br", "hr", "img", "input", "link", "path", "use", "rect", "circle", "line", "polyline", "ellipse"}


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def params() -> Params:
    return load_params(ROOT / "params.yaml")


class Page(HTMLParser):
    """The page's text and tables; fails on tags that do not match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.words: list[str] = []
        self.addresses: list[str] = []
        self.feed(html)
        assert self.open == []
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "srcset")]
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)
        if "td" in self.open or "th" in self.open:
            self.tables[-1][-1][-1] += data.strip()


def page() -> Page:
    return Page(paths.REPORT.read_text(encoding="utf-8"))


def test_whole_report(workspace: Path, params: Params) -> None:
    write_results()
    report.run(params)
    made = page()
    choice = json.loads(paths.CHOICE.read_text(encoding="utf-8"))
    chosen = choice["choice"]

    assert f"Use LSTM 2×170: with {chosen['parameters']:,} parameters" in made.text
    assert f"{100 * chosen['validation_accuracy']:.2f} %" in made.text
    metrics = json.loads(paths.METRICS.read_text(encoding="utf-8"))
    assert f"accuracy {100 * metrics['test_accuracy']:.2f} %, standard deviation over seeds 0.05 points" in made.text
    assert "110 of 10,000 test sequences are put in a wrong class" in made.text
    assert "Left out: 18 configurations of capacity, trained on 5,000 samples, not on 54,000." in made.text
    assert "16 trials: 12 complete, 3 pruned (left out below), 1 failed (left out below)." in made.text
    assert json.loads(paths.SEQUENCES_SUMMARY.read_text())["test"]["sha256"] in made.text

    beside, _, saturation, steps, overfitting, front, _, _, book, capacity, search = made.tables[:11]
    assert len(book) == 1 + 4
    assert len(capacity) == 1 + 18
    assert len(search) == 1 + 12
    accuracies = [float(row[2].removesuffix(" %")) for row in search[1:]]
    assert accuracies == sorted(accuracies, reverse=True)
    assert beside[1][:5] == ["SimpleRNN", "256", "sgd", "75,530", "1"]
    assert [row[8] for row in beside[1:]] == ["98.00 %", "97.60 %", "97.40 %", "98.30 %"]
    assert [len(saturation), len(steps), len(overfitting)] == [1 + 6, 1 + 12, 1 + 18]
    parameters = [int(row[2].replace(",", "")) for row in front[1:]]
    assert parameters == sorted(parameters)
    fastest = [float(row[3].removesuffix(" %")) for row in front[1:] if "parameters" in row[6]]
    assert fastest == sorted(fastest), "on the front more parameters mean more accuracy"


def test_report_needs_nothing_from_outside(workspace: Path, params: Params) -> None:
    write_results()
    report.run(params)
    assert paths.REPORT.stat().st_size < 3_000_000
    made = page()
    assert made.addresses  # the figures refer to their own parts
    assert all(address.startswith(("#", "data:image/png;base64,")) for address in made.addresses)
    text = paths.REPORT.read_text(encoding="utf-8")
    assert not re.findall(r"(?:url\(|@import\s+)[\"']?(?!#)[^)]*", text)
    assert "<script" not in text


def test_written_tables_are_those_of_the_analysis_and_the_same_again(workspace: Path, params: Params) -> None:
    write_results()
    report.run(params)
    files = [paths.ANSWER, paths.BOOK_TABLE, paths.CAPACITY]
    first = [path.read_bytes() for path in files]
    book = pd.read_csv(paths.BOOK_TABLE)
    assert book["book_test_accuracy"].tolist() == [0.98, 0.976, 0.974, 0.983]
    assert book["test_accuracy"].tolist() == read_trials("book")["validation_accuracy"].tolist()
    assert book["test_accuracy_sd"].isna().all()
    assert len(pd.read_csv(paths.CAPACITY)) == 18
    report.run(params)
    assert [path.read_bytes() for path in files] == first


def test_without_champion_and_evaluation_the_rest_shows(workspace: Path, params: Params) -> None:
    write_summary()
    write_study("capacity", capacity_records(seeds=1))
    report.run(params)
    made = page()
    assert "No network is recommended yet." in made.text
    assert "The stage champion has not run, so nothing has been chosen." in made.text
    assert "the test data are untouched" in made.text
    assert made.text.count("This study has not run: there is no trials.csv of it.") == 3
    assert "Every configuration has one seed" in made.text
    assert len(made.tables[0]) == 1 + 18
    assert len(pd.read_csv(paths.BOOK_TABLE)) == 0


def test_study_without_complete_trial(workspace: Path, params: Params) -> None:
    write_results()
    pruned = [record for record in search_records() if record.state != "COMPLETE"]
    write_study("search", pruned)
    write_study("book", [], "test")
    paths.CHOICE.unlink()
    report.run(params)
    made = page()
    assert "4 trials: 3 pruned (left out below), 1 failed (left out below)." in made.text
    assert made.text.count("No trial of this study is complete, so there is nothing to compare.") == 2
    assert "What capacity buys" in made.text
    assert "Beside the book" not in made.text


def test_nothing_but_data(workspace: Path, params: Params) -> None:
    write_summary()
    report.run(params)
    assert page().text.count("This study has not run") == 4
    assert "no study has a complete trial" in paths.ANSWER.read_text(encoding="utf-8")


def test_other_names_of_studies(workspace: Path) -> None:
    document = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    studies = document["studies"]
    document["studies"] = {"wide <nets>": studies["capacity"]}
    document["champion"]["studies"] = ["wide <nets>"]
    write_summary(dataset="fashion_mnist")
    write_study("wide <nets>", capacity_records())
    report.run(validate_params(document, "changed"))
    made = page()
    assert "wide <nets>" in made.text
    assert "Beside the book" not in made.text
    assert "What capacity buys" not in made.text


def test_the_books_numbers_are_for_mnist(workspace: Path, params: Params) -> None:
    write_summary(dataset="fashion_mnist")
    write_study("book", book_records(), "test")
    report.run(params)
    assert "The published numbers are for mnist; this run has learned from fashion_mnist." in page().text


def test_without_data_it_says_what_to_do(workspace: Path, params: Params) -> None:
    with pytest.raises(PipelineError, match=r"summary\.json not found: run `dvc repro`"):
        report.run(params)


def test_report_imports_neither_tensorflow_nor_mlflow() -> None:
    code = "import sys, pipeline.stages.report; print({'tensorflow', 'keras', 'mlflow'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_numbers_as_text() -> None:
    assert wording.percent(0.98765) == "98.77 %"
    assert wording.points(-0.0043) == "−0.43"
    assert [wording.number(value) for value in (75_530, 8.0, 0.0034664, 75.53, 1649.3)] == [
        "75,530", "8", "0.00347", "75.5", "1,649",
    ]  # fmt: skip
    assert {wording.percent(float("nan")), wording.points(float("nan")), wording.number(float("nan"))} == {"–"}


def test_text_table_says_once_what_is_the_same() -> None:
    rows = [{"a": 1, "b": 2, "c": float("nan")}, {"a": 3, "b": 2, "c": float("nan")}]
    columns = {name: (name.upper(), wording.number) for name in "abc"}
    table = wording.text_table(rows, columns, fold=["b", "c"])
    assert table == wording.Table(["A"], [["1"], ["3"]], "B 2")


def test_finding_names_the_saving() -> None:
    small = {"cell": "gru", "depth": 1, "units": 8, "bidirectional": False, "parameters": 1000}
    large = small | {"units": 64, "parameters": 5200}
    assert wording.finding({"choice": small, "best": large}) == (
        "GRU 1×8 is within one standard error of the best, GRU 1×64, with 81% fewer parameters"
    )
    assert wording.finding({"choice": large, "best": large}).startswith("GRU 1×64 is the most accurate")


def test_order_of_the_networks_is_told_with_what_is_not_known() -> None:
    rows = pd.DataFrame(
        [("cnn", 0.992, 0.990, 0.994), ("mlp", 0.9827, 0.980, 0.985), ("simple_rnn", 0.9828, 0.980, 0.985),
         ("simple_rnn", 0.97, 0.96, 0.98)],
        columns=["cell", "test_accuracy", "test_accuracy_low", "test_accuracy_high"],
    )  # fmt: skip
    sentence = wording.order_finding(rows)
    assert sentence is not None
    assert "The order of the means is not the book's" in sentence
    assert "The intervals of MLP and SimpleRNN overlap" in sentence
    assert "CNN and MLP overlap" not in sentence
    better = wording.order_finding(rows.assign(test_accuracy=[0.99, 0.985, 0.98, 0.97]))
    assert better is not None
    assert "The order of the means is the book's" in better
    assert wording.order_finding(rows[rows["cell"] != "cnn"]) is None
