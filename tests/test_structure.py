"""The rules of the design that no type checker holds: who imports what, and dvc.yaml against the code."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

ROOT = Path(__file__).parents[1]
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "pipeline").rglob("*.py")
)
PACKAGES = {module for module in MODULES if (ROOT.joinpath(*module.split(".")) / "__init__.py").exists()}
STAGES = ["download", "prepare", "study", "race", "champion", "evaluate", "report"]
COMMANDS = {stage: stage for stage in STAGES} | {"race": "study"}  # the modules behind them


class Room(NamedTuple):
    """Which other rooms one may import, besides the ground floor, and why it needs them."""

    may_import: set[str]
    why: str


# Every room may import these, and they import nothing else of the pipeline.
GROUND = ["errors", "paths", "documents", "arrays"]
# From the bottom up: a room imports rooms above it in this table, so that every import points down.
ROOMS = {
    "params": Room(set(), "what may be asked for depends on nothing"),
    "data": Room({"params"}, "views and sizes are those of params.yaml"),
    "training": Room({"params", "data"}, "a configuration and sequences in, weights and figures out"),
    "studies": Room({"params", "data", "training"}, "which trainings, in which order, over which data"),
    "analysis": Room(
        {"params", "training", "studies"},
        "saved models are loaded to be evaluated, networks built to be timed, and a race's results say who is as good",
    ),
    "locks": Room(set(), "keeps processes from each other, whatever they do"),
    "lineage": Room({"data", "training"}, "names the data, and the machine and versions that trained"),
    "progress": Room({"training"}, "shows trials while they train"),
    "tracking": Room(
        {"params", "data", "training", "studies", "analysis", "lineage"}, "a view of all that there is to see"
    ),
    "use": Room({"params", "data", "training", "analysis"}, "the champion answers for data that anybody brings"),
    "report": Room(
        {"params", "data", "training", "studies", "analysis", "lineage"},
        "says what the studies found, on which data, where it comes from, and draws the networks",
    ),
    "commands": Room(
        {
            *("params", "data", "training", "studies", "analysis", "locks", "lineage", "progress"),
            *("tracking", "use", "report"),
        },
        "puts everything together: a stage loads, calls and saves",
    ),
    "cli": Room({"params", "training", "commands"}, "finds the verb, and starts the workers' parent in good time"),
    "__main__": Room({"cli"}, "`python -m pipeline`"),
}
# Only these rooms and modules may import these libraries, for more than their types.
FENCES = {
    "optuna": {"pipeline.studies", "pipeline.tracking.search_plots"},
    "mlflow": {"pipeline.tracking"},
    "distributed": {
        "pipeline.training.cluster",
        "pipeline.training.travel",
        "pipeline.training.arrival",
        "pipeline.training.task",
        "pipeline.training.preload",
    },
    "onnx": {"pipeline.use.onnx_graph", "pipeline.use.export"},  # an extra: nothing else may need it
    "onnxruntime": {"pipeline.use.export"},
    "keras": {  # where it is set up, where networks are built, trained, saved and loaded, timed, looked into, served
        "pipeline.training.process",
        "pipeline.training.build",
        "pipeline.training.reading",
        "pipeline.training.elman",
        "pipeline.training.graphs",
        "pipeline.training.train",
        "pipeline.training.seeds",
        "pipeline.training.model_file",
        "pipeline.analysis.prediction_times",
        "pipeline.tracking.served",
        "pipeline.use.reading_states",
    },
    "tensorflow": {  # where it is set up, where networks are trained, and where they are timed
        "pipeline.training.process",
        "pipeline.training.cache_sizes",
        "pipeline.training.preload",
        "pipeline.training.graphs",
        "pipeline.training.augmentation",
        "pipeline.training.train",
        "pipeline.training.seeds",
        "pipeline.training.layers",
        "pipeline.analysis.prediction_times",
    },
}
# Modules that run when they are imported, or that only a module which loads Keras, or MLflow, imports.
UNIMPORTED = {
    "pipeline.__main__", "pipeline.training.elman", "pipeline.training.preload", "pipeline.tracking.served",
}  # fmt: skip
# Code that only shows, or that reads and writes files. No stage of dvc.yaml depends on it, or on its imports.
UNDECLARED = {"tracking", "progress", "lineage", "locks", *GROUND}
# Of these rooms a stage uses one module, and a change in the others must not make it run again.
SINGLE_MODULES = {("study", "data"): "pipeline.data.sequences", ("evaluate", "data"): "pipeline.data.sequences"}
# How the work is done and where it is shown: it changes no result, so no stage of dvc.yaml declares it.
UNDECLARED_PARAMS = {"execution", "tracking"}


def path_of(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if module in PACKAGES else path.with_suffix(".py")


def room_of(module: str) -> str:
    """`training` for pipeline.training.train, `paths` for pipeline.paths."""
    return module.split(".")[1] if "." in module else ""


@cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(path_of(module).read_text(encoding="utf-8"))


def runtime_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those below `if TYPE_CHECKING:`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        yield node
        yield from runtime_nodes(node)


@cache
def imports(module: str, *, types: bool = False) -> frozenset[str]:
    """Names of all modules that `module` imports, at its top or in a function; with `types`, for its types as well."""
    found: set[str] = set()
    for node in ast.walk(tree_of(module)) if types else runtime_nodes(tree_of(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute"
            assert node.module is not None
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (members & set(MODULES)) or {node.module}
    return frozenset(found)


@cache
def needs(module: str) -> frozenset[str]:
    """`module` and the modules that decide what it does: all that it imports, directly or through others.

    Packages are left out, and so is UNDECLARED code; the walk does not go through it.
    """
    found, waiting = set[str](), [module]
    while waiting:
        name = waiting.pop()
        if name not in found and room_of(name) not in UNDECLARED:
            found.add(name)
            waiting += imports(name) & set(MODULES)
    return frozenset(found - PACKAGES)


@pytest.mark.parametrize("module", MODULES)
def test_library_is_imported_only_behind_its_fence(module: str) -> None:
    libraries = {name.partition(".")[0] for name in imports(module)} & FENCES.keys()
    trespassed = {library for library in libraries if not behind(FENCES[library], module)}
    assert not trespassed, f"{module} imports {trespassed}; only {[FENCES[name] for name in trespassed]} may"


@pytest.mark.parametrize("library", FENCES)
def test_every_fence_has_its_library_inside(library: str) -> None:
    users = {module for module in MODULES if any(name.partition(".")[0] == library for name in imports(module))}
    assert [place for place in FENCES[library] if not any(behind({place}, user) for user in users)] == []


def behind(fence: set[str], module: str) -> bool:
    return any(module == place or module.startswith(f"{place}.") for place in fence)


def test_importing_the_pipeline_loads_no_heavy_library() -> None:
    script = (
        "import importlib, json, sys\n"
        "heavy = ('tensorflow', 'keras', 'mlflow')\n"
        "loaded = {}\n"
        f"for module in {[m for m in MODULES if m not in UNIMPORTED]!r}:\n"
        "    importlib.import_module(module)\n"
        "    loaded[module] = [name for name in heavy if name in sys.modules]\n"
        "print(json.dumps(loaded))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stdout.splitlines()[-1])
    assert {module: names for module, names in loaded.items() if names} == {}


def test_the_table_has_every_room_and_points_down() -> None:
    assert {room_of(module) for module in MODULES} - {""} == {*GROUND, *ROOMS}
    names = list(ROOMS)
    for place, (name, room) in enumerate(ROOMS.items()):
        assert room.may_import <= set(names[:place]), f"{name} imports a room that is not below it"


@pytest.mark.parametrize("room", [*GROUND, *ROOMS])
def test_a_room_imports_what_the_table_says(room: str) -> None:
    others = {room_of(name) for module in inside(room) for name in imports(module, types=True) & set(MODULES)}
    if room in GROUND:
        assert others <= set(GROUND[: GROUND.index(room)])
    else:
        assert others - {room, *GROUND} == ROOMS[room].may_import


def test_imports_run_in_no_circle() -> None:
    TopologicalSorter({module: imports(module, types=True) & set(MODULES) for module in MODULES}).prepare()


def test_what_tables_say_is_worked_out_without_a_network() -> None:
    users = {m for m in inside("analysis") if any(room_of(name) == "training" for name in imports(m) & set(MODULES))}
    assert users == {"pipeline.analysis.evaluation", "pipeline.analysis.prediction_times"}


@pytest.mark.parametrize("room", [name for name in ROOMS if f"pipeline.{name}" in PACKAGES])
def test_a_room_says_in_a_sentence_what_it_is_for_and_what_it_may_import(room: str) -> None:
    docstring = " ".join((ast.get_docstring(tree_of(f"pipeline.{room}")) or "").split())
    sentence = re.match(r"(\w.+?); may import (.+?)\.( |$)", docstring)
    assert sentence is not None
    purpose, said = sentence.group(1, 2)
    assert ". " not in purpose
    assert set(re.findall(r"\w+", said)) & ROOMS.keys() == ROOMS[room].may_import


def inside(room: str) -> list[str]:
    return [module for module in MODULES if room_of(module) == room]


@pytest.fixture(scope="module")
def graph() -> dict[str, Any]:
    """dvc.yaml's stages; of `study` what stands below `do`."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    return {name: stage.get("do", stage) for name, stage in stages.items()}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    return parsed


def test_graph_has_the_stages_in_order(graph: dict[str, Any]) -> None:
    assert list(graph) == STAGES


@pytest.mark.parametrize("stage", STAGES)
def test_stage_depends_on_exactly_the_rooms_that_its_command_needs(graph: dict[str, Any], stage: str) -> None:
    declared = [dependency for dependency in graph[stage]["deps"] if dependency.startswith("pipeline/")]
    needed = needs(f"pipeline.commands.{COMMANDS[stage]}")
    assert declared == sorted({dependency_of(COMMANDS[stage], module) for module in needed})


def dependency_of(stage: str, module: str) -> str:
    """The path that dvc.yaml has to name for a module that the stage needs: its room, but of commands the module."""
    room = room_of(module)
    if room == "commands" or SINGLE_MODULES.get((stage, room)) == module:
        return path_of(module).relative_to(ROOT).as_posix()
    return f"pipeline/{room}"


@pytest.mark.parametrize("stage", STAGES)
def test_stage_declares_exactly_the_parameters_that_it_reads(graph: dict[str, Any], stage: str) -> None:
    declared = {parameter.partition(".")[0] for parameter in graph[stage].get("params", [])}
    read = sections_read(COMMANDS[stage]) - UNDECLARED_PARAMS
    # The race is one of the studies, though it stands beside them: it matters to itself and to those that read it.
    assert declared == read | ({"race"} if stage in ("race", "champion", "report") else set())


def sections_read(stage: str) -> set[str]:
    """The sections of params.yaml that the stage or a module below it takes from what is called `params`."""
    sections = {"data", "training", "studies", "study", "champion", "tracking", "execution"}
    read = {
        node.attr
        for module in needs(f"pipeline.commands.{stage}")
        for node in runtime_nodes(tree_of(module))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value).rpartition(".")[2] == "params"
    }
    if "model_dump" in read:  # all of it
        read = read - {"model_dump"} | sections
    assert read <= sections, f"unknown sections: {read - sections}"
    return {"studies" if name == "study" else name for name in read}


def test_declared_parameters_exist(graph: dict[str, Any], document: dict[str, Any]) -> None:
    for stage in graph.values():
        for parameter in stage.get("params", []):
            for study in document["studies"]:
                place: Any = document
                for key in parameter.replace("${key}", study).split("."):
                    assert key in place, f"{parameter} is not in params.yaml"
                    place = place[key]


def test_race_depends_on_those_that_send_it_networks(graph: dict[str, Any], document: dict[str, Any]) -> None:
    entrants = document["race"]["entrants"]
    proposing = [name for name in entrants if document["studies"][name]["sampler"] != "list"]  # a list needs no results
    declared = [dependency for dependency in graph["race"]["deps"] if dependency.startswith("data/studies")]
    assert declared == sorted(f"data/studies/{name}" for name in proposing)
    params = [parameter for parameter in graph["race"]["params"] if parameter.startswith("studies")]
    assert params == sorted(f"studies.{name}" for name in entrants)


@pytest.mark.parametrize("stage", ["champion", "evaluate", "report"])
def test_what_compares_studies_depends_on_all_of_them(graph: dict[str, Any], stage: str) -> None:
    declared = [dependency for dependency in graph[stage]["deps"] if dependency.startswith("data/studies")]
    assert declared == ["data/studies"]


def test_outputs_outlive_a_stage_that_fails(graph: dict[str, Any]) -> None:
    outputs = {
        name: [out for key in ("outs", "metrics") for out in stage.get(key, [])] for name, stage in graph.items()
    }
    assert all(outputs.values())
    everything = [out for outs in outputs.values() for out in outs]
    assert all(isinstance(out, dict) and all(options["persist"] for options in out.values()) for out in everything)
