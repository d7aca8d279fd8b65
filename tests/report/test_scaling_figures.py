"""The figure of the law shows every mean, and what was foretold of the most samples."""

from pipeline.analysis.scaling import checked, fitted_laws
from pipeline.report.scaling_figures import error_law
from tests.helpers.laws import HELD_OUT, lawful_study
from tests.helpers.pages import hovers, texts


def test_every_mean_and_every_prediction_is_shown() -> None:
    (law,) = fitted_laws(lawful_study(), HELD_OUT)
    check = checked(law)
    figure = error_law([law], ["GRU"], [check], 10, "law")
    shown = hovers(figure)
    assert len(shown) == 12 + 3
    row = law.means.iloc[0]
    predicted = float(law.error(1_000, 500))
    assert (
        f"GRU 1×4, 500 parameters, 1,000 samples: error {row['error']:.2%}, 3 seeds; the law has {predicted:.2%}"
        in shown
    )
    assert f"foretold from at most 10,000: {check['predicted'].iloc[0]:.2%}, 95 % interval " in " ".join(shown)
    assert {"GRU", "1,000", "540,000", "10 %", "extrapolated", "64 units"} <= set(texts(figure))


def test_many_laws_stand_in_rows() -> None:
    laws = fitted_laws(lawful_study(), HELD_OUT) * 4
    figure = error_law(laws, ["one", "two", "three", "four"], [checked(law) for law in laws], 10, "laws")
    assert len(hovers(figure)) == 4 * 15
    assert {"one", "two", "three", "four"} <= set(texts(figure))
