"""Passes: one sweep of an encoder over a split's pixels, for every layer that any cell of the plan asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.encoder import EMBEDDING, Encoder
from harness.errors import HarnessError
from harness.pixels import Batch

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
    """How far a pass is."""

    model: str
    source: str
    split: str
    done: int
    total: int
    images_per_second: float


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

    def __call__(self, pixels: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        """uint8 (B, 3, S, S) to pooled layers, (B, D) on the CPU."""
        parts: list[dict[str, Tensor]] = []
        start = 0
        while start < len(pixels):
            chunk = pixels[start : start + self.batch_size]
            try:
                parts.append(self._forward(chunk, layers))
                start += len(chunk)
                continue
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                if len(chunk) == 1:
                    raise HarnessError(f"out of memory on {self.device} with a single image") from None
            self.batch_size = len(chunk) // 2
            torch.cuda.empty_cache()  # out here, where the error no longer holds the failed pass's tensors
        self.images += len(pixels)
        return parts[0] if len(parts) == 1 else {name: torch.cat([p[name] for p in parts]) for name in parts[0]}

    def _forward(self, pixels: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        with place(self.device), torch.no_grad(), arithmetic(self.precision, self.device):
            if self.device.startswith("cuda"):
                pixels = pixels.pin_memory()
            tapped = self.encoder(pixels.to(self.device, non_blocking=True), layers)
            pooled = {n: a if n == EMBEDDING else self.encoder.pool(a.float(), n) for n, a in tapped.items()}
        return {name: activation.cpu() for name, activation in pooled.items()}


def sweep(
    forward: Forward,
    batches: Iterator[Batch],
    total: int,
    layers: Sequence[str],
    create: Callable[[str, tuple[int, int]], NDArray[Any]],
    ids: Sequence[str],
    progress: Callable[[int, float], None],
) -> None:
    """Forward every batch and put each row where its index says, so that no result depends on the batch size.

    Args:
        create: makes the (N, D) array of a layer once D is known.
        ids: the images' names, for errors.
        progress: called with images done and images a second.

    Raises `HarnessError` for outputs of a wrong shape, NaN or infinite values (also on overflow to float16).
    """
    arrays: dict[str, NDArray[Any]] = {}
    start, done = time.perf_counter(), 0
    for positions, pixels in batches:
        for layer, rows in forward(pixels, layers).items():
            if rows.ndim != 2 or len(rows) != len(positions):
                raise HarnessError(
                    f"layer {layer!r} gave shape {tuple(rows.shape)} for {len(positions)} images, not (N, D)"
                )
            if layer not in arrays:
                arrays[layer] = create(layer, (total, rows.shape[1]))
            with np.errstate(over="ignore"):  # an overflow to float16 is reported below, by image
                values = rows.float().numpy().astype(arrays[layer].dtype, copy=False)
            if not np.isfinite(values).all():
                bad = ids[positions[int(np.argmin(np.isfinite(values).all(1)))]]
                raise HarnessError(
                    f"layer {layer!r} gave NaN or infinite values for image {bad} in {forward.precision}"
                )
            arrays[layer][positions] = values
        done += len(positions)
        progress(done, done / (time.perf_counter() - start))


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
