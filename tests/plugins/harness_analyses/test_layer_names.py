"""Which layer is deeper."""

from __future__ import annotations

import torch
from analysis_boards import board, with_evidence

from harness.evidence import Embeddings, Grams
from harness_analyses.layer_names import by_depth, parity

SMALL = ["embedding", "layer2.0", "layer1.0", "conv1"]
UNION = ["embedding", "layer2.0", "layer2.0.residual", "layer1.0", "conv1", "layer2.10", "layer2.9"]


def test_records_have_the_deepest_first() -> None:
    found = by_depth(board([]), "t@d", {"a": SMALL, "b": SMALL, "vit": ["embedding", "blocks.1", "blocks.0"]})
    assert found["a"] == ["conv1", "layer1.0", "layer2.0", "embedding"]
    assert found["vit"] == ["blocks.0", "blocks.1", "embedding"]


def test_of_a_model_with_more_layers_of_the_same_names_the_numbers_tell() -> None:
    found = by_depth(board([]), "t@d", {"a": SMALL, "b": UNION})
    assert found["b"] == [
        "conv1", "layer1.0", "layer2.0.residual", "layer2.0", "layer2.9", "layer2.10", "embedding",
    ]  # fmt: skip


def test_stored_evidence_tells_better() -> None:
    order = ("layer2.10", "conv1", "layer2.0.residual", "layer2.9", "layer1.0", "layer2.0", "embedding")
    grams = with_evidence({("b", "t@d"): Grams(torch.zeros(4, 7, 4), order)})
    assert by_depth(grams, "t@d", {"a": SMALL, "b": UNION})["b"] == list(order)
    variants = {layer: Embeddings(torch.zeros(2, 3)) for layer in reversed(order)}
    by_variant = with_evidence({("b", "t@d"): variants})
    assert by_depth(by_variant, "t@d", {"a": SMALL, "b": UNION})["b"] == list(order)


def test_residual_branches_are_odd() -> None:
    assert [parity(x, UNION) for x in ("layer2.0.residual", "layer2.0")] == ["odd", "even"]
    assert parity("layer2.0", SMALL) == ""
