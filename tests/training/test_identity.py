"""Hashes and seeds are the same everywhere, and a training's key is another one as soon as anything about it is."""

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.params.settings import Configuration
from pipeline.training import identity
from pipeline.training.identity import derived_seed, stable_hash, training_key, training_versions

ROOT = Path(__file__).parents[2]
# Of everything that a training is given, the values that it may have here.
ARGUMENTS: dict[str, list[Any]] = {
    "cell": ["simple_rnn", "elman_output", "lstm", "gru"],
    "units": [1, 2, 12],
    "depth": [1, 2, 12],
    "bidirectional": [False, True],
    "merge_mode": ["concat", "sum"],
    "dropout": [0.0, 0.1],
    "recurrent_dropout": [0.0, 0.1],
    "unroll": [False, True],
    "optimizer": ["sgd", "rmsprop", "adam"],
    "learning_rate": [None, 0.01, 0.010000000000000002],
    "batch_size": [1, 12, 128],
    "train_samples": [None, 12, 100],
    "epochs": [1, 2, 12],
    "patience": [None, 1, 12],
    "view": [None, "rows", "columns"],
    "pooling": ["mean", "max", "attention"],
    "layer_normalization": [False, True],
    "residual": [False, True],
    "learning_rate_schedule": ["constant", "cosine"],
    "warmup_epochs": [0.0, 0.5],
    "weight_decay": [0.0, 0.1],
    "global_clipnorm": [None, 0.5, 1.0],
    "label_smoothing": [0.0, 0.1],
    "ema_momentum": [None, 0.9],
    "shift_pixels": [0.0, 2.0],
    "rotation_degrees": [0.0, 10.0],
    "elastic_pixels": [0.0, 1.0],
    "seed": [0, 1, 12],
    "samples": [12, 100],
    "held_out": ["validation", "fold", "test", "nothing"],
    "instructions": ["avx2", "native"],
    "data": [["a"], ["a", "b"], ["b", "a"], ["ab"]],
    "stopped_after": [None, 1, 2],
}


def key_of(arguments: dict[str, Any]) -> str:
    fields = {name: value for name, value in arguments.items() if name in Configuration.model_fields}
    return training_key(
        Configuration(**fields),
        arguments["seed"],
        train_samples=arguments["samples"],
        held_out=arguments["held_out"],
        data_sha256=arguments["data"],
        instructions=arguments["instructions"],
        stopped_after=arguments["stopped_after"],
    )


TRAININGS = st.fixed_dictionaries({name: st.sampled_from(values) for name, values in ARGUMENTS.items()})


def test_every_argument_of_a_training_is_varied_here() -> None:
    assert set(Configuration.model_fields) < set(ARGUMENTS)


@settings(max_examples=10, deadline=None)
@given(TRAININGS)
def test_a_key_changes_with_each_argument(training: dict[str, Any]) -> None:
    neighbours = [training | {name: value} for name, values in ARGUMENTS.items() for value in values]
    distinct = {repr(sorted(neighbour.items())) for neighbour in neighbours}
    assert len({key_of(neighbour) for neighbour in neighbours}) == len(distinct)


@settings(max_examples=60, deadline=None)
@given(TRAININGS, TRAININGS)
def test_two_trainings_have_one_key_only_if_they_are_the_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert (key_of(one) == key_of(other)) == (one == other)
    assert key_of(one) == key_of(dict(one))


def test_a_key_is_the_same_in_another_process() -> None:
    """Whatever the seed of Python's own hashes is there."""
    arguments: dict[str, Any] = {"train_samples": 9, "held_out": "test", "data_sha256": ["a"], "instructions": "avx2"}
    here = training_key(Configuration(cell="gru", units=4), 7, **arguments)
    script = (
        "from pipeline.params.settings import Configuration\n"
        "from pipeline.training.identity import training_key\n"
        "configuration = Configuration(units=4, cell='gru')\n"
        f"print(training_key(configuration, 7, **{arguments}))\n"
    )
    there = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True)
    assert there.stdout.strip() == here


def test_what_trained_differently_before_is_not_taken_for_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys follow the meaning of our own code and the versions of the libraries that train."""
    training = {name: values[0] for name, values in ARGUMENTS.items()}
    now = key_of(training)
    with monkeypatch.context() as another:
        another.setattr(identity, "SEMANTICS_VERSION", identity.SEMANTICS_VERSION + 1)
        assert key_of(training) != now
    version = identity._version
    for library in ("tensorflow", "keras"):
        with monkeypatch.context() as another:
            another.setattr(
                identity,
                "_version",
                lambda name, changed=library: f"{version(name)}+1" if name == changed else version(name),
            )
            assert key_of(training) != now
    assert key_of(training) == now
    assert set(training_versions()) == {"tensorflow", "keras", "semantics"}


def test_derived_seeds_are_stable_and_differ_by_purpose() -> None:
    assert derived_seed(0, "shuffle", 1) == 222_360_903
    assert len({derived_seed(seed, name, k) for seed in range(5) for name in "ab" for k in range(20)}) == 200


def test_hashes_are_stable() -> None:
    assert stable_hash({"b": 1, "a": [math.pi]}) == stable_hash({"a": [math.pi], "b": 1})
    assert stable_hash({"a": 1})[:12] == "f9d86028c6e0"
