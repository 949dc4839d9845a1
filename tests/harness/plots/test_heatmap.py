"""Heatmaps: the right number in the right cell."""

from __future__ import annotations

import re
from typing import Literal

import numpy as np
import pytest
from drawings import ink, margins_are_white, texts
from matplotlib import colormaps
from matplotlib.colors import to_hex

from harness.errors import HarnessError
from harness.plots import heatmap
from harness.plots.heatmap import written

LOWEST, HIGHEST = (to_hex(colormaps["viridis"](v)) for v in (0.0, 1.0))


@pytest.mark.parametrize("origin", ["upper", "lower"])
def test_cells_stand_where_their_row_and_column_say(origin: Literal["upper", "lower"]) -> None:
    figure = heatmap([[0.0, 0.5, 0.5], [0.5, 0.5, 1.0]], "ab", "cde", "t", annotate=False, origin=origin)
    bar = 0.85 * figure_width(figure.png)  # the colour scale is beyond
    low, high = (np.median([at for at in ink(figure, c) if at[1] < bar], 0) for c in (LOWEST, HIGHEST))
    assert (low[0] < high[0]) == (origin == "upper")
    assert low[1] < high[1]
    ups = {name: float(re.findall(rf'<text [^>]* y="([\d.]+)"[^>]*>{name}<', figure.svg)[0]) for name in "ab"}
    assert (ups["a"] < ups["b"]) == (origin == "upper")  # names stand where their rows do
    assert high[1] - low[1] == pytest.approx(2 * abs(high[0] - low[0]), rel=0.05)  # square cells


def figure_width(png: bytes) -> int:
    return int.from_bytes(png[16:20], "big")


def test_its_rows_are_the_numbers() -> None:
    figure = heatmap([[1.0, np.nan], [-2.5, 0.25]], ["a", "b"], ["c", "d"], "t")
    assert [tuple(row.values()) for row in figure.rows] == [
        ("a", "c", 1.0), ("a", "d", None), ("b", "c", -2.5), ("b", "d", 0.25),
    ]  # fmt: skip
    assert list(figure.rows[0]) == ["row", "column", "value"]
    assert {"1.00", "−2.50", "0.25", "no value"} <= set(texts(figure))


def test_missing_numbers_are_hatched_and_explained() -> None:
    assert "no value" not in texts(heatmap([[1.0, 2.0]], "a", "bc", "t"))
    for gone in (np.nan, np.inf, -np.inf):
        figure = heatmap([[1.0, 2.0, gone]], "a", "bcd", "t")
        assert "no value" in texts(figure)
        assert "<pattern" in figure.svg
        assert "2.0" in " ".join(texts(figure))  # the scale is that of the others
    assert "no value" in texts(heatmap([[np.nan]], "a", "b", "t"))


def test_one_number() -> None:
    assert {"1.00", "model"} <= set(texts(heatmap([[1.0]], ["model"], ["model"], "t")))


def test_numbers_are_written_only_where_there_are_few_unless_asked() -> None:
    few, many = np.full((3, 3), 0.125), np.full((20, 20), 0.125)
    names = [f"n{i}" for i in range(20)]
    assert texts(heatmap(few, "abc", "abc", "t")).count("0.12") == 9
    assert texts(heatmap(few, "abc", "abc", "t", annotate=False)).count("0.12") == 0
    assert texts(heatmap(many, names, names, "t")).count("0.12") == 0
    assert texts(heatmap(many, names, names, "t", annotate=True)).count("0.12") == 400


def test_long_names_of_many_layers_are_thinned_and_whole() -> None:
    layers = [f"stages.{i:02d}.blocks.the_residual_before_the_addition" for i in range(96)]
    figure = heatmap(np.eye(96), layers, layers, "t")
    shown = [text for text in texts(figure) if text.startswith("stages")]
    assert shown[: len(shown) // 2] == layers[:: 96 // (len(shown) // 2)]
    assert len(shown) < 96
    assert margins_are_white(figure)


def test_paradigms_are_marked() -> None:
    figure = heatmap(np.eye(2), "ab", "cd", "t", row_groups=["masked", "supervised"], column_groups=["masked", "none"])
    assert {"masked", "supervised", "none"} <= set(texts(figure))
    assert len(ink(figure, "#CC79A7")) > len(ink(heatmap(np.eye(2), "ab", "cd", "t", row_groups=["masked"] * 2),
                                                 "#CC79A7")) / 2 > 0  # fmt: skip


def test_the_scale_is_as_asked() -> None:
    said = texts(heatmap([[0.4, 0.6]], "a", "bc", "t", low=0, high=1, label="CKA", annotate=False))
    assert {"CKA", "0.0", "1.0"} <= {text.replace("0.00", "0.0").replace("1.00", "1.0") for text in said}


def test_the_label_of_the_scale_is_no_longer_than_the_scale() -> None:
    label = "columns where the row's model is better, %"
    small, large = (heatmap(np.eye(n), [""] * n, [""] * n, "t", label=label, annotate=False) for n in (3, 12))
    assert label not in texts(small)
    assert label in " ".join(texts(small))
    assert label in texts(large)
    single = heatmap(np.eye(2), "ab", "cd", "t", label="confidence_auroc_of_many_classes", annotate=False)
    assert "confidence_auroc_of_many_classes" in texts(single)


def test_numbers_as_written() -> None:
    assert written(-0.5, 1.0) == "−0.50"
    assert written(55.55, 80.0) == "55.5"
    assert written(1234.4, 5000.0) == "1234"
    assert written(123456.0, 123456.0) == "1.2e+05"


def test_sizes_that_do_not_fit() -> None:
    for rows, columns, groups in (("a", "bc", ()), ("ab", "c", ()), ("ab", "cd", ("masked",))):
        with pytest.raises(HarnessError, match=r"heatmap 't': \(2, 2\) numbers"):
            heatmap(np.eye(2), rows, columns, "t", row_groups=groups)
    for empty in (np.empty((0, 0)), np.zeros(3)):
        with pytest.raises(HarnessError, match="at least one number"):
            heatmap(empty, "", "", "t")
