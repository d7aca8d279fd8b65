"""The parts of the benchmarks that measure nothing: the table, closed forms, the division of time, the fits."""

import itertools
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import exporting, gpu, growth, limits, overhead, padding, quality, results, seeds, work
from pipeline.params.document import validate_params
from pipeline.params.network import CELLS, NetworkSpec, network_name
from pipeline.params.settings import Configuration
from pipeline.training.task import EpochFinished, Event, Finished, Started
from pipeline.training.trials import EpochMetrics, TrainingResult

FIGURES = {
    "processor": "Example CPU", "cores": 2, "date": "2026-11-24",
    **results.spread("throughput_vs_optuna_example", [2.5, 2.0, 3.0]),
    **results.spread("throughput_vs_optuna_example_without_start", [2.75]),
    **results.spread("share_of_sgemm_lstm", [0.71, 0.69]),
    **results.spread("overhead_fraction", [0.0456]),
}  # fmt: skip


def test_spread_is_the_median_and_the_extremes() -> None:
    assert results.spread("x", [3.0, 1.0, 2.0, 10.0]) == {"x": 2.5, "x_low": 1.0, "x_high": 10.0}


def test_table_has_a_row_for_each_figure_that_was_measured() -> None:
    assert results.markdown_table(FIGURES).splitlines() == [
        "| | median | from … to | without start-up |",
        "|---|---|---|---|",
        "| trials an hour, against Optuna's Keras example with MLflow | 2.50 × | 2.00 × … 3.00 × | 2.75 × |",
        "| operations a second of LSTM-256 in training, of the sgemm peak | 70 % | 69 % … 71 % |  |",
        "| share of a one-minute study's wall time on every core that is not training | 4.6 % | 4.6 % … 4.6 % |  |",
        "",
        "`make bench` on Example CPU, 2 cores, 2026-11-24.",
    ]


def test_table_replaces_the_text_between_the_markers() -> None:
    begin, end = results.MARKERS
    once = results.with_table(f"above\n{begin}\n{end}\nbelow\n", "| new |")
    assert once == f"above\n{begin}\n\n| new |\n\n{end}\nbelow\n"
    assert results.with_table(once, "| new |") == once
    with pytest.raises(ValueError, match="put the two markers"):
        results.with_table("no markers", "| new |")


def test_picture_shows_the_figures(tmp_path: Path) -> None:
    results.picture(FIGURES, tmp_path / "results.svg")
    assert (tmp_path / "results.svg").read_text(encoding="utf-8").count("<svg") == 1


def test_a_training_is_six_operations_for_each_multiplication_but_four_for_those_with_images() -> None:
    lstm = NetworkSpec(cell="lstm", units=256)
    of_images, of_the_rest = 28 * 4 * 256 * 28, 28 * 4 * 256 * (256 + 1) + 10 * 257
    assert limits.training_operations(lstm, samples=100) == 100 * (4 * of_images + 6 * of_the_rest)


def test_the_workspace_is_a_valid_project_with_twelve_networks() -> None:
    params = validate_params(work.params_document(), "workspace")
    networks = params.studies["throughput"].trials  # type: ignore[union-attr]
    assert len(networks) == 12  # type: ignore[arg-type]
    assert {network.cell for network in networks} == set(work.KERAS_CELLS)  # type: ignore[union-attr]


def test_the_best_configurations_are_those_within_a_tenth_of_a_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "quality.csv"
    rows = [
        "cell,units,learning_rate,validation_accuracy",
        "gru,64,0.003,0.95",
        "lstm,32,0.01,0.949",
        "gru,16,0.01,0.9489",
    ]
    table.write_text("\n".join(rows), encoding="utf-8")
    monkeypatch.setattr(quality, "TABLE", table)
    assert quality.read_best() == [("gru", 64, 0.003), ("lstm", 32, 0.01)]


def test_a_studys_time_is_divided_up_without_rest() -> None:
    metrics = EpochMetrics(1, 0.5, 0.8, 0.6, 0.75, 0.7, 0.7)

    def finished(key: int, worker: str, fit_seconds: float) -> Finished:
        result = TrainingResult(10, (metrics, metrics), 1, False, "", fit_seconds, 1000.0, "", "", worker)
        return Finished(key, result, None)

    timeline: list[tuple[float, Event]] = [
        (10.0, Started(0)), (12.0, Started(1)), (20.0, EpochFinished(0, metrics)), (30.0, finished(0, "a", 16.0)),
        (31.0, Started(2)), (52.0, finished(1, "b", 36.0)), (61.0, finished(2, "a", 26.0)),
    ]  # fmt: skip
    shares = overhead.divide(0.0, 100.0, 2, timeline, evaluated=1000)
    # Each of the three trainings evaluates 2 × 1,000 sequences in a millisecond each.
    assert shares == pytest.approx(
        {"fit": 78 / 200, "evaluate": 6 / 200, "build": (2 + 2 + 2) / 200, "dispatch": 1 / 200, "start": 22 / 200,
         "tail": 87 / 200}
    )  # fmt: skip
    assert sum(shares.values()) == pytest.approx(1)


def test_power_laws_and_constants_are_found_again() -> None:
    assert growth.power_law([1, 2, 4], [3, 12, 48]) == pytest.approx((2, 3))
    work_done = [(28, 28 * batch * units, 1e6 * batch * units**2) for batch in (32, 128) for units in (8, 64, 256)]
    seconds = np.array(work_done) @ [50e-6, 2e-9, 1 / 80e9]
    assert growth.fitted(work_done, seconds.tolist(), rate=100e9) == pytest.approx((50e-6, 2e-9, 0.8))


def test_the_readme_has_the_table_of_the_last_run() -> None:
    figures = json.loads(results.RESULTS.read_text(encoding="utf-8"))
    assert f"{results.MARKERS[0]}\n\n{results.markdown_table(figures)}\n\n" in results.PAGE.read_text(encoding="utf-8")
    for key in [key for key in figures if f"{key}_low" in figures]:
        assert figures[f"{key}_low"] <= figures[key] <= figures[f"{key}_high"]


def test_the_benchmark_of_a_gpu_counts_trainings_and_compares_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a processor, in the place of the GPU."""
    for name, value in {"UNITS": (2,), "TRAIN": 300, "HELD_OUT": 50, "EPOCHS": 2}.items():
        monkeypatch.setattr(gpu, name, value)
    table, sentences = gpu.measure(1.0, "avx2", (1,))
    assert table["workers"].tolist() == [2, 1, 1]
    assert (table["trainings_per_hour"] > 0).all()
    assert table["ratio_to_two_cores"][0] == 1
    for sentence in sentences:
        assert (found := re.fullmatch(r"1 workers: (\d+) of (\d+) trainings have the same bits as before", sentence))
        assert found[1] == found[2] != "0"


def test_sequences_are_cut_in_their_second_half() -> None:
    x = limits.random_data(400).x
    ended = np.isnan(padding.cut(x))
    assert (ended.all(axis=2) == ended.any(axis=2)).all()
    lengths = (~ended[..., 0]).sum(axis=1)
    assert (lengths.min(), lengths.max()) == (14, 28)
    assert ended.mean() == pytest.approx(0.25, abs=0.02)
    assert np.array_equal(padding.cut(x)[~ended], x[~ended])


def test_the_page_has_the_figures_of_the_export() -> None:
    measured = pd.read_csv(exporting.TABLE)
    page = (results.FOLDER / "../docs/export.md").read_text(encoding="utf-8")
    assert measured["network"].tolist() == [network_name(network.network) for network in exporting.NETWORKS]
    for network, *figures in measured.drop(columns="processor").itertuples(index=False):
        assert f"| {network} | {' | '.join(f'{figure:,}' for figure in figures)} |" in page


def test_the_pages_have_the_figures_of_padding() -> None:
    measured = pd.read_csv(padding.TABLE)
    readme, guide = (
        " ".join((results.FOLDER / page).read_text(encoding="utf-8").split())
        for page in ("README.md", "../docs/your-data.md")
    )
    for cell, both in itertools.product(padding.CELLS, (False, True)):
        rows = measured[(measured["cell"] == cell) & (measured["bidirectional"] == both)]
        assert rows["units"].tolist() == list(padding.UNITS)
        name = CELLS[cell].title + " in both directions" * both
        assert f"| {name} | {' | '.join(f'{ratio:.2f} ×' for ratio in rows['ratio'])} |" in readme
    assert f"reached from {measured['ratio_low'].min():.2f} to {measured['ratio_high'].max():.2f}, but" in readme
    lowest, highest = (measured.groupby("bidirectional")["ratio"].agg(end).round(2) for end in ("min", "max"))
    assert (
        f"took {lowest[False]} to {highest[False]} times as long as on full ones, in both directions {lowest[True]} to "
        f"{highest[True]} times"
    ) in guide


def test_the_page_has_the_figures_of_seeds() -> None:
    measured = pd.read_csv(seeds.TABLE)
    readme = " ".join((results.FOLDER / "README.md").read_text(encoding="utf-8").split())
    for cell in work.KERAS_CELLS:
        rows = measured[measured["cell"] == cell]
        assert rows["units"].tolist() == list(seeds.UNITS)
        figures = zip(rows["ratio"], rows[f"ratio_of_{seeds.LONG}_epochs"], strict=True)
        assert (
            f"| {CELLS[cell].title} | {' | '.join(f'{one:.2f} × ({long:.2f} ×)' for one, long in figures)} |" in readme
        )
    assert f"reached from {measured['ratio_low'].min():.2f} to {measured['ratio_high'].max():.2f}" in readme


def test_the_seeds_of_the_benchmark_come_out_the_same(one_thread: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seeds, "SAMPLES", 256)
    monkeypatch.setattr(seeds, "HELD_OUT", 64)
    seconds = seeds.turn(Configuration(cell="gru", units=8, batch_size=128, epochs=2), seeds.data())
    assert set(seconds) == {"alone_start", "alone_epoch", "together_start", "together_epoch"}
