"""The settings of `data` that matter for sequences of one's own."""

import json
from pathlib import Path
from typing import Any

from pipeline.params.settings import DataParams

TABLES = (".csv", ".parquet")  # files that have columns


def own_settings(data: DataParams) -> dict[str, Any]:
    """Those that summary.json keeps, by name, None for one that does not matter."""
    return {
        "scale": None if data.tokens else data.scale,
        "missing": data.missing,
        "max_timesteps": data.max_timesteps,
        "columns": data.columns if Path(data.dataset).suffix.lower() in TABLES else None,
    }


def settings_as_text(settings: dict[str, Any], tokens: bool) -> list[str]:
    """What `own_settings` returns, and `data.tokens`, as params.yaml says them."""
    columns = settings["columns"].model_dump() if settings["columns"] else {}
    plain = {name: value for name, value in settings.items() if name != "columns"} | {"tokens": tokens}
    named = plain | {f"columns.{name}": value for name, value in columns.items()}
    return [f"data.{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in named.items()]
