"""A comparison of two models for a terminal, and as markdown, CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable

from rich import box
from rich.table import Table
from rich.text import Text
from tabulate import tabulate

from harness.board.comparison import Comparison, Difference
from harness.board.formats.csv import guard
from harness.board.formats.markdown import escape
from harness.board.numbers import decimals_of, number, one_line, score, short
from harness.errors import HarnessError, nearest

HALF = 12
"""Characters of a bar on either side of zero."""
_STYLES = {"a": "green", "b": "magenta", "undecided": "dim", "": "dim"}
_MARKS = {
    "‡": "‡ reported elsewhere, not measured here.",
    "§": "§ submitted: measured by who sent the records in.",
    "◊": "◊ trained on images of the dataset it is tested on, as the cards say.",
    "†": "† with a caveat: see the board.",
}
_WORDS = {"a": "A", "b": "B", "undecided": "–", "": ""}


def signed(value: float, unit: str) -> str:
    """A difference with its sign: one decimal more than scores have."""
    places = decimals_of(value, unit)
    return f"{'+' if value > 0 else ''}{number(value, unit, 2 if unit == '%' else places)}"


def span(low: float | None, high: float | None, unit: str) -> str:
    """``[+0.10, +2.31]``; empty where there is no interval."""
    return "" if low is None or high is None else f"[{signed(low, unit)}, {signed(high, unit)}]"


def table(found: Comparison) -> Table:
    """The comparison to print with rich: the better score in colour where one is, the interval as a bar about zero."""
    made = Table(box=box.SIMPLE_HEAD, header_style="", pad_edge=False, collapse_padding=True)
    made.title, made.title_justify = _title(found), "left"
    made.caption, made.caption_justify = Text("\n".join(map(one_line, lines(found))), style="dim"), "left"
    made.add_column("task", overflow="fold", vertical="middle")
    made.add_column("metric", style="dim", overflow="fold", vertical="middle")
    for name, style in (("A", "green"), ("B", "magenta")):
        made.add_column(Text(name, style=f"bold {style}"), justify="right", no_wrap=True)
    made.add_column("A − B", justify="right", no_wrap=True)
    made.add_column("95 %", style="dim", no_wrap=True)
    made.add_column(Text("B better".center(HALF) + " " + "A better".center(HALF), style="dim"), no_wrap=True)
    made.add_column("verdict", justify="center", no_wrap=True)
    reach = max(
        (abs(x * d.scale) for d in found.differences if d.scale for x in (d.low, d.high) if x is not None), default=0
    )
    for d in found.differences:
        made.add_row(*_row(d, reach))
    return made


def _title(found: Comparison) -> Text:
    parts = [("A ", "bold green"), (short(found.a), "green"), ("   against   ", "dim"), ("B ", "bold magenta")]
    return Text.assemble(*parts, (short(found.b), "magenta"))


def _row(d: Difference, reach: float) -> list[Text]:
    style, unit = _STYLES[d.verdict], d.column.unit
    sides = [
        Text(score(e, unit), style=f"bold {_STYLES[side]}" if d.verdict == side else "")
        for side, e in (("a", d.a), ("b", d.b))
    ]
    value = Text("" if d.value is None else signed(d.value, unit), style=style)
    verdict = Text(_WORDS[d.verdict], style=f"bold {style}" if d.verdict in ("a", "b") else "dim")
    names = [Text(short(d.column.task)), Text(short(d.column.heading))]
    return [*names, *sides, value, Text(span(d.low, d.high, unit)), bar(d, reach), verdict]


def bar(d: Difference, reach: float) -> Text:
    """The interval as a whisker, the difference as a dot, zero as a line in the middle.

    Args:
        reach: the greatest end of all bars, on a scale of 0 to 100. A metric without bounds has no bar.
    """
    line = ["·" if i == HALF else " " for i in range(2 * HALF + 1)]
    line[HALF] = "│"
    if d.value is None or d.low is None or d.high is None or d.scale is None or reach == 0:
        return Text("".join(line), style="dim")
    low, at, high = (HALF + round(HALF * x * d.scale / reach) for x in (d.low, d.value, d.high))
    for i in range(low, high + 1):
        line[i] = "┼" if i == HALF else "─"
    line[at] = "●"
    return Text("".join(line), style=_STYLES[d.verdict])


def lines(found: Comparison) -> list[str]:
    """What it comes to, how sure that is, and what could not be paired."""
    counts, ranked = found.counts, sum(found.counts.values())
    unjudged = f", {counts['unjudged']} cannot be judged" * bool(counts["unjudged"])
    columns = f"{ranked} columns" if ranked != 1 else "one column"
    told = f"A is better in {counts['a']} of {columns}, B in {counts['b']}; {counts['undecided']} undecided"
    shown = [f"{told}{unjudged} (95 % intervals, one column at a time)."]
    if (overall := found.overall) is not None:
        over = {"images": " over test images, paired", "datasets": f" over {overall.datasets} datasets", "": ""}
        interval = span(overall.low, overall.high, "%")
        many = f"{overall.columns} columns" if overall.columns > 1 else "one column"
        what = f"Mean difference in {many}, scores on 0 to 100, weighed as on the board: {signed(overall.mean, '%')}"
        shown.append(f"{what} {interval}{over[overall.over]}.".replace(" .", "."))
        if overall.wilcoxon is not None:
            shown.append(f"Wilcoxon signed-rank test over {overall.datasets} datasets: p = {overall.wilcoxon:.2g}.")
    return shown + _notes(found)


def _notes(found: Comparison) -> list[str]:
    """Columns with the same note, as one line; what the marks mean that stand beside scores."""
    marks = "".join(e.mark for d in found.differences for e in (d.a, d.b))
    legend = [text for mark, text in _MARKS.items() if mark in marks]
    groups: dict[str, list[str]] = {}
    for d in found.differences:
        for note in filter(None, (d.note, d.column.note)):
            groups.setdefault(note, []).append(d.column.name)
    return legend + [
        f"{names[0] if len(names) == 1 else f'{len(names)} columns ({names[0]}, …)'}: {note}."
        for note, names in groups.items()
    ]


def markdown(found: Comparison) -> str:
    """Heading, table, what it comes to."""
    headers = ["Task", "Metric", "A", "B", "A − B", "95 %", "Verdict"]
    rows = [
        [escape(d.column.task), escape(d.column.heading), *(escape(score(e, d.column.unit)) for e in (d.a, d.b)),
         "" if d.value is None else signed(d.value, d.column.unit), span(d.low, d.high, d.column.unit),
         _WORDS[d.verdict]]
        for d in found.differences
    ]  # fmt: skip
    align = ("left", "left", "right", "right", "right", "right", "center")
    drawn = tabulate(rows, headers, tablefmt="github", disable_numparse=True, colalign=align)
    notes = "\n".join(f"- {escape(line)}" for line in lines(found))
    return f"# A: {escape(found.a)}, B: {escape(found.b)}\n\n{drawn}\n\n{notes}\n"


def comma_separated(found: Comparison) -> str:
    """A row a column, numbers at full precision; absent numbers are empty."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(
        ["task", "metric", "unit", "a", "b", "difference", "low", "high", "method", "verdict", "n_a", "n_b", "note"]
    )
    for d in found.differences:
        names = (d.column.task, d.column.measure, d.column.unit)
        numbers = (d.a.value, d.b.value, d.value, d.low, d.high)
        writer.writerow([*map(guard, names), *numbers, d.method, d.verdict, d.a.n, d.b.n, guard(d.note)])
    return file.getvalue()


def as_json(found: Comparison) -> str:
    """Strict JSON: no NaN, no infinity."""
    return json.dumps(found.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


FORMATS: dict[str, Callable[[Comparison], str]] = {"markdown": markdown, "csv": comma_separated, "json": as_json}


def render(found: Comparison, format: str) -> str:
    """The comparison in one of `FORMATS`. Raises `HarnessError` for an unknown one."""
    if format not in FORMATS:
        known = ", ".join(("terminal", *FORMATS))
        raise HarnessError(f"no format {format!r} of comparisons{nearest(format, FORMATS)} (known: {known})")
    return FORMATS[format](found)
