"""champion: choose a configuration by the studies' validation figures, train it again on all but the test data."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from pipeline import paths
from pipeline.analysis.choice import Choice, choose_by_race, choose_champion
from pipeline.analysis.evaluation import predict, tested_model
from pipeline.analysis.temperature import Calibration, calibrate
from pipeline.data.datasets import Manifest
from pipeline.data.sequences import Samples, SequencesSummary, in_view, prepared_sequences
from pipeline.errors import PipelineError
from pipeline.locks import alone
from pipeline.params.document import RACE, Params
from pipeline.progress import TrialProgress
from pipeline.studies.refits import Refits
from pipeline.studies.results import curves_table, read_results, study_definition
from pipeline.tracking.champion import log_champion
from pipeline.tracking.run_store import as_a_view
from pipeline.training.cluster import Cluster
from pipeline.training.journal import Journal
from pipeline.training.model_file import load_model
from pipeline.training.process import configure_tensorflow
from pipeline.training.trials import Trial

BEST_SEEDS = 3  # of the most accurate network, which is often several times as large as the choice


def choose(params: Params, summary: SequencesSummary) -> Choice:
    """The choice by the studies that champion.studies names: by the race, if it is one, else by one standard error."""
    names = params.champion.studies
    studies = {name: read_results(name, params, summary).trials for name in names}
    if names == (RACE,):
        return choose_by_race(study_definition(RACE, params, summary), studies[RACE], summary.learning_sha256)
    held_out = params.studies[names[0]].held_out  # of all of them: see `Params`
    return choose_champion(studies, summary.validation.samples, summary.learning_sha256, held_out)


def outdated(params: Params, summary: SequencesSummary, choice: Choice) -> str | None:
    """Why `choice` is not what params.yaml and the studies that are there would choose now; None where it is."""
    try:
        now = choose(params, summary)
    except PipelineError as error:
        return str(error)
    if now.choice.refit == choice.choice.refit:
        return None
    return (
        f"{paths.CHOICE} has {choice.name_of(choice.choice)}, and not as params.yaml and data/studies have chosen "
        f"since, {now.name_of(now.choice)}: run `dvc repro champion`"
    )


def run(params: Params) -> None:
    """As `_run`, unless another process does it in this folder."""
    with alone(f"champion in {Path.cwd()}"):
        _run(params)


def _run(params: Params) -> None:
    """Write choice.json, one model per seed, their learning curves, by seed, and calibration.json to
    data/models/champion.

    Where a larger network was the best, models of it, best-*.keras, are there too: to be compared with, no more. The
    calibration is that of one more network, trained like the first seed's but without the validation data.
    """
    summary = prepared_sequences(params.data)
    choice = choose(params, summary)
    files = {f"seed-{seed}.keras": Trial(seed, choice.choice.refit, seed) for seed in range(params.champion.seeds)}
    seeds = len(files)
    if choice.best != choice.choice:
        files |= {
            f"best-{seed}.keras": Trial(seeds + seed, choice.best.refit, seed) for seed in range(min(seeds, BEST_SEEDS))
        }
    validated = Trial(len(files), choice.choice.refit, seed=0)
    trials = [*files.values(), validated]
    journal = Journal(paths.journal_folder(), paths.RECORD)
    refits = Refits(summary, paths.SEQUENCES, journal, params.training.instructions, validated={validated.number})
    with TrialProgress("champion", len(trials), lambda _: 1.0, trials) as progress:
        records = refits.train(trials, lambda: Cluster(params.execution), progress)
    configure_tensorflow(params.training.answering)
    calibration = _calibration(refits.model(validated), choice, summary)

    paths.CHAMPION.mkdir(parents=True, exist_ok=True)
    paths.CHOICE.unlink(missing_ok=True)  # it vouches for the other files: without it there is no champion
    for stale in paths.CHAMPION.glob("*.keras"):  # DVC leaves the last run's models in place
        stale.unlink()
    for file, trial in files.items():
        with paths.atomic_write(paths.CHAMPION / file, "wb") as output:
            output.write(refits.model(trial))
    paths.write_csv(paths.CHAMPION_CURVES, curves_table(records[:seeds]))
    calibration.write(paths.CALIBRATION)
    choice.write(paths.CHOICE)
    refits.record("champion", trials)

    tested = None
    with suppress(PipelineError):  # a damaged metrics.json, which `evaluate` makes again
        # The same model may be registered again.
        tested = tested_model(choice.choice, summary.all_sha256, params.champion.metric)
    input_example = in_view(Samples.read(paths.VALIDATION).x[:2], choice.choice.view, summary)
    with as_a_view("champion"):
        outcome = log_champion(
            experiment=params.tracking.experiment,
            choice=choice,
            records=records[:seeds],
            models=[paths.CHAMPION / file for file in list(files)[:seeds]],
            data=summary,
            input_example=input_example,
            metric=params.champion.metric,
            licence=Manifest.read(paths.MANIFEST).licence,
            tested=tested,
            instructions=params.training.answering,
            calibration=calibration,
        )
        print(f"champion: {outcome}")


def _calibration(model: bytes, choice: Choice, summary: SequencesSummary) -> Calibration:
    """By the answers of this model to the validation data, which it has not learned from.

    A class that it has never seen says nothing of the champion, which has: its samples are left out.
    """
    samples = Samples.read(paths.VALIDATION)
    seen = np.asarray(summary.train.per_class)[samples.y] > 0
    x = in_view(samples.x, choice.choice.view, summary)
    with TemporaryDirectory() as folder:
        file = Path(folder, "validated.keras")
        file.write_bytes(model)
        return calibrate(predict(load_model(file), x)[seen], samples.y[seen])
