"""What an exported file says of itself, what it is held to, and what is said where a library is missing."""

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from pipeline.data.sequences import SequencesSummary
from pipeline.errors import PipelineError
from pipeline.params.network import NetworkSpec
from pipeline.training.build import build
from pipeline.training.reading import AS_THEY_ARE, Reading
from pipeline.use import export
from pipeline.use.answering import Champion
from tests.helpers.runs import DATA, OWN_DATA, choice

pytestmark = pytest.mark.usefixtures("one_thread")
GRU = NetworkSpec(cell="gru", units=4)


def champion(folder: Path, summary: SequencesSummary, reading: Reading = AS_THEY_ARE) -> Champion:
    file = folder / "seed-0.keras"
    file.write_bytes(b"a model")
    return Champion(build(GRU, 5, 3, 3, 0, reading), file, choice(0.75), summary, calibration=None)


def test_metadata_says_what_a_program_needs_that_has_only_the_file(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"a model").hexdigest()
    assert export.about(champion(tmp_path, DATA), "pixels") == {
        "network": "LSTM 1×4", "labels": "[0, 1, 2]", "view": "rows", "input": "pixels", "divisor": "255",
        "model_sha256": digest,
    }  # fmt: skip
    own = export.about(champion(tmp_path, OWN_DATA), "raw values")
    assert (json.loads(own["labels"]), own["divisor"]) == (["idle", "run", "walk"], "1")


def test_the_same_model_gives_the_same_bytes_with_its_metadata(tmp_path: Path) -> None:
    model = champion(tmp_path, DATA).model
    content = export.onnx_bytes(model, GRU, AS_THEY_ARE, {"b": "1", "a": "2"})
    assert export.onnx_bytes(model, GRU, AS_THEY_ARE, {"b": "1", "a": "2"}) == content
    written = onnx.load_from_string(content)
    assert [(each.key, each.value) for each in written.metadata_props] == [("b", "1"), ("a", "2")]
    assert written.producer_name == "howbig"
    assert [each.name for each in written.graph.input] == ["sequence"]
    assert [each.name for each in written.graph.output] == ["probabilities"]


def test_moments_are_those_that_the_model_has_learned(tmp_path: Path) -> None:
    reading = Reading(padded=False, mean=(1.0, 2.0, 3.0), variance=(4.0, 5.0, 6.0), unit=(1.0, 0.5, 2.0))
    assert export.reading_in(champion(tmp_path, OWN_DATA, reading)) == reading
    assert export.reading_in(champion(tmp_path, DATA)) == AS_THEY_ARE


def test_answers_that_differ_are_refused() -> None:
    expected = np.array([[0.6, 0.4], [0.30, 0.70]])
    assert export.agreement(expected, (expected + 5e-5).astype(np.float32)).same_label == 2
    with pytest.raises(PipelineError, match=r"differs by 0\.4, more than 0\.0001, so nothing was written"):
        export.agreement(expected, (expected[::-1] + 0.1).astype(np.float32))
    with pytest.raises(PipelineError, match="differs by nan"):
        export.agreement(expected, np.full((2, 2), np.nan, np.float32))


def test_where_libraries_are_missing_it_says_how_to_install_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "find_spec", lambda name: None if name == "onnxruntime" else name)
    with pytest.raises(
        PipelineError, match=r"needs onnxruntime, .*: `python -m pip install onnx onnxruntime` installs it"
    ):
        export.check_libraries()


def test_times_are_microseconds_of_one_sequence(tmp_path: Path) -> None:
    model = champion(tmp_path, DATA).model
    session = export.session_of(export.onnx_bytes(model, GRU, AS_THEY_ARE, {}))
    times = export.one_sequence(session, model, choice(0.75).choice, 3, AS_THEY_ARE, (5, 3))
    assert all(0.1 < each < 1e6 for each in times)
