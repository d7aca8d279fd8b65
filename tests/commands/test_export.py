"""export: a file that answers as Keras does, by a script that has no TensorFlow, and what the verb says of it."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from PIL import Image

from pipeline import paths
from pipeline.analysis.choice import Choice
from pipeline.analysis.evaluation import predict
from pipeline.analysis.temperature import Calibration, with_temperature
from pipeline.commands.export import export_champion
from pipeline.data.sequences import Samples, SequencesSummary, as_sequences
from pipeline.errors import PipelineError
from pipeline.params.document import Params
from pipeline.params.settings import DataParams, TableColumns, View
from pipeline.training.build import build
from pipeline.training.model_file import load_model
from pipeline.training.reading import Reading
from tests.helpers.runs import choice
from tests.helpers.sequences import FEATURES, TIMESTEPS, params_with, write_sequences

ROOT = Path(__file__).parents[2]
PARAMS = params_with({"one": {"sampler": "list", "trials": [{"cell": "gru", "units": 4}]}})
# A Python that has neither: `None` among the modules is what the import system takes for "cannot be imported".
WITHOUT = (
    "import runpy, sys\n"
    "sys.modules.update(dict.fromkeys(('tensorflow', 'keras', 'pipeline')))\n"
    "sys.argv = sys.argv[1:]\n"
    "runpy.run_path(sys.argv[0], run_name='__main__')\n"
)
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """Params of a champion under the current folder."""
    monkeypatch.chdir(tmp_path)
    champion("rows")
    return PARAMS


def champion(view: View) -> None:
    summary = write_sequences(paths.SEQUENCES)
    found = choice(0.75)
    chosen = found.choice.model_copy(update={"cell": "gru", "view": view})
    found.model_copy(update={"data_sha256": summary.learning_sha256, "choice": chosen}).write(paths.CHOICE)
    calibration = Calibration(samples=60, temperature=1.5, temperature_low=1.2, temperature_high=1.8, answers_from=None)
    calibration.write(paths.CALIBRATION)
    build(chosen.network, *summary.shape_in(view), summary.classes, 0).save(paths.CHAMPION / "seed-0.keras")


def ask(*files: str) -> pd.DataFrame:
    command = [sys.executable, "-c", WITHOUT, str(ROOT / "docs/use_onnx.py"), "champion.onnx", *files]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    rows = [line.split(",") for line in done.stdout.splitlines()]
    return pd.DataFrame(rows, columns=["file", "index", "predicted", "probability"])


def test_the_file_answers_as_keras_does_and_the_verb_says_how_near(
    params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    export_champion(Path("champion.onnx"), params)
    first, second, third = capsys.readouterr().out.splitlines()
    size = Path("champion.onnx").stat().st_size
    assert first == f"export: GRU 1×4 as ONNX, {size:,} bytes: champion.onnx"
    said = re.fullmatch(
        r"export: compared with Keras on 30 test sequences, probabilities differ by at most (\S+); "
        r"the label is the same for (\d+)", second,
    )  # fmt: skip
    assert said is not None, second
    assert float(said[1]) <= 1e-6
    assert said[2] == "30"
    assert re.fullmatch(r"export: one sequence of 6 steps takes \S+ µs by ONNX Runtime, \S+ µs by Keras, .*", third)
    session = onnxruntime.InferenceSession("champion.onnx")
    x = Samples.read(paths.TEST).x
    expected = with_temperature(predict(load_model(paths.CHAMPION / "seed-0.keras"), x), 1.5)
    np.testing.assert_allclose(session.run(None, {"sequence": x})[0], expected, atol=1e-6)
    about = session.get_modelmeta().custom_metadata_map
    assert (about["labels"], about["view"], about["divisor"]) == ("[0, 1, 2]", "rows", "255")
    assert about["input"].endswith("Sequences have 6 steps with 4 features: pixels from 0 to 1, in the view rows.")


@pytest.mark.parametrize("view", ["rows", "columns"])
def test_a_script_without_tensorflow_answers_the_same(params: Params, view: View) -> None:
    champion(view)
    export_champion(Path("champion.onnx"), params)
    images = np.random.default_rng(0).integers(0, 200, (7, TIMESTEPS, FEATURES), dtype=np.uint8)
    x = as_sequences(images, view, 0)
    expected = with_temperature(predict(load_model(paths.CHAMPION / "seed-0.keras"), x), 1.5)
    np.savez("images.npz", x=images.astype(np.int64))
    np.savez("sequences.npz", x=x)
    Image.fromarray(images[0]).save("light.png")
    Image.fromarray(255 - images[0]).save("dark.png")
    table = ask("images.npz", "sequences.npz", "light.png", "dark.png")
    rows = [*range(7), *range(7), 0, 0]
    assert table["predicted"].tolist() == [str(expected[row].argmax()) for row in rows]
    np.testing.assert_allclose(table["probability"].astype(float), [expected[row].max() for row in rows], atol=2e-6)


def test_raw_values_of_ones_own_need_no_scale(params: Params) -> None:
    summary = SequencesSummary.read(paths.SEQUENCES_SUMMARY)
    own = {"dataset": "my.csv", "labels": ("idle", "run", "walk"), "feature_names": tuple("abcd"), "padded": True,
           "scale": "standard", "missing": "refuse", "validation_asked": 60, "columns": TableColumns()}  # fmt: skip
    summary = SequencesSummary.model_validate(summary.model_dump() | own)
    summary.write(paths.SEQUENCES_SUMMARY)
    found = Choice.read(paths.CHOICE)
    found.model_copy(update={"data_sha256": summary.learning_sha256}).write(paths.CHOICE)
    reading = Reading(padded=True, mean=(0.0, 1.0, 2.0, 3.0), variance=(1.0, 2.0, 3.0, 4.0))
    model = build(found.choice.network, TIMESTEPS, FEATURES, 3, 0, reading)
    model.save(paths.CHAMPION / "seed-0.keras")
    export_champion(
        Path("champion.onnx"), params.model_copy(update={"data": DataParams(dataset="my.csv", validation=60)})
    )
    x = Samples.read(paths.TEST).x
    x[3, 2:] = np.nan
    np.savez("samples.npz", x=x)
    expected = with_temperature(predict(model, x), 1.5)
    table = ask("samples.npz")
    assert table["predicted"].tolist() == [("idle", "run", "walk")[row.argmax()] for row in expected]
    np.testing.assert_allclose(table["probability"].astype(float), expected.max(axis=1), atol=2e-6)
    Image.new("L", (4, 6)).save("digit.png")
    done = subprocess.run([sys.executable, str(ROOT / "docs/use_onnx.py"), "champion.onnx", "digit.png"],
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("error: digit.png: this network reads no images, but Numbers of the type float32")


def test_nothing_is_written_where_it_answers_otherwise(params: Params) -> None:
    """A model whose network is another one than the choice says: its weights are taken for those of a network without
    normalization."""
    found = Choice.read(paths.CHOICE)
    spec = found.choice.network.model_copy(update={"layer_normalization": True})
    build(spec, TIMESTEPS, FEATURES, 3, 0).save(paths.CHAMPION / "seed-0.keras")
    with pytest.raises(PipelineError, match="answers otherwise than Keras's"):
        export_champion(Path("champion.onnx"), params)
    assert not Path("champion.onnx").exists()
