"""Sheets: the same every time, whatever else uses Matplotlib."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import matplotlib
import numpy as np
import pytest
from drawings import margins_are_white, texts

from harness.plots import Axis, Curve, Figure, Point, curves, dendrogram, gallery, heatmap, scatter

TITLE = "An <odd> & $long$ title, " * 6
MAKERS: dict[str, Callable[[str], Figure]] = {
    "scatter": lambda title: scatter([Point("a", 0, 0, "masked"), Point("b", 1, 2)], Axis("x"), Axis("y"), title),
    "heatmap": lambda title: heatmap([[1.0, np.nan], [0.5, 0.2]], "ab", "cd", title, row_groups=["masked", "none"]),
    "curves": lambda title: curves([Curve("a", [0, 1], [1, 2], [0, 1], [2, 3])], Axis("x"), Axis("y"), title),
    "dendrogram": lambda title: dendrogram([[0, 1, 2.0, 2]], "ab", ["masked", "none"], title),
    "gallery": lambda title: gallery([[np.zeros((8, 8, 3), np.uint8), None]], ["r"], ["c", "d"], title),
}


@pytest.mark.parametrize("name", MAKERS)
def test_a_figure_is_the_same_every_time_and_nothing_is_cut_off(name: str) -> None:
    figure = MAKERS[name](TITLE)
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.hashsalt": "other"}):
        assert MAKERS[name](TITLE) == figure
        assert matplotlib.rcParams["font.size"] == 30
    assert margins_are_white(figure)
    assert " ".join(texts(figure)).count("$long$") == 6  # on lines as wide as the figure
    assert "dc:date" not in figure.svg


def test_threads_draw_as_one_does() -> None:
    alone = {name: make(name) for name, make in MAKERS.items()}
    with ThreadPoolExecutor(4) as pool:
        assert dict(zip(MAKERS, pool.map(lambda name: MAKERS[name](name), MAKERS), strict=True)) == alone


@pytest.mark.parametrize("name", MAKERS)
def test_names_that_would_break_xml_or_a_line_are_drawn(name: str) -> None:
    assert any("bad name" in text for text in texts(MAKERS[name]("bad\x08\nname")))


def test_another_process_draws_the_same_and_needs_no_display() -> None:
    code = (
        "import sys; from harness.plots import *; assert 'matplotlib' not in sys.modules\n"
        "made = scatter([Point('a', 0, 0, 'masked'), Point('b', 1, 2)], Axis('x'), Axis('y'), 't')\n"
        "assert 'matplotlib.pyplot' not in sys.modules; sys.stdout.write(made.svg)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == MAKERS["scatter"]("t").svg
