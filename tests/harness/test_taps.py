"""Taps: one text says which layer, and what of it."""

from __future__ import annotations

import pytest

from harness.errors import HarnessError
from harness.taps import Tap, is_pattern, read, resolve, resolved, tap

LAYERS = ("stem", "stage1.0.residual", "stage1.0", "embedding")


@pytest.mark.parametrize("found", [Tap("a.b"), Tap("a", "flat"), Tap("a.*", "gram", 64)])
def test_a_tap_is_its_text(found: Tap) -> None:
    assert read(str(found)) == found
    assert tap(found.layer, found.reduction, found.block) == str(found)


def test_patterns_stand_for_the_encoders_layers_in_its_order() -> None:
    assert is_pattern("stage*//flat")
    assert not is_pattern("stage1.0//gram[64]")
    assert resolve("*.residual//gram[8]", LAYERS) == ["stage1.0.residual//gram[8]"]
    assert resolve("a.layer.of.its.own", LAYERS) == ["a.layer.of.its.own"]
    assert resolved(("embedding", "*"), LAYERS) == ("embedding", "stem", "stage1.0.residual", "stage1.0")
    with pytest.raises(HarnessError, match=r"no layer matches 'stag2\*'.*has: stem, stage1"):
        resolve("stag2*", LAYERS)


@pytest.mark.parametrize("text", ["a//", "a//max", "a//gram", "a//gram[x]", "a//gram[2]", "a//flat[3]"])
def test_what_is_no_tap(text: str) -> None:
    if text == "a//":
        assert read(text).layer == "a//"
        return
    with pytest.raises(HarnessError):
        tap("a", "gram", read(text).block)


def test_unknown_reductions_are_named() -> None:
    with pytest.raises(HarnessError, match="no reduction 'max' of a layer"):
        tap("a", "max")  # type: ignore[arg-type]
    with pytest.raises(HarnessError, match="blocks of 4 images or more, got 2"):
        tap("a", "gram", 2)
