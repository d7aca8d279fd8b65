"""The rules of the design that no type checker holds: who imports what, and dvc.yaml against the code."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "pipeline").rglob("*.py")
)
STAGES = ["download", "prepare", "study", "champion", "evaluate", "report"]
# Only these modules may import these libraries.
FENCES = {
    "optuna": {
        "pipeline.studies.engine",
        "pipeline.studies.sampling",
        "pipeline.studies.storage",
        "pipeline.tracking.search_plots",
    },
    "mlflow": {"pipeline.tracking.run_store", "pipeline.tracking.champion"},
    "distributed": {"pipeline.training.cluster", "pipeline.training.preload"},
    "keras": {
        "pipeline.params.network",
        "pipeline.training.elman",
        "pipeline.training.train",
        "pipeline.analysis.evaluation",
        "pipeline.analysis.prediction_times",
        "pipeline.tracking.champion",
    },
    "tensorflow": {
        "pipeline.params.network",
        "pipeline.training.preload",
        "pipeline.training.train",
        "pipeline.analysis.evaluation",
        "pipeline.analysis.prediction_times",
        "pipeline.tracking.champion",
    },
}
# What runs when it is imported, or is imported only by what loads Keras.
UNIMPORTED = {"pipeline.__main__", "pipeline.training.elman", "pipeline.training.preload"}
# How the work is done and where it is shown: it changes no result, so no stage of dvc.yaml declares it.
UNDECLARED = {"execution", "tracking"}


def path_of(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


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
def imports(module: str) -> frozenset[str]:
    """Names of all modules that `module` imports, at its top or in a function."""
    found: set[str] = set()
    for node in runtime_nodes(tree_of(module)):
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
    """`module` and the modules of the pipeline that it imports, directly or through others; packages left out."""
    found, waiting = set[str](), [module]
    while waiting:
        if (name := waiting.pop()) not in found:
            found.add(name)
            waiting += imports(name) & set(MODULES)
    return frozenset(name for name in found if path_of(name).name != "__init__.py")


@pytest.mark.parametrize("module", MODULES)
def test_library_is_imported_only_behind_its_fence(module: str) -> None:
    libraries = {name.partition(".")[0] for name in imports(module)}
    trespassed = {library for library in libraries & FENCES.keys() if module not in FENCES[library]}
    assert not trespassed, f"{module} imports {trespassed}; only {[FENCES[name] for name in trespassed]} may"


def test_every_fence_has_its_library_inside() -> None:
    inside = {
        library: {m for m in MODULES if any(n.partition(".")[0] == library for n in imports(m))} for library in FENCES
    }
    assert all(inside[library] for library in ("optuna", "mlflow", "distributed", "keras"))


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
    output = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    loaded = json.loads(output.splitlines()[-1])
    assert {module: names for module, names in loaded.items() if names} == {}


def test_imports_point_from_stages_down() -> None:
    below = [
        m for m in MODULES if not m.startswith("pipeline.stages") and m not in ("pipeline.cli", "pipeline.__main__")
    ]
    assert {m: imports(m) for m in below if any(name.startswith("pipeline.stages") for name in imports(m))} == {}
    assert not any(
        {"pipeline.tracking.study", "pipeline.training.train"} & needs(m)
        for m in ("pipeline.data.sequences", "pipeline.analysis.configurations")
    )


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
def test_stage_depends_on_exactly_the_modules_that_it_imports(graph: dict[str, Any], stage: str) -> None:
    declared = [dependency for dependency in graph[stage]["deps"] if dependency.endswith(".py")]
    imported = {path_of(module).relative_to(ROOT).as_posix() for module in needs(f"pipeline.stages.{stage}")}
    assert declared == sorted(imported)


@pytest.mark.parametrize("stage", STAGES)
def test_stage_declares_exactly_the_parameters_that_it_reads(graph: dict[str, Any], stage: str) -> None:
    declared = {parameter.partition(".")[0] for parameter in graph[stage].get("params", [])}
    assert declared == sections_read(stage) - UNDECLARED


def sections_read(stage: str) -> set[str]:
    """The sections of params.yaml that the stage or a module below it takes from what is called `params`."""
    sections = {"data", "training", "studies", "study", "champion", "tracking", "execution"}
    read = {
        node.attr
        for module in needs(f"pipeline.stages.{stage}")
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


def test_champion_depends_on_the_studies_that_compete(graph: dict[str, Any], document: dict[str, Any]) -> None:
    declared = [dependency for dependency in graph["champion"]["deps"] if dependency.startswith("data/studies/")]
    assert declared == [f"data/studies/{name}/trials.csv" for name in document["champion"]["studies"]]


def test_outputs_outlive_a_stage_that_fails(graph: dict[str, Any]) -> None:
    outputs = [out for stage in graph.values() for key in ("outs", "metrics") for out in stage.get(key, [])]
    assert len(outputs) == 24
    assert all(isinstance(out, dict) and all(options["persist"] for options in out.values()) for out in outputs)
