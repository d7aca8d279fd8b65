"""A study of somebody's own sequences that fits into minutes: params.yaml with sizes for these data."""

from __future__ import annotations

import copy
import math
from typing import Any, NamedTuple

from pipeline.params.document import validate_params
from pipeline.params.network import NetworkSpec, Sizes, parameter_count
from pipeline.studies.estimate import REFERENCE_RATE, training_seconds
from pipeline.studies.few_samples import fitted
from pipeline.studies.proposals import configure
from pipeline.training.graphs import EVALUATION_BATCH_SIZE

LARGEST_UNITS = (64, 32, 16, 8)  # in the order to try: the first whose study fits into the time
# Batches of a few long sequences cost their time steps, however few the units: smaller networks than those that take
# up to so much of the shortest study's time would learn less and save nothing.
HARDLY_LONGER = 1.1
BATCH_SIZE = 16
VALIDATION = 0.15  # of the sequences to learn from; the search chooses by it, the race by tenths
RACE = {"entrants": ["capacity", "search"], "tolerance": 0.02, "max_blocks": 5}
SEEDS = 5  # of the champion; one more training calibrates it
# Of each size about so many networks come into the race, and train in this part of its blocks.
SHAPES, PART = 2, 0.8


class OwnStudy(NamedTuple):
    """A params.yaml, the most units of its networks, and about how many minutes it takes."""

    document: dict[str, Any]
    units: int
    minutes: float


def own_study(document: dict[str, Any], sizes: Sizes, learning: int, minutes: float, workers: int) -> OwnStudy:
    """Studies that take at most `minutes` on these sequences, as far as that is known before.

    Where none fits into them, it is the one with the largest networks that hardly takes longer than the shortest. The
    time is that of a usual processor: the same sequences make the same studies, however fast this one is just now.

    `document` is params.yaml, whose settings of `data` and whose metric stay. Of the sequences `learning` are not for
    testing.
    """
    studies = [_up_to(units, document, sizes) for units in LARGEST_UNITS]
    seconds = [
        _expected_seconds(small, units, sizes, learning, workers)
        for small, units in zip(studies, LARGEST_UNITS, strict=True)
    ]
    limit = max(60 * minutes, HARDLY_LONGER * min(seconds))
    chosen = next(index for index, expected in enumerate(seconds) if expected <= limit)
    return OwnStudy(studies[chosen], LARGEST_UNITS[chosen], seconds[chosen] / 60)


def _up_to(largest: int, document: dict[str, Any], sizes: Sizes) -> dict[str, Any]:
    """The studies with networks of up to so many units: plain ones, a grid of cells and units, and a search."""
    units = _three(largest)
    small = copy.deepcopy(document)
    book, capacity, search = (small["studies"][name] for name in ("book", "capacity", "search"))
    plain = {"units": largest, "optimizer": "adam"}
    small["data"] |= {"view": "rows", "validation": VALIDATION}
    small["training"] |= {"batch_size": BATCH_SIZE, "train_samples": None}
    small["studies"] = {
        "book": book | {"trials": [{"cell": cell} | plain for cell in ("simple_rnn", "lstm", "gru")]},
        "capacity": capacity | {"seeds": 1, "space": capacity["space"] | {"units": units, "train_samples": [None]}},
        "search": search
        | {
            "trials": max(4, len(search.get("enqueue", ()))) * len(units),
            # As large as GRUs of these units; networks of other cells have others.
            "parameter_budgets": [parameter_count(_gru(size), *sizes) for size in units],
            "space": search["space"] | {"units": {"low": 2, "high": largest}},
        },
    }
    small["race"] = dict(RACE)
    small["champion"] |= {"studies": ["race"], "seeds": SEEDS}
    return small


def _three(largest: int) -> list[int]:
    """Numbers of units, each a quarter of the next, or half of it where that would be less than 2."""
    return [largest // 16, largest // 4, largest] if largest >= 32 else [largest // 4, largest // 2, largest]


def _gru(units: int) -> NetworkSpec:
    return NetworkSpec(cell="gru", units=units, pooling="mean_max")


def _expected_seconds(small: dict[str, Any], largest: int, sizes: Sizes, learning: int, workers: int) -> float:
    """About how long all the studies take together, counted in trainings of GRUs."""
    defaults = fitted(validate_params(small, "params.yaml").training, learning)
    # Few sequences are evaluated in fewer batches than they are trained in.
    evaluated = defaults.batch_size * math.ceil(learning / EVALUATION_BATCH_SIZE)
    seconds = [
        training_seconds(configure(_gru(units).model_dump(), defaults), learning, evaluated, sizes, REFERENCE_RATE)
        for units in _three(largest)
    ]
    each = sum(seconds) / len(seconds)
    raced = len(seconds) * SHAPES * RACE["max_blocks"] * PART  # type: ignore[operator]
    trainings = 3 + 3 * len(seconds) + small["studies"]["search"]["trials"] + raced
    return (trainings * each + (SEEDS + 1) * seconds[-1]) / workers
