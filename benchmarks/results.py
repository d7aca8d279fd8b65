"""The measured figures with their spread, as a table for docs/benchmarks.md and as a picture."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

FOLDER = Path(__file__).parent
RESULTS, PICTURE, PAGE = FOLDER / "results.json", FOLDER / "results.svg", FOLDER.parent / "docs" / "benchmarks.md"
MARKERS = ("<!-- benchmarks -->", "<!-- /benchmarks -->")

# Key, title and format.
ROWS: list[tuple[str, str, str]] = [
    ("throughput_vs_optuna_example", "trials an hour, against Optuna's Keras example with MLflow", "{:.2f} ×"),
    ("throughput_vs_n_jobs", "… against the same with `n_jobs` = cores", "{:.2f} ×"),
    ("throughput_vs_keras_tuner", "… against KerasTuner", "{:.2f} ×"),
    ("throughput_vs_ray_tune", "… against Ray Tune with OptunaSearch", "{:.2f} ×"),
    ("time_to_quality_ratio", "time to one of the best configurations, Optuna's example's to ours", "{:.2f} ×"),
    ("share_of_sgemm_lstm", "operations a second of LSTM-256 in training, of the sgemm peak", "{:.0%}"),
    ("share_of_sgemm_gru", "… of GRU-256", "{:.0%}"),
    ("share_of_sgemm_simple_rnn", "… of SimpleRNN-256", "{:.0%}"),
    ("overhead_fraction", "share of a one-minute study's wall time on every core that is not training", "{:.1%}"),
    ("help_seconds", "`python -m pipeline --help`", "{:.2f} s"),
    ("no_op_repro_ratio", "`dvc repro` with nothing to do, against an empty pipeline's", "{:.2f} ×"),
    ("prepare_seconds", "`prepare` on all of MNIST", "{:.1f} s"),
]
START_EXCLUDED = "_without_start"  # ends the keys of the same ratios from the first training on


def spread(key: str, values: Sequence[float]) -> dict[str, float]:
    """The median of repeated measurements under `key`, and the lowest and the highest."""
    figures = {key: median(values), f"{key}_low": min(values), f"{key}_high": max(values)}
    return {name: round(value, 4) for name, value in figures.items()}


def markdown_table(results: Mapping[str, Any]) -> str:
    """The table of docs/benchmarks.md: each figure's median, lowest and highest."""
    lines = ["| | median | from … to | without start-up |", "|---|---|---|---|"]
    for key, title, form in ROWS:
        if key in results:
            names = (key, f"{key}_low", f"{key}_high", key + START_EXCLUDED)
            middle, low, high, alone = (_written(form, results.get(name)) for name in names)
            lines.append(f"| {title} | {middle} | {low} … {high} | {alone} |")
    lines += ["", f"`make bench` on {results['processor']}, {results['cores']} cores, {results['date']}."]
    return "\n".join(lines)


def _written(form: str, value: float | None) -> str:
    return "" if value is None else form.format(value).replace("%", " %")


def with_table(text: str, table: str, markers: tuple[str, str] = MARKERS) -> str:
    """The text of a page with `table` between the markers; raises ValueError if it has none."""
    before, begin, rest = text.partition(markers[0])
    _, end, after = rest.partition(markers[1])
    if not begin or not end:
        raise ValueError(f"the page has no {markers[0]} … {markers[1]}: put the two markers where the table belongs")
    return f"{before}{begin}\n\n{table}\n\n{end}{after}"


def picture(results: Mapping[str, Any], path: Path) -> None:
    """Draw the ratios and the shares with their spread."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.4), layout="constrained")
    ratios, shares = figure.subplots(1, 2)
    panels = (
        (ratios, "{:.1f} ×", "times as fast as …", {
            "throughput_vs_optuna_example": "Optuna's example",
            "throughput_vs_n_jobs": "Optuna, n_jobs",
            "throughput_vs_keras_tuner": "KerasTuner",
            "throughput_vs_ray_tune": "Ray Tune",
            "time_to_quality_ratio": "Optuna's example,\nto equal quality",
        }),
        (shares, "{:.0%}", "share of the sgemm peak", {
            "share_of_sgemm_lstm": "LSTM-256",
            "share_of_sgemm_gru": "GRU-256",
            "share_of_sgemm_simple_rnn": "SimpleRNN-256",
        }),
    )  # fmt: skip
    for axes, form, title, labels in panels:
        shown = {key: label for key, label in labels.items() if key in results}
        values = [results[key] for key in shown]
        errors = [
            [value - results[f"{key}_low"] for key, value in zip(shown, values, strict=True)],
            [results[f"{key}_high"] - value for key, value in zip(shown, values, strict=True)],
        ]
        axes.barh(list(shown.values()), values, xerr=errors, color="#4477aa", ecolor="#333333", height=0.6)
        for place, value in enumerate(values):
            axes.text(0.02 * max(values), place, _written(form, value), va="center", color="white")
        axes.axvline(1, color="#333333", linewidth=0.8, linestyle=":")
        axes.invert_yaxis()
        axes.set_xlim(left=0)
        axes.set_title(title, loc="left", fontsize=11)
        axes.spines[["top", "right"]].set_visible(False)
    with matplotlib.rc_context({"svg.hashsalt": "benchmarks"}):
        figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Make the picture and docs/benchmarks.md's table again from results.json."""
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    picture(results, PICTURE)
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(with_table(text, markdown_table(results)), encoding="utf-8")


if __name__ == "__main__":
    main()


if __name__ == "__main__":
    main()
