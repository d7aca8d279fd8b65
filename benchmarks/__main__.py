"""All benchmarks in one run: `make bench`. Writes results.json and results.svg, and the table in docs/benchmarks.md.

    .venv/bin/python -m benchmarks [PART …]   # parts: throughput quality limits overhead startup; default: all

Contestants take turns, so that other work on the machine slows all of them; a ratio is that of one turn. All parts take
half an hour on two idle cores. Only a run of all parts is written: its figures are of one machine and day.
"""

import argparse
import importlib.metadata
import json
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from statistics import mean
from typing import Any

from dask.system import CPU_COUNT
from rich.console import Console

from benchmarks import limits, overhead, startup
from benchmarks import quality as reference
from benchmarks.results import PAGE, RESULTS, START_EXCLUDED, spread
from benchmarks.results import main as write_pages
from benchmarks.work import KERAS_CELLS, QUALITY_SEEDS, Outcome, make_workspace, run_contestant
from pipeline.training.machine import environment

CONTESTANTS = ("optuna_example", "n_jobs", "keras_tuner", "ray_tune")
ROUNDS = 5
OVERHEAD_ROUNDS = 2
SEED_NOISE = 0.06  # by how much mean accuracies of the same trainings with other seeds may differ, as a fraction
PACKAGES = ("tensorflow", "keras", "optuna", "mlflow", "keras-tuner", "ray", "numpy")

console = Console(highlight=False)


def throughput(workspace: Path) -> dict[str, float]:
    """Trials an hour of this project, divided by those of every other contestant."""
    ratios: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
    without_start: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
    engine_seconds: list[float] = []
    trials = 0
    for _ in range(ROUNDS):
        ours = _run("engine", "throughput", workspace)
        trials = len(ours.accuracies)
        engine_seconds.append(ours.seconds)
        for name in CONTESTANTS:
            try:
                other = _run(name, "throughput", workspace)
                _check_same_work(name, ours, other)
            except RuntimeError as error:
                console.print(f"{name} left out of this turn: {error}", markup=False)
                continue
            ratios[name].append(other.seconds / ours.seconds)
            without_start[name].append(other.seconds_training / ours.seconds_training)
    found = spread("trials_an_hour", [3600 * trials / seconds for seconds in engine_seconds])
    for name in filter(ratios.get, CONTESTANTS):
        found |= spread(f"throughput_vs_{name}", ratios[name])
        found |= spread(f"throughput_vs_{name}{START_EXCLUDED}", without_start[name])
    return found


def quality(workspace: Path) -> dict[str, float]:
    """How much longer the example takes, through the same proposals, to find one of the best configurations."""
    if not reference.TABLE.exists():
        reference.main()
    ratios, without_start = [], []
    for seed in range(QUALITY_SEEDS):
        ours, other = (_run(name, f"quality-{seed}", workspace) for name in ("search", "optuna_search"))
        ratios.append(other.seconds / ours.seconds)
        without_start.append(other.seconds_training / ours.seconds_training)
    key = "time_to_quality_ratio"
    return spread(key, ratios) | spread(key + START_EXCLUDED, without_start)


def share_of_limit(_: Path) -> dict[str, float]:
    """Operations a second of training, as shares of the sgemm peak of the same cores."""
    shares = limits.shares()
    found = spread("sgemm_gflops", [rate / 1e9 for rate in shares["sgemm"]])
    for cell in KERAS_CELLS:
        found |= spread(f"share_of_sgemm_{cell}", shares[cell])
    return found


def study_overhead(workspace: Path) -> dict[str, float]:
    """The share of a study's time that is not training, and its parts."""
    rounds = [overhead.measure(workspace) for _ in range(OVERHEAD_ROUNDS)]
    found = spread("overhead_fraction", [1 - shares["fit"] for shares in rounds])
    parts = [part for part in overhead.PARTS if part != "fit"]
    return found | {f"overhead_{part}": round(mean(shares[part] for shares in rounds), 4) for part in parts}


def start_up(_: Path) -> dict[str, float]:
    """`--help`, `dvc repro` with nothing to do, `prepare`."""
    return startup.measure()


PARTS: dict[str, Callable[[Path], dict[str, float]]] = {
    "throughput": throughput,
    "quality": quality,
    "limits": share_of_limit,
    "overhead": study_overhead,
    "startup": start_up,
}


def _run(name: str, study: str, workspace: Path) -> Outcome:
    outcome = run_contestant(name, study, workspace)
    best, accuracy = max(outcome.accuracies), mean(outcome.accuracies)
    console.print(
        f"{name:>15} {study}: {outcome.seconds:.1f} s, {outcome.seconds_training:.1f} s from the first training on; "
        f"{len(outcome.accuracies)} trials, accuracy {accuracy:.3f} on average, {best:.3f} at best"
    )
    return outcome


def _check_same_work(name: str, ours: Outcome, other: Outcome) -> None:
    difference = mean(other.accuracies) - mean(ours.accuracies)
    if len(other.accuracies) != len(ours.accuracies) or abs(difference) > SEED_NOISE:
        raise RuntimeError(
            f"{name} did other work: {len(other.accuracies)} trials, accuracy {difference:+.3f} compared with ours"
        )


def description() -> dict[str, Any]:
    """Where and when the figures were measured."""
    versions = {f"version_{name.replace('-', '_')}": importlib.metadata.version(name) for name in PACKAGES}
    return {
        "processor": environment()["processor"],
        "cores": CPU_COUNT,
        "date": date.today().isoformat(),
        **versions,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; default: all of them")
    parts = parser.parse_args().parts or list(PARTS)
    if unknown := set(parts) - PARTS.keys():
        parser.error(f"unknown parts {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        make_workspace(Path(name))
        for part in parts:
            started = time.monotonic()
            found = PARTS[part](Path(name))
            console.print(f"{part}: {(time.monotonic() - started) / 60:.1f} minutes")
            console.print_json(data=found)
            results |= found
    if set(parts) == PARTS.keys():
        RESULTS.write_text(json.dumps(results | description(), indent=2) + "\n", encoding="utf-8")
        write_pages()
        console.print(f"written: {RESULTS}, the picture next to it, and the table in {PAGE}")


if __name__ == "__main__":
    main()
