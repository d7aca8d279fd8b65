"""Anybody's sequences go through the graph by changing `data.dataset` alone: every study of
params.yaml fits them, but for that of views of images."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from pipeline import paths
from pipeline.commands import download, prepare
from pipeline.data.sequences import SequencesSummary
from pipeline.params.document import Params, validate_params
from pipeline.params.network import CELLS, parameter_count
from pipeline.params.settings import Configuration
from pipeline.params.studies import ListStudy
from pipeline.studies.definition import StudyDefinition
from pipeline.studies.proposals import fixed_trials
from pipeline.training.inputs import load_data
from pipeline.training.train import train
from tests.helpers.sensors import write_sensor_stream

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(params=[(24, 3), (7, 1)], ids=["24 steps of 3", "7 steps of 1"])
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Params:
    """The real params.yaml with another dataset, and its sequences under the current folder."""
    monkeypatch.chdir(tmp_path)
    timesteps, features = request.param
    write_sensor_stream(tmp_path / "sensors.npz", samples=400, timesteps=timesteps, features=features)
    document = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    document["data"]["dataset"] = "sensors.npz"
    params = validate_params(document, "params.yaml")
    download.run(params)
    prepare.run(params)
    return params


def test_every_study_fits_and_every_kind_of_network_trains(prepared: Params) -> None:
    summary = SequencesSummary.read(paths.SEQUENCES_SUMMARY)
    assert (summary.train.samples, summary.validation.samples, summary.test.samples) == (288, 32, 80)
    studies = {
        name: StudyDefinition(name, prepared, summary)
        for name, study in prepared.studies.items()
        if not study.of_images
    }
    assert prepared.studies.keys() - studies.keys() == {"views"}
    assert studies["capacity"].total == 3 * 3 * 3, "from 1,000 samples on they are all the 288 that there are"
    assert studies["capacity"].most_samples_asked == 54_000
    book = prepared.studies["book"]
    assert isinstance(book, ListStudy)
    for trial in {t.configuration.cell: t for t in fixed_trials(book, prepared.training)}.values():
        small = trial.configuration.model_copy(update={"units": 4, "epochs": 1})
        _, result = train(small, load_data(paths.SEQUENCES.resolve(), "validation"), seed=0)
        assert result.parameters == parameter_count(small.network, *summary.sizes)


def test_networks_on_tokens_are_as_large_as_their_study_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    np.savez("words.npz", x=rng.integers(0, 50, (60, 9)), lengths=rng.integers(2, 10, 60), y=["a", "b", "c"] * 20)
    document = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    document["data"] |= {"dataset": "words.npz", "tokens": True}
    params = validate_params(document, "params.yaml")
    download.run(params)
    prepare.run(params)
    summary = SequencesSummary.read(paths.SEQUENCES_SUMMARY)
    assert summary.sizes == (9, 1, 3, 50)
    data = load_data(paths.SEQUENCES.resolve(), "validation")
    for cell in CELLS:
        small = Configuration(cell=cell, units=4, epochs=1, batch_size=8)
        _, result = train(small, data, seed=0)
        assert result.parameters == parameter_count(small.network, *summary.sizes) > 51 * 32
