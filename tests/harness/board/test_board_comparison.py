"""Two models compared: paired where they can be, towards what is better, and honest where nothing is told."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from scipy.stats import PermutationMethod, ttest_1samp, wilcoxon

from harness.board import build
from harness.board.compared import FORMATS, HALF, bar, lines, render, table
from harness.board.comparison import Comparison, Difference, compare, difference
from harness.board.table import Column, Entry
from harness.draws import Draws
from harness.errors import HarnessError
from harness.records import Record

Make = Callable[..., Record]
TOP1 = Column("linear@digits", "top1", unit="%", bounds=(0, 100))


@lru_cache(maxsize=4)
def resampled(n: int, resamples: int) -> Any:
    return np.random.default_rng(0).multinomial(n, [1 / n] * n, resamples).astype(float)


def drawn(hits: Any, resamples: int = 4000) -> Entry:
    """The entry of a model that is right on some images, with the draws of a bootstrap that is the same for all."""
    hits = np.asarray(hits, float) * 100
    values = resampled(len(hits), resamples) @ hits / len(hits)
    low, high = np.quantile(values, [0.025, 0.975]).tolist()
    return Entry("done", float(hits.mean()), low, high, n=len(hits), seeds=1, draws=Draws.of(values.tolist()))


def test_pairing_has_the_interval_of_the_differences_themselves() -> None:
    """Against the normal interval of a mean of paired differences, which is far narrower than that of two means."""
    rng = np.random.default_rng(1)
    hard = rng.uniform(size=2000)
    a, b = hard < 0.80, hard + rng.normal(0, 0.05, 2000) < 0.75
    found = difference(TOP1, drawn(a), drawn(b))
    each = 100 * (a.astype(float) - b)
    half = 1.96 * each.std() / math.sqrt(2000)
    assert found.value == pytest.approx(each.mean())
    assert (found.low, found.high) == pytest.approx((each.mean() - half, each.mean() + half), abs=0.08)
    assert (found.method, found.verdict, found.note) == ("paired", "a", "")
    apart = difference(TOP1, *(Entry("done", e.value, e.low, e.high, n=2000) for e in (drawn(a), drawn(b))))
    assert apart.high - apart.low > 2 * (found.high - found.low)
    assert (apart.method, apart.verdict) == ("unpaired", "a")


def test_unpaired_intervals_recover_each_side() -> None:
    """Zou and Donner's limits by hand; a symmetric case is the usual one of independent errors."""
    a, b = Entry("done", 80.0, 77.0, 84.0), Entry("done", 70.0, 66.0, 73.0)
    found = difference(TOP1, a, b)
    assert (found.low, found.high) == pytest.approx((10 - math.hypot(3, 3), 10 + math.hypot(4, 4)))
    error = Column("t@d", "error", higher_is_better=False)
    turned = difference(error, a, b)
    assert (turned.value, turned.verdict) == (-10, "b")
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low))


def test_swapping_the_models_turns_all_signs() -> None:
    rng = np.random.default_rng(2)
    a, b = drawn(rng.random(300) < 0.6), drawn(rng.random(300) < 0.7)
    one, other = difference(TOP1, a, b), difference(TOP1, b, a)
    assert (one.value, one.low, one.high) == pytest.approx((-other.value, -other.high, -other.low))
    assert {one.verdict, other.verdict} in ({"a", "b"}, {"undecided"})


def test_a_model_is_not_better_than_its_copy() -> None:
    a = drawn(np.arange(100) < 60)
    found = difference(TOP1, a, a)
    assert (found.value, found.low, found.high, found.verdict) == (0, 0, 0, "undecided")


def test_scores_of_other_images_are_not_paired_and_it_says_so() -> None:
    a, b = drawn(np.arange(300) % 2), drawn(np.arange(200) % 3 == 0)
    found = difference(TOP1, a, b)
    assert (found.method, found.note) == ("unpaired", "not paired: 300 test images for A, 200 test images for B")
    limited = difference(TOP1, drawn(np.arange(200) % 2), Entry(**{**vars(b), "limit": 200}))
    assert limited.note == "not paired: 200 test images for A, 200 test images (limit 200) for B"
    bare = difference(TOP1, a, Entry("done", 50.0, 45.0, 55.0, n=300))
    assert (bare.method, bare.note) == ("unpaired", "not paired: no bootstrap draws of B")


@pytest.mark.parametrize(
    ("column", "a", "b", "verdict", "note"),
    [(TOP1, Entry("done", 3.0), Entry("done", 2.0), "", "a score has no interval"),
     (TOP1, Entry("failed"), Entry("done", 2.0), "", "A is failed"),
     (TOP1, Entry("failed"), Entry("missing"), "", "A is failed and B is missing"),
     (Column("t@d", "m", higher_is_better=None), Entry("done", 3.0, 2.0, 4.0), Entry("done", 1.0, 0.0, 1.5), "",
      "neither is better: the metric describes")],
)  # fmt: skip
def test_what_cannot_be_judged(column: Column, a: Entry, b: Entry, verdict: str, note: str) -> None:
    found = difference(column, a, b)
    assert (found.verdict, found.note) == (verdict, note)


def test_fewer_draws_of_one_are_the_first_of_the_other() -> None:
    hits = np.random.default_rng(3).random(100) < 0.5
    few, many = drawn(hits, 500), drawn(hits, 4000)
    shorter = Entry(**{**vars(few), "draws": Draws.of(many.draws.values()[:500].tolist())})
    assert difference(TOP1, shorter, many)[3:6] == pytest.approx((0, 0, 0), abs=1e-3)


def board_of(make: Make, apart: Sequence[float], **fields: Any) -> Comparison:
    """Models with scores so far apart, a dataset each."""
    tasks = [f"linear@d{i}" for i in range(len(apart))]
    made = [make("a", t, 50.0 + d, **fields) for t, d in zip(tasks, apart, strict=True)]
    return compare(build([*made, *(make("b", t, 50.0, **fields) for t in tasks)]), "a", "b")


def test_counts_and_tests_over_datasets(make: Make) -> None:
    apart = [5.0, 3.0, 4.0, -2.0, 0.5, 6.0, 1.0, 0.2]
    found = board_of(make, apart)
    assert found.counts == {"a": 4, "b": 1, "undecided": 3, "unjudged": 0}
    assert found.overall is not None
    assert found.overall.wilcoxon == pytest.approx(wilcoxon(apart).pvalue)
    assert (found.overall.columns, found.overall.datasets, found.overall.over) == (8, 8, "datasets")
    assert found.overall.mean == pytest.approx(np.mean(apart))
    student = ttest_1samp(apart, 0).confidence_interval()
    assert found.overall.low <= student.low + 1e-9
    assert found.overall.high >= student.high - 1e-9
    assert lines(found)[:3] == [
        "A is better in 4 of 8 columns, B in 1; 3 undecided (95 % intervals, one column at a time).",
        f"Mean difference in 8 columns, scores on 0 to 100, weighed as on the board: +2.21 [{found.overall.low:+.2f}, "
        f"{found.overall.high:+.2f}] over 8 datasets.",
        f"Wilcoxon signed-rank test over 8 datasets: p = {wilcoxon(apart).pvalue:.2g}.",
    ]


def test_few_datasets_test_nothing(make: Make) -> None:
    found = board_of(make, [1.0] * 5)
    assert found.overall is not None
    assert (found.overall.wilcoxon, found.overall.low, found.overall.over) == (None, None, "")
    assert "scores on 0 to 100, weighed as on the board: +1.00." in lines(found)[1]


def test_scores_of_one_datasets_images_are_one_sample(make: Make) -> None:
    """Six columns, of two datasets: not six independent witnesses."""
    tasks = [f"{p}@{d}" for p in ("linear", "knn") for d in ("scenes[colour]", "scenes[shape]", "digits")]
    records = [make(m, t, v) for m, v in (("a", 60.0), ("b", 50.0)) for t in tasks]
    found = compare(build(records), "a", "b").overall
    assert found is not None
    assert (found.columns, found.datasets, found.wilcoxon) == (6, 2, None)


def test_equal_models_pass_every_test(make: Make) -> None:
    found = board_of(make, [0.0] * 7)
    assert found.overall is not None
    overall = found.overall
    assert (overall.wilcoxon, overall.mean, overall.over, found.counts["undecided"]) == (1.0, 0.0, "", 7)


@pytest.mark.parametrize("apart", [[0.3, -0.1, 0.3, 0.0, 0.1, 0.2, 0.2], [1.0, 2.0, -1.0, 2.0, 2.0, 3.0, 1.0, 0.0]])
def test_the_signed_rank_test_is_exact_with_ties(make: Make, apart: list[float]) -> None:
    """Against all patterns of signs; 50.3 - 50 and 50.1 - 50 are no tenths in binary, and tie all the same."""
    exact = wilcoxon(apart, method=PermutationMethod(n_resamples=np.inf)).pvalue
    found = board_of(make, apart).overall
    assert found is not None
    assert found.wilcoxon == pytest.approx(exact)


def test_what_only_rounding_makes_a_difference_is_none(make: Make) -> None:
    found = board_of(make, [1e-13] * 7).overall
    assert found is not None
    assert found.wilcoxon == 1.0


def test_the_same_difference_everywhere_has_no_spread(make: Make) -> None:
    found = board_of(make, [1.0] * 7)
    assert json.loads(render(found, "json"))["overall"]["low"] is None


def test_paired_draws_carry_over_to_the_mean(make: Make) -> None:
    """The bootstrap of a mean of two independent differences: variances add, and a dataset counts once."""
    rng = np.random.default_rng(4)
    records, each = [], []
    for task, n in (("linear@x", 900), ("knn@x", 900), ("linear@y", 400)):
        hits = {m: rng.random(n) < p for m, p in (("a", 0.7), ("b", 0.6))}
        entries = {m: drawn(h) for m, h in hits.items()}
        for m, e in entries.items():
            made = make(m, task, e.value)
            scores = (made.scores[0].model_copy(update={"n": n, "low": e.low, "high": e.high}),)
            records.append(made.model_copy(update={"draws": e.draws, "scores": scores}))
        each.append(100 * (hits["a"].astype(float) - hits["b"]))
    found = compare(build(records), "a", "b").overall
    assert found is not None
    mean = (each[0].mean() + each[1].mean()) / 4 + each[2].mean() / 2
    noise = (each[0] + each[1]) / 4
    half = 1.96 * math.sqrt(noise.var() / 900 + (each[2] / 2).var() / 400)
    assert (found.over, found.datasets) == ("images", 2)
    assert found.mean == pytest.approx(mean)
    assert (found.low, found.high) == pytest.approx((mean - half, mean + half), abs=0.25)


def test_paired_intervals_cover_as_often_as_they_say() -> None:
    rng, covered = np.random.default_rng(5), 0
    for _ in range(400):
        hard = rng.normal(size=250)
        a, b = hard + rng.normal(size=250) < 0.8, hard + rng.normal(size=250) < 0.5
        found = difference(TOP1, drawn(a, 400), drawn(b, 400))
        truth = 100 * (NORMAL(0.8 / math.sqrt(2)) - NORMAL(0.5 / math.sqrt(2)))
        covered += found.low <= truth <= found.high
    assert 0.92 <= covered / 400 <= 0.98


def NORMAL(x: float) -> float:  # noqa: N802 - a distribution function
    return 0.5 * (1 + math.erf(x / math.sqrt(2)))


def test_metrics_without_bounds_are_compared_but_not_averaged(make: Make) -> None:
    made = [make(m, "linear@d", v) for m, v in (("a", 60.0), ("b", 50.0))]
    free = [r.model_copy(update={"metric": r.metric | {"bounds": [None, None]}}) for r in made]
    found = compare(build(free), "a", "b")
    assert (found.differences[0].verdict, found.overall) == ("a", None)
    assert "●" not in bar(found.differences[0], 10.0).plain


def test_unknown_models_and_a_model_against_itself(make: Make) -> None:
    board = build([make("resnet50", "t@d", 1.0), make("vit", "t@d", 2.0)])
    with pytest.raises(HarnessError, match="no model named 'resnet5' in these runs; did you mean 'resnet50'"):
        compare(board, "vit", "resnet5")
    with pytest.raises(HarnessError, match="'vit' is given twice"):
        compare(board, "vit", "vit")


def one(value: float, low: float, high: float, verdict: Any = "a") -> Difference:
    blank = Entry("done", 0.0)
    return Difference(TOP1, blank, blank, value, low, high, "paired", verdict)


def test_a_bar_is_a_whisker_about_zero() -> None:
    assert bar(one(5, 2.5, 10), 10).plain == " " * 12 + "│" + "  ───●──────"[: HALF - 0]
    assert bar(one(0, -10, 10), 10).plain == "─" * 12 + "●" + "─" * 12
    assert bar(one(2, -2, 6), 12).plain == " " * 10 + "──┼─●────" + " " * 6
    assert bar(one(-10, -10, -10, "b"), 10).plain == "●" + " " * 11 + "│" + " " * 12


def test_the_terminal_shows_who_is_better(make: Make) -> None:
    found = board_of(make, [5.0, -3.0, 0.2])
    text = Console(width=140, record=True, file=io.StringIO())
    text.print(table(found))
    shown = text.export_text()
    rows = {line.split()[0]: line for line in shown.splitlines() if line.strip().startswith("linear@")}
    assert [rows[f"linear@d{i}"].split()[-1] for i in range(3)] == ["A", "B", "–"]
    assert "55.0  50.0  +5.00  [+3.59, +6.41]" in rows["linear@d0"]
    assert "A a   against   B b" in shown
    heading = next(line for line in shown.splitlines() if "A − B" in line)
    assert heading.split()[-5:] == ["B", "better", "A", "better", "verdict"]
    assert "Verdict" in render(found, "markdown")


HOSTILE = "[bold]=cmd|'!A1\x1b[31m\n<script>"


def test_every_format_survives_hostile_names_and_missing_scores(make: Make) -> None:
    task = f"{HOSTILE}@d"
    records = [make(HOSTILE, task, 60.0), make("b", task, 50.0), make("b", "linear@e", 3.0)]
    found = compare(build(records), HOSTILE, "b")
    assert "<script>" not in render(found, "markdown")
    rows = list(csv.DictReader(io.StringIO(render(found, "csv"))))
    assert len(rows) == 2
    assert all(row["task"].startswith(("'", "[", "linear")) for row in rows)
    parsed = json.loads(render(found, "json"))
    assert (parsed["a"], parsed["columns"][0]["verdict"], parsed["overall"]["columns"]) == (HOSTILE, "a", 1)
    assert parsed["columns"][1]["difference"] is None
    assert parsed["columns"][1]["note"] == "A is missing"
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(table(found))
    shown = console.export_text()
    assert "\x1b[31m" not in shown
    assert "[bold]" in shown


def test_formats_are_named() -> None:
    assert set(FORMATS) == {"markdown", "csv", "json"}
    with pytest.raises(HarnessError, match="did you mean 'markdown'"):
        render(Comparison("a", "b", (), {}, None), "markdwn")


def test_marks_are_explained(make: Make) -> None:
    records = [make("a", "linear@d", 60.0, kind="reported", half=None), make("b", "linear@d", 50.0)]
    found = compare(build(records), "a", "b")
    assert found.counts == {"a": 0, "b": 0, "undecided": 0, "unjudged": 1}
    told = lines(found)
    assert "‡ reported elsewhere, not measured here." in told
    assert told[0].startswith("A is better in 0 of one column, B in 0; 0 undecided, 1 cannot be judged")
