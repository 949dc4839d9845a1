"""Taps: what of a layer's activation a task gets, as one text. Nothing here imports torch.

- ``layer3.2``: pooled over space or tokens, (N, D);
- ``layer3.2//flat``: flattened, (N, F);
- ``layer3.2//gram[64]``: inner products with the other images of the same block of 64, (N, 64).

The layer may be a pattern, ``layer3.*``, of the names that a model's encoder lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from harness.errors import HarnessError, nearest

Reduction = Literal["pooled", "flat", "gram"]


@dataclass(frozen=True)
class Tap:
    """A layer, how its activation is reduced, and the images in a block of inner products."""

    layer: str
    reduction: Reduction = "pooled"
    block: int = 0

    def __str__(self) -> str:
        return self.layer + {"pooled": "", "flat": "//flat", "gram": f"//gram[{self.block}]"}[self.reduction]


def tap(layer: str, reduction: Reduction = "pooled", block: int = 0) -> str:
    """The text of a tap. Raises `HarnessError` for an unknown reduction, and for inner products of fewer than 4 images.

    ``gram`` gives float32 products of flattened activations, centred in their block: similarity measures centre them
    anyway, and small differences of large products would lose their digits. Columns beyond a short last block are 0.
    """
    if reduction not in ("pooled", "flat", "gram"):
        raise HarnessError(f"no reduction {reduction!r} of a layer (known: pooled, flat, gram)")
    if reduction == "gram" and block < 4:
        raise HarnessError(f"inner products need blocks of 4 images or more, got {block}")
    return str(Tap(layer, reduction, block))


def read(text: str) -> Tap:
    """The tap that a text names. Raises `HarnessError` for one that `tap` does not write."""
    layer, _, rest = text.partition("//")
    if not rest:
        return Tap(text)
    name, _, block = rest.removesuffix("]").partition("[")
    if str(found := Tap(layer, "gram" if name == "gram" else "flat", int(block) if block.isdigit() else 0)) != text:
        raise HarnessError(f"cannot read the layer {text!r}: NAME, NAME//flat or NAME//gram[64]")
    return found


def is_pattern(text: str) -> bool:
    """Whether a text stands for whatever layers it matches."""
    return any(c in read(text).layer for c in "*?")


def resolve(text: str, layers: Sequence[str]) -> list[str]:
    """The taps that a text stands for on an encoder of these layers; a plain name stands for itself.

    Raises `HarnessError` when a pattern matches none.
    """
    wanted = read(text)
    if not is_pattern(text):
        return [text]
    found = [str(Tap(layer, wanted.reduction, wanted.block)) for layer in layers if fnmatchcase(layer, wanted.layer)]
    if not found:
        raise HarnessError(
            f"no layer matches {wanted.layer!r}{nearest(wanted.layer, layers)} (has: {', '.join(layers)})"
        )
    return found


def resolved(texts: Iterable[str], layers: Sequence[str]) -> tuple[str, ...]:
    """`resolve` of several, each tap once, in their order."""
    return tuple(dict.fromkeys(name for text in texts for name in resolve(text, layers)))
