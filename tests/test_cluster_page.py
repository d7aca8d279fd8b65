"""docs/cluster.md: its commands start clusters and remotes that give the results of one machine, to the byte."""

import importlib.util
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helpers.advice import shell
from tests.helpers.cluster_page import blocks, lines
from tests.helpers.command_line import change
from tests.helpers.dask import Machines
from tests.helpers.servers import Server, free_port, serving

pytestmark = pytest.mark.cluster
ROOT = Path(__file__).parents[1]
TRIALS = ("trials.csv", "curves.csv")
SEARCH = Path("data/studies/search")


@pytest.fixture
def project(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of that project the code, the data and the model, but no training and no database."""
    folder = tmp_path / "project"
    views = ("mlflow.db*", "mlruns", "optuna.db*", ".journal", ".locks", "record")
    shutil.copytree(finished, folder, ignore=shutil.ignore_patterns(*views))
    shutil.rmtree(folder / SEARCH)
    monkeypatch.delenv("PIPELINE_HOME")
    return folder


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    folder = tmp_path / "machines"
    folder.mkdir()
    with Machines(folder) as started:
        yield started


def here(command: str, port: int) -> str:
    """A command of the page for this machine, and a free port."""
    command = command.replace("dask scheduler", f"dask scheduler --host 127.0.0.1 --port {port} --no-dashboard")
    return command.replace("//scheduler:8786", f"//127.0.0.1:{port}")


def wait_for(port: int) -> None:
    """Wait until somebody listens there."""
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def assert_same_study(project: Path, finished: Path, address: str) -> None:
    """Its trials are those of the embedded workers, and other workers trained them."""
    for name in TRIALS:
        assert (project / SEARCH / name).read_bytes() == (finished / SEARCH / name).read_bytes()
    workers = re.findall(rf"{address.partition(':')[0]}://[\d.]+:\d+", (project / SEARCH / "timings.csv").read_text())
    assert len(workers) == 2


def study_by(address: str, project: Path, finished: Path, **variables: str) -> None:
    """Run the study on the cluster of this address, and compare."""
    change(project, "execution.scheduler", address)
    shell("python -m pipeline study search", project, **variables)
    assert_same_study(project, finished, address)


def address_in(command: str) -> str:
    return command.partition("execution.scheduler=")[2]


def test_three_lines_by_hand_train_elsewhere_what_is_trained_here(
    project: Path, finished: Path, machines: Machines
) -> None:
    port = free_port()
    scheduler, worker, study = (here(line, port) for line in lines(blocks("By hand")[0]))
    machines.start("bash", "-c", scheduler)
    machines.start("bash", "-c", worker)
    wait_for(port)
    shell(f"{study} study@search", project)
    assert_same_study(project, finished, address_in(study))
    assert yaml.safe_load((project / "params.yaml").read_text())["execution"]["scheduler"] == f"tcp://127.0.0.1:{port}"


def test_with_a_certificate_it_is_the_same_and_without_it_nobody_gets_in(
    project: Path, finished: Path, machines: Machines
) -> None:
    certificate, variables, cluster = blocks("Encrypted")
    shell(certificate, project)
    port = free_port()
    scheduler, worker, study = (here(line, port) for line in lines(cluster))
    for command in (scheduler, worker):
        machines.start("bash", "-c", f"cp '{project}'/dask.* .\n{variables}\nexec {command}")
    wait_for(port)
    with (
        socket.create_connection(("127.0.0.1", port)) as connection,
        ssl._create_unverified_context().wrap_socket(connection) as stranger,
        pytest.raises(ssl.SSLError, match="certificate required"),
    ):
        stranger.recv(1)
    change(project, "execution.scheduler", address_in(study))
    refused = subprocess.run(
        [sys.executable, "-m", "pipeline", "study", "search"], cwd=project, capture_output=True, text=True
    )
    assert refused.returncode == 1
    assert refused.stderr.endswith(
        f"error: {address_in(study)} (params.yaml: execution.scheduler) wants certificates: set "
        "DASK_DISTRIBUTED__COMM__TLS__CA_FILE to the path of that file, see docs/cluster.md\n"
    )
    shell(f"{variables}\npython -m pipeline study search", project)
    assert_same_study(project, finished, address_in(study))


SBATCH = """\
#!/bin/sh
cp "$1" job.sh.$$
grep '^#SBATCH' "$1" >> asked.txt
setsid bash job.sh.$$ >/dev/null 2>&1 &
echo "Submitted batch job $!"
"""
SCANCEL = """\
#!/bin/sh
kill -- -$1
"""


def test_jobs_of_slurm_are_workers(
    project: Path, finished: Path, machines: Machines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its `sbatch` is a stand-in, which runs the job here."""
    if importlib.util.find_spec("dask_jobqueue") is None:
        pytest.skip("dask-jobqueue is not installed")
    programs = tmp_path / "slurm"
    programs.mkdir()
    for name, script in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (programs / name).write_text(script)
        (programs / name).chmod(0o755)
    port = free_port()
    [script] = blocks("SLURM", "python")
    assert "8786" in script
    assert "jobs=64" in script
    start, study = lines(blocks("SLURM")[0])
    (tmp_path / "slurm.py").write_text(script.replace("8786", str(port)).replace("jobs=64", "jobs=2"))
    shutil.copy(tmp_path / "slurm.py", machines.folder)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    queue = machines.start("bash", "-c", f"cp ../slurm.py . && exec {start}")
    wait_for(port)
    study_by(address_in(here(study, port)), project, finished)
    queue.send_signal(2)
    queue.wait(timeout=60)
    asked = (machines.folder / "machine-0" / "asked.txt").read_text()
    assert asked.count("#SBATCH --cpus-per-task=1\n") == 2
    assert asked.count("#SBATCH --mem=2G\n") == 2
    assert asked.count("#SBATCH -t 08:00:00\n") == 2


@pytest.fixture(scope="module")
def manifest() -> Any:
    [document] = blocks("Kubernetes", "yaml")
    return yaml.safe_load(document)


def test_the_manifest_is_one_of_the_operators_resources(manifest: Any) -> None:
    """By the schema that a Kubernetes with the operator holds it to."""
    jsonschema = pytest.importorskip("jsonschema")
    operator = importlib.util.find_spec("dask_kubernetes")
    if operator is None or operator.origin is None:
        pytest.skip("dask-kubernetes is not installed")
    charts = Path(operator.origin).parent / "operator" / "deployment" / "helm" / "dask-kubernetes-operator"
    definition = yaml.safe_load((charts / "crds" / "daskcluster.yaml").read_text())
    assert manifest["apiVersion"] == f"{definition['spec']['group']}/{definition['spec']['versions'][0]['name']}"
    assert manifest["kind"] == definition["spec"]["names"]["kind"]
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    strict = jsonschema.Draft202012Validator(closed(schema))
    document = {"spec": manifest["spec"]}
    assert [error.message for error in strict.iter_errors(document)] == []
    document["spec"]["worker"]["replica"] = 3
    assert [error.message for error in strict.iter_errors(document)] != []


def closed(schema: Any) -> Any:
    """The schema, but that a field which it does not know is a mistake: Kubernetes would drop it in silence."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inside = {name: closed(value) for name, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        inside.setdefault("additionalProperties", False)
    if schema.get("x-kubernetes-int-or-string"):
        inside["type"] = ["integer", "string"]
    return inside


def test_the_parts_of_the_manifest_fit_each_other(manifest: Any) -> None:
    worker, scheduler = (manifest["spec"][part] for part in ("worker", "scheduler"))
    [container] = scheduler["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert {port["targetPort"]: port["port"] for port in scheduler["service"]["ports"]} == ports
    assert container["readinessProbe"]["httpGet"]["port"] in ports
    name = manifest["metadata"]["name"]
    assert scheduler["service"]["selector"] == {"dask.org/cluster-name": name, "dask.org/component": "scheduler"}
    build, push, _, _, forward = lines(blocks("Kubernetes")[0])
    image = push.split()[-1]
    assert f"--tag {image} " in build
    assert {each["image"] for part in (worker, scheduler) for each in part["spec"]["containers"]} == {image}
    assert forward.split()[-2:] == [f"service/{name}-scheduler", str(ports["tcp-comm"])]
    assert address_in(blocks("Kubernetes")[1].strip()) == f"tcp://127.0.0.1:{ports['tcp-comm']}"
    assert "\nWORKDIR /project\n" in (ROOT / "Dockerfile").read_text(), "where the image has its .venv"


def test_the_containers_of_the_manifest_run_a_study(
    manifest: Any, project: Path, finished: Path, machines: Machines
) -> None:
    """As processes, with the variables that the operator gives to its pods."""
    port = free_port()
    scheduler, worker = (
        [argument.replace("/project/.venv/bin/", "") for argument in part["spec"]["containers"][0]["args"]]
        for part in (manifest["spec"]["scheduler"], manifest["spec"]["worker"])
    )
    machines.start(*scheduler, "--port", str(port), "--dashboard-address", "127.0.0.1:0")
    worker[worker.index("$(DASK_WORKER_NAME)")] = "rnn-default-worker-0"
    machines.start(*worker, DASK_SCHEDULER_ADDRESS=f"tcp://127.0.0.1:{port}")
    wait_for(port)
    study_by(f"tcp://127.0.0.1:{port}", project, finished)


@pytest.fixture
def published(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The finished project with a git repository that others clone."""
    folder = tmp_path / "published"
    shutil.copytree(finished, folder)
    monkeypatch.delenv("PIPELINE_HOME")
    shell("git init --quiet --bare ../origin && git remote add origin ../origin && git push -qu origin HEAD", folder)
    return folder


def assert_a_clone_trains_nothing(published: Path, tmp_path: Path, finished: Path) -> None:
    pull, repro = lines(blocks("Data on a remote")[2])
    shell("git clone --quiet origin clone", tmp_path)
    clone = tmp_path / "clone"
    assert not (clone / "data" / "raw").exists()
    shell(pull, clone)
    told = shell(repro, clone)
    assert "Running stage" not in told
    assert "Data and pipelines are up to date." in told
    assert not (clone / ".journal").exists()
    assert shell("git status --porcelain", clone) == ""
    data = finished / "data" / "sequences"
    for file in data.iterdir():
        assert (clone / "data" / "sequences" / file.name).read_bytes() == file.read_bytes()


def test_data_travel_by_a_folder(published: Path, finished: Path, tmp_path: Path) -> None:
    adding, pushing, _ = blocks("Data on a remote")
    folder = tmp_path / "shared"
    shell(lines(adding)[0].replace("/mnt/shared/rnn", str(folder)), published)
    shell(pushing, published)
    assert folder.is_dir()
    assert_a_clone_trains_nothing(published, tmp_path, finished)


def test_data_travel_by_a_server_that_speaks_s3(
    published: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("moto", "dvc_s3"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module.replace('_', '-')} is not installed")
    import boto3  # type: ignore[import-not-found,unused-ignore]

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    adding, pushing, _ = blocks("Data on a remote")
    home = tmp_path / "s3"
    home.mkdir()
    command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port"]
    with serving(Server(home, command, "/moto-api/")) as address:
        boto3.client("s3", endpoint_url=address).create_bucket(Bucket="bucket")
        shell(lines(adding)[2], published)
        shell(f"dvc remote modify storage endpointurl {address}", published)
        shell(pushing, published)
        assert boto3.client("s3", endpoint_url=address).list_objects_v2(Bucket="bucket")["KeyCount"] >= 4
        assert_a_clone_trains_nothing(published, tmp_path, finished)
