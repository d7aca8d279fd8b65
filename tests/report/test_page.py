"""The page: whole results, and results with parts missing, built into a file and read back."""

import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
import yaml

from pipeline import paths
from pipeline.analysis.choice import choose_champion
from pipeline.commands import report
from pipeline.errors import PipelineError
from pipeline.params.document import Params, load_params, validate_params
from pipeline.params.studies import SampledStudy
from pipeline.report import text as wording
from tests.helpers.results import (
    book_records,
    capacity_records,
    read_trials,
    search_records,
    write_csv,
    write_results,
    write_study,
    write_summary,
)

ROOT = Path(__file__).parents[2]
# As files; the answer has a file of its own, and one figure is of times, which are never the same again.
FIGURES = [
    "capacity_maps", "confusion", "curves_chosen", "curves_largest", "curves_smallest", "differences", "most_confident",
    "most_confused", "reliability",
]  # fmt: skip
VOID = {"meta", "br", "hr", "img", "input", "link", "path", "use", "rect", "circle", "line", "polyline", "ellipse"}


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(report, "log_report", lambda **_: None)  # tests/test_report_run.py
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
        self.headings: set[str] = set()
        self.part = ""  # the id of the last heading
        self.parts: dict[str, list[list[list[str]]]] = {}  # the tables below each heading
        self.words: list[str] = []
        self.addresses: list[str] = []
        self.feed(html)
        assert self.open == []
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "srcset")]
        self.headings |= {dict(attrs).get("id") or ""} if tag == "h2" else set()
        self.part = dict(attrs).get("id") or self.part if tag in ("h2", "h3") else self.part
        if tag == "table":
            self.tables.append([])
            self.parts.setdefault(self.part, []).append(self.tables[-1])
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
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)
        if "td" in self.open or "th" in self.open:
            self.tables[-1][-1][-1] += data.strip()


def page() -> Page:
    made = Page(paths.REPORT.read_text(encoding="utf-8"))
    assert re.findall(r".{60}\bnan\b.{20}", made.text, re.IGNORECASE) == [], (
        "what is not known is not shown as a number"
    )
    return made


def test_whole_report(workspace: Path, params: Params) -> None:
    write_results()
    report.run(params)
    made = page()
    inside = [address.removeprefix("#") for address in re.findall(r'<a href="(#\w+)"', paths.REPORT.read_text())]
    assert len(inside) == 7
    assert set(inside) <= made.headings
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

    (candidates,) = made.parts[""]
    assert [row[3] for row in candidates[1:]] == ["1"] * 12
    _, capacity, search = made.parts["studies"]  # views has not run
    assert len(capacity) == 1 + 18
    assert len(search) == 1 + 12
    accuracies = [float(row[2].removesuffix(" %")) for row in search[1:]]
    assert accuracies == sorted(accuracies, reverse=True)
    (beside,) = made.parts["book"]
    assert beside[1][:5] == ["SimpleRNN", "256", "sgd", "75,530", "1"]
    assert [row[8] for row in beside[1:]] == ["98.00 %", "97.60 %", "97.40 %", "98.30 %"]
    assert [len(table) for part in ("saturation", "onset") for table in made.parts[part]] == [1 + 6, 1 + 12, 1 + 18]
    front = made.parts["cost"][0]
    parameters = [int(row[2].replace(",", "")) for row in front[1:]]
    assert parameters == sorted(parameters)
    fastest = [float(row[3].removesuffix(" %")) for row in front[1:] if "parameters" in row[8]]
    assert fastest == sorted(fastest), "on the front more parameters mean more accuracy"


def test_costs_are_those_of_one_sequence_and_of_a_batch(workspace: Path, params: Params) -> None:
    write_results()
    report.run(params)
    made = page()
    chosen = json.loads(paths.CHOICE.read_text(encoding="utf-8"))["choice"]
    alone, batch = chosen["parameters"] / 1e6, chosen["parameters"] / 1e6 * 128**0.5
    assert f"LSTM 2×170, answers one sequence in {alone:.3g} ms (median of 50 calls; half of them took" in made.text
    assert f"answers 128 at once in {batch:.3g} ms" in made.text
    assert "at 96 GFLOP/s on one thread" in made.text
    assert f"one prediction {alone:.3g} ms" in made.text
    paths.PREDICTION_TIMES.unlink()
    report.run(params)
    assert "The stage evaluate has not run, so prediction times are not known." in page().text


def test_a_study_by_budgets_shows_the_best_of_each(workspace: Path, params: Params) -> None:
    write_results()
    study = params.study("frontier")
    assert isinstance(study, SampledStudy)
    generous = study.model_copy(update={"parameter_budgets": (10**7, 2 * 10**7, 3 * 10**7)})
    write_study("frontier", search_records())
    report.run(params.model_copy(update={"studies": params.studies | {"frontier": generous}}))
    table = page().parts["cost"][-1]
    assert [row[0] for row in table[1:]] == ["10,000,000", "20,000,000", "30,000,000"]
    trials = read_trials("frontier")
    first = trials[(trials["number"] % 3 == 0)]
    best = first.loc[first["state"] == "COMPLETE", "validation_accuracy"].max()
    assert table[1][3:] == [f"{100 * best:.2f} %", table[1][4], "6", str((first["state"] == "PRUNED").sum())]


def test_a_study_that_is_gone_takes_its_part_with_it(workspace: Path, params: Params) -> None:
    write_results()
    shutil.rmtree(paths.study_folder("search"))
    report.run(params)
    assert page().text.count("This study has not run") == len(params.studies) - 2
    shutil.rmtree(paths.study_folder("capacity"))
    report.run(params)
    assert "Use LSTM 2×170" in page().text, "what has been chosen stands in choice.json"
    write_study("capacity", capacity_records())
    (paths.study_folder("capacity") / "timings.csv").unlink()  # DVC's cache has it, git does not
    with pytest.raises(PipelineError, match=r"data/studies/capacity lacks timings\.csv: `dvc pull` or `dvc repro"):
        report.run(params)


def test_larger_networks_stand_against_the_choice(workspace: Path, params: Params) -> None:
    write_results()
    write_study("capacity", capacity_records(seeds=10))
    choice = choose_champion({"capacity": read_trials("capacity")}, 6000)
    small = next(row for row in choice["candidates"] if (row["cell"], row["units"], row["depth"]) == ("gru", 8, 2))
    paths.write_json(paths.CHOICE, choice | {"choice": small | {"refit_epochs": 3}})
    report.run(params)
    made = page()
    larger = [row for row in choice["candidates"] if row["parameters"] > small["parameters"]]
    better = sum(row["validation_accuracy"] > small["validation_accuracy"] for row in larger)
    found = (
        f"Of the {len(larger)} configurations larger than GRU 2×8 and trained on as many samples, {better} are shown to"
    )
    assert found in made.text
    (table,) = made.parts["bigger"]
    assert len(table) == 1 + len(larger)
    assert [row[2] for row in table[1:]] == ["10"] * len(larger)
    assert [row[7] for row in table[1:]].count("better") == better
    assert "right 30 times where the champion's model of the same seed is wrong, and wrong 22 times" in made.text
    assert "these two models cannot be told apart (p = 0.332)" in made.text


def test_a_single_seed_is_too_few_to_tell(workspace: Path, params: Params) -> None:
    write_results()
    report.run(params)
    made = page()
    assert "1 is trained with too few seeds to tell. These share at most 1 seed with the choice" in made.text
    assert "to compare 1 at 5 % takes 6 seeds" in made.text
    assert "The choice is the most accurate network itself, so there are no two models to compare" in made.text


def test_what_it_cannot_say_is_computed(workspace: Path, params: Params) -> None:
    write_results()
    report.run(params)
    made = page()
    assert "One data set: mnist read as rows, sequences of 28 steps with 28 features, 10 classes." in made.text
    assert "The choice, LSTM 2×170, rests on 1 seed: what another seed would give is not known." in made.text
    assert "With 6,000 validation samples a single accuracy of" in made.text
    assert "It was chosen among 12 configurations" in made.text
    assert "The test data have chosen nothing. They were read by 3 models of the chosen network, and" in made.text
    trials = read_trials("search").query("state == 'COMPLETE'")
    last = (trials["best_epoch"] == trials["epochs"]).sum()
    assert f"{last} of the 12 trainings compared counted at the last epoch" in made.text


def test_report_needs_nothing_from_outside(workspace: Path, params: Params) -> None:
    write_results()
    report.run(params)
    assert paths.REPORT.stat().st_size < 3_000_000
    made = page()
    assert made.addresses  # the figures refer to their own parts
    assert all(address.startswith(("#", "data:image/png;base64,")) for address in made.addresses)
    text = paths.REPORT.read_text(encoding="utf-8")
    assert not re.findall(r"(?:url\(|@import\s+)[\"']?(?!#)[^)]*", text)
    assert re.findall(r"<script[^>]*>", text) == ["<script>"], "one script, and it is in the page"


def test_written_tables_are_those_of_the_analysis_and_the_same_again(workspace: Path, params: Params) -> None:
    write_results()
    report.run(params)
    drawn = {f"{name}.svg" for name in FIGURES}
    assert {path.name for path in paths.FIGURES.iterdir()} == drawn
    files = [paths.ANSWER, paths.BOOK_TABLE, paths.CAPACITY, *(paths.FIGURES / name for name in sorted(drawn))]
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
    assert made.text.count("This study has not run: there is no trials.csv of it.") == len(params.studies) - 1
    assert "Every configuration has one seed" in made.text
    assert len(made.parts["studies"][0]) == 1 + 18
    assert "Nothing has been chosen, so there is nothing to compare with." in made.text
    assert "The stage evaluate has not run, so prediction times are not known." in made.text
    assert len(pd.read_csv(paths.BOOK_TABLE)) == 0


def test_one_configuration_with_one_seed(workspace: Path, params: Params) -> None:
    write_summary()
    write_study("capacity", capacity_records(seeds=1)[:1])
    paths.write_json(paths.CHOICE, choose_champion({"capacity": read_trials("capacity")}, 6000))
    report.run(params)
    made = page()
    assert "Use SimpleRNN 1×8: with 386 parameters it has the highest validation accuracy" in made.text
    assert "No network larger than SimpleRNN 1×8 was trained on as many samples, so nothing can be said." in made.text
    assert "Every configuration has one seed" in made.text
    assert "what another seed would give is not known" in made.text
    assert "Every network was trained on one number of samples" in made.text
    assert "Smallest and chosen and largest: SimpleRNN 1×8" in made.text
    assert len(made.parts["curves"][0]) == 1 + 15


def test_nan_in_the_results(workspace: Path, params: Params) -> None:
    write_results()
    folder = paths.study_folder("search")
    trials, curves = read_trials("search"), pd.read_csv(folder / "curves.csv")
    spoiled = trials.index[trials["state"] == "COMPLETE"][-1]
    trials.loc[spoiled, ["validation_accuracy", "validation_loss", "generalization_gap"]] = float("nan")
    curves.loc[curves["number"] == 0, "validation_loss"] = float("nan")
    write_csv(trials, folder / "trials.csv")
    write_csv(curves, folder / "curves.csv")
    paths.write_json(paths.CHOICE, choose_champion({"search": trials}, 6000))
    times = pd.read_csv(paths.PREDICTION_TIMES)
    times.loc[0, "median_ms"] = float("nan")
    write_csv(times, paths.PREDICTION_TIMES)
    report.run(params)
    made = page()
    assert "chosen from 11 configurations" in made.text
    assert len(made.parts[""][0]) == 1 + 11


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
    assert page().text.count("This study has not run") == len(params.studies)
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


def test_onset_of_overfitting_is_told_by_samples_and_by_size() -> None:
    rows = pd.DataFrame(
        [(1000, 8, 3, 1.0, 4.0, 0.3), (1000, 32, 1, 1.0, 8.0, 0.7), (5000, 8, 2, 0.5, 10.0, 0.1),
         (5000, 32, 2, 0.0, float("nan"), 0.0)],
        columns=["train_samples", "units", "seeds", "onset_share", "onset_epoch", "overfit_at_end"],
    )  # fmt: skip
    by_samples, by_size = wording.onset_findings(rows)
    assert by_samples == (
        "Overfitting is seen on 1,000 samples in 4 of 4 trainings, from epoch 5 on average, the loss 0.4 nats above "
        "its lowest at the end; on 5,000 samples in 1 of 4 trainings, from epoch 10 on average, the loss 0.05 nats "
        "above its lowest at the end."
    )
    assert "with 32 units in 1 of 3 trainings, from epoch 8 on average" in by_size
    assert wording.onset_findings(rows.head(1)) == []
    never = wording.onset_findings(rows.assign(onset_share=0.0, onset_epoch=float("nan")))[0]
    assert "on 1,000 samples in 0 of 4 trainings, the loss 0.4 nats" in never
