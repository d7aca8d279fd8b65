"""README.md and docs: the numbers of the answer are results, and all that the pages name exists."""

import json
import re
import subprocess
from pathlib import Path

import pandas as pd
import pytest
import typer
import yaml
from packaging.version import Version

from pipeline import __version__
from pipeline.cli import app
from pipeline.documents import records
from pipeline.params.network import network_name
from pipeline.report.text import interval, percent
from pipeline.training.identity import SEMANTICS_VERSION

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "benchmarks/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
EXAMPLES = {"pipeline/report/seeds.py", "pipeline/report/templates/seeds.html.j2"}  # docs/extending.md adds them

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_readme_is_short() -> None:
    assert len(text_of(README).splitlines()) <= 120


def test_the_answer_has_the_committed_figures_and_no_others() -> None:
    metrics, choice = (
        json.loads(text_of(ROOT / "data" / file)) for file in ("reports/metrics.json", "models/champion/choice.json")
    )
    tested = pd.read_csv(ROOT / "data/reports/test.csv")
    chosen, best, race = choice["choice"], choice["best"], choice["race"]
    most_accurate = next(iter(records(tested[tested["role"] == "most accurate"])), None)
    figures = [
        network_name(chosen),
        f"{metrics['parameters']:,} parameters",
        f"{metrics['seeds']} seeds",
        percent(metrics["test_accuracy"]),
        f"95 % interval {interval(metrics['test_accuracy_low'], metrics['test_accuracy_high'])} %",
        f"seed {metrics['model_seed']}, with {percent(metrics['model_test_accuracy'])}",
        f"{100 * race['tolerance']:.2g} points",
        f"{race['blocks']} blocks",
    ]
    if most_accurate is not None:
        figures += [network_name(best), f"{best['parameters']:,}", percent(most_accurate["test_accuracy"])]
    answer = re.search(r"<!-- answer -->(.*)<!-- /answer -->", text_of(README), re.DOTALL)
    assert answer is not None
    rest = " ".join(answer[1].split())
    for figure in figures:
        assert figure in rest, figure
        rest = rest.replace(figure, "", 1)
    assert not re.search(r"\d", rest), rest
    # Its words
    assert not (tested["verdict"] == "better").any(), "no network is shown to be better"
    words = "is settled" if race["settled"] else "is shown to be" if race["shown"] else "is not known yet"
    assert words in rest


def test_the_changelog_ends_with_this_version_and_knows_when_bits_changed() -> None:
    versions = re.split(r"^## ", text_of(ROOT / "CHANGELOG.md"), flags=re.MULTILINE)[1:]
    names = [re.match(r"\[([\d.]+)\] - \d{4}-\d\d-\d\d\n", version) for version in versions]
    numbers = [name[1] for name in names if name is not None]
    assert len(numbers) == len(versions)
    assert numbers[0] == __version__
    assert numbers == sorted(numbers, key=Version, reverse=True)
    semantics = [int(re.findall(r"[Ss]emantics (\d+)", version)[0]) for version in versions]
    assert semantics[0] == SEMANTICS_VERSION
    for version, now, before in zip(versions, semantics, semantics[1:], strict=False):
        assert now == before or (now > before and "**Bits: changed**" in version), version


def test_the_tree_is_that_of_the_folders() -> None:
    tree = re.findall(r"^    ( *)(\w+)/ ", text_of(README), re.MULTILINE)
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    folders = {name.split("/")[0] for name in tracked.splitlines() if "/" in name and not name.startswith(".")}
    assert {name for indent, name in tree if not indent} == folders
    rooms = {path.parent.name for path in (ROOT / "pipeline").glob("*/__init__.py")}
    assert {name for indent, name in tree if indent} == rooms


@each_page
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r'\]\(([^)\s]+)\)|src="([^"]+)"', text_of(page))
    for target in ("".join(link) for link in links):
        path, _, heading = target.partition("#")
        if "://" not in target:
            file = page.parent / path if path else page
            assert file.exists(), target
            assert not heading or heading in headings(file), target


def headings(page: Path) -> set[str]:
    """The names that GitHub gives to the headings of a page."""
    titles = re.findall(r"^#+ (.*)", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@each_page
def test_every_command_exists(page: Path) -> None:
    text, makefile = text_of(page), text_of(ROOT / "Makefile")
    verbs = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for verb, arguments in re.findall(r"python -m pipeline ([a-z][a-z-]*)([^`\n#]*)", text):
        assert verb in verbs, verb
        options = {option for parameter in verbs[verb].params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", arguments)) <= options, verb + arguments
    for target, variable in re.findall(r"(?:`|^)make ([a-z]+)(?: ([A-Z]+)=)?", text, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
        assert f"$({variable})" in makefile or not variable, variable
    for module in re.findall(r"python -m ((?:benchmarks|docs|tests)[\w.]*)", text):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module


@each_page
def test_every_study_and_setting_exists(page: Path) -> None:
    text, params = text_of(page), yaml.safe_load(text_of(ROOT / "params.yaml"))
    assert set(re.findall(r"study@(\w+)", text)) <= params["studies"].keys()
    for place in re.findall(r"-S ([\w.]+)=", text):
        settings = params
        for key in place.split("."):
            assert key in settings, place
            settings = settings[key]


@each_page
def test_every_file_exists_and_has_the_names_that_are_in_it(page: Path) -> None:
    text = text_of(page)
    for path in set(re.findall(r"`((?:pipeline|tests|benchmarks)/[\w/.]*)`", text)) - EXAMPLES:
        assert (ROOT / path).exists(), path
    for names, path in re.findall(r"((?:`\w+`(?:, | and | or )?)+)\s+in\s+`(pipeline/[\w/.]+\.py)`", text):
        for name in re.findall(r"`(\w+)`", names):
            assert re.search(rf"\b{name}\b", text_of(ROOT / path)), f"{name} in {path}"
