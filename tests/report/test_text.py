"""Numbers and tables as text."""

from pipeline.report import text
from pipeline.report.text import Table, text_table


def test_numbers_as_text() -> None:
    assert text.percent(0.98765) == "98.77 %"
    assert text.points(-0.0043) == "−0.43"
    assert [text.p_value(value) for value in (5e-15, 0.00099, 0.3318, float("nan"))] == ["< 0.001"] * 2 + ["0.332", "–"]
    assert [text.p_words(value) for value in (5e-15, 0.3318)] == ["p < 0.001", "p = 0.332"]
    assert [text.number(value) for value in (75_530, 8.0, 0.0034664, 75.53, 1649.3)] == [
        "75,530", "8", "0.00347", "75.5", "1,649",
    ]  # fmt: skip
    assert {text.percent(float("nan")), text.points(float("nan")), text.number(float("nan"))} == {"–"}
    assert text.shortened(["word 12", "word number 12"], 9) == ["word 12", "word…r 12"]
    apart = text.shortened(["left knee bent", "left shin bent", "right"], 9)
    assert apart == ["left k… bent", "left s… bent", "right"], "no longer than it takes"
    assert text.shortened(["the same twice"] * 2, 9) == ["the same twice"] * 2
    assert text.interval(0.9, 0.95) == "90.00 to 95.00"
    assert text.interval(-2.11, 1.4545) == "−100.00 to 100.00", "no two accuracies differ by more"
    assert text.interval_of_accuracy(-0.1, 1.04) == "0.00 to 100.00"
    assert text.interval_of_accuracy(float("nan"), float("nan")) == "–"
    assert [text.plural(count, "seed") for count in (1, 2, 1000)] == ["1 seed", "2 seeds", "1,000 seeds"]


def test_text_table_says_once_what_is_the_same() -> None:
    rows = [{"a": 1, "b": 2, "c": float("nan")}, {"a": 3, "b": 2, "c": float("nan")}]
    columns = {name: (name.upper(), text.number) for name in "abc"}
    assert text_table(rows, columns, fold=["b", "c"]) == Table(["A"], [["1"], ["3"]], "B 2")


def test_cells_come_in_the_order_of_every_legend() -> None:
    assert text.in_order(["cnn", "gru", "gru", "simple_rnn"]) == ["simple_rnn", "gru", "cnn"]
