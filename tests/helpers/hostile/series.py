"""Files .ts, alone and in pairs."""

import random
from pathlib import Path

from tests.helpers.hostile.texts import ENCODINGS
from tests.helpers.mutations import damaged, with_other_lines, with_other_words

TS_HEADER = """\
#A comment
@problemName toy
@timeStamps false
@missing false
@univariate false
@dimensions 2
@equalLength true
@seriesLength 3
@classLabel true a b c
@data
"""


def _ts_text(rng: random.Random) -> str:
    labels = "abc"[: rng.choice((2, 3))]
    lines = [
        ":".join(",".join(f"{rng.gauss(0, 1):.4g}" for _ in range(3)) for _ in range(2)) + f":{labels[n % len(labels)]}"
        for n in range(15)
    ]
    return TS_HEADER + "\n".join(lines) + "\n"


def ts_file(folder: Path, rng: random.Random) -> Path:
    """A file alone or two that belong together; of two one is damaged, or both."""
    names = rng.choice((("mine.ts",), ("mine_TRAIN.ts", "mine_TEST.ts")))
    for name in names:
        text = _ts_text(rng)
        match rng.randrange(7):
            case 0:
                content = damaged(text.encode(), rng)
            case 1:
                content = with_other_lines(text, rng).encode()
            case 2 | 3:
                content = with_other_words(text, rng, ":,").encode(errors="surrogatepass")
            case 4:
                content = with_other_words(text, rng, " ").encode(errors="surrogatepass")
            case 5 if name != names[0] or rng.random() < 0.2:
                content = rng.choice(
                    (
                        text.encode(rng.choice(ENCODINGS)),
                        b"",
                        b"@data\n",
                        text[:200].encode(),
                        b":" * 100_000,
                        b"1," * 300_000,
                    )
                )
            case _:
                content = text.encode()
        (folder / name).write_bytes(content)
    return folder / names[0]
