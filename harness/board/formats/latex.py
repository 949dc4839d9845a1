"""A board as a LaTeX table with booktabs rules: best in bold, second best underlined."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from harness.board.lead import Leads, leads
from harness.board.numbers import interval, one_line, score, short
from harness.board.table import Board, Column, Entry, Row

_ESCAPES = str.maketrans(
    {
        "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
        "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
        "|": r"\textbar{}", '"': r"\textquotedbl{}", "[": "{[}", "]": "{]}", "*": "{*}", "±": r"$\pm$",
        "×": r"$\times$", "·": r"$\cdot$", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "†": r"\dag{}", "‡": r"\ddag{}",
        "—": "---", "–": "--", "…": r"\ldots{}", "§": r"\S{}", "◊": r"$\diamond$", "−": "$-$", "∞": r"$\infty$",
        "≥": r"$\geq$", "≤": r"$\leq$", "→": r"$\to$", "µ": r"$\mu$", "μ": r"$\mu$", "²": r"$^2$", "°": r"$^\circ$",
    }
)  # fmt: skip

WIDEST = 8
"""Columns of scores in one table."""


def escape(text: str) -> str:
    """A text as LaTeX on one line."""
    return one_line(text).translate(_ESCAPES)


def render(board: Board) -> str:
    """A ``table`` environment for every `WIDEST` columns; the document needs the packages of the first line.

    The first has the ranks. A table that is wider than the text is scaled down to it.
    """
    found, parts = leads(board), _parts(board.columns)
    told = [f", part {at} of {len(parts)}" if len(parts) > 1 else "" for at in range(1, len(parts) + 1)]
    tables = [_table(board, found, columns, part) for columns, part in zip(parts, told, strict=True)]
    notes = [rf"{escape(note)}\par" for note in (*board.footnotes, *found.notes)]
    tables[-1][-1:-1] = [r"\par\vspace{1ex}\raggedright\footnotesize", *notes] if notes else []
    text = "\n".join(line for lines in tables for line in lines) + "\n"
    return f"{_packages(text)}\n{text}"


def _parts(columns: Sequence[Column]) -> list[range]:
    """The columns in runs of at most `WIDEST`, cut between datasets where that is possible; at least one run."""
    runs, start, end = [], 0, 0
    for _, group in groupby(columns, key=lambda c: c.dataset):
        width = len(list(group))
        if end > start and end + width - start > WIDEST:
            runs.append(range(start, end))
            start = end
        end += width
    whole = [*runs, range(start, end)]
    return [run[i : i + WIDEST] for run in whole for i in range(0, max(len(run), 1), WIDEST)]


def _packages(text: str) -> str:
    """What the document must load; letters that pdfLaTeX does not know take another engine."""
    known = all(ord(c) < 0x180 for c in text)
    needed = r"% \usepackage[T1]{fontenc} \usepackage{booktabs,graphicx}"
    return needed if known else f"{needed}, and LuaLaTeX with a font that has the letters of its names"


def _name(text: str) -> str:
    return short(text).translate(_ESCAPES)


def _table(board: Board, found: Leads, columns: range, part: str) -> list[str]:
    """The lines of one environment; that of the first columns has the ranks."""
    caption = rf"\caption{{{_name(board.title)}: {escape(board.summary) or 'no records'}{part}.}}"
    lines = [r"\begin{table}", r"\centering", r"\setlength{\belowcaptionskip}{1ex}", caption]
    if board.rows:
        lines.append(r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%")
        lines += [*_tabular(board, found if columns.start == 0 else None, columns), "}"]
    return [*lines, r"\end{table}"]


def _tabular(board: Board, found: Leads | None, columns: range) -> Iterator[str]:
    """The lines of the table of some columns; with ranks and paradigms if the leads are given."""
    lead = "l" + "".join("l" if name == "Ties" else "r" for name in found.headings) if found else ""
    yield rf"\begin{{tabular}}{{l{lead}{'r' * len(columns)}}}"
    yield r"\toprule"
    yield from _head([board.columns[i] for i in columns], ["Model", *(["Paradigm", *found.headings] if found else [])])
    yield r"\midrule"
    yield from (_line(row, board.columns, columns, found) for row in board.ranked)
    if board.ranked and board.unranked:
        yield r"\midrule"
    yield from (_line(row, board.columns, columns, found) for row in board.unranked)
    yield r"\bottomrule"
    yield r"\end{tabular}"


def _head(columns: Sequence[Column], lead: Sequence[str]) -> Iterator[str]:
    """Three lines: dataset over protocol over metric."""
    blank = [""] * len(lead)
    spans, rules, at = [], [], len(lead) + 1
    for dataset, group in groupby(columns, key=lambda c: c.dataset):
        width = len(list(group))
        spans.append(rf"\multicolumn{{{width}}}{{c}}{{{_name(dataset)}}}")
        rules.append(rf"\cmidrule(lr){{{at}-{at + width - 1}}}")
        at += width
    if columns:
        yield " & ".join([*blank, *spans]) + r" \\"
        yield "".join(rules)
        yield " & ".join([*blank, *(_name(c.protocol) for c in columns)]) + r" \\"
    yield " & ".join([*lead, *(_name(c.heading) for c in columns)]) + r" \\"


def _line(row: Row, columns: Sequence[Column], shown: range, found: Leads | None) -> str:
    lead = [_name(row.paradigm), *_lead(row, found)] if found else []
    cells = [_entry(row.entries[i], columns[i].unit) for i in shown]
    return " & ".join([_name(row.model), *lead, *cells]) + r" \\"


def _lead(row: Row, found: Leads) -> list[str]:
    lead = found.of[row.model]
    texts = [escape(lead.rank), _small(escape(lead.score), lead.half)]
    return [*texts, *([lead.ties] if found.lettered else [])] if found.ranked else []


def _entry(entry: Entry, unit: str) -> str:
    value = escape(score(entry, unit))
    if entry.place == 1:
        value = rf"\textbf{{{value}}}"
    elif entry.place == 2:
        value = rf"\underline{{{value}}}"
    return _small(value, interval(entry, unit))


def _small(value: str, half: str) -> str:
    """A value and, in small type, half its interval."""
    return rf"{value} {{\scriptsize {escape(half)}}}" if half else value
