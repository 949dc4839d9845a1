from __future__ import annotations

import pytest

from harness.board.numbers import interval, mean_rank, number, one_line, rank, score, short, total
from harness.board.table import Entry, Standing


def text(entry: Entry, unit: str) -> str:
    """A whole cell, as the renderers put it together."""
    return " ".join(filter(None, (score(entry, unit), interval(entry, unit))))


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (93.44, "%", "93.4"),
        (100.0, "%", "100.0"),
        (-0.01, "%", "0.0"),
        (0.4123, "", "0.412"),
        (1.2345, "nats", "1.234"),
        (-2.5, "", "-2.500"),
        (0.04123, "", "0.0412"),
        (12.345, "", "12.3"),
        (123.45, "", "123"),
        (12345.6, "", "12346"),
        (0.0, "", "0.000"),
        (0.0000123, "", "1.23e-05"),
        (12345678.0, "", "1.23e+07"),
    ],
)
def test_number(value: float, unit: str, expected: str) -> None:
    assert number(value, unit) == expected


def test_the_interval_has_the_decimals_of_the_value() -> None:
    assert text(Entry("done", 93.44, 92.3, 94.5), "%") == "93.4 ±1.1"
    assert text(Entry("done", 12.34, 12.0, 12.08), "") == "12.3 ±0.0"
    assert text(Entry("done", 0.0412, 0.0212, 0.0612), "") == "0.0412 ±0.0200"


def test_without_an_interval_there_is_only_the_value() -> None:
    assert text(Entry("done", 0.5), "") == "0.500"
    assert interval(Entry("done", 0.5, low=0.4), "") == ""


@pytest.mark.parametrize(("status", "word"), [("failed", "failed"), ("missing", "—"), ("skipped", "skipped")])
def test_words_stand_where_there_is_no_score(status: str, word: str) -> None:
    assert text(Entry(status), "%") == word  # type: ignore[arg-type]


def test_marks_follow_the_value() -> None:
    assert score(Entry("done", 80.0, mark="‡†"), "%") == "80.0‡†"


@pytest.mark.parametrize(
    ("best", "worst", "expected"), [(1, 3, "1–3"), (2, 2, "2"), (None, None, "(2)")], ids=["some", "certain", "unknown"]
)
def test_rank(best: int | None, worst: int | None, expected: str) -> None:
    assert rank(Standing(80.0, None, None, 2, best, worst)) == expected
    assert rank(None) == "–"


def test_what_the_order_is_by() -> None:
    assert total(Standing(80.04, 78.0, 81.0, 1, 1, 2), "score") == ("80.0", "±1.5")
    assert total(Standing(2.5, 2.0, 3.5, 1, 1, 2), "rank") == ("2.50", "±0.75")
    assert total(Standing(80.04, None, None, 1, None, None), "logit") == ("80.0", "")
    assert total(None, "score") == ("", "")
    assert (mean_rank(1.5), mean_rank(None)) == ("1.50", "")


def test_a_very_long_name_keeps_its_ends() -> None:
    name = short(f"begin{'x' * 10_000}end")
    assert (len(name), name[:5], name[-3:]) == (120, "begin", "end")
    assert short("a\nb") == "a b"


@pytest.mark.parametrize("name", ["a\nb", "a\r\nb", "a\u2028b", "a\x1b\tb", " a  b ", "a\u202eb", "a\x00b"])
def test_no_name_breaks_a_line_or_a_terminal(name: str) -> None:
    assert one_line(name) == "a b"
