"""predict: the champion's answers for anybody's samples, as the mean over its seeds."""

from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline import paths
from pipeline.commands.predict import predict_file
from pipeline.data.sequences import SequencesSummary, SplitSummary, as_sequences
from pipeline.errors import PipelineError
from pipeline.params.network import NetworkSpec
from pipeline.params.settings import DataParams, View
from pipeline.training.build import build
from pipeline.training.reading import Reading
from tests.helpers.runs import choice
from tests.helpers.sequences import params_with

PARAMS = params_with({"one": {"sampler": "list", "trials": [{"cell": "gru", "units": 4}]}})
OWN = PARAMS.model_copy(update={"data": DataParams(dataset="my.npz", validation=3)})
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def champion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Two models of 6 steps with 4 features and the labels 3, 5 and 8, under the current folder."""
    monkeypatch.chdir(tmp_path)
    part = SplitSummary(samples=3, per_class=(1, 1, 1), sha256="0" * 64)
    summary = SequencesSummary(
        dataset="toy", view="columns", seed=0, classes=3, labels=(3, 5, 8), timesteps=6, features=4,
        train=part, validation=part, test=part,
    )  # fmt: skip
    summary.write(paths.SEQUENCES_SUMMARY)
    models = [build(NetworkSpec(cell="gru", units=4), 6, 4, 3, seed) for seed in (0, 1)]
    paths.CHAMPION.mkdir(parents=True)
    for seed, model in enumerate(models):
        model.save(paths.CHAMPION / f"seed-{seed}.keras")
    write_choice(summary, "columns")
    return models


def write_choice(summary: SequencesSummary, view: View) -> None:
    found = choice(0.75)
    chosen = found.choice.model_copy(update={"view": view})
    found.model_copy(update={"data_sha256": summary.learning_sha256, "choice": chosen}).write(paths.CHOICE)


def test_images_are_read_in_the_champions_view(champion: list, capsys: pytest.CaptureFixture[str]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 6), dtype=np.uint8)
    np.savez("samples.npz", x=images)
    predict_file(Path("samples.npz"), PARAMS)
    table = pd.read_csv(StringIO(capsys.readouterr().out))
    x = as_sequences(images, "columns", 0)
    expected = np.mean([model.predict(x, verbose=0) for model in champion], axis=0)
    assert table.columns.tolist() == ["index", "predicted", "probability"]
    assert table["predicted"].tolist() == np.array([3, 5, 8])[expected.argmax(axis=1)].tolist()
    np.testing.assert_allclose(table["probability"], expected.max(axis=1), atol=1e-6)
    np.savez("sequences.npz", x=x)
    predict_file(Path("sequences.npz"), PARAMS)
    pd.testing.assert_frame_equal(pd.read_csv(StringIO(capsys.readouterr().out)), table)


def test_a_champion_may_have_a_view_of_its_own(champion: list, capsys: pytest.CaptureFixture[str]) -> None:
    """The prepared sequences are rows, the champion reads columns."""
    summary = SequencesSummary.read(paths.SEQUENCES_SUMMARY)
    summary = summary.model_copy(update={"view": "rows", "timesteps": 4, "features": 6})
    summary.write(paths.SEQUENCES_SUMMARY)
    write_choice(summary, "columns")
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 6), dtype=np.uint8)
    np.savez("samples.npz", x=images)
    predict_file(Path("samples.npz"), PARAMS)
    table = pd.read_csv(StringIO(capsys.readouterr().out))
    x = as_sequences(images, "columns", 0)
    expected = np.mean([model.predict(x, verbose=0) for model in champion], axis=0)
    np.testing.assert_allclose(table["probability"], expected.max(axis=1), atol=1e-6)


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"y": np.zeros(3)}, "not an .npz with an array x"),
        ({"x": np.array([None, 1])}, "not an .npz with an array x"),
        ({"x": np.array(["a"])}, "not an .npz with an array x of numbers"),
        ({"x": np.zeros(3)}, r"three dimensions, samples first; it has the shape \(3,\)"),
        ({"x": np.zeros((2, 5, 4))}, r"6 steps with 4 features, or images as in toy; x has the shape \(2, 5, 4\)"),
        ({"x": np.full((2, 6, 4), np.nan)}, "finite sequences"),
    ],
)
@pytest.mark.usefixtures("champion")
def test_what_the_champion_cannot_read_is_refused(arrays: dict[str, np.ndarray], sentence: str) -> None:
    np.savez("samples.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(PipelineError, match=sentence):
        predict_file(Path("samples.npz"), PARAMS)


def test_without_a_champion_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PipelineError, match="run `python -m pipeline champion` first"):
        predict_file(Path("samples.npz"), PARAMS)


def test_a_champion_of_other_data_does_not_answer(champion: list) -> None:
    np.savez("samples.npz", x=np.zeros((1, 6, 4), np.float32))
    summary = SequencesSummary.read(paths.SEQUENCES_SUMMARY)
    other = summary.train.model_copy(update={"sha256": "1" * 64})
    summary.model_copy(update={"train": other}).write(paths.SEQUENCES_SUMMARY)
    with pytest.raises(PipelineError, match=r"choice\.json was chosen from other data than data/sequences holds"):
        predict_file(Path("samples.npz"), PARAMS)


@pytest.fixture
def own_champion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A model of one's own sequences: up to 6 steps with 2 features and the labels a and b, not scaled."""
    monkeypatch.chdir(tmp_path)
    part = SplitSummary(samples=3, per_class=(1, 2), sha256="0" * 64)
    summary = SequencesSummary(
        dataset="my.npz", view="rows", seed=0, classes=2, labels=("a", "b"), timesteps=6, features=2,
        train=part, validation=part, test=part, padded=True, scale="standard", missing="refuse", validation_asked=3,
        feature_names=("one", "two"),
    )  # fmt: skip
    summary.write(paths.SEQUENCES_SUMMARY)
    reading = Reading(padded=True, mean=(120.0, 3.0), variance=(900.0, 4.0))
    model = build(NetworkSpec(cell="gru", units=4), 6, 2, 2, 0, reading)
    paths.CHAMPION.mkdir(parents=True)
    model.save(paths.CHAMPION / "seed-0.keras")
    choice(0.75).model_copy(update={"data_sha256": summary.learning_sha256}).write(paths.CHOICE)
    return model


def test_ones_own_values_are_read_as_they_are_whatever_the_type_and_the_file(
    own_champion: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Small whole numbers in uint8 are not taken for pixels, and each form of a file has the same answers."""
    x, lengths = np.random.default_rng(0).integers(0, 250, (4, 6, 2)), np.array([6, 2, 5, 6])
    padded = x.astype(np.float32)
    padded[np.arange(6) >= lengths[:, None]] = np.nan
    expected = own_champion.predict(padded, verbose=0)
    answers = []
    for dtype in ("uint8", "int16", "int64", "float16", "float32", "float64"):
        np.savez("samples.npz", x=x.astype(dtype), lengths=lengths)
        predict_file(Path("samples.npz"), OWN)
        answers.append(capsys.readouterr().out)
    rows = [
        {
            "sequence": number,
            "time": step,
            "label": "ab"[number % 2],
            "one": x[number, step, 0],
            "two": x[number, step, 1],
        }
        for number, length in enumerate(lengths)
        for step in range(length)
    ]
    pd.DataFrame(rows).to_csv("samples.csv", index=False)
    pd.DataFrame(rows).to_parquet("samples.parquet")
    lines = [":".join(",".join(map(str, x[n, :length, f])) for f in (0, 1)) + f":{'ab'[n % 2]}" for n, length in
             enumerate(lengths)]  # fmt: skip
    Path("samples.ts").write_text("@problemName mine\n@classLabel true a b\n@data\n" + "\n".join(lines) + "\n")
    for name in ("samples.csv", "samples.parquet", "samples.ts"):
        predict_file(Path(name), OWN)
        answers.append(capsys.readouterr().out)
    pd.DataFrame(rows)[["two", "label", "one", "time", "sequence"]].to_csv("samples.csv", index=False)
    predict_file(Path("samples.csv"), OWN)  # columns in another order
    answers.append(capsys.readouterr().out)
    assert len(set(answers)) == 1
    table = pd.read_csv(StringIO(answers[0]))
    assert table["predicted"].tolist() == np.array(["a", "b"])[expected.argmax(axis=1)].tolist()
    np.testing.assert_allclose(table["probability"], expected.max(axis=1), atol=1e-6)


@pytest.mark.usefixtures("own_champion")
@pytest.mark.parametrize(
    ("x", "sentence"),
    [
        (np.zeros((3, 6, 5)), r"any number of steps with 2 features, as in my\.npz; these have the shape \(3, 6, 5\)"),
        (np.array([[[1.0, 2], [np.nan, 2], [3, 4]]]), "missing or infinite inside a sequence"),
        (np.array([[[1.0, 2], [np.nan, np.nan], [3, 4]]]), "missing or infinite inside a sequence"),
        (np.array([[[1.0, 2], [np.inf, 2], [3, 4]]]), "missing or infinite inside a sequence"),
        (np.full((1, 3, 2), np.nan), "missing or infinite inside a sequence"),
    ],
)
def test_what_no_sequence_is_is_refused(x: np.ndarray, sentence: str) -> None:
    np.savez("samples.npz", x=x)
    with pytest.raises(PipelineError, match=sentence):
        predict_file(Path("samples.npz"), OWN)


@pytest.mark.usefixtures("own_champion")
def test_other_features_and_wrong_lengths_are_refused() -> None:
    rows = [{"sequence": n, "time": 0, "label": n % 2, "one": 1.0, "three": 2.0} for n in range(4)]
    pd.DataFrame(rows).to_csv("samples.csv", index=False)
    with pytest.raises(PipelineError, match=r"its features are one, three; the champion has learned from one, two$"):
        predict_file(Path("samples.csv"), OWN)
    for lengths in ([1, 2, 3], [1.5, 2.0], [0, 2], ["a", "b"]):
        np.savez("samples.npz", x=np.zeros((2, 6, 2)), lengths=lengths)
        with pytest.raises(PipelineError, match=r"lengths must be \(2,\), whole numbers of steps, at least 1"):
            predict_file(Path("samples.npz"), OWN)
