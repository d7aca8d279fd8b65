"""The locks hold what each command needs, a wheel holds the whole pipeline, and an image nothing that git ignores."""

import ast
import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCKS = {name: ROOT / f"{name}.lock" for name in ("requirements", "requirements-dev", "requirements-bench")}
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def locked(name: str) -> dict[str, set[str]]:
    """The versions of each package in a lock; there are several where they depend on the platform."""
    versions: dict[str, set[str]] = {}
    for package, version in re.findall(r"^(\S+?)==(\S+)", LOCKS[name].read_text(encoding="utf-8"), re.MULTILINE):
        versions.setdefault(package, set()).add(version)
    return versions


def names(requirements: list[str]) -> set[str]:
    """The packages that requirements of pyproject.toml name, as a lock spells them."""
    return {canonicalize_name(Requirement(requirement).name) for requirement in requirements}


@pytest.mark.parametrize(
    ("lock", "extra"), [("requirements", None), ("requirements-dev", "dev"), ("requirements-bench", "bench")]
)
def test_a_lock_has_all_that_pyproject_asks_for_with_hashes_and_no_address(lock: str, extra: str | None) -> None:
    asked = PROJECT["dependencies"] + (PROJECT["optional-dependencies"][extra] if extra else [])
    assert names(asked) <= locked(lock).keys()
    text = LOCKS[lock].read_text(encoding="utf-8")
    assert "://" not in text
    assert all("--hash=sha256:" in entry for entry in re.split(r"^(?=\S+==)", text, flags=re.MULTILINE)[1:])


def test_locks_add_to_each_other_and_never_disagree() -> None:
    run, dev, bench = map(locked, LOCKS)
    assert run.items() <= dev.items()
    assert run.items() <= bench.items()
    assert [name for name in dev.keys() & bench.keys() if dev[name] != bench[name]] == []


def test_the_pipeline_imports_nothing_that_only_tests_or_benchmarks_install() -> None:
    distributions = packages_distributions()
    imported: set[str] = set()
    for path in (ROOT / "pipeline").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.partition(".")[0])
    foreign = imported - sys.stdlib_module_names - {"pipeline"}
    installed = locked("requirements").keys()
    providers = {name: {canonicalize_name(each) for each in distributions[name]} for name in foreign}
    assert {name: found for name, found in providers.items() if not found & installed} == {}


def test_a_wheel_has_every_module_and_every_template(tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(ROOT / "pipeline", source / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation", "."]
    subprocess.run([*command, "--wheel-dir", str(tmp_path)], cwd=source, check=True)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("pipeline/")}
    assert packed == {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "pipeline").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_an_image_has_nothing_that_git_ignores_and_runs_quick_without_root_and_without_a_shell() -> None:
    ignored, left_out = (
        {line.strip("/").removeprefix("**/") for line in text.splitlines() if line and not line.startswith("#")}
        for text in ((ROOT / name).read_text(encoding="utf-8") for name in (".gitignore", ".dockerignore"))
    )
    assert ignored <= left_out
    steps = re.findall(r"^([A-Z]+) (.*)", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    user, command = ([text for step, text in steps if step == wanted][-1] for wanted in ("USER", "CMD"))
    assert user != "root"
    assert json.loads(command) == ["make", "quick"]
