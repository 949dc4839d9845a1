"""Throughput of a pass against a bare loop over the same model and the same tensors in memory.

The pass is the whole of it: `Features.ensure` reads stored pixels, forwards, checks for NaN, and commits the embeddings
to disk. The loop has no store, no checks and no index: `encoder(batch)` into a preallocated tensor.

    python -m benchmarks.passes [--model timm:resnet18?pretrained=0 --images 256]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks._common import alternate, median, report, speed_ratio
from harness.cache import ArrayStore
from harness.datasets import Dataset, DatasetCard, Split
from harness.encoder import EMBEDDING, Encoder
from harness.engine.features import Features
from harness.engine.live import LiveModel
from harness.engine.options import Options, resolve_device
from harness.models import Model
from harness.suite import Suite
from harness.views import CLEAN


class Noise(Dataset):
    """`n` random images of `size` pixels, whose content no throughput depends on."""

    def __init__(self, n: int, size: int) -> None:
        self.n, self.size = n, size

    @property
    def card(self) -> DatasetCard:
        return DatasetCard(name="noise", revision="0", classes=("a", "b"), splits={"train": self.n})

    def split(self, name: str) -> Split:
        images = np.random.default_rng(0).integers(0, 256, (self.n, self.size, self.size, 3), np.uint8)
        return Split(images, np.zeros(self.n, np.int64), [str(i) for i in range(self.n)])


def find_model(name: str) -> Model:
    """A model of the harness, or the tiny zoo's architecture at 32 pixels."""
    from harness.api import default_host
    from harness.lookup import find_model
    from harness.memory import model_of

    if name != "tiny":
        return find_model(default_host(), name)
    from harness_models.tiny import TinyResNet

    return model_of("tiny", TinyResNet(), "cifar")


def bare_loop(encoder: Encoder, pixels: Tensor, batch_size: int, device: str) -> Callable[[], Tensor]:
    """What one would write by hand; uint8 (N, 3, S, S) to (N, D)."""

    with torch.inference_mode():
        width = encoder(pixels[:1].to(device))[EMBEDDING].shape[1]

    def loop() -> Tensor:
        out = torch.empty(len(pixels), width)
        with torch.inference_mode():
            for start in range(0, len(pixels), batch_size):
                batch = pixels[start : start + batch_size].to(device)
                out[start : start + batch_size] = encoder(batch)[EMBEDDING].cpu()
        return out

    return loop


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny", help="'tiny', or any model name or URI")
    parser.add_argument("--images", type=int, default=2048)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()

    model, device = find_model(args.model), resolve_device(args.device)
    dataset, suite = Noise(args.images, model.preprocess.size), Suite(models=("m",), tasks=("knn@noise",))
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch)
        store = ArrayStore(out / "arrays")
        live = LiveModel(model, Options(out, force=True), device, suite.precision)
        features = Features(suite, live.options, store, lambda progress: None)

        def harness_pass() -> None:
            features.ensure(live, dataset, "train", ((EMBEDDING, CLEAN),))

        harness_pass()  # decodes the pixels and stores them; every later pass reads them there
        stored = store.get("pixels", next((out / "arrays" / "pixels").rglob("*.npy")).stem)
        assert stored is not None
        loop = bare_loop(live.encoder, torch.from_numpy(np.array(stored)), live.forward.batch_size, device)
        timings = alternate({"bare loop": loop, "pass": harness_pass}, args.repeats)
        made = np.load(next((out / "arrays" / "embeddings").rglob("*.npy")))
        difference = float(np.abs(made - loop().numpy()).max())

    middle = {name: median(found) for name, found in timings.items()}
    rows = [(name, args.images, t.wall, t.cpu, args.images / t.wall) for name, t in middle.items()]
    bare, ours = timings["bare loop"], timings["pass"]
    ratio, cpu = speed_ratio(bare, ours), speed_ratio(bare, ours, "cpu")
    print(f"{args.model} on {device}, batches of {live.forward.batch_size}; greatest difference {difference:.1e}")
    report(("", "images", "wall s", "CPU s", "images/s"), rows,
           f"throughput of a pass / bare loop: {ratio:.3f} by the clock, {cpu:.3f} by CPU (target 0.95)")  # fmt: skip


if __name__ == "__main__":
    main()
