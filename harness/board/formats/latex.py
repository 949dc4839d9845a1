"""A board as a LaTeX table with booktabs rules: best in bold, second best underlined."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from harness.board.numbers import interval, one_line, rank, score
from harness.board.table import Board, Column, Entry, Row

_ESCAPES = str.maketrans(
    {
        "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
        "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
        "|": r"\textbar{}", '"': r"\textquotedbl{}", "[": "{[}", "]": "{]}", "*": "{*}", "±": r"$\pm$",
        "×": r"$\times$", "·": r"$\cdot$", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "†": r"\dag{}", "‡": r"\ddag{}",
        "—": "---", "…": r"\ldots{}",
    }
)  # fmt: skip


def escape(text: str) -> str:
    """A name as LaTeX text on one line."""
    return one_line(text).translate(_ESCAPES)


def render(board: Board) -> str:
    """A ``table`` environment; the document needs ``booktabs``, and ``[T1]{fontenc}`` for names with quotes."""
    lines = [r"% \usepackage[T1]{fontenc} \usepackage{booktabs}", r"\begin{table}", r"\centering"]
    lines.append(rf"\caption{{{escape(board.title)}: {escape(board.summary) or 'no records'}.}}")
    if board.rows:
        lines += [rf"\begin{{tabular}}{{llr{'r' * len(board.columns)}}}", r"\toprule"]
        lines += [*_head(board.columns), r"\midrule"]
        lines += [_line(row, board.columns) for row in board.ranked]
        if board.ranked and board.unranked:
            lines.append(r"\midrule")
        lines += [_line(row, board.columns) for row in board.unranked]
        lines += [r"\bottomrule", r"\end{tabular}"]
    lines += [rf"\par\footnotesize {escape(note)}" for note in board.footnotes]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def _head(columns: tuple[Column, ...]) -> Iterator[str]:
    """Three lines: dataset over protocol over metric."""
    spans, rules, at = [], [], 4
    for dataset, group in groupby(columns, key=lambda c: c.dataset):
        width = len(list(group))
        spans.append(rf"\multicolumn{{{width}}}{{c}}{{{escape(dataset)}}}")
        rules.append(rf"\cmidrule(lr){{{at}-{at + width - 1}}}")
        at += width
    yield " & ".join(["", "", "", *spans]) + r" \\"
    yield "".join(rules)
    yield " & ".join(["", "", "", *(escape(c.protocol) for c in columns)]) + r" \\"
    yield " & ".join(["Model", "Paradigm", "Rank", *(escape(c.heading) for c in columns)]) + r" \\"


def _line(row: Row, columns: tuple[Column, ...]) -> str:
    cells = [_entry(e, c.unit) for e, c in zip(row.entries, columns, strict=True)]
    return " & ".join([escape(row.model), escape(row.paradigm), escape(rank(row.average_rank)), *cells]) + r" \\"


def _entry(entry: Entry, unit: str) -> str:
    value = escape(score(entry, unit))
    if entry.place == 1:
        value = rf"\textbf{{{value}}}"
    elif entry.place == 2:
        value = rf"\underline{{{value}}}"
    half = escape(interval(entry, unit))
    return rf"{value} {{\scriptsize {half}}}" if half else value
