"""What a model costs to use: parameters, operations, images a second. In no key; told with each record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from harness.passes import Forward, arithmetic, place


def measured(forward: Forward) -> dict[str, int]:
    """``parameters`` of an encoder and ``flops`` of one image's embedding, as far as they can be told.

    FLOPs are those of matrix products, convolutions and attention, each multiply-add counted as two, as
    `torch.utils.flop_counter` does; papers often count it as one. The image is blank, and no pass counts it.
    """
    found = {}
    for name, count in (("parameters", _parameters), ("flops", _flops)):
        try:
            found[name] = count(forward)
        except Exception:  # whatever a model raises here, its scores do not need these numbers
            continue
    return found


def recalled(sidecars: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The cost told with stored arrays: the speed is that of the longest pass."""
    found: dict[str, Any] = {}
    for facts in sorted((f for f in sidecars if "cost" in f), key=lambda f: int(f["shape"][0])):
        found |= facts["cost"]
    return found


def _parameters(forward: Forward) -> int:
    return sum(parameter.numel() for parameter in forward.encoder.parameters())


def _flops(forward: Forward) -> int:
    side, device = forward.encoder.preprocess.size, forward.device
    blank = torch.zeros(1, 3, side, side, dtype=torch.uint8)
    cuda = [torch.device(device)] if device.startswith("cuda") else []
    with place(device), torch.no_grad(), torch.random.fork_rng(cuda), arithmetic(forward.precision, device):
        blank = blank.to(device)
        with _plain_attention(), FlopCounterMode(display=False) as counter:
            forward.encoder(blank)
    return int(counter.get_total_flops())


@contextmanager
def _plain_attention() -> Iterator[None]:
    """Attention as matrix products: the counter does not know all of the fused kernels, least those of CPUs."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
