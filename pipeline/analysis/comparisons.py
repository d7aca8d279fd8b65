"""Which of two networks is better: intervals over seeds, tests paired by seed, and the test on the same samples.

Pure functions on pandas frames. Accuracies and their differences are fractions.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats
from statsmodels.stats import contingency_tables
from statsmodels.stats.multitest import multipletests

from pipeline.analysis.configurations import (
    CONFIGURATION,
    ROUNDING,
    complete_trials,
    interval_over_seeds,
    is_configuration,
    standard_error,
)

SIGNIFICANCE = 0.05
SIGN_FLIPS = 2**15
PAIRED_MEASURES = ["seeds", "difference", "difference_low", "difference_high", "p_value"]
COMPARISON_COLUMNS = [*CONFIGURATION, "parameters", *PAIRED_MEASURES, "p_adjusted", "verdict"]


class McNemar(NamedTuple):
    """Samples that only the first (b) and only the second model (c) has right, and the two-sided p-value."""

    b: int
    c: int
    p_value: float


def accuracy_by_seed(trials: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The configurations of the complete trials, and the validation accuracy that each has with each seed.

    First frame: a row per configuration with the columns of `CONFIGURATION` and parameters, indexed from 0 in
    order of appearance. Second frame: a row per seed, a column per index of the first, NaN where there is no
    such trial. A training that is in `trials` twice counts once.
    """
    complete = complete_trials(trials)
    number = complete.groupby(CONFIGURATION, sort=False, dropna=False).ngroup().rename("configuration")
    table = complete.loc[~number.duplicated(), [*CONFIGURATION, "parameters"]].reset_index(drop=True)
    accuracies = complete.groupby(["seed", number])["validation_accuracy"].mean().unstack()
    return table, accuracies.reindex(columns=table.index)


def paired_comparisons(trials: pd.DataFrame, choice: Mapping[str, Any], held_out: str = "validation") -> pd.DataFrame:
    """Every configuration larger than the chosen one, trained on as many samples, compared with it seed by seed.

    `choice` has the columns of `CONFIGURATION` and `parameters`, as the entry `choice` of choice.json; `held_out` is
    what the trainings hold out. Columns `COMPARISON_COLUMNS`: `seeds` that both have; `difference` of the mean
    validation accuracy over them (larger minus chosen) and its 95 % interval (see `interval_over_seeds`), which is not
    adjusted; `p_value` of `sign_flip_p_value`, of folds of `overlapping_p_value`; `p_adjusted` by `holm` over the
    comparisons with seeds enough to reach 5 %, NaN for the others, whose number of seeds settles beforehand that they
    cannot (Tarone, A Modified Bonferroni Method for Discrete Data, Biometrics 46 (1990), 515–522); and `verdict`, of
    the larger configuration:

    - "better" or "worse": p_adjusted is at most 5 %;
    - "too few seeds to tell": with n seeds no p-value is below 2 / 2^n, so one comparison needs 6 seeds,
      3 of them need 7, 6 need 8, 12 need 9 and 25 need 10 before any difference could be shown;
      of folds it takes two;
    - "no difference shown": there were seeds enough. It does not say that there is no difference: see the interval.

    The chosen configuration was picked by its accuracy with the same seeds, which flatters it a little. Without any
    trial of it the comparisons have no seeds.
    """
    table, accuracies = accuracy_by_seed(trials)
    chosen = accuracies.loc[:, is_configuration(table, choice)].mean(axis=1)  # of one column, or of none: NaN
    larger = (table["parameters"] > choice["parameters"]) & (table["train_samples"] == choice["train_samples"])
    p_value = overlapping_p_value if held_out == "fold" else sign_flip_p_value
    rows = [
        (len(paired), paired.mean(), *interval_over_seeds(paired, held_out), p_value(paired))
        for index in table.index[larger]
        for paired in [(accuracies[index] - chosen).dropna()]
    ]
    measures = pd.DataFrame(rows, index=table.index[larger], columns=PAIRED_MEASURES, dtype=float)
    compared = table[larger].join(measures.astype({"seeds": "int64"})).assign(p_adjusted=np.nan)

    # The smallest p-value that so many seeds allow; Student's may be any, where there is one.
    least = compared["p_value"].isna().astype(float) if held_out == "fold" else 2.0 ** (1 - compared["seeds"])
    testable = least <= SIGNIFICANCE
    compared.loc[testable, "p_adjusted"] = holm(compared.loc[testable, "p_value"])
    hopeless = ~testable
    hopeless[testable] = holm(least[testable]) > SIGNIFICANCE
    shown = compared["p_adjusted"] <= SIGNIFICANCE
    compared["verdict"] = np.select(
        [hopeless, shown & (compared["difference"] > 0), shown],
        ["too few seeds to tell", "better", "worse"],
        "no difference shown",
    )
    return compared.sort_values("parameters", kind="stable", ignore_index=True)[COMPARISON_COLUMNS]


def sign_flip_p_value(differences: ArrayLike) -> float:
    """Two-sided p-value of the mean of paired `differences` (n,) under random signs; NaN for fewer than two.

    The test takes it that without an effect a difference is as likely as its negative (Fisher, The Design of
    Experiments, 1935, section 21). All 2^n signs are tried up to n = 15, as many random ones as 2^15 above.
    """
    values = np.asarray(differences, dtype=float)
    if len(values) < 2:
        return float("nan")

    def mean(sample: np.ndarray, axis: int) -> np.ndarray:
        return np.round(sample.mean(axis=axis), 9)  # equal means must be equal for the test: fractions add inexactly

    return float(
        stats.permutation_test(
            (values,), mean, permutation_type="samples", n_resamples=SIGN_FLIPS, rng=np.random.default_rng(0)
        ).pvalue
    )


def overlapping_p_value(differences: ArrayLike) -> float:
    """Two-sided p-value of the mean of `differences` (n,), each measured on another fold: of Student's t, with the
    `standard_error` of folds. NaN for fewer than two, and where all are the same, which tells nothing of their spread.
    """
    values = np.asarray(differences, dtype=float)
    if len(values) < 2 or np.ptp(values) < ROUNDING:
        return float("nan")
    error = standard_error(values.std(ddof=1), len(values), "fold")
    return float(2 * stats.t.sf(abs(values.mean()) / error, len(values) - 1))


def holm(p_values: ArrayLike) -> np.ndarray:
    """p-values (n,) adjusted so that the chance of any false finding among them stays at the level tested.

    Holm, A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian Journal of Statistics 6 (1979), 65–70.
    """
    values = np.asarray(p_values, dtype=float)
    return multipletests(values, method="holm")[1] if len(values) else values  # statsmodels refuses an empty list


def mcnemar(first_correct: ArrayLike, second_correct: ArrayLike) -> McNemar:
    """Exact McNemar test of two models on the same samples; `*_correct` (samples,) say which ones each has right.

    It speaks of these two trained models, not of their configurations. p-value 1 where they never differ.
    Raises ValueError where the lengths differ. McNemar, Psychometrika 12 (1947), 153–157, in the exact binomial form;
    recommended for this use in Dietterich, Approximate Statistical Tests for Comparing Supervised Classification
    Learning Algorithms, Neural Computation 10 (1998), 1895–1923.
    """
    first, second = np.asarray(first_correct, dtype=bool), np.asarray(second_correct, dtype=bool)
    if first.shape != second.shape:
        raise ValueError(f"both models must be judged on the same samples, got shapes {first.shape} and {second.shape}")
    b, c = int((first & ~second).sum()), int((~first & second).sum())
    both, neither = int((first & second).sum()), int((~first & ~second).sum())
    return McNemar(b, c, float(contingency_tables.mcnemar([[both, b], [c, neither]], exact=True).pvalue))
