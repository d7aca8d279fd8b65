"""Studies of one's own sequences that fit the data and the time."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.commands.own_study import LARGEST_UNITS, own_study
from pipeline.params.document import validate_params
from pipeline.params.network import NetworkSpec, Sizes, parameter_count
from pipeline.params.studies import SampledStudy

DOCUMENT: dict[str, Any] = yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text(encoding="utf-8"))
DATA: dict[str, Any] = {"sizes": Sizes(timesteps=20, features=3, classes=4), "learning": 51}


def test_the_largest_networks_that_fit_into_the_time_are_studied() -> None:
    wide: dict[str, Any] = {"sizes": Sizes(timesteps=20, features=3000, classes=4), "learning": 5000}
    given = (1e-3, 5, 6, 7, 10, 100)
    found = [own_study(DOCUMENT, **wide, minutes=minutes, workers=2) for minutes in given]
    units = [study.units for study in found]
    assert units == [8, 8, 8, 16, 32, 64]
    assert all(study.minutes <= minutes for study, minutes in zip(found[2:], given[2:], strict=True))
    assert own_study(DOCUMENT, **wide, minutes=100, workers=4).minutes == pytest.approx(found[-1].minutes / 2)


def test_networks_are_not_made_smaller_where_that_saves_no_time() -> None:
    long: dict[str, Any] = {"sizes": Sizes(timesteps=400, features=1, classes=2), "learning": 50}
    study = own_study(DOCUMENT, **long, minutes=0.1, workers=2)
    assert study.units == max(LARGEST_UNITS)
    assert study.minutes > 5


def test_its_studies_are_valid_and_made_for_these_data() -> None:
    before = yaml.safe_dump(DOCUMENT)
    document = own_study(DOCUMENT, **DATA, minutes=100, workers=2).document
    params = validate_params(document, "small")
    assert yaml.safe_dump(DOCUMENT) == before
    assert list(params.studies) == ["book", "capacity", "search", "race"], "none that is about images"
    search = params.studies["search"]
    assert isinstance(search, SampledStudy)
    sizes = [
        parameter_count(NetworkSpec(cell="gru", units=units, pooling="mean_max"), 20, 3, 4) for units in (4, 16, 64)
    ]
    assert search.parameter_budgets == tuple(sizes)
    assert search.trials == 12
    assert params.champion.studies == ("race",)


def test_settings_of_the_data_and_the_metric_stay() -> None:
    mine = DOCUMENT | {
        "data": DOCUMENT["data"] | {"dataset": "mine.csv", "missing": "forward", "columns": {"label": "kind"}},
        "champion": DOCUMENT["champion"] | {"metric": "macro_f1"},
    }
    params = validate_params(own_study(mine, **DATA, minutes=1, workers=2).document, "small")
    assert (params.data.missing, params.data.columns.label, params.champion.metric) == ("forward", "kind", "macro_f1")
