"""The identity of a training: hashes and seeds that are the same in every process and on every machine."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
from collections.abc import Sequence
from typing import Any

from pipeline.params.network import NetworkSpec
from pipeline.params.settings import Configuration, View

# Part of every study's fingerprint and of every training's key: raise it whenever the same configuration, data and seed
# may train differently.
SEMANTICS_VERSION = 3


def derived_seed(seed: int, *purpose: str | int) -> int:
    """A 31-bit seed for one purpose, from a trial's seed; stable across processes, unlike Python's `hash()`."""
    digest = hashlib.sha256(repr((seed, *purpose)).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def stable_hash(document: Any) -> str:
    """sha256 of a JSON-ready document, the same in every process and on every machine."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def training_versions(*more: str) -> dict[str, str]:
    """The versions that decide how the same numbers train: of the libraries, and of the meaning of our own code."""
    return {package: _version(package) for package in ("tensorflow", "keras", *more)} | {
        "semantics": str(SEMANTICS_VERSION)
    }


@functools.cache
def _version(package: str) -> str:
    return importlib.metadata.version(package)  # reads files each time


def as_trained(configuration: Configuration, prepared_view: View, most_samples: int) -> Configuration:
    """One form for all configurations that train alike to the last bit, whatever names they give to it.

    `prepared_view` is the view of data/sequences, `most_samples` are all that a training may see. A rate and a view
    that are left out are the default's; `adamw` is Adam, as the weight decay is a setting of its own; a single
    direction is not merged; there is no residual around the first layer; a batch holds no more samples than there are;
    and a patience that cannot run out before the last epoch stops nothing.
    """
    one_epoch, longest = configuration.epochs == 1, configuration.epochs - 1
    patience = None if configuration.patience is None or one_epoch else min(configuration.patience, longest)
    plain = NetworkSpec.model_fields
    return configuration.model_copy(
        update={
            "learning_rate": configuration.effective_learning_rate,
            "optimizer": "adam" if configuration.optimizer == "adamw" else configuration.optimizer,
            "view": configuration.view or prepared_view,
            "merge_mode": configuration.merge_mode if configuration.bidirectional else plain["merge_mode"].default,
            "residual": configuration.residual and configuration.depth > 1,
            "batch_size": min(configuration.batch_size, configuration.train_samples or most_samples),
            "patience": patience,
        }
    )


def training_key(
    configuration: Configuration,
    seed: int,
    *,
    train_samples: int,
    held_out: str,
    data_sha256: Sequence[str],
    instructions: str,
    stopped_after: int | None = None,
) -> str:
    """The name of one training: equal for two trainings only if they are the same to the last argument.

    `train_samples` are those asked for, `data_sha256` the hashes of the splits that it sees, `stopped_after` the
    epoch after which a pruner has stopped it.
    """
    document = {
        "configuration": configuration.model_dump(mode="json"),
        "learning_rate": configuration.effective_learning_rate,
        "seed": seed,
        "train_samples": train_samples,
        "held_out": held_out,
        "data": list(data_sha256),
        "instructions": instructions,
        "versions": training_versions(),
    }
    return stable_hash(document if stopped_after is None else document | {"stopped_after": stopped_after})
