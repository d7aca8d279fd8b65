"""Validated, immutable records, the JSON files that some of them are, and the rows of tables."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.errors import damage, made_again, unfit
from pipeline.paths import write_json

if TYPE_CHECKING:
    import pandas as pd


class Frozen(BaseModel):
    """Base of every validated record: immutable, strict about types, unknown keys and infinite numbers refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Document(Frozen):
    """A record that is a JSON file."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read `path`; raises FileNotFoundError where there is none, PipelineError where it is not such a file."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "the document"
            raise unfit(path, f"is damaged or of another version: {place}: {first['msg']}{made_again(path)}") from error

    def write(self, path: Path) -> None:
        """Write `path` atomically; a number that JSON has no word for (NaN, infinity) is an error."""
        write_json(path, self.model_dump(mode="json"))


def read_table(path: Path) -> pd.DataFrame:
    """A .csv that the pipeline has written; raises PipelineError where it is damaged."""
    import pandas as pd

    with damage(path, "is damaged", made_again(path)):
        return pd.read_csv(path)


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of `table` as dictionaries from column to value."""
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def print_json(document: Any) -> None:
    """Print `document`; NaN and infinite numbers, for which JSON has no word, are null."""
    print(json.dumps(_with_null(document), indent=2, allow_nan=False))


def _with_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _with_null(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_with_null(inner) for inner in value]
    if hasattr(value, "item"):  # a number of NumPy
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
