"""params.yaml as text: read as DVC reads it; whatever is in the file, the answer is values or one line."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import PipelineError
from pipeline.params.document import load_params
from pipeline.params.file import MOST_VALUES, read_document, shown

OWN = (Path(__file__).parents[2] / "params.yaml").read_text(encoding="utf-8")


def read(folder: Path, content: str | bytes) -> object:
    file = folder / "params.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_document(file)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1e-05", 1e-5),  # as DVC writes it
        ("a: 5e5", 5e5),
        ("a: no", "no"),
        ("a: 010", 10),
        ("a: [1, null]", [1, None]),
        ("\ufeffa: 1", 1),
        ("a: 1\r\n", 1),
    ],
)
def test_it_is_read_as_dvc_reads_it(text: str, value: object, tmp_path: Path) -> None:
    assert read(tmp_path, text) == {"a": value}


def test_dvc_itself_reads_the_same(tmp_path: Path) -> None:
    from dvc.utils.serialize import parse_yaml  # type: ignore[import-untyped]

    assert read(tmp_path, OWN) == parse_yaml(OWN, "params.yaml")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: Größe".encode("cp1252"), r"params\.yaml: line 1: byte 5 \(0xf6\) is not UTF-8"),
        (OWN.encode("utf-16"), r"params\.yaml: line 1: byte 0 \(0xff\) is not UTF-8"),
        (b"", r"params\.yaml is empty: `git checkout HEAD -- .*` restores it"),
        ("a: 1\nb: 2\na: 3\n", r'params\.yaml: line 3: not valid YAML: found duplicate key "a"'),
        ("a: " + "[" * 1000, r"params\.yaml: more than 50 brackets inside brackets"),
        ("a: " + "[" * 30_000 + "]" * 30_000, r"params\.yaml: more than 50 brackets inside brackets"),
        ("a:\n" + "- " * 5000, r"params\.yaml: lists inside lists, too deep"),
        ("a: 2026-02-31", r"params\.yaml: not valid YAML: day is out of range"),
        ("a: !!python/object:os.system x", r"params\.yaml: line 1: not valid YAML: could not determine a constructor"),
        ("a: b: c", r"params\.yaml: line 1: not valid YAML: mapping values are not allowed"),
        ("a: \x00", r"params\.yaml: .*not valid YAML"),
        ("x" * 200_001, r"has 200,001 bytes, more than 200,000"),
        ("a: &a [*a, *a]", rf"stands for more than {MOST_VALUES:,} values"),
        (
            "a0: &a0 [1]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30)),
            rf"stands for more than {MOST_VALUES:,} values",
        ),
    ],
)
def test_what_cannot_be_parameters_is_one_line(content: str | bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=message) as caught:
        read(tmp_path, content)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_value_in_a_message_is_short() -> None:
    assert shown("no") == "'no'"
    assert len(shown(["x" * 1000] * 1000)) < 1000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("texts")


@given(
    place=st.integers(0, len(OWN)),
    length=st.integers(0, 30),
    text=st.text(st.sampled_from("[]{}:,&*!|>%@`\"'#-? \n\t01e.~abnulinf\x00\xff\u2028\U0001f600"), max_size=12),
)
def test_whatever_is_written_into_it_the_answer_is_parameters_or_lines(
    folder: Path, place: int, length: int, text: str
) -> None:
    file = folder / "params.yaml"
    file.write_text(OWN[:place] + text + OWN[place + length :], encoding="utf-8", newline="")
    message = ""
    try:
        load_params(file)
    except PipelineError as error:
        message = str(error)
    assert message.count("\n") <= 20
    assert all(line.startswith(str(file)) for line in message.split("\n") if message)
    assert len(message) < 21 * 500
