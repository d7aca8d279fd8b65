"""The whole recipe against the same without a part: differences seed by seed, and how sure they are."""

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from pipeline.analysis.ablation import recipe_parts
from pipeline.studies.results import trials_table
from tests.helpers.trials import seeds, study, table, trial

WHOLE: dict[str, Any] = {"pooling": "mean_max", "optimizer": "adamw", "weight_decay": 0.004, "global_clipnorm": 1.0}


def test_a_part_is_the_settings_that_differ_and_what_is_lost_without_them_seed_by_seed() -> None:
    trials = study(
        seeds(32, [0.980, 0.982, 0.990], **WHOLE),
        seeds(32, [0.970, 0.975, 0.978], **WHOLE | {"pooling": "last"}, parameters=99),
        seeds(32, [0.981, 0.982, 0.990], **WHOLE | {"optimizer": "adam", "weight_decay": 0.0}),
        seeds(32, [0.979, 0.983, 0.991], **WHOLE | {"global_clipnorm": None}),
    )
    pooling, decay, clipping = recipe_parts(trials)
    assert pooling.settings == {"pooling": ("mean_max", "last")}
    assert decay.settings == {"optimizer": ("adamw", "adam"), "weight_decay": (0.004, 0.0)}
    assert clipping.settings == {"global_clipnorm": (1.0, None)}
    assert [part.pairs for part in (pooling, decay, clipping)] == [3, 3, 3]
    lost = [0.010, 0.007, 0.012]
    assert pooling.lost == pytest.approx(np.mean(lost))
    assert pooling.accuracy == pytest.approx(0.9743333)
    reach = stats.t.ppf(0.975, 2) * np.std(lost, ddof=1) * math.sqrt(1 / 3 + 1 / 9)
    assert (pooling.low, pooling.high) == pytest.approx((np.mean(lost) - reach, np.mean(lost) + reach))
    assert decay.lost == pytest.approx(-0.001 / 3)
    assert clipping.low < 0 < clipping.high


def test_only_seeds_that_both_have_completed_are_pairs() -> None:
    def rows(accuracies: list[float], place: int, **changes: object) -> list[dict[str, object]]:
        return [trial(3 * place + seed, 32, accuracy, seed, **changes) for seed, accuracy in enumerate(accuracies)]

    failed = {"state": "FAIL", "validation_accuracy": None, "parameters": None, "best_epoch": None}
    whole = rows([0.98, 0.97, 0.99], 0)
    without, once, never = (rows([0.96, 0.96, 0.96], place, dropout=place / 10) for place in (1, 2, 3))
    without[0] |= failed
    once[0], once[1] = once[0] | failed, once[1] | failed
    never = [row | failed for row in never]
    one, two, three = recipe_parts(table(*whole, *without, *once, *never))
    assert (one.pairs, two.pairs, three.pairs) == (2, 1, 0)
    assert (one.lost, two.lost) == pytest.approx((0.02, 0.03))
    assert one.low < 0.02 < one.high
    assert np.isnan([two.low, two.high, three.lost, three.low, three.accuracy]).all()
    assert three.settings == {"dropout": (0.0, 0.3)}, "whatever became of it"
    # The whole recipe is the first, even where nothing is left of it.
    lost = recipe_parts(table(*(row | failed for row in whole), *without[1:]))
    assert [(part.pairs, part.settings) for part in lost] == [(0, {"dropout": (0.0, 0.1)})]
    assert recipe_parts(table(*(row | failed for row in whole))) == []
    assert recipe_parts(trials_table([])) == []


@pytest.mark.parametrize("difference", [0.0, 0.003])
def test_pairs_that_all_differ_by_the_same_do_not_tell_their_spread(difference: float) -> None:
    whole, other = [0.98, 0.97, 0.99], [0.98 - difference, 0.97 - difference, 0.99 - difference]
    (part,) = recipe_parts(study(seeds(8, whole), seeds(8, other, dropout=0.1)))
    assert part.lost == pytest.approx(difference)
    assert np.isnan([part.low, part.high]).all()
