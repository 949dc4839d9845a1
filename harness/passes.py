"""Forward passes: an encoder on a device, at a declared precision, in batches that fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.encoder import EMBEDDING, Encoder
from harness.errors import HarnessError

HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}
_OPERATORS: tuple[Any, ...] = tuple(
    getattr(backend, operator)
    for backend, operator in (
        (torch.backends.cuda, "matmul"), (torch.backends.cudnn, "conv"), (torch.backends.cudnn, "rnn"),
        (torch.backends.mkldnn, "matmul"), (torch.backends.mkldnn, "conv"), (torch.backends.mkldnn, "rnn"),
    )
)  # fmt: skip


@dataclass(frozen=True)
class PassProgress:
    """How far a pass is; of a family of views, `done` and `total` count each view."""

    model: str
    source: str
    split: str
    done: int
    total: int
    images_per_second: float
    view: str = "clean"


def stored_dtype(precision: str) -> Any:
    """Embeddings are kept as float32, or as float16 where they were computed in it (bfloat16 has a wider range)."""
    return np.float16 if precision == "fp16" else np.float32


def default_batch_size(side: int, device: str, threads: int) -> int:
    """The starting batch size for square inputs of `side` pixels; it is halved on out-of-memory.

    A GPU wants as much as fits; a thread of a CPU, so little that its activations stay in the cache: 16 images of 128
    pixels are three times as fast as 512 (measured with MobileNetV2, ResNet-18 and ResNet-50).
    """
    if device.startswith("cpu"):
        return threads * int(2 ** np.clip(np.log2(2**18 / side**2), 3, 5).astype(int))
    return int(2 ** np.clip(np.log2(2**23 / side**2), 4, 9).astype(int))


@contextmanager
def arithmetic(precision: str, device: str) -> Iterator[None]:
    """Exactly the declared precision, whatever the caller has set: TF32 only if asked for, half by autocast.

    Autocast keeps no cast weights, which would outlive an update of them in a task that trains.
    """
    kind = torch.device(device).type
    half = HALF.get(precision)
    before = [operator.fp32_precision for operator in _OPERATORS]
    _set_precisions(["tf32" if precision == "tf32" else "ieee"] * len(_OPERATORS))
    try:
        with torch.autocast(kind, half or torch.bfloat16, enabled=half is not None, cache_enabled=False):
            yield
    finally:
        _set_precisions(before)


def _set_precisions(values: Sequence[str]) -> None:
    """Set what each of `_OPERATORS` makes of float32; the older switches too, as PyTorch raises where they disagree."""
    matmul, conv, _, cpu_matmul, *_ = values
    torch.set_float32_matmul_precision("highest" if matmul != "tf32" else "medium" if cpu_matmul == "bf16" else "high")
    torch.backends.cudnn.allow_tf32 = conv == "tf32"
    for operator, value in zip(_OPERATORS, values, strict=True):
        operator.fp32_precision = value


def place(device: str) -> AbstractContextManager[Any]:
    """Make a CUDA device the current one, so that nothing is allocated on another."""
    return torch.cuda.device(device) if device.startswith("cuda") else nullcontext()


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether a smaller batch may help: PyTorch's own error, or a CUDA library's failed allocation."""
    text = str(error)
    return isinstance(error, torch.OutOfMemoryError) or "ALLOC_FAILED" in text or "out of memory" in text


class Forward:
    """An encoder on a device, fed batches that shrink when memory runs out.

    Attributes:
        images: forwarded so far.
    """

    def __init__(self, encoder: Encoder, device: str, precision: str, batch_size: int) -> None:
        self.encoder = encoder.to(device).eval()
        self.device, self.precision, self.batch_size = device, precision, batch_size
        self.images = 0

    def __call__(self, pixels: Tensor, layers: Sequence[str]) -> Iterator[tuple[slice, dict[str, Tensor]]]:
        """uint8 (B, 3, S, S), part by part, to the layers' activations on the device.

        Raises `HarnessError` when even a single image does not fit into memory.
        """
        start = 0
        while start < len(pixels):
            part = slice(start, min(start + self.batch_size, len(pixels)))
            try:
                found = self._forward(pixels[part], layers)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                if part.stop - start == 1:
                    raise HarnessError(f"out of memory on {self.device} with a single image") from None
                found = None
            if found is None:  # out here, where the error no longer holds the failed pass's tensors
                self.batch_size = (part.stop - start) // 2
                torch.cuda.empty_cache()
                continue
            yield part, found
            start = part.stop
        self.images += len(pixels)

    def embed(self, pixels: Tensor, layers: Sequence[str] = (EMBEDDING,)) -> dict[str, Tensor]:
        """uint8 (B, 3, S, S) to pooled layers, (B, D) on the CPU."""
        parts = [
            {name: pooled(self.encoder, a, name).cpu() for name, a in found.items()}
            for _, found in self(pixels, layers)
        ]
        return {name: torch.cat([part[name] for part in parts]) for name in layers}

    def _forward(self, pixels: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        with place(self.device), torch.no_grad(), arithmetic(self.precision, self.device):
            if self.device.startswith("cuda"):
                pixels = pixels.pin_memory() if pixels.device.type == "cpu" else pixels
            found: dict[str, Tensor] = self.encoder(pixels.to(self.device, non_blocking=True), layers)
            return found


def pooled(encoder: Encoder, activation: Tensor, layer: str) -> Tensor:
    """A layer's activation to (B, D)."""
    return activation if layer == EMBEDDING else encoder.pool(activation.float(), layer)


def state_digest(state: Mapping[str, Any]) -> str:
    """SHA-256 over names, shapes, dtypes and bytes of a state dict: the content hash of weights held in memory."""
    import hashlib

    total = hashlib.sha256()
    for name in sorted(state):
        value: Any = state[name]
        if not isinstance(value, Tensor):  # a module's extra state
            total.update(f"{name}|{value!r}|".encode())
            continue
        tensor = value.detach().cpu().contiguous()
        total.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        total.update(tensor.flatten().view(torch.uint8).numpy().tobytes() if tensor.numel() else b"")
    return total.hexdigest()
