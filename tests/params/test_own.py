"""The settings that matter for sequences of one's own."""

from pipeline.params.own import own_settings, settings_as_text
from pipeline.params.settings import DataParams, TableColumns


def test_what_matters_depends_on_the_file_and_on_tokens() -> None:
    data = DataParams(dataset="mine.npz", validation=0.1, scale="none", missing="forward", max_timesteps=7)
    assert own_settings(data) == {"scale": "none", "missing": "forward", "max_timesteps": 7, "columns": None}
    assert own_settings(data.model_copy(update={"tokens": True}))["scale"] is None
    for name in ("mine.csv", "mine.parquet"):
        assert own_settings(data.model_copy(update={"dataset": name}))["columns"] == TableColumns()


def test_settings_are_said_as_params_yaml_says_them() -> None:
    data = DataParams(dataset="é.csv", validation=0.1, columns=TableColumns(label="activité"))
    assert settings_as_text(own_settings(data), tokens=False) == [
        'data.scale: "standard"',
        'data.missing: "refuse"',
        "data.max_timesteps: null",
        "data.tokens: false",
        'data.columns.sequence: "sequence"',
        'data.columns.time: "time"',
        'data.columns.label: "activité"',
        "data.columns.group: null",
        "data.columns.split: null",
    ]
