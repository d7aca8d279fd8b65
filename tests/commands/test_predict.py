"""predict: the answers of the champion's model, the first seed's, for anybody's samples."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline import paths
from pipeline.analysis.temperature import Calibration, with_temperature
from pipeline.commands.predict import predict_file
from pipeline.data.sequences import SequencesSummary, SplitSummary, as_sequences
from pipeline.errors import PipelineError
from pipeline.params.document import Params
from pipeline.params.network import Cell, NetworkSpec
from pipeline.params.settings import DataParams, TableColumns, View
from pipeline.training.build import build
from pipeline.training.reading import Reading
from tests.helpers.runs import choice
from tests.helpers.sequences import params_with

PARAMS = params_with({"one": {"sampler": "list", "trials": [{"cell": "gru", "units": 4}]}})
PARAMS = PARAMS.model_copy(update={"data": DataParams(dataset="toy", view="columns", validation=3)})
ROWS = PARAMS.model_copy(update={"data": DataParams(dataset="toy", validation=3)})
OWN = PARAMS.model_copy(update={"data": DataParams(dataset="my.csv", validation=3)})
NOTES = [  # of an example that no study has made
    "predict: LSTM 1×4, data/models/champion/seed-0.keras; its test accuracy is not known: `dvc repro evaluate` "
    "measures it",
    "predict: this model may not be the study's choice any more: study one has not run: `dvc repro study@one` makes "
    "data/studies/one",
    "predict: probabilities are the network's own, not calibrated: `dvc repro champion` calibrates them",
]
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def champion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
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
    expected = champion[0].predict(x, verbose=0)
    assert table.columns.tolist() == ["index", "predicted", "probability", "sure"]
    assert table["predicted"].tolist() == np.array([3, 5, 8])[expected.argmax(axis=1)].tolist()
    np.testing.assert_allclose(table["probability"], expected.max(axis=1), atol=1e-6)
    np.savez("whole.npz", x=images.astype(np.int64))
    predict_file(Path("whole.npz"), PARAMS)
    pd.testing.assert_frame_equal(pd.read_csv(StringIO(capsys.readouterr().out)), table)
    np.savez("sequences.npz", x=x)
    predict_file(Path("sequences.npz"), PARAMS)
    pd.testing.assert_frame_equal(pd.read_csv(StringIO(capsys.readouterr().out)), table)


def test_json_has_the_probability_of_every_label(champion: list, capsys: pytest.CaptureFixture[str]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 6), dtype=np.uint8)
    np.savez("samples.npz", x=images)
    predict_file(Path("samples.npz"), PARAMS, as_json=True)
    document = json.loads(capsys.readouterr().out)
    expected = champion[0].predict(as_sequences(images, "columns", 0), verbose=0)
    rows = document["predictions"]
    assert (document["model"], document["test_accuracy"]) == ("data/models/champion/seed-0.keras", None)
    assert (document["temperature"], document["answers_from"]) == (None, None), "not calibrated"
    assert [row["index"] for row in rows] == [0, 1, 2, 3, 4]
    assert [row["predicted"] for row in rows] == np.array([3, 5, 8])[expected.argmax(axis=1)].tolist()
    np.testing.assert_allclose([row["probability"] for row in rows], expected.max(axis=1), atol=1e-6)
    assert [list(row["probabilities"]) for row in rows] == [["3", "5", "8"]] * 5
    np.testing.assert_allclose([list(row["probabilities"].values()) for row in rows], expected, atol=1e-6)


def test_probabilities_are_calibrated_and_answers_are_sure_from_one_on(
    champion: list, capsys: pytest.CaptureFixture[str]
) -> None:
    x = np.random.default_rng(0).random((40, 6, 4), dtype=np.float32)
    np.savez("samples.npz", x=x)
    expected = with_temperature(champion[0].predict(x, verbose=0), 0.5)
    answers_from = float(np.median(expected.max(axis=1)).round(4))
    found = Calibration(
        samples=700, temperature=0.5, temperature_low=0.41, temperature_high=0.62, answers_from=answers_from
    )
    found.write(paths.CALIBRATION)
    predict_file(Path("samples.npz"), PARAMS)
    told = capsys.readouterr()
    table = pd.read_csv(StringIO(told.out))
    np.testing.assert_allclose(table["probability"], expected.max(axis=1), atol=1e-6)
    assert table["predicted"].tolist() == np.array([3, 5, 8])[expected.argmax(axis=1)].tolist()
    assert table["sure"].tolist() == (expected.max(axis=1) >= answers_from).tolist()
    assert 10 < table["sure"].sum() < 30
    assert told.err.splitlines() == [
        *NOTES[:-1],
        "predict: probabilities are calibrated by the temperature 0.5 (95 % interval 0.41 to 0.62), fitted to 700 "
        "validation sequences, read by a network trained like this one without them",
        f"predict: sure are answers with a probability of at least {answers_from:g}: at least 99.5 % of them are "
        "right, as 700 validation sequences show with 95 % confidence for sequences like these",
    ]
    predict_file(Path("samples.npz"), PARAMS, as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert (document["temperature"], document["answers_from"]) == (0.5, answers_from)
    assert [row["sure"] for row in document["predictions"]] == table["sure"].tolist()
    rows = [list(row["probabilities"].values()) for row in document["predictions"]]
    np.testing.assert_allclose(rows, expected, atol=1e-6)


def test_where_it_is_not_known_which_answers_are_sure_none_is_called_so(
    champion: list, capsys: pytest.CaptureFixture[str]
) -> None:
    x = np.random.default_rng(0).random((4, 6, 4), dtype=np.float32)
    np.savez("samples.npz", x=x)
    found = Calibration(samples=12, temperature=1.0, temperature_low=None, temperature_high=2.5, answers_from=None)
    found.write(paths.CALIBRATION)
    predict_file(Path("samples.npz"), PARAMS)
    told = capsys.readouterr()
    assert all(line.endswith(",") for line in told.out.splitlines()[1:])
    assert told.err.splitlines()[-2:] == [
        "predict: probabilities are the network's own: 12 validation sequences, read by a network trained like this "
        "one without them, do not show that a temperature other than 1 fits better (95 % interval up to 2.5)",
        "predict: which answers are sure is not known: 12 validation sequences show for no probability that 99.5 % of "
        "the answers from there on are right",
    ]
    predict_file(Path("samples.npz"), PARAMS, as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert (document["temperature"], document["answers_from"]) == (1, None)
    assert [row["sure"] for row in document["predictions"]] == [None] * 4
    found.model_copy(update={"answers_from": 0.0}).write(paths.CALIBRATION)
    predict_file(Path("samples.npz"), PARAMS)
    told = capsys.readouterr()
    assert all(line.endswith(",True") for line in told.out.splitlines()[1:])
    assert "predict: sure are answers of any kind: at least 99.5 % of them are right, as 12" in told.err


def test_a_damaged_calibration_is_named(champion: list) -> None:
    np.savez("samples.npz", x=np.zeros((1, 6, 4), np.float32))
    paths.CALIBRATION.write_text('{"temperature": 2}')
    with pytest.raises(PipelineError, match=r"champion/calibration\.json: is damaged or of another version: samples"):
        predict_file(Path("samples.npz"), PARAMS)


def test_a_champion_may_have_a_view_of_its_own(champion: list, capsys: pytest.CaptureFixture[str]) -> None:
    """The prepared sequences are rows, the champion reads columns."""
    summary = SequencesSummary.read(paths.SEQUENCES_SUMMARY)
    summary = summary.model_copy(update={"view": "rows", "timesteps": 4, "features": 6})
    summary.write(paths.SEQUENCES_SUMMARY)
    write_choice(summary, "columns")
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 6), dtype=np.uint8)
    np.savez("samples.npz", x=images)
    predict_file(Path("samples.npz"), ROWS)
    table = pd.read_csv(StringIO(capsys.readouterr().out))
    x = as_sequences(images, "columns", 0)
    expected = champion[0].predict(x, verbose=0)
    np.testing.assert_allclose(table["probability"], expected.max(axis=1), atol=1e-6)
    np.savez("sequences.npz", x=x)  # in its own view, which the prepared sequences have not
    predict_file(Path("sequences.npz"), ROWS)
    pd.testing.assert_frame_equal(pd.read_csv(StringIO(capsys.readouterr().out)), table)
    np.savez("prepared.npz", x=as_sequences(images, "rows", 0))
    with pytest.raises(PipelineError, match=r"6 steps with 4 features, in the view columns, or .* shape \(5, 4, 6\)"):
        predict_file(Path("prepared.npz"), ROWS)


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"y": np.zeros(3)}, "not an .npz with an array x"),
        ({"x": np.array([None, 1])}, "x has the dtype object, which is never loaded"),
        ({"x": np.array(["a"])}, "not an .npz with an array x of numbers"),
        ({"x": np.zeros(3)}, r"three dimensions, samples first; it has the shape \(3,\)"),
        ({"x": np.zeros((0, 6, 4)), "y": np.zeros(0, int)}, r"x has no samples; it has the shape \(0, 6, 4\)"),
        ({"x": np.zeros((2, 5, 4))}, r"in the view columns, or images as in toy; x has the shape \(2, 5, 4\)"),
        ({"x": np.full((2, 6, 4), np.nan)}, "finite sequences"),
        (
            {"x": np.full((2, 6, 4), 255.0)},
            "reads values from 0 to 1, x goes from 255 to 255: give images from 0 to 255",
        ),
        ({"x": np.full((2, 6, 4), -1.0)}, "reads values from 0 to 1, x goes from -1 to -1"),
    ],
)
@pytest.mark.usefixtures("champion")
def test_what_the_champion_cannot_read_is_refused(arrays: dict[str, np.ndarray], sentence: str) -> None:
    np.savez("samples.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(PipelineError, match=sentence):
        predict_file(Path("samples.npz"), PARAMS)


def test_without_a_champion_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PipelineError, match="`dvc repro champion` makes it"):
        predict_file(Path("samples.npz"), PARAMS)


def test_a_champion_of_other_data_does_not_answer(champion: list) -> None:
    np.savez("samples.npz", x=np.zeros((1, 6, 4), np.float32))
    summary = SequencesSummary.read(paths.SEQUENCES_SUMMARY)
    other = summary.train.model_copy(update={"sha256": "1" * 64})
    summary.model_copy(update={"train": other}).write(paths.SEQUENCES_SUMMARY)
    with pytest.raises(PipelineError, match=r"choice\.json was chosen from other data than data/sequences holds"):
        predict_file(Path("samples.npz"), PARAMS)


def test_other_data_in_params_yaml_are_told_apart_from_those_that_are_there(champion: list) -> None:
    np.savez("samples.npz", x=np.zeros((1, 6, 4), np.float32))
    other = PARAMS.model_copy(update={"data": DataParams(dataset="mnist", view="columns", validation=3)})
    with pytest.raises(PipelineError, match=r"data/sequences holds toy as columns, .*; params\.yaml asks for mnist as"):
        predict_file(Path("samples.npz"), other)


@pytest.mark.parametrize(
    ("y", "note"),
    [
        (0, "predict: 5 of 5 labelled samples are right, 100.00 %"),
        (1, "predict: 4 of 5 labelled samples are right, 80.00 %"),
        (np.array([3, 5, 7, 9, 8]), "predict: the file's labels are not compared with the answers, as the champion has "
         "not learned '7' and 1 more"),
        (np.array([3, 5]), None),  # not one for each sample
        (np.array([None] * 5), None),
        (np.zeros(5), None),
    ],
)  # fmt: skip
def test_labels_tell_how_many_are_right(
    champion: list[Any], y: Any, note: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    x = np.random.default_rng(0).random((5, 6, 4), dtype=np.float32)
    answers = np.array([3, 5, 8])[champion[0].predict(x, verbose=0).argmax(axis=1)]
    if isinstance(y, int):  # so many are wrong
        y = np.where(np.arange(5) < y, np.where(answers == 3, 5, 3), answers)
    np.savez("samples.npz", x=x, y=y)
    predict_file(Path("samples.npz"), PARAMS)
    assert capsys.readouterr().err.splitlines() == NOTES + ([note] if note else [])


@pytest.fixture
def own_champion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A model of one's own sequences: up to 6 steps with 2 features and the labels a and b, not scaled."""
    monkeypatch.chdir(tmp_path)
    part = SplitSummary(samples=3, per_class=(1, 2), sha256="0" * 64)
    summary = SequencesSummary(
        dataset="my.csv", view="rows", seed=0, classes=2, labels=("a", "b"), timesteps=6, features=2,
        train=part, validation=part, test=part, padded=True, scale="standard", missing="refuse", validation_asked=3,
        feature_names=("one", "two"), columns=TableColumns(),
    )  # fmt: skip
    summary.write(paths.SEQUENCES_SUMMARY)
    return write_own_champion(summary, "gru")


def write_own_champion(summary: SequencesSummary, cell: Cell) -> Any:
    """Its model, of six steps, and the choice of it."""
    reading = Reading(padded=True, mean=(120.0, 3.0), variance=(900.0, 4.0))
    model = build(NetworkSpec(cell=cell, units=4), 6, 2, 2, 0, reading)
    paths.CHAMPION.mkdir(parents=True, exist_ok=True)
    model.save(paths.CHAMPION / "seed-0.keras")
    found = choice(0.75)
    chosen = found.choice.model_copy(update={"cell": cell})
    found.model_copy(update={"data_sha256": summary.learning_sha256, "choice": chosen}).write(paths.CHOICE)
    return model


def write_forms(x: np.ndarray, lengths: np.ndarray) -> list[Path]:
    """The same sequences in each form of a file, with labels and without; NaN is a missing value."""
    np.savez("samples.npz", x=x, lengths=lengths)
    np.savez("labelled.npz", x=x, lengths=lengths, y=np.arange(len(x)), what=["else"])
    rows = [
        {
            "two": x[number, step, 1],
            "sequence": number,
            "time": step,
            "label": "ab"[number % 2],
            "one": x[number, step, 0],
        }
        for number, length in enumerate(lengths)
        for step in range(length)
    ]
    table = pd.DataFrame(rows)
    for stem, columns in (("labelled", table.columns), ("samples", ["sequence", "time", "one", "two"])):
        table[columns].to_csv(f"{stem}.csv", index=False)
        table[columns].to_parquet(f"{stem}.parquet")
    lines = [":".join(",".join(map(str, x[n, :length, f])).replace("nan", "?") for f in (0, 1))
             for n, length in enumerate(lengths)]  # fmt: skip
    labels = [f":{'ab'[number % 2]}" for number in range(len(lines))]
    for name, header, ends in (
        ("labelled_TEST.ts", "true a b", labels), ("samples.ts", "false", [""] * len(lines)),
    ):  # fmt: skip
        text = "\n".join(line + end for line, end in zip(lines, ends, strict=True))
        Path(name).write_text(f"@problemName mine\n@classLabel {header}\n@data\n{text}\n")
    return [Path(f"{stem}{suffix}") for stem in ("samples", "labelled") for suffix in (".npz", ".csv", ".parquet")] + [
        Path("labelled_TEST.ts"), Path("samples.ts"),
    ]  # fmt: skip


def answers(files: list[Path], params: Params, capsys: pytest.CaptureFixture[str]) -> pd.DataFrame:
    """The one answer that all of these files have."""
    texts = []
    for file in files:
        predict_file(file, params)
        texts.append(capsys.readouterr().out)
    assert len(set(texts)) == 1
    return pd.read_csv(StringIO(texts[0]))


def assert_predicted(table: pd.DataFrame, expected: np.ndarray) -> None:
    assert table["predicted"].tolist() == np.array(["a", "b"])[expected.argmax(axis=1)].tolist()
    np.testing.assert_allclose(table["probability"], expected.max(axis=1), atol=1e-6)


def test_ones_own_values_are_read_as_they_are_whatever_the_type_and_the_file(
    own_champion: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Small whole numbers in uint8 are not taken for pixels, and each form of a file has the same answers."""
    x, lengths = np.random.default_rng(0).integers(0, 250, (4, 6, 2)), np.array([6, 2, 5, 6])
    padded = x.astype(np.float32)
    padded[np.arange(6) >= lengths[:, None]] = np.nan
    files = write_forms(x, lengths)
    labelled = [file for file in files if "labelled" in file.name]
    assert len(labelled) == 4
    expected = own_champion.predict(padded, verbose=0)
    right = int((expected.argmax(axis=1) == np.arange(4) % 2).sum())
    for file in files:
        predict_file(file, OWN)
        said = capsys.readouterr().err.splitlines()[-1]
        if file.suffix == ".npz" and file in labelled:  # its labels are numbers
            assert said.endswith("as the champion has not learned '0' and 3 more")
        elif file in labelled:
            assert said == f"predict: {right} of 4 labelled samples are right, {25 * right}.00 %"
        else:
            assert "label" not in said
    for dtype in ("uint8", "int16", "int64", "float16", "float32", "float64"):
        files.append(Path(f"{dtype}.npz"))
        np.savez(files[-1], x=x.astype(dtype), lengths=lengths)
    assert_predicted(answers(files, OWN, capsys), own_champion.predict(padded, verbose=0))


def test_long_sequences_are_cut_and_gaps_filled_as_prepare_does(
    own_champion: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """The champion's settings of data hold for what it is asked about, in each form of a file."""
    summary = SequencesSummary.read(paths.SEQUENCES_SUMMARY)
    settings: dict[str, Any] = {"max_timesteps": 4, "missing": "forward"}
    summary.model_copy(update=settings).write(paths.SEQUENCES_SUMMARY)
    params = OWN.model_copy(update={"data": OWN.data.model_copy(update=settings)})
    x, lengths = np.random.default_rng(1).normal(120, 30, (3, 6, 2)).astype(np.float32), np.array([6, 3, 5])
    as_read = x[:, :4].copy()
    as_read[1, 3:] = np.nan
    as_read[0, 1:3, 0], as_read[2, 0, 1] = x[0, 0, 0], x[2, 1, 1]
    x[0, 1:3, 0] = x[2, 0, 1] = x[0, 5, 1] = np.nan  # the last one is cut off
    files = write_forms(x.astype(np.float64), lengths)
    assert_predicted(answers(files, params, capsys), own_champion.predict(as_read, verbose=0))
    predict_file(files[0], params)
    assert capsys.readouterr().err.splitlines() == [
        "predict: 2 of 3 sequences are longer than data.max_timesteps: cut after 4 steps",
        "predict: missing values replaced (data.missing: forward): 3 of 22",
        *(note.replace("LSTM", "GRU") for note in NOTES),
    ]


@pytest.mark.usefixtures("own_champion")
@pytest.mark.parametrize(
    ("x", "sentence"),
    [
        (
            np.zeros((3, 6, 5)),
            r"any number of steps with 2 features, as in my\.csv; these have 6 to 6 steps with 5 fea",
        ),
        (np.array([[[1.0, 2], [np.nan, 2], [3, 4]]]), r"missing values: 1 in 1 of 1 sequences, .* at x\[0, 1, 0\]"),
        (np.array([[[1.0, 2], [np.nan, np.nan], [3, 4]]]), "missing values: 2 in 1 of 1"),
        (np.array([[[1.0, 2], [np.inf, 2], [3, 4]]]), "values that are infinite"),
        (np.full((1, 3, 2), np.nan), "missing values: 6 in 1 of 1"),
        (np.array([["a"]]), "x must hold real numbers"),
    ],
)
def test_what_no_sequence_is_is_refused(x: np.ndarray, sentence: str) -> None:
    np.savez("samples.npz", x=x)
    with pytest.raises(PipelineError, match=rf"^samples\.npz: .*{sentence}"):
        predict_file(Path("samples.npz"), OWN)


@pytest.mark.usefixtures("own_champion")
def test_other_features_and_wrong_lengths_are_refused() -> None:
    rows = [{"sequence": n, "time": 0, "label": n % 2, "one": 1.0, "three": 2.0} for n in range(4)]
    pd.DataFrame(rows).to_csv("samples.csv", index=False)
    with pytest.raises(PipelineError, match=r"its features are one, three; the champion has learned from one, two$"):
        predict_file(Path("samples.csv"), OWN)
    for lengths in ([1, 2, 3], [1.5, 2.0], [0, 2], ["a", "b"]):
        np.savez("samples.npz", x=np.zeros((2, 6, 2)), lengths=lengths)
        with pytest.raises(PipelineError, match=r"^samples\.npz: lengths(\[[01]\] is .*| must h.*)"):
            predict_file(Path("samples.npz"), OWN)
    np.savez("samples.npz", y=np.zeros(3))
    with pytest.raises(PipelineError, match=r"^samples\.npz: has no array x, only \['y'\]$"):
        predict_file(Path("samples.npz"), OWN)


@pytest.mark.usefixtures("own_champion")
def test_a_champion_of_equal_lengths_reads_no_others() -> None:
    summary = SequencesSummary.read(paths.SEQUENCES_SUMMARY)
    summary.model_copy(update={"padded": False}).write(paths.SEQUENCES_SUMMARY)
    for x, lengths in ((np.zeros((2, 5, 2)), [5, 5]), (np.zeros((2, 6, 2)), [6, 4])):
        np.savez("samples.npz", x=x, lengths=lengths)
        with pytest.raises(
            PipelineError, match=r"of 6 steps with 2 features, as in my\.csv; these have [45] to [56] ste"
        ):
            predict_file(Path("samples.npz"), OWN)


@pytest.mark.usefixtures("own_champion")
@pytest.mark.parametrize("cell", ["mlp", "cnn"])
def test_a_champion_that_is_not_recurrent_reads_shorter_sequences_and_no_longer_ones(
    cell: Cell, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_own_champion(SequencesSummary.read(paths.SEQUENCES_SUMMARY), cell)
    x = np.random.default_rng(0).normal(120, 30, (3, 4, 2)).astype(np.float32)
    x[1, 2:] = np.nan
    padded = np.full((3, 6, 2), np.nan, np.float32)
    padded[:, :4] = x
    np.savez("samples.npz", x=np.pad(x, ((0, 0), (0, 5), (0, 0))), lengths=[4, 2, 4])
    assert_predicted(answers([Path("samples.npz")], OWN, capsys), model.predict(padded, verbose=0))
    np.savez("samples.npz", x=np.zeros((2, 8, 2)), lengths=[3, 8])
    with pytest.raises(PipelineError, match=r"reads sequences of up to 6 steps with 2 .* these have 3 to 8 steps"):
        predict_file(Path("samples.npz"), OWN)
