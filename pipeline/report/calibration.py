"""Below "The test": whether the model's probabilities can be believed, and what it is worth to leave answers out."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from pipeline.analysis.calibration import MeasuredCalibration, reliability_table
from pipeline.analysis.configurations import accuracy_interval
from pipeline.analysis.temperature import SURE, Calibration
from pipeline.documents import records
from pipeline.report.calibration_figures import coverage_curve, reliability
from pipeline.report.results import Results
from pipeline.report.text import Table, interval, number, percent, plural, points, text_table

SURE_WORDS = f"{100 * SURE:g} %"
COVERAGE_CAPTION = (
    "How many of its answers are right, if it leaves out those that it is least certain of. Bars are Wilson's 95 % "
    "intervals."
)
RING_CAPTION = " A ring is around the answers that it is sure of."


@dataclass(frozen=True)
class Calibrated:
    """`findings` are on the probabilities, `coverage_findings` on leaving answers out; a table behind each figure."""

    findings: tuple[str, ...]
    coverage_findings: tuple[str, ...]
    figures: dict[str, str]
    coverage_caption: str
    reliability: Table
    coverage: Table


def calibrated(results: Results) -> Calibrated | None:
    """None where nothing was tested, or an earlier version has done it."""
    predictions, measured, coverage = results.predictions, results.measured_calibration, results.coverage
    if predictions is None or measured is None or coverage is None:
        return None
    right = (predictions["actual"] == predictions["predicted"]).to_numpy()
    changed = measured.temperature != 1
    tables = {
        "of the network": reliability_table(predictions["probability"].to_numpy(), right),
        "calibrated": reliability_table(predictions["calibrated"].to_numpy(), right),
    }
    shown = tables if changed else {"of the network": tables["of the network"]}
    title = f"Off by {points(measured.calibrated_error)} points on average"
    if changed:
        title += f", {points(measured.error)} before"
    return Calibrated(
        findings=(_sentence(temperature_words(results.calibration)), *_errors(measured)),
        coverage_findings=tuple(_coverage(results.calibration, measured, coverage)),
        figures={
            "reliability": reliability(shown, title, f"Reliability diagram: {title}."),
            "coverage": coverage_curve(coverage, measured),
        },
        coverage_caption=COVERAGE_CAPTION + RING_CAPTION * bool(measured.sure),
        reliability=_reliability(shown),
        coverage=_coverage_table(coverage),
    )


def calibration_notes(calibration: Calibration | None) -> Iterator[str]:
    """What the probabilities are, and which answers are sure, a sentence each."""
    yield temperature_words(calibration)
    if calibration is not None:
        yield sure_words(calibration)


def temperature_words(calibration: Calibration | None) -> str:
    """What the probabilities are."""
    if calibration is None:
        return "probabilities are the network's own, not calibrated: `dvc repro champion` calibrates them"
    samples = f"{plural(calibration.samples, 'validation sequence')}"
    if calibration.temperature == 1:
        return (
            f"probabilities are the network's own: {samples}, read by a network trained like this one without them, do "
            f"not show that a temperature other than 1 fits better (95 % interval {_temperatures(calibration)})"
        )
    return (
        f"probabilities are calibrated by the temperature {calibration.temperature:g} (95 % interval "
        f"{_temperatures(calibration)}), fitted to {samples}, read by a network trained like this one without them"
    )


def sure_words(calibration: Calibration) -> str:
    """Which answers are sure."""
    samples = f"{plural(calibration.samples, 'validation sequence')}"
    if calibration.answers_from is None:
        return (
            f"which answers are sure is not known: {samples} show for no probability that {SURE_WORDS} of the answers "
            "from there on are right"
        )
    which = (
        f"with a probability of at least {calibration.answers_from:g}" if calibration.answers_from else "of any kind"
    )
    return (
        f"sure are answers {which}: at least {SURE_WORDS} of them are right, as {samples} show with 95 % confidence "
        "for sequences like these"
    )


def _temperatures(calibration: Calibration) -> str:
    low, high = calibration.temperature_low, calibration.temperature_high
    if low is None:
        return "not known" if high is None else f"up to {high:g}"
    return f"from {low:g} on" if high is None else f"{low:g} to {high:g}"


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


def _errors(measured: MeasuredCalibration) -> Iterator[str]:
    """How far the probabilities are off on the test data, and how much of it may be chance."""
    own = f"{points(measured.error)} points (95 % interval {interval(measured.error_low, measured.error_high)})"
    if measured.temperature == 1:
        yield f"On the test sequences they are off by {own} on average."
    else:
        after = interval(measured.calibrated_error_low, measured.calibrated_error_high)
        change = f"{points(measured.change)} points ({interval(measured.change_low, measured.change_high)})"
        if measured.change_high < 0:
            verdict = "They are shown to be nearer to the truth"
        elif measured.change_low > 0:
            verdict = "They are shown to be farther from the truth"
        else:
            verdict = "No difference is shown"
        yield (
            f"On the test sequences they are off by {points(measured.calibrated_error)} points on average (95 % "
            f"interval {after}), the network's own by {own}. {verdict}: the change is {change}."
        )
    if measured.calibrated_error_low == 0:
        yield "Chance alone makes that much of probabilities that are exactly right: nothing shows that these are not."
    else:
        yield "Chance alone does not make that much of probabilities that are exactly right: these are not."


def _coverage(calibration: Calibration | None, measured: MeasuredCalibration, coverage: pd.DataFrame) -> Iterator[str]:
    everything, fewest = records(coverage)[0], records(coverage)[-1]
    if len(coverage) > 1:
        yield (
            f"Of all {measured.samples:,} test sequences it has {percent(everything['accuracy'])} right, of the "
            f"{fewest['answered']:,} that it is most certain of {percent(fewest['accuracy'])} (95 % interval "
            f"{interval(fewest['low'], fewest['high'])})."
        )
    if calibration is not None:
        yield _sentence(sure_words(calibration))
    if measured.sure:
        assert measured.sure_right is not None
        accuracy = measured.sure_right / measured.sure
        yield (
            f"It is sure of {measured.sure:,} of the {measured.samples:,} test sequences, "
            f"{percent(measured.sure / measured.samples)}, and right on {percent(accuracy)} of these (95 % interval "
            f"{interval(*accuracy_interval([accuracy], measured.sure))})."
        )


def _reliability(tables: dict[str, pd.DataFrame]) -> Table:
    rows = [
        row | {"interval": interval(row["low"], row["high"]), "which": name}
        for name, table in tables.items()
        for row in records(table)
    ]
    return text_table(rows, {
        "which": ("probabilities", str), "samples": ("answers", number), "probability": ("mean probability", percent),
        "accuracy": ("right", percent), "interval": ("95 % interval, %", str),
    }, fold=["which"])  # fmt: skip


def _coverage_table(coverage: pd.DataFrame) -> Table:
    rows = [row | {"interval": interval(row["low"], row["high"])} for row in records(coverage)]
    return text_table(rows, {
        "coverage": ("answered", percent), "answered": ("test sequences", number),
        "probability": ("from the probability", percent), "accuracy": ("right", percent),
        "interval": ("95 % interval, %", str),
    })  # fmt: skip
