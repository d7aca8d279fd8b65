"""What the engine costs a trial, what grows with the number of trials, and how many workers it keeps busy.

    .venv/bin/python -m benchmarks.scale costs    # docs/scale_costs.csv
    .venv/bin/python -m benchmarks.scale workers  # docs/scale_workers.csv and docs/scale.svg, from these costs

`costs` runs the engine with its databases, MLflow and embedded Dask workers, which look the trainings of the capacity
study up and send news of every epoch. Its cost is the driver's processor time, Dask's threads included. `workers` runs
a study of a minute with one worker and with two, and simulates more: see `benchmarks.simulation`.
"""

import argparse
import functools
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd
import yaml
from dask.system import CPU_COUNT
from rich.console import Console

from benchmarks import overhead
from benchmarks.looked_up import grid, look_up, looked_up, search
from benchmarks.simulation import simulated
from benchmarks.work import ROOT, environment, make_workspace, params_document, run_python
from pipeline import paths
from pipeline.lineage import lineage
from pipeline.params.document import ExecutionParams
from pipeline.params.studies import SampledStudy
from pipeline.progress import TrialProgress
from pipeline.studies.engine import run_study
from pipeline.studies.sampling import PlainSampling, sampling_of
from pipeline.studies.storage import StudyStorage
from pipeline.tracking.study import StudyTracker
from pipeline.training import cluster as cluster_module
from pipeline.training.cluster import Cluster
from pipeline.training.journal import Journal
from pipeline.training.trials import EpochMetrics, Trial, TrialRecord

COSTS, WORKERS, PICTURE = (ROOT / "docs" / name for name in ("scale_costs.csv", "scale_workers.csv", "scale.svg"))

BLOCKS = {100: range(10, 100), 1_000: range(800, 1_000), 10_000: range(9_800, 10_000)}  # trials: which are measured
# Of every training: trials of the study. What grows with trials does not depend on epochs; of 50 a training of the
# capacity study does 35 on average, before it stops.
EPOCHS = {1: 10_000, 10: 100, 50: 100}
WINDOW = 64
PROPOSALS = 10  # of TPE, to measure one
SIMULATED = {1: 108, 2: 216, 8: 800, 64: 4_000, 512: 10_000}  # workers: trials
FACTORS = (4, 8, 16)  # windows, in workers
PARTS: dict[str, list[tuple[type, str]]] = {
    "sampler": [(PlainSampling, "ask"), (PlainSampling, "tell")],
    "Optuna's database": [(StudyStorage, "ask"), (StudyStorage, "tell")],
    "MLflow": [(StudyTracker, name) for name in ("trial_started", "epoch_finished", "trial_finished")],
    "journal": [(Journal, "get"), (Journal, "put")],
    "progress": [(TrialProgress, name) for name in ("trial_started", "epoch_finished", "trial_finished")],
    "Dask": [(Cluster, "submit"), (Cluster, "next_event")],  # and its threads
}


class Clock:
    """Keeps the processor time that the driver has taken until the end of each trial, in all and by part. An observer,
    the last one."""

    def __init__(self) -> None:
        self.parts: defaultdict[str, float] = defaultdict(float)
        self.kept: list[dict[str, float]] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        with ExitStack() as stack:
            for part, methods in PARTS.items():
                for owner, name in methods:
                    stack.enter_context(patch.object(owner, name, self._timed(getattr(owner, name), part)))
            yield

    def _timed(self, function: Callable[..., Any], part: str) -> Callable[..., Any]:
        @functools.wraps(function)
        def timed(*arguments: Any, **keywords: Any) -> Any:
            began = time.thread_time()
            try:
                return function(*arguments, **keywords)
            finally:
                self.parts[part] += time.thread_time() - began

        return timed

    def trial_started(self, trial: Trial) -> None: ...

    def epoch_finished(self, trial: Trial, metrics: EpochMetrics) -> None: ...

    def trial_finished(self, record: TrialRecord) -> None:
        whole, main_thread = time.process_time(), time.thread_time()
        rest = main_thread - sum(self.parts.values())
        self.kept.append(
            {**self.parts, "Dask": self.parts["Dask"] + whole - main_thread, "the rest": rest, "all": whole}
        )

    def milliseconds(self, trials: range) -> dict[str, float]:
        """For each of these trials, by part."""
        before, after = self.kept[trials[0] - 1], self.kept[trials[-1]]
        return {part: round(1000 * (after[part] - before[part]) / len(trials), 2) for part in after}


def engine_costs(epochs: int) -> list[dict[str, Any]]:
    """Rows of the table: a study in this process, its databases in the pipeline's home."""
    definition = search(EPOCHS[epochs], WINDOW, epochs)
    origin = lineage(
        "study", experiment="scale", data=definition.summary, fingerprint=definition.fingerprint, study=definition.name,
        optuna_study=definition.optuna_study,
    )  # fmt: skip
    clock, journal = Clock(), Journal(paths.journal_folder(), paths.home() / "record")
    with (
        patch.object(cluster_module, "run_tasks", look_up),
        clock.running(),
        StudyTracker(origin, definition.study.model_dump(mode="json"), definition.summary) as tracker,
        Cluster(ExecutionParams(workers=CPU_COUNT)) as cluster,
        TrialProgress("scale", definition.total, definition.cost) as progress,
    ):
        run_study(definition, paths.SEQUENCES, cluster, paths.optuna_storage(), journal, [progress, tracker, clock])
    return [
        {"trials": trials, "epochs": epochs, "part": part, "milliseconds": milliseconds}
        for trials, block in BLOCKS.items()
        if trials <= definition.total
        for part, milliseconds in clock.milliseconds(block).items()
    ]


def sampler_costs() -> list[dict[str, Any]]:
    """Rows of the table: a proposal of TPE that has been told so many results."""
    definition = search(max(BLOCKS) + PROPOSALS, WINDOW, 10, sampler="tpe")
    at_random = search(max(BLOCKS) + PROPOSALS, WINDOW, 10)
    assert isinstance(at_random.study, SampledStudy)
    sampling: Any = sampling_of(at_random.study, at_random.pruning_epochs, at_random.summary.sizes)
    rows = []
    asked = 0

    def play(until: int) -> None:
        nonlocal asked
        for number in range(asked, until):
            trial = definition.proposed_trial(number, {"epochs": 10} | sampling.ask(number).params)
            sampling.tell(definition.record(trial, looked_up(definition.task(trial, paths.SEQUENCES))))
        asked = until

    for told in BLOCKS:
        sampling._study = at_random.study
        play(told - PROPOSALS)
        sampling._study = definition.study
        began = time.process_time()
        play(told)
        milliseconds = round(1000 * (time.process_time() - began) / PROPOSALS, 2)
        rows.append(
            {"trials": told, "epochs": 10, "part": "sampler TPE in place of random", "milliseconds": milliseconds}
        )
    return rows


def measure_costs(console: Console) -> None:
    rows = []
    for epochs in EPOCHS:
        with tempfile.TemporaryDirectory() as home:
            rows += run_python(["-m", "benchmarks.scale", "--one", str(epochs)], ROOT, environment(Path(home)))
    rows += sampler_costs()
    table = pd.DataFrame(rows)
    table.to_csv(COSTS, index=False)
    console.print(table.pivot_table(index=["epochs", "part"], columns="trials", values="milliseconds", sort=False))


def really(workers: int) -> dict[str, Any]:
    """A row of the table: the study of `benchmarks.overhead`, trained by so many workers."""
    with tempfile.TemporaryDirectory() as name:
        make_workspace(Path(name))
        document = params_document() | {"execution": {"workers": workers}}
        Path(name, "params.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
        shares = overhead.measure(Path(name))
    busy = sum(shares[part] for part in ("fit", "evaluate", "build"))
    return {"workers": workers, "study": "trained", "busy": round(busy, 4)}


def measure_workers(console: Console) -> None:
    costs = pd.read_csv(COSTS)
    milliseconds = costs.query("epochs == 50 and trials == 100 and part == 'all'").milliseconds.item()
    rows = [really(workers) for workers in range(1, CPU_COUNT + 1)]
    console.print(rows)
    for workers, trials in SIMULATED.items():
        studies = {"grid": grid(trials)} | {f"window {n} x": search(trials, n * workers) for n in FACTORS}
        for name, definition in studies.items():
            rows.append(
                {
                    "workers": workers, "study": name, "trials": definition.total, "driver_milliseconds": milliseconds,
                    **simulated(definition, workers, milliseconds / 1000),
                }
            )  # fmt: skip
            console.print(rows[-1])
    table = pd.DataFrame(rows)
    table.to_csv(WORKERS, index=False)
    picture(table)


def picture(table: pd.DataFrame) -> None:
    """Throughput against workers, both logarithmic: how many trainings run at once, on average over a study."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter, StrMethodFormatter

    figure = Figure(figsize=(6.5, 4), layout="constrained")
    axes = figure.subplots()
    for name, rows in table.groupby("study", sort=False):
        style = {"marker": "o", "linestyle": "none", "zorder": 3} if name == "trained" else {"marker": "."}
        label = "really trained, a study of a minute" if name == "trained" else f"simulated: {name}"
        axes.loglog(rows.workers, rows.workers * rows.busy, label=label, **style)
    ends = [1, table.workers.max()]
    axes.loglog(ends, ends, color="#333333", linewidth=0.8, linestyle=":", label="every worker always busy")
    axes.set_xticks(sorted(set(table.workers)))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("workers")
    axes.set_ylabel("trainings at once, on average")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    with matplotlib.rc_context({"svg.hashsalt": "benchmarks"}):
        figure.savefig(PICTURE, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", nargs="?", choices=["costs", "workers"])
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(engine_costs(arguments.one)))
        return
    if arguments.what != "workers":
        measure_costs(Console())
    if arguments.what != "costs":
        measure_workers(Console())


if __name__ == "__main__":
    main()
