"""Section "Ten times the data": a law of the error for each cell, whether it can be trusted, and what it says."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pipeline.analysis.choice import named
from pipeline.analysis.comparisons import SIGNIFICANCE
from pipeline.analysis.configurations import distinct
from pipeline.analysis.least_squares import EXPONENTS
from pipeline.analysis.scaling import LEAST, NAMES, SETTINGS, Law, checked, fitted_laws
from pipeline.documents import records
from pipeline.params.network import CELLS, network_name
from pipeline.report.results import Results
from pipeline.report.scaling_figures import error_law
from pipeline.report.text import Table, in_order, interval, listed, number, p_words, percent, text_table
from pipeline.studies.results import study_definition

TIMES = 10  # the data
# An interval whose ends are further apart than this factor leaves a size unknown.
KNOWN_WITHIN = 100


@dataclass(frozen=True)
class Scaling:
    """`missing` says which cells have no law, and what one takes, if there are such; `test` has no rows where no law
    could be tested."""

    missing: str | None
    exponents: str
    fits: tuple[str, ...]
    laws: Table
    figures: dict[str, str]
    tests: tuple[str, ...]
    test: Table
    answers: tuple[str, ...]
    sizes: Table


def scaling(results: Results) -> Scaling | None:
    """What a law of the error says of more data; None without a study called capacity that has measured an error."""
    table = results.capacity_table
    if table.empty:
        return None
    definition = study_definition("capacity", results.params, results.summary)
    laws = fitted_laws(results.studies["capacity"].trials, definition.held_out_samples)
    names, checks = titles([law.settings for law in laws]), [checked(law) for law in laws]
    alt = "Error against the number of training samples, measured and by the law, a panel for each law."
    figures = {"error_law": error_law(laws, names, checks, TIMES, alt)} if laws else {}
    return Scaling(
        missing=_missing(table, laws),
        exponents=f"{EXPONENTS[0]:g} and {EXPONENTS[1]:g}",
        fits=tuple(fit_finding(name, law) for name, law in zip(names, laws, strict=True)),
        laws=_laws(names, laws),
        figures=figures,
        tests=tuple(foretold_finding(*each) for each in zip(names, laws, checks, strict=True)),
        test=_test(checks),
        answers=tuple(size_finding(*each) for each in zip(names, laws, checks, strict=True)),
        sizes=_sizes(names, laws),
    )


def titles(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """A name for each of these `SETTINGS`: cell, layers and directions where they are not plain, and what else sets it
    apart."""
    return distinct([_title(each) for each in settings], [{name: each[name] for name in SETTINGS} for each in settings])


def _title(settings: Mapping[str, Any]) -> str:
    name = f"{'bi-' if settings['bidirectional'] else ''}{CELLS[settings['cell']].title}"
    return name if settings["depth"] == 1 else f"{name}, {settings['depth']} layers"


def _missing(table: pd.DataFrame, laws: Sequence[Law]) -> str | None:
    cells = in_order(set(table["cell"]) - {law.settings["cell"] for law in laws})
    if not cells:
        return None
    return (
        f"No law for {listed([CELLS[cell].title for cell in cells])}: it takes networks of at least {LEAST} sizes, "
        f"trained on at least {LEAST} numbers of samples, with more means than the law's {len(NAMES)} numbers, and an "
        "error above 0 in each."
    )


def fit_finding(name: str, law: Law) -> str:
    """How well a law fits the means that it is fitted to."""
    seeds, p_value = law.seeds_alone()
    begin = f"{name}: the fit leaves over {_share(law.spread)} of an error (standard deviation, {len(law.means)} means"
    if pd.isna(p_value):
        return f"{begin}). Whether that is noise or a wrong law is not known: the noise of seeds is not."
    begin += f"), the noise of seeds alone would leave about {_share(seeds)}"
    if p_value < SIGNIFICANCE:
        return f"{begin}: the law is shown not to be the whole truth (F test, {p_words(p_value)})."
    return (
        f"{begin}. That is not shown to be more than noise (F test, {p_words(p_value)}), which does not make the law "
        "true."
    )


def foretold_finding(name: str, law: Law, check: pd.DataFrame) -> str:
    """Whether the law, fitted on fewer samples, has foretold the errors on the most."""
    if check.empty:
        return (
            f"{name}: not tested. The trainings on at most half of {law.most_samples:,} samples are too few for a law "
            "of their own."
        )
    outside = [
        f"{network_name(row)} is measured {percent(row['error'])} and foretold {percent(row['predicted'])} "
        f"({interval(row['predicted_low'], row['predicted_high'])} %), {number(row['error'] / row['predicted'])} times "
        "the prediction"
        for row in records(check[~check["inside"].astype(bool)])
    ]
    verdict = "That refutes the law." if check["refutes"].any() else f"That does not refute the law. {_missed(check)}"
    return (
        f"{name}: of a law fitted on at most {check['fitted_up_to'].iloc[0]:,} samples, {len(check) - len(outside)} of "
        f"{len(check)} intervals hold the error on {law.most_samples:,}."
        + (f" Outside: {'; '.join(outside)}." if outside else "")
        + f" {verdict}"
    )


def _missed(check: pd.DataFrame) -> str:
    """By what factor, up or down, a measured error may differ from its prediction and not refute the law."""
    up, down = check["refuting_above"] / check["predicted"], check["predicted"] / check["refuting_below"]
    return f"An error off by a factor of up to {number(max(up.max(), down.max()))} would have passed, too."


def size_finding(name: str, law: Law, check: pd.DataFrame) -> str:
    """How big the balanced network is on so many times the data, if that is known, and whether to believe it."""
    samples = TIMES * law.most_samples
    size, low, high = law.balanced_parameters(samples)
    sizes = law.means["parameters"]
    if pd.isna(size):
        lost = "data" if law.estimate[0] <= 0 else "network"
        return f"{name}: not known. The fitted law has no term of the {lost}. {_trust(law, check)}"
    if not high <= KNOWN_WITHIN * low:
        reach = f"reaches from {_span(low, high, _rounded)}" if high < float("inf") else "has no ends"
        return (
            f"{name}: not known. The estimate for {samples:,} samples is {_rounded(size)} parameters, but its 95 % "
            f"interval {reach}. {_trust(law, check)}"
        )
    times, least, most = law.growth(TIMES)
    beyond = (
        ""
        if sizes.min() <= size <= sizes.max()
        else f" No network of such a size was measured: they had {sizes.min():,} to {sizes.max():,} parameters."
    )
    return (
        f"{name}: on {samples:,} samples about {_rounded(size)} parameters (95 % interval "
        f"{_span(low, high, _rounded)}), {_rounded(times)} times as many as on {law.most_samples:,} (95 % interval "
        f"{_span(least, most, _rounded)}).{beyond} "
        f"{_trust(law, check)}"
    )


def _trust(law: Law, check: pd.DataFrame) -> str:
    _, p_value = law.seeds_alone()
    against = [
        *(["the test on the most samples refutes it"] if check["refutes"].any() else []),
        *(["it is shown not to fit the trainings themselves"] if p_value < SIGNIFICANCE else []),
    ]
    if against:
        return f"The law is not to be trusted: {' and '.join(against)}."
    if check.empty:
        return "The law is an extrapolation that nothing has tested."
    return (
        f"The test on {law.most_samples:,} samples did not refute the law. {_missed(check)} Beyond them the law is an "
        "extrapolation that nothing has tested."
    )


def _laws(names: Sequence[str], laws: Sequence[Law]) -> Table:
    rows = []
    for name, law in zip(names, laws, strict=True):
        row = {"name": name, "means": len(law.means), "spread": law.spread}
        for parameter, value in zip(NAMES, law.estimate, strict=True):
            show = percent if parameter == "c" else number
            low, high = law.interval(parameter)
            row[parameter] = f"{show(float(f'{value:.3g}'))} ({_span(low, high, show)})"
        rows.append(row)
    return text_table(rows, {
        "name": ("law", str), "a": ("a", str), "alpha": ("α", str), "b": ("b", str),
        "beta": ("β", str), "c": ("c", str), "means": ("means", number), "spread": ("left over", _share),
    })  # fmt: skip


def _test(checks: Sequence[pd.DataFrame]) -> Table:
    rows = [
        row
        | {"interval": interval(row["predicted_low"], row["predicted_high"])}
        | {"ratio": row["error"] / row["predicted"], "inside": "yes" if row["inside"] else "no"}
        for row in named([row for check in checks for row in records(check)], ["train_samples"])
    ]
    return text_table(rows, {
        "network": ("network", str), "parameters": ("parameters", number), "train_samples": ("samples", number),
        "fitted_up_to": ("fitted on at most", number), "predicted": ("predicted error", percent),
        "interval": ("95 % interval, %", str), "error": ("measured error", percent),
        "ratio": ("measured / predicted", number), "inside": ("inside?", str),
    })  # fmt: skip


def _sizes(names: Sequence[str], laws: Sequence[Law]) -> Table:
    rows = []
    for name, law in zip(names, laws, strict=True):
        row: dict[str, object] = {"name": name}
        for key, samples in (("now", law.most_samples), ("then", TIMES * law.most_samples)):
            size, low, high = law.balanced_parameters(samples)
            row |= {f"{key}_samples": samples, key: size, f"{key}_interval": _span(low, high, _rounded)}
        times, low, high = law.growth(TIMES)
        rows.append(row | {"times": times, "times_interval": _span(low, high, _rounded)})
    return text_table(rows, {
        "name": ("law", str), "now_samples": ("samples", number), "now": ("balanced parameters", _rounded),
        "now_interval": ("95 % interval", str), "then_samples": ("samples", number),
        "then": ("balanced parameters", _rounded), "then_interval": ("95 % interval", str),
        "times": ("times as many", _rounded), "times_interval": ("95 % interval", str),
    })  # fmt: skip


def _share(spread: float) -> str:
    """A deviation of logarithms, which for small ones is a share, in per cent."""
    return f"{100 * spread:.2g} %"


def _rounded(value: float) -> str:
    """A number with two significant digits: no law tells more. Those that nobody would train are told as such."""
    if value > 1e9:
        return "over a billion"
    return number(value if pd.isna(value) else float(f"{value:.2g}"))


def _span(low: float, high: float, show: Callable[[float], str]) -> str:
    """An interval, which may have no ends, with three significant digits at most."""
    low, high = (float(f"{end:.3g}") for end in (low, high))
    if high == float("inf"):
        return "not known" if low <= 0 else f"at least {show(low)}"
    return f"at most {show(high)}" if low < 0 else f"{show(low)} to {show(high)}"
