"""params.yaml: the real one and small ones, damaged in all ways."""

import io
import json
import random
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from ruamel.yaml import YAML

from tests.helpers.mutations import SCALARS, damaged, with_other_lines, with_other_values, with_other_words
from tests.helpers.trying import Case

ROOT = Path(__file__).parents[3]
ENCODINGS = ("utf-16", "utf-16-le", "utf-32", "cp1252", "latin-1", "utf-7", "utf-8-sig", "cp037", "shift_jis")


@cache
def _real_text() -> str:
    return (ROOT / "params.yaml").read_text(encoding="utf-8")


SMALL_TEXT = """\
data: {dataset: mine.csv, validation: 0.2, seed: 0, columns: {label: kind, group: who}}
training: {epochs: 2, batch_size: 16, learning_rate: 1e-05}
studies:
  one: {sampler: list, seeds: 2, trials: [{cell: gru, units: 4}, {cell: lstm, units: 8, pooling: mean, seeds: 3}]}
  two: {sampler: grid, space: {cell: [gru, lstm], units: [2, 4], learning_rate: {gru: 0.1, lstm: 0.01}}, seeds: 2}
  three:
    sampler: tpe
    trials: 4
    pruner: median
    parameter_budgets: [300, 600]
    enqueue: [{cell: gru, units: 4}]
    space: {cell: [gru], units: {low: 2, high: 8, log: true}, learning_rate: {low: 0.001, high: 0.1}}
race: {entrants: [one], tolerance: 0.02, max_blocks: 5}
champion: {studies: [race], seeds: 2, metric: macro_f1}
tracking: {experiment: mine}
execution: {workers: 2, scheduler: null}
"""


TAGS = ("int", "float", "bool", "null", "timestamp", "binary", "omap", "pairs", "set", "map", "seq", "str")


def params(folder: Path, rng: random.Random) -> Case:
    """A params.yaml: its bytes, lines, words or values changed, in another encoding, or with structures in it."""
    from pipeline.params.document import load_params

    text = rng.choice((_real_text(), SMALL_TEXT, SMALL_TEXT, "a: 1\n", "data: {}\n"))
    how = rng.choice(("bytes", "lines", "words", "words", "values", "values", "encoding", "structure", "twice"))
    match how:
        case "bytes":
            content = damaged(text.encode(), rng)
        case "lines":
            content = with_other_lines(text, rng).encode()
        case "words":
            content = with_other_words(text, rng).encode(errors="surrogatepass")
        case "values":
            document = with_other_values(YAML(typ="safe").load(text), rng)
            dump = rng.choice((yaml.safe_dump, _dumped_by_dvc, json.dumps))
            try:
                content = dump(document).encode(errors="surrogatepass")
            except (TypeError, ValueError, yaml.YAMLError):
                content = str(document).encode(errors="surrogatepass")
        case "encoding":
            written = with_other_words(text, rng).replace("mine", "größe×")
            content = written.encode(rng.choice(ENCODINGS), errors="replace")
        case "structure":
            content = (_structure(rng) + rng.choice(("", text))).encode()
        case _:
            content = (text + rng.choice(("---\n", "", "...\n")) + rng.choice((text, SMALL_TEXT))).encode()
    path = folder / "params.yaml"
    path.write_bytes(content)
    return Case(how, lambda: load_params(path), str(path))


def _dumped_by_dvc(document: Any) -> str:
    stream = io.StringIO()
    YAML().dump(document, stream)
    return stream.getvalue()


def _structure(rng: random.Random) -> str:
    """Depth, width, references and tags."""
    count = rng.choice((3, 49, 51, 1000, 20_000))
    opening, closing = rng.choice(
        (("[", "]"), ("{a: ", "}"), ("[{a: ", "}]"), ("- ", ""), ("? ", ""), ("!!seq [", "]"), ("&a [", "]"))
    )
    fold, digits = rng.choice((2, 9)), rng.randrange
    return rng.choice(
        (
            f"deep: {opening * count}{closing * rng.choice((count, 0))}\n",
            opening * count,
            "a0: &a0 [1, 2]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * fold)}]\n" for n in range(1, 28)),
            "base: &base {x: &x [*base]}\n",
            "b: &b {x: 1}\nc: {<<: *b, <<: *b}\nd: {<<: [*b, *b, *missing]}\n",
            "b: &b {x: 1}\n" + "".join(f"c{n}: &c{n} {{<<: [*b, *b], y: {n}}}\n" for n in range(count % 500)),
            f"{'k' * count}: 1\n",
            f"x: {rng.choice(('9', '-9', '0.', '1e', '0x', '0b1', '1_'))}{'9' * count}\n",
            f"x: '{'y' * count}'\n",
            f"list: [{'1, ' * count}]\n",
            "".join(f"k{n}: {rng.choice(SCALARS)!r}\n" for n in range(count % 300)),
            f"? {{a: {'b' * (count % 100)}}}\n: 1\n",
            f"%YAML {rng.choice(('1.1', '1.2', '9.9', 'x'))}\n---\n",
            "%TAG ! tag:x,2000:\n---\na: !y 1\n",
            f"a: |{rng.choice(('9', '+', '-', '0', 'x', ''))}\n{' ' * rng.randrange(9)}x\n",
            f"a: >\n\t{rng.choice(SCALARS)}\n",
            "\ufeff" * (count % 5),
            f"a: {rng.choice(SCALARS)}: {rng.choice(SCALARS)}\n",
            f"d: {digits(9999):04}-{digits(20):02}-{digits(40):02}T{digits(30)}:{digits(70):02}:61+{digits(99)}:00\n",
            f"a: !!{rng.choice(TAGS)} {rng.choice(SCALARS)}\n",
        )
    )  # fmt: skip
