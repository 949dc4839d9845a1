"""Styles: one for each paradigm, the same everywhere."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import yaml

from harness.plots import paradigm_style
from harness.plots.style import PARADIGMS


def test_a_paradigm_looks_the_same_whatever_else_is_there() -> None:
    few = paradigm_style(["supervised", "masked"])
    many = paradigm_style(["a group", "zebra", *PARADIGMS])
    assert list(few) == ["masked", "supervised"]
    assert all(many[name] == few[name] for name in few)


def test_each_group_has_a_colour_and_marker_of_its_own() -> None:
    styles = paradigm_style([*PARADIGMS, "", *(f"other {i}" for i in range(30))])
    assert len(set(styles.values())) == len(styles) == 40
    assert len({style.colour for style in PARADIGMS.values()}) == len({s.marker for s in PARADIGMS.values()}) == 9


def test_other_groups_do_not_depend_on_which_paradigms_are_there() -> None:
    one, other = paradigm_style(["masked", "mine"]), paradigm_style(["masked", "supervised", "mine"])
    assert one["mine"] == other["mine"]
    assert one["mine"] not in PARADIGMS.values()


def test_the_catalogue_uses_no_paradigm_without_a_style() -> None:
    catalogue = yaml.safe_load((Path(__file__).parents[3] / "registry.yaml").read_text())
    used = {entry["pretraining"]["paradigm"] for entry in catalogue["models"].values()}
    assert used <= set(PARADIGMS)


DEUTERANOPIA = ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881))
"""Linear RGB as seen without the middle cones, Machado, Oliveira & Fernandes 2009, table 1, severity 1."""


@pytest.mark.parametrize("seen", [DEUTERANOPIA, ((1, 0, 0), (0, 1, 0), (0, 0, 1))])
def test_paradigms_are_told_apart_without_green(seen: tuple[tuple[float, ...], ...]) -> None:
    def perceived(colour: str) -> list[float]:
        linear = [(int(colour[i : i + 2], 16) / 255) ** 2.2 for i in (1, 3, 5)]
        mixed = [sum(w * v for w, v in zip(row, linear, strict=True)) for row in seen]
        return [max(0.0, v) ** (1 / 2.2) for v in mixed]

    for a, b in itertools.combinations(PARADIGMS.values(), 2):
        apart = sum((x - y) ** 2 for x, y in zip(perceived(a.colour), perceived(b.colour), strict=True)) ** 0.5
        assert apart > 0.1, (a, b)
