"""What must hold of an analysis, shown on synthetic boards."""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any
from xml.etree import ElementTree

from harness.analyses import Analysis, Rows
from harness.board import Board, build
from harness.errors import HarnessError
from harness.plots import Figure
from harness.records import Record, ScoreData
from harness.testing.kit import Fault, Finding, Kit, require_doc

PARADIGMS = ("contrastive", "clustering", "supervised")


def board(models: int = 6) -> Board:
    """Models of three paradigms, every one a little better than the one before.

    Two metrics on two datasets of one collection, of which the first is near ImageNet; each model's card has its top-1.
    """
    metrics: list[dict[str, Any]] = [
        {"name": "top1", "version": 1, "unit": "%", "bounds": [0, 100], "higher_is_better": True},
        {"name": "nll", "version": 1, "unit": "", "bounds": [0, None], "higher_is_better": False},
    ]
    records = []
    for at in range(models):
        card = {"name": f"model-{at}", "paradigm": PARADIGMS[at % 3], "reported": {"imagenet_top1": 60.0 + at}}
        for offset, dataset in enumerate(("first", "second")):
            about = {"domain": dataset, "near": offset == 0, "collection": "synthetic", "kind": "single-label"}
            value = 50.0 + 4 * at + 7 * offset + (at * 5 + offset * 3) % 7
            for metric, score in zip(metrics, (value, 3 - value / 50), strict=True):
                scores = (ScoreData(value=score, low=score - 0.5, high=score + 0.5, n=500),)
                records.append(
                    Record(status="done", model=f"model-{at}", task=f"linear@{dataset}", metric=metric, scores=scores,
                           primary=metric["name"] == "top1", card=card, dataset=about, finished=1.7e9)
                )  # fmt: skip
    return build(records, columns="all")


class Reading:
    """An analysis and what it says of the board of six models."""

    def __init__(self, analysis: Analysis) -> None:
        self.analysis = analysis

    @cached_property
    def rows(self) -> Rows:
        return self.analysis(board())


KIT: Kit[Reading] = Kit()


def check_analysis(analysis: Analysis) -> list[Finding]:
    """Run the analysis kit; see the checks below for what each means."""
    return KIT.run(Reading(analysis))


@KIT.check("declared")
def declared(reading: Reading) -> None:
    """An `Analysis` with a name."""
    if not isinstance(reading.analysis, Analysis):
        raise Fault(f"{reading.analysis!r} is no Analysis: decorate it with @harness.analysis")


@KIT.check("documented", "declared")
def documented(reading: Reading) -> None:
    """A docstring says what the rows mean."""
    require_doc(f"the analysis {reading.analysis.name!r}", reading.analysis.__doc__)


@KIT.check("rows of plain values", "declared")
def rows_of_plain_values(reading: Reading) -> None:
    """A list of dicts with one set of columns, which JSON can hold."""
    _plain("what it returns", reading.rows)


def _plain(what: str, rows: Rows) -> None:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Fault(f"{what} must be a list of dicts, got {type(rows).__name__}")
    if uneven := [row for row in rows if list(row) != list(rows[0])]:
        raise Fault(f"{what} must share their columns: {list(rows[0])} against {list(uneven[0])}")
    try:
        json.dumps(rows, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise Fault(f"{what} must hold plain finite values, as JSON does: {error}") from error


@KIT.check("deterministic", "rows of plain values")
def deterministic(reading: Reading) -> None:
    """The same board gives the same rows."""
    if reading.analysis(board()) != reading.rows:
        raise Fault("the same board gave other rows the second time: seed what is random")


@KIT.check("figures", "declared")
def figures(reading: Reading) -> None:
    """Figures, where it draws any, are by name what `harness.plots` makes, and the same for the same board."""
    draw = reading.analysis.figures
    if draw is None:
        return
    drawn = draw(board())
    for name, figure in drawn.items():
        _whole(name, figure)
    if draw(board()) != drawn:
        raise Fault("the same board gave other figures the second time: seed what is random")


def _whole(name: str, figure: Figure) -> None:
    """A `Figure` with a picture in both forms and plain rows; `Fault` otherwise."""
    if not isinstance(figure, Figure):
        raise Fault(f"the figure {name!r} is a {type(figure).__name__}, no harness.plots.Figure")
    try:
        root = ElementTree.fromstring(figure.svg)
    except (ElementTree.ParseError, TypeError) as error:
        raise Fault(f"the figure {name!r} is no XML: {error}") from error
    if root.tag != "{http://www.w3.org/2000/svg}svg":
        raise Fault(f"the figure {name!r} is <{root.tag}>, no SVG with its namespace")
    if figure.png[:8] != b"\x89PNG\r\n\x1a\n":
        raise Fault(f"the figure {name!r} has no PNG")
    _plain(f"the rows of the figure {name!r}", figure.rows)


@KIT.check("small boards", "rows of plain values")
def small_boards(reading: Reading) -> None:
    """A board of one model, or of none, gives rows or one clear line, and so do its figures."""
    for models in (1, 0):
        try:
            reading.analysis(board(models))
            (reading.analysis.figures or reading.analysis)(board(models))
        except HarnessError:
            continue
        except Exception as error:  # whatever else an analysis raises is the fault looked for
            said = f"{type(error).__name__}: {error}"
            raise Fault(f"a board of {models} models raised {said}; return no rows, or raise HarnessError") from error
