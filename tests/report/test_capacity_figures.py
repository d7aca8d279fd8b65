"""The maps and the gaps show every configuration."""

import re

import pandas as pd

from pipeline.analysis.capacity import capacity_table
from pipeline.report.capacity_figures import capacity_maps, gap_against_samples
from pipeline.studies.results import trials_table
from tests.helpers.pages import hovers, texts
from tests.helpers.results import capacity_records

NUMBER = re.compile(r"[-−]?\d+(\.\d+)?$")


def test_maps_and_gaps_show_every_configuration() -> None:
    table = capacity_table(trials_table(capacity_records(seeds=2)), "fold")
    fewer = table.assign(train_samples=1000, generalization_gap=table["generalization_gap"] + 0.02)
    both = pd.concat([fewer, table])
    maps = capacity_maps(both, "maps")
    shown = texts(maps)
    for _, row in both.iterrows():
        assert f"{100 * row['validation_accuracy']:.1f}" in shown
        assert f"{100 * row['generalization_gap']:.1f}" in shown
    assert {"1,000", "5,000"} <= set(shown)
    assert len(hovers(maps)) == 2 * len(both)
    gaps = gap_against_samples(both, "gaps")
    assert len(hovers(gaps)) == 2 * len(table)
    assert f"GRU 1×8, 1,000 samples: gap {100 * fewer.iloc[0]['generalization_gap']:.2f} points" in " ".join(
        hovers(gaps)
    )


def test_an_interval_of_two_seeds_does_not_hide_the_gaps() -> None:
    table = capacity_table(trials_table(capacity_records(seeds=2)), "fold")
    wide = table.assign(generalization_gap_low=-1.0, generalization_gap_high=1.0)
    ticks = [float(text.replace("−", "-")) for text in texts(gap_against_samples(wide, "gaps")) if NUMBER.match(text)]
    assert max(ticks) < 300 * table["generalization_gap"].max()


def test_networks_that_differ_in_a_setting_have_maps_and_lines_of_their_own() -> None:
    table = capacity_table(trials_table(capacity_records(seeds=2)), "fold")
    fewer = pd.concat([table.assign(train_samples=1000), table])
    twins = pd.concat([fewer.assign(patience=1.0), fewer.assign(patience=float("nan"))], ignore_index=True)
    maps = capacity_maps(twins, "maps")
    assert len(hovers(maps)) == 2 * len(twins)
    assert {"patience 1", "patience none"} <= set(texts(maps))
    gaps = hovers(gap_against_samples(twins, "gaps"))
    assert len(gaps) == len(twins)
    assert sum("GRU 1×8, patience none, 1,000 samples" in hover for hover in gaps) == 1
