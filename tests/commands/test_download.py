"""download: data/raw and its manifest, and a line that says so; the fetching itself is tested with the data."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.commands import download
from pipeline.data.datasets import Manifest
from pipeline.errors import PipelineError
from pipeline.params.document import Params

ROOT = Path(__file__).parents[2]


def with_data(params: Params, **data: object) -> Params:
    return params.model_copy(update={"data": params.data.model_copy(update=data)})


def test_writes_the_dataset_and_says_so_in_a_line(
    tiny_params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("mine.npz", x=np.zeros((6, 2, 1)), y=[0, 1] * 3)
    download.run(with_data(tiny_params, dataset="mine.npz"))
    assert capsys.readouterr().out == "download: mine.npz: sequences.npz from mine.npz\n"
    assert sorted(path.name for path in Path("data/raw").iterdir()) == ["manifest.json", "sequences.npz"]
    assert Manifest.read(Path("data/raw/manifest.json")).dataset == "mine.npz"


def test_an_unknown_dataset_is_refused(tiny_params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PipelineError, match=r"params\.yaml: data\.dataset: 'cifar10' is unknown"):
        download.run(with_data(tiny_params, dataset="cifar10"))
    assert list(tmp_path.iterdir()) == []


def test_neither_download_nor_prepare_imports_tensorflow(tmp_path: Path) -> None:
    program = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
import numpy as np
from pipeline.commands import download, prepare
from pipeline.params.document import load_params
params = load_params(__import__("pathlib").Path({str(ROOT / "params.yaml")!r}))
np.savez("mine.npz", x=np.zeros((60, 2, 1)), y=[0, 1] * 30)
data = params.data.model_copy(update=dict(dataset="mine.npz", validation=10))
for stage in (download, prepare):
    stage.run(params.model_copy(update=dict(data=data)))
print(sorted({{name.split(".")[0] for name in sys.modules}} & {{"tensorflow", "keras", "mlflow", "optuna"}}))
"""
    result = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"
