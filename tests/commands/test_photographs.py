"""predict, of photographs: what is printed, told and shown, and what is refused."""

import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipeline import paths
from pipeline.analysis.temperature import Calibration
from pipeline.commands.photographs import NO_DIGIT, SEVERAL, predict_all
from pipeline.data.sequences import SequencesSummary, SplitSummary, as_sequences
from pipeline.errors import PipelineError
from pipeline.params.document import Params
from pipeline.params.network import NetworkSpec
from pipeline.params.settings import DataParams, TableColumns
from pipeline.training.build import build
from pipeline.use.digits import digit_of
from tests.helpers import drawn
from tests.helpers.runs import choice
from tests.helpers.sequences import params_with

STUDY = {"one": {"sampler": "list", "trials": [{"cell": "gru", "units": 4}]}}
PARAMS = params_with(STUDY).model_copy(update={"data": DataParams(dataset="mnist", view="columns", validation=10)})
pytestmark = pytest.mark.usefixtures("one_thread")
Ask = Callable[..., bool]


def grey(digit: int) -> np.ndarray:
    return drawn.photographed(np.pad(drawn.strokes(digit, np.random.default_rng(digit)), 30))


@pytest.fixture
def champion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A model of images of digits as columns, and photographs of a 2, a 3 and a 4, under the current folder."""
    monkeypatch.chdir(tmp_path)
    part = SplitSummary(samples=10, per_class=(1,) * 10, sha256="0" * 64)
    summary = SequencesSummary(
        dataset="mnist", view="columns", seed=0, classes=10, labels=tuple(range(10)), timesteps=28, features=28,
        train=part, validation=part, test=part,
    )  # fmt: skip
    summary.write(paths.SEQUENCES_SUMMARY)
    found = choice(0.75)
    chosen = found.choice.model_copy(update={"view": "columns"})
    found.model_copy(update={"data_sha256": summary.learning_sha256, "choice": chosen}).write(paths.CHOICE)
    model = build(NetworkSpec(cell="gru", units=4), 28, 28, 10, 0)
    model.save(paths.CHAMPION / "seed-0.keras")
    Path("mine").mkdir()
    for digit in (2, 3, 4):
        Image.fromarray(grey(digit)).save(f"mine/{digit}.png")
    return model


def params_of(dataset: str) -> Params:
    return PARAMS.model_copy(update={"data": PARAMS.data.model_copy(update={"dataset": dataset})})


def ask(*names: str, as_json: bool = False, show: Path | None = None, params: Params = PARAMS) -> bool:
    return predict_all(names, Path(), params, as_json, show)


def expected(model: Any, *digits: int) -> np.ndarray:
    seen = np.stack([digit_of(grey(digit)).pixels for digit in digits])
    return model.predict(as_sequences(seen, "columns", 0), verbose=0)


def test_each_photograph_has_a_line(champion: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask("mine/4.png", "mine")
    printed = capsys.readouterr()
    table = pd.read_csv(io.StringIO(printed.out))
    probabilities = expected(champion, 4, 2, 3, 4)
    assert table.columns.tolist() == ["index", "file", "predicted", "probability", "remark"]
    assert table.file.tolist() == ["mine/4.png", "mine/2.png", "mine/3.png", "mine/4.png"]
    assert table.predicted.tolist() == probabilities.argmax(axis=1).tolist()
    np.testing.assert_allclose(table.probability, probabilities.max(axis=1), atol=1e-6)
    assert table.remark.isna().all()
    assert len(printed.err.splitlines()) == 3, "the model, whether it is still chosen, its calibration"


def test_json_has_the_probability_of_every_digit(champion: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask("mine/3.png", as_json=True)
    document = json.loads(capsys.readouterr().out)
    [row] = document["predictions"]
    [probabilities] = expected(champion, 3)
    assert (row["index"], row["file"], row["remark"]) == (0, "mine/3.png", "")
    assert row["predicted"] == probabilities.argmax()
    np.testing.assert_allclose(list(row["probabilities"].values()), probabilities, atol=1e-6)


@pytest.mark.usefixtures("champion")
def test_without_certainty_no_digit_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    calibration = Calibration(
        samples=6000, temperature=1.0, temperature_low=0.9, temperature_high=1.1, answers_from=0.9
    )
    calibration.write(paths.CALIBRATION)
    assert ask("mine/3.png")
    [row] = pd.read_csv(io.StringIO(capsys.readouterr().out)).to_dict("records")
    assert np.isnan(row["predicted"])
    assert row["probability"] < 0.5
    assert row["remark"] == NO_DIGIT
    assert ask("mine/3.png", as_json=True)
    assert json.loads(capsys.readouterr().out)["predictions"][0]["predicted"] is None


@pytest.mark.usefixtures("champion")
def test_two_digits_are_remarked_on(capsys: pytest.CaptureFixture[str]) -> None:
    both = [np.asarray(Image.fromarray(grey(digit)).resize((150, 200))) for digit in (2, 3)]
    Image.fromarray(np.hstack(both)).save("both.png")
    assert ask("both.png")
    assert pd.read_csv(io.StringIO(capsys.readouterr().out)).remark.tolist() == [SEVERAL]


@pytest.mark.usefixtures("champion")
def test_what_cannot_be_read_is_told_and_the_others_are_answered(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine/3.png").write_bytes(Path("mine/3.png").read_bytes()[:300])
    Path("mine/notes.txt").write_text("")
    assert not ask("mine", "gone.png")
    printed = capsys.readouterr()
    assert pd.read_csv(io.StringIO(printed.out)).file.tolist() == ["mine/2.png", "mine/4.png"]
    notes = [note for note in printed.err.splitlines() if ".png: " in note or note.startswith("predict: mine: ")]
    assert notes[0] == "predict: mine: left out what is no picture by its name: notes.txt"
    assert notes[1].startswith("predict: mine/3.png: is damaged (")
    assert notes[2] == "predict: gone.png: No such file or directory: give a picture that can be read"
    with pytest.raises(PipelineError, match=r"^none of the 2 pictures can be read$"):
        ask("mine/3.png", "gone.png")
    with pytest.raises(PipelineError, match=r"^gone\.png: No such file"):
        ask("gone.png")
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("champion")
def test_what_the_network_sees_is_shown() -> None:
    Path("yours").mkdir()
    Image.fromarray(grey(4)).save("yours/2.jpg")
    Image.fromarray(grey(2)).save("yours/2.png")
    assert ask("mine", "yours", show=Path("seen"))
    shown = sorted(path.name for path in Path("seen").iterdir())
    assert shown == ["2-seen-2.png", "2-seen-3.png", "2-seen.png", "3-seen.png", "4-seen.png"]
    pixels = np.asarray(Image.open("seen/3-seen.png"))
    assert pixels.shape == (280, 280)
    np.testing.assert_array_equal(pixels[5::10, 5::10], digit_of(grey(3)).pixels)
    np.testing.assert_array_equal(pixels, pixels[5::10, 5::10].repeat(10, axis=0).repeat(10, axis=1))
    before = Path("mine/2.png").read_bytes()
    assert ask("mine", show=Path("mine"))
    assert Path("mine/2.png").read_bytes() == before, "a photograph is never written over"


@pytest.mark.usefixtures("champion")
@pytest.mark.parametrize("as_json", [False, True])
def test_a_name_that_is_no_text_is_read(as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    name = os.fsdecode(b"\xff.png")
    os.rename("mine/2.png", name)
    assert ask(name, as_json=as_json, show=Path("seen"))
    assert len(os.listdir("seen")) == 1
    assert "probability" in capsys.readouterr().out


@pytest.mark.usefixtures("champion")
def test_standard_input_is_a_photograph(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(Path("mine/3.png").read_bytes())))
    assert ask("-", show=Path("seen"))
    assert pd.read_csv(io.StringIO(capsys.readouterr().out)).file.tolist() == ["-"]
    assert os.listdir("seen") == ["standard-input-seen.png"]


@pytest.mark.usefixtures("champion")
def test_on_a_terminal_it_is_a_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert ask("mine")
    lines = capsys.readouterr().out.splitlines()
    assert "probability" in lines[1]
    assert [name for name in ("mine/2.png", "mine/3.png", "mine/4.png") if any(name in line for line in lines)]


@pytest.mark.usefixtures("champion")
def test_arrays_and_photographs_are_not_mixed() -> None:
    np.savez("samples.npz", x=np.zeros((1, 28, 28), np.uint8))
    for names in (("samples.npz", "mine"), ("samples.npz", "samples.npz"), ("-", "samples.npz")):
        with pytest.raises(
            PipelineError, match=r"^samples\.npz: files of arrays are answered one at a time, without photographs: as"
        ):
            ask(*names)
    with pytest.raises(
        PipelineError, match=r"^samples\.npz: --show is for photographs, and this is none: leave it out$"
    ):
        ask("samples.npz", show=Path("seen"))


def test_an_npz_is_answered_as_it_was(champion: Any, capsys: pytest.CaptureFixture[str]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 28, 28), dtype=np.uint8)
    np.savez("samples.npz", x=images)
    assert ask("samples.npz")
    table = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert table.columns.tolist() == ["index", "predicted", "probability", "sure"]
    answers = champion.predict(as_sequences(images, "columns", 0), verbose=0)
    assert table.predicted.tolist() == answers.argmax(axis=1).tolist()


@pytest.mark.parametrize(
    ("dataset", "own", "sentence"),
    [
        ("fashion_mnist", {}, r"this one has learned from fashion_mnist as columns: give it an \.npz of images like"),
        ("my.csv", {"padded": True, "view": "rows"}, r"this one has learned from my\.csv: give it sequences like"),
    ],
)
def test_photographs_are_for_digits(champion: Any, dataset: str, own: dict[str, Any], sentence: str) -> None:
    summary = SequencesSummary.read(paths.SEQUENCES_SUMMARY)
    summary = summary.model_copy(update={"dataset": dataset} | own)
    summary.write(paths.SEQUENCES_SUMMARY)
    params = params_of(dataset)
    if own:
        summary = summary.model_copy(
            update={"scale": "standard", "missing": "refuse", "validation_asked": 10, "columns": TableColumns()}
        )
        summary.write(paths.SEQUENCES_SUMMARY)
        params = params.model_copy(update={"data": DataParams(dataset=dataset, validation=10)})
        found = choice(0.75)
        found.model_copy(update={"data_sha256": summary.learning_sha256}).write(paths.CHOICE)
    for names in (("mine/2.png",), ("mine",), ("-",), ("mine/2.png", "mine/3.png")):
        with pytest.raises(PipelineError, match=f"photographs are for a champion of digits .* {sentence}"):
            ask(*names, params=params)
