"""Hostile inputs of all kinds, two kinds at a time, and their rows in docs/reliability.csv.

python -m tests.faults.inputs [TIMES [SEED]]
"""

import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.helpers.reliability import TABLE, Fault, keep
from tests.helpers.trying import Tally, tried

SEED = 1
NAMES = {
    "params": "params.yaml", "npz": "own data, .npz", "ts": "own data, .ts, alone and in pairs",
    "csv": "own data, .csv",
    "parquet": "own data, .parquet", "predict": "a file to classify, in any form", "idx": "MNIST's files",
    "manifest": "manifest.json", "digits": "the bundled digits", "keras": "a saved model",
    "command_line": "a command line",
}  # fmt: skip
COUNTS = {
    "params": 2000, "csv": 2000, "parquet": 2000, "npz": 2000, "predict": 2000, "ts": 2000, "idx": 1000,
    "manifest": 500,
    "digits": 500, "keras": 100, "command_line": 200,
}  # fmt: skip


def all_tried(folder: Path, times: int = 1, seed: int = SEED) -> dict[str, Tally]:
    """What became of the inputs of each kind, `times` as many as `make test` tries."""
    with ThreadPoolExecutor(2) as pool:
        waiting = {kind: pool.submit(tried, kind, folder / kind, times * count, seed) for kind, count in COUNTS.items()}
        return {kind: future.result() for kind, future in waiting.items()}


def rows(tallies: Iterable[Tally]) -> list[Fault]:
    """Of each kind how many were tried, with which seed, and what was told."""
    return [
        Fault(
            f"Damaged or hostile: {NAMES[tally.kind]}",
            f"seed {tally.seed}",
            tally.tried,
            len(tally.failures),
            f"{tally.accepted:,} read, {tally.refused:,} refused in lines that name the place; at most "
            f"{tally.peak_megabytes:.0f} MB and {tally.longest_seconds:.0f} s",
        )
        for tally in tallies
    ]


def main(times: int, seed: int) -> None:
    """Try them; the rows are written whatever was lost."""
    tallies = all_tried(Path(tempfile.mkdtemp(prefix="inputs-")), times, seed)
    keep(rows(tallies.values()))
    print(*(failure for tally in tallies.values() for failure in tally.failures), sep="\n")
    print(f"{sum(tally.tried for tally in tallies.values()):,} inputs: {TABLE}")


if __name__ == "__main__":
    numbers = [int(number) for number in sys.argv[1:]]
    main(*numbers, *(10, SEED)[len(numbers) :])
