"""What was tried to break the pipeline: docs/reliability.csv, and its table in docs/reliability.md."""

import csv
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from benchmarks.results import with_table

DOCS = Path(__file__).parents[2] / "docs"
TABLE, PAGE = DOCS / "reliability.csv", DOCS / "reliability.md"
MARKERS = ("<!-- faults -->", "<!-- /faults -->")


class Fault(NamedTuple):
    """A row: a kind of fault, how often it was tried, how often anything was lost, and what a user saw of it."""

    fault: str
    how: str  # the signal, the format of the file, …
    tried: int
    lost: int
    seen: str
    longest_recovery_seconds: float | None = None
    date: str = ""


def keep(rows: Iterable[Fault], table: Path = TABLE, page: Path = PAGE) -> None:
    """Write today's rows in place of the earlier ones of the same faults, into the table and onto the page."""
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    new = [row._replace(date=today) for row in rows]
    kept = [row for row in read(table) if row.fault not in {row.fault for row in new}]
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Fault._fields)
        writer.writerows([*kept, *new])
    page.write_text(with_table(page.read_text(encoding="utf-8"), markdown(read(table)), MARKERS), encoding="utf-8")


def read(table: Path = TABLE) -> list[Fault]:
    """The rows of the table; none where there is no table yet."""
    if not table.exists():
        return []
    with table.open(encoding="utf-8", newline="") as file:
        return [
            Fault(
                row["fault"], row["how"], int(row["tried"]), int(row["lost"]), row["seen"],
                float(row["longest_recovery_seconds"]) if row["longest_recovery_seconds"] else None, row["date"],
            )
            for row in csv.DictReader(file)
        ]  # fmt: skip


def markdown(rows: Sequence[Fault]) -> str:
    """The rows as the page shows them."""
    lines = ["| fault | | tried | lost | what the user saw | at work again after at most | on |", "|---" * 7 + "|"]
    for row in rows:
        seconds = "" if row.longest_recovery_seconds is None else f"{row.longest_recovery_seconds:.0f} s"
        cells = (row.fault, row.how, f"{row.tried:,}", f"{row.lost:,}", row.seen, seconds, row.date)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
