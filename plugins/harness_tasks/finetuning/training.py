"""One run of SGD."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.encoder import EMBEDDING, Encoder

MOMENTUM = 0.9


class Net(nn.Module):
    """An encoder and a linear layer on its embedding: uint8 pixels (N, 3, S, S) to logits (N, C), float32."""

    def __init__(self, encoder: Encoder, width: int, classes: int, device: str) -> None:
        super().__init__()
        self.encoder = encoder.float().requires_grad_(True)
        self.head = nn.Linear(width, classes).to(device)

    def forward(self, pixels: Tensor) -> Tensor:
        embedding = self.encoder(pixels)[EMBEDDING]
        with torch.autocast(pixels.device.type, enabled=False):  # half would round the logits that are the evidence
            logits: Tensor = self.head(embedding.float())
        return logits


class Training:
    """A network on its way through so many steps of Nesterov SGD with a cosine schedule.

    Attributes:
        done: steps made.
        finite: whether every loss so far was, as a tensor on the device: reading it waits for the device.
    """

    def __init__(self, net: Net, lr: float, weight_decay: float, steps: int, accumulate: int, compiled: bool) -> None:
        self.net, self.lr, self.steps, self.accumulate = net, lr, steps, accumulate
        self.forward = torch.compile(net) if compiled else net
        self.optimiser = torch.optim.SGD(
            net.parameters(), lr, momentum=MOMENTUM, nesterov=True, weight_decay=weight_decay
        )
        device = net.head.weight.device
        half = torch.is_autocast_enabled(device.type) and torch.get_autocast_dtype(device.type) == torch.float16
        self.scaler = torch.amp.GradScaler(device.type, enabled=half)
        self.done = 0
        self.finite = torch.ones((), dtype=torch.bool, device=device)

    def update(self, pixels: Tensor, targets: Tensor) -> None:
        """One step on a batch, computed in parts of two images or more."""
        self.net.train()
        for group in self.optimiser.param_groups:
            group["lr"] = self.lr * (1 + math.cos(math.pi * self.done / self.steps)) / 2
        self.optimiser.zero_grad()
        parts = max(1, min(self.accumulate, len(pixels) // 2))
        for images, wanted in zip(pixels.tensor_split(parts), targets.tensor_split(parts), strict=True):
            loss = loss_of(self.forward(images), wanted) * (len(images) / len(pixels))
            self.finite &= loss.detach().isfinite()
            self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.done += 1

    def state(self) -> dict[str, Any]:
        """All that the rest of the run depends on, the random numbers of dropout included."""
        device = self.finite.device
        return {
            "done": self.done, "finite": self.finite, "net": self.net.state_dict(),
            "optimiser": self.optimiser.state_dict(), "scaler": self.scaler.state_dict(),
            "random": torch.get_rng_state(),
            "device_random": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        }  # fmt: skip

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        self.done = state["done"]
        self.finite.copy_(state["finite"])
        self.net.load_state_dict(state["net"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.scaler.load_state_dict(state["scaler"])
        torch.set_rng_state(state["random"])
        if state["device_random"] is not None and self.finite.device.type == "cuda":
            torch.cuda.set_rng_state(state["device_random"], self.finite.device)


def loss_of(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy of targets (N,); of targets (N, C) of 0 and 1, mean binary cross-entropy over N and C."""
    if targets.ndim == 2:
        return F.binary_cross_entropy_with_logits(logits, targets.to(logits))
    return F.cross_entropy(logits, targets)
