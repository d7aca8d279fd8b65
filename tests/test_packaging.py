"""The locks hold what each command needs, a wheel holds the whole pipeline, and an image nothing that git ignores."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import pipeline

ROOT = Path(__file__).parents[1]
PACKED = ("params.yaml", "dvc.yaml", ".dvcignore")
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
    # `export` says in a sentence what to install where that is missing.
    installed = locked("requirements").keys() | names(PROJECT["optional-dependencies"]["export"])
    providers = {name: {canonicalize_name(each) for each in distributions[name]} for name in foreign}
    assert {name: found for name, found in providers.items() if not found & installed} == {}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    shutil.copytree(ROOT / "pipeline", source / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / ".dvc/plots", source / ".dvc/plots")
    for name in ("pyproject.toml", "README.md", "LICENSE", *PACKED):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation", "."]
    subprocess.run([*command, "--wheel-dir", str(folder)], cwd=source, check=True)
    [made] = folder.glob("*.whl")
    return made


def test_a_wheel_has_every_module_and_every_template(wheel: Path) -> None:
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


def environment(folder: Path) -> Path:
    """The Python of a new environment in `folder`, which takes the libraries from this one."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", ".venv"], cwd=folder, check=True)
    [packages] = folder.glob(".venv/lib/python*/site-packages")
    (packages / "lent.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return folder / ".venv/bin/python"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project as `make venv` leaves it, but for the libraries, which its environment takes from this one."""
    folder = tmp_path_factory.mktemp("installed") / "my project"
    shutil.copytree(ROOT / "pipeline", folder / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "Makefile", "params.yaml"):
        shutil.copy(ROOT / name, folder)
    environment(folder)
    (folder / "requirements.lock").touch()
    (folder / ".venv/installed").touch()
    subprocess.run(["make", "--silent", ".venv/bin/howbig"], cwd=folder, check=True)
    return folder


def run(*command: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """In a shell in which no environment is activated, and that has no `python`."""
    kept = {name: value for name, value in os.environ.items() if name in ("HOME", "LANG")}
    alone = kept | {"PATH": "/usr/bin:/bin"}
    return subprocess.run(list(map(str, command)), cwd=folder, env=alone, capture_output=True, text=True)


def test_the_program_works_by_its_path_in_any_folder(installed: Path, tmp_path: Path) -> None:
    program, python = (installed / ".venv/bin" / name for name in ("howbig", "python"))
    for command in ([program], [python, "-m", "pipeline"]):
        version = run(*command, "--version", folder=tmp_path)
        assert (version.returncode, version.stdout) == (0, f"howbig {pipeline.__version__}\n"), version.stderr
    said = run(program, "prepare", folder=tmp_path)
    assert said.stderr == f"error: params.yaml not found in {tmp_path}: run `cd '{installed}'` first\n"
    dvc = f"'{installed}/.venv/bin/dvc'"
    assert run(program, "recommend", folder=tmp_path).stderr.splitlines() == [
        f"in {installed}",
        f"error: data/sequences/summary.json not found: `cd '{installed}' && {dvc} repro` makes it",
    ]
    shutil.copy(installed / "params.yaml", tmp_path)
    assert run(program, "recommend", folder=tmp_path).stderr.splitlines() == [
        f"in {tmp_path}, by its params.yaml, with the program of {installed}",
        f"error: data/sequences/summary.json not found: `{dvc} repro` makes it",
    ]
    assert run(program, "recommend", folder=installed).stderr.startswith("error: "), "nothing to say at home"


def test_a_wheel_works_where_there_is_no_project(wheel: Path, tmp_path: Path) -> None:
    folder = tmp_path / "some folder"
    folder.mkdir()
    python = environment(folder)
    pip = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--ignore-installed"]
    done = run(python, *pip, wheel, folder=folder)
    assert done.returncode == 0, done.stderr
    program = python.with_name("howbig")
    assert run(program, "--version", folder=folder).stdout == f"howbig {pipeline.__version__}\n"
    assert "Stages, in the order in which dvc.yaml runs them" in run(program, "--help", folder=folder).stdout
    assert run(program, "recommend", folder=folder).stderr == (
        f"error: params.yaml not found in {folder}: run from the project's root, where it lies\n"
    )
    lay_out = (
        "from pathlib import Path; from pipeline.commands import quick\n"
        "quick.make_workspace(quick.packed_project(), Path('.quick'), 'mnist5k', runs=Path.cwd())"
    )
    done = run(python, "-c", lay_out, folder=folder)
    assert done.returncode == 0, done.stderr
    workspace = folder / ".quick"
    for name in ("dvc.yaml", ".dvcignore", ".dvc/plots/by_trial.json", "pipeline/commands/quick.py"):
        assert (workspace / name).read_bytes() == (ROOT / name).read_bytes(), name
    assert (workspace / ".dvc/home").read_text() == "..", "its runs are in the folder where somebody works"


def test_dvc_by_its_path_finds_the_python_of_dvc_yaml(installed: Path, tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    stages = "{version: {cmd: python -m pipeline --version > version, outs: [version]}}"
    (tmp_path / "dvc.yaml").write_text(f"stages: {stages}")
    python = installed / ".venv/bin/python"
    done = run(python, "-m", "dvc", "repro", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "version").read_text() == f"howbig {pipeline.__version__}\n"
    show = "import os; print(os.environ['PIPELINE_PROGRAMS'], os.environ['PATH'])"
    assert run(python, "-c", show, folder=tmp_path).stdout == (
        f"{installed}/.venv/bin {installed}/.venv/bin:/usr/bin:/bin\n"
    )
