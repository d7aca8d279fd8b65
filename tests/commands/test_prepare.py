"""prepare: the sequences and their summary, the same bytes every time."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from pipeline.commands import download, prepare
from pipeline.data.datasets import Dataset, Manifest
from pipeline.data.sequences import Samples, prepared_sequences, summary_of
from pipeline.errors import PipelineError
from pipeline.params.document import Params
from pipeline.params.settings import DataParams
from pipeline.paths import MANIFEST
from pipeline.training.inputs import load_data
from tests.helpers.images import write_small_mnist

ROOT = Path(__file__).parents[2]
NAMES = ["summary.json", "test.npz", "train.npz", "validation.npz"]


def with_data(params: Params, **data: object) -> Params:
    return params.model_copy(update={"data": params.data.model_copy(update=data)})


@pytest.fixture
def small(tiny_params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """Parameters for a small MNIST that lies in data/raw."""
    monkeypatch.chdir(tmp_path)
    files = write_small_mnist(Path("data/raw"))
    sums = {name: first for name, (first, *_) in files.items()}
    Manifest(dataset="mnist", source="a mirror", files=sums, licence="none").write(MANIFEST)
    return with_data(tiny_params, dataset="mnist", validation=10)


def contents(folder: str = "data/sequences") -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


def test_writes_the_sequences_and_their_summary(small: Params, capsys: pytest.CaptureFixture[str]) -> None:
    prepare.run(small)
    assert capsys.readouterr().out == (
        "prepare: mnist as rows: train 50, validation 10, test 20 sequences of 28 × 28 in 5 classes\n"
    )
    assert sorted(contents()) == NAMES
    summary = json.loads(Path("data/sequences/summary.json").read_text())
    sums = {name: summary[name].pop("sha256") for name in ("train", "validation", "test")}
    assert len(set(sums.values())) == 3
    assert summary == {
        "dataset": "mnist",
        "view": "rows",
        "seed": 0,
        "classes": 5,
        "labels": [0, 1, 2, 3, 4],
        "timesteps": 28,
        "features": 28,
        "train": {"samples": 50, "per_class": [10] * 5},
        "validation": {"samples": 10, "per_class": [2] * 5},
        "test": {"samples": 20, "per_class": [4] * 5},
    }
    for name in ("train", "validation", "test"):
        with np.load(f"data/sequences/{name}.npz", allow_pickle=False) as arrays:
            assert sorted(arrays.files) == ["x", "y"]
            x, y = arrays["x"], arrays["y"]
        assert (x.dtype, x.shape) == (np.float32, (summary[name]["samples"], 28, 28))
        assert (y.dtype, y.shape) == (np.int64, (summary[name]["samples"],))
        assert 0 <= x.min() < 0.01 < 0.99 < x.max() <= 1


def test_the_same_bytes_every_time_and_others_for_another_seed(small: Params) -> None:
    prepare.run(small)
    first = contents()
    prepare.run(small)
    assert contents() == first
    with zipfile.ZipFile("data/sequences/train.npz") as archive:  # else the bytes would tell the time
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    prepare.run(with_data(small, seed=1))
    assert [name for name in NAMES if contents()[name] == first[name]] == ["test.npz"]


def test_the_source_that_manifest_json_names_changes_nothing(small: Params) -> None:
    prepare.run(small)
    first = contents()
    Manifest.read(MANIFEST).model_copy(update={"source": "elsewhere"}).write(MANIFEST)
    prepare.run(small)
    assert contents() == first


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"validation": 60}, r"params\.yaml: data\.validation: 60 of the 60 samples"),
        ({"dataset": "fashion_mnist"}, r"data/raw: holds 'mnist', not 'fashion_mnist'"),
    ],
)
def test_a_mistake_leaves_the_earlier_sequences(small: Params, data: dict[str, object], sentence: str) -> None:
    prepare.run(small)
    first = contents()
    with pytest.raises(PipelineError, match=sentence):
        prepare.run(with_data(small, **data))
    assert contents() == first


def test_ones_own_sequences(tiny_params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    np.savez("mine.npz", x=rng.normal(size=(100, 7, 3)), y=np.arange(100) % 4 * 5 - 5)
    params = with_data(tiny_params, dataset="mine.npz", validation=20)
    download.run(params)
    prepare.run(params)
    summary = json.loads(Path("data/sequences/summary.json").read_text())
    assert (summary["classes"], summary["labels"]) == (4, [-5, 0, 5, 10])
    assert (summary["timesteps"], summary["features"]) == (7, 3)
    assert [summary[name]["per_class"] for name in ("train", "validation", "test")] == [[15] * 4, [5] * 4, [5] * 4]
    first = contents()
    with pytest.raises(PipelineError, match=r"params\.yaml: data\.view: pixels is for images"):
        prepare.run(with_data(params, view="pixels"))
    assert contents() == first


def test_what_the_owner_should_know_is_printed_and_kept(
    tiny_params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("mine.npz", x=np.arange(700).reshape(100, 7, 1) % 50, y=np.arange(100) % 2)
    params = with_data(tiny_params, dataset="mine.npz", validation=20)
    download.run(params)
    capsys.readouterr()
    prepare.run(params)
    first, *warnings = capsys.readouterr().out.splitlines()
    assert first == "prepare: mine.npz: train 60, validation 20, test 20 sequences of 7 × 1 in 2 classes"
    assert [line[:40] for line in warnings] == [
        "prepare: only 20 validation samples: cha",
        "prepare: all values are whole numbers, i",
    ]
    summary = json.loads(Path("data/sequences/summary.json").read_text())
    assert [f"prepare: {line}" for line in summary["warnings"]] == warnings
    assert (summary["padded"], summary["scale"], summary["lengths"]) == (False, "standard", [7, 7, 7])


def test_groups_and_lengths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that are written can be read again: by a training, and by whoever looks whether they are the right ones."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 9, 2)).astype(np.float32)
    for sequence, steps in zip(x, rng.integers(4, 9, 400), strict=True):
        sequence[steps:] = np.nan
    dataset = Dataset(
        x, np.arange(400) % 3, None, None, ("run", "sit", "walk"),
        groups=tuple(f"person {number}" for number in rng.integers(0, 25, 400)), feature_names=("left", "right"),
    )  # fmt: skip
    data = DataParams(dataset="mine.npz", validation=0.25)
    summary = prepare.write_sequences(dataset, data)
    assert prepared_sequences(data) == summary
    assert prepare.outcome(summary).endswith(" sequences of 4 to 8 steps × 2 in 3 classes")
    assert (summary.labels, summary.feature_names) == (("run", "sit", "walk"), ("left", "right"))
    first = contents()
    prepare.write_sequences(dataset, data)
    assert contents() == first
    for name in ("train", "validation", "test"):
        samples = Samples.read(Path(f"data/sequences/{name}.npz"))
        assert summary_of(samples, 3) == getattr(summary, name)
        assert (samples.fold is None) == (name == "test")
        assert (samples.x.dtype, samples.x.shape[1:]) == (np.float32, (9, 2))
    learning = summary.train.samples + summary.validation.samples
    for fold, size in enumerate(summary.folds):
        held_out = load_data(Path("data/sequences").resolve(), "fold", fold=fold)
        assert held_out.held_out_y is not None
        assert (len(held_out.y), len(held_out.held_out_y)) == (learning - size, size)


def test_all_of_mnist_in_10_seconds_and_1500_mb(tmp_path: Path) -> None:
    mirror = Path(os.environ.get("MNIST_MIRROR", "none")).resolve()
    if not (mirror / "train-images-idx3-ubyte.gz").is_file():
        pytest.skip("MNIST_MIRROR is not set to the folder of the real files")
    program = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from pipeline.commands import download, prepare
from pipeline.params.document import load_params
import resource, time
params = load_params(Path({str(ROOT / "params.yaml")!r}))
download.run(params)
start = time.monotonic()
prepare.run(params)
print(time.monotonic() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
    environment = os.environ | {"MNIST_MIRROR": str(mirror)}
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    seconds, megabytes = map(float, result.stdout.split()[-2:])
    assert seconds <= 10
    assert megabytes <= 1500
    summary = json.loads((tmp_path / "data/sequences/summary.json").read_text())
    assert summary["train"]["per_class"] == [5331, 6068, 5362, 5518, 5258, 4879, 5326, 5638, 5266, 5354]
    assert summary["test"]["per_class"] == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
