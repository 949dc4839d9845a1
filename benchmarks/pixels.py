"""The pixel pipeline against the usual one: PIL, torchvision transforms and a torch DataLoader.

Both turn JPEG files of about 500x375 pixels into normalised float batches: ours as uint8 in threads, normalised by the
encoder; the peer's as float in worker processes, which are started before the clock.

    python -m benchmarks.pixels
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from benchmarks._common import alternate, median, report, speed_ratio
from harness import ModuleEncoder, pixels
from harness.datasets import Split
from harness.models import PRESETS

PREPROCESS = PRESETS["imagenet"]  # short side to 256, bicubic; the central 224
GEOMETRY = PREPROCESS.geometry


def write_jpegs(folder: Path, count: int) -> list[Path]:
    """Seeded crops and mirror images of scikit-learn's two photographs, at JPEG quality 90."""
    from sklearn.datasets import load_sample_images

    rng, photographs, paths = np.random.default_rng(0), load_sample_images().images, []
    for i in range(count):
        photograph = photographs[i % 2]  # (427, 640, 3)
        height, width = int(rng.integers(340, 411)), int(rng.integers(460, 541))
        top, left = (
            int(rng.integers(0, full - part + 1)) for full, part in zip((427, 640), (height, width), strict=True)
        )
        crop = photograph[top : top + height, left : left + width][:, :: int(rng.choice([-1, 1]))]
        paths.append(folder / f"{i:04d}.jpg")
        Image.fromarray(crop).save(paths[-1], quality=90)
    return paths


class Files(torch.utils.data.Dataset[Tensor]):
    """Image files through a transform of PIL images."""

    def __init__(self, paths: list[Path], transform: Any) -> None:
        self.paths, self.transform = paths, transform

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        with Image.open(self.paths[index]) as picture:
            transformed: Tensor = self.transform(picture.convert("RGB"))
        return transformed


def peer(paths: list[Path], batch_size: int, workers: int) -> DataLoader[Tensor]:
    """The evaluation pipeline of most published code."""
    transform = v2.Compose(
        [
            v2.Resize(GEOMETRY.resize, v2.InterpolationMode.BICUBIC),
            v2.CenterCrop(GEOMETRY.size),
            v2.PILToTensor(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(PREPROCESS.mean, PREPROCESS.std),
        ]
    )
    return DataLoader(Files(paths, transform), batch_size, num_workers=workers, persistent_workers=workers > 0)


def decoded(split: Split, decoder: str, batch_size: int, workers: int) -> Iterator[Tensor]:
    """uint8 batches (B, 3, 224, 224) of a whole split."""
    return (batch for _, batch in pixels.stream(split, np.arange(len(split)), GEOMETRY, decoder, batch_size, workers))


def agreement(split: Split, loader: DataLoader[Tensor], encoder: ModuleEncoder) -> str:
    """How far the decoders are apart, and the reference from the peer."""
    fast, reference = (torch.cat(list(decoded(split, name, 32, 2))) for name in ("torchvision", "pil"))
    apart = (fast.int() - reference.int()).abs()
    peer_apart = float((torch.cat(list(loader)) - encoder.normalise(reference)).abs().max())
    return (
        f"decoder torchvision against pil: at most {int(apart.max())} grey levels apart, "
        f"mean {apart.float().mean():.4f}, more than one in {(apart > 1).float().mean():.1e}\n"
        f"decoder pil against PIL + transforms: at most {peer_apart:.1e} apart, normalised"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--workers", type=int, default=2, help="threads of ours, processes of the peer's")
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    encoder = ModuleEncoder(nn.Identity(), PREPROCESS)

    with tempfile.TemporaryDirectory() as scratch:
        paths = write_jpegs(Path(scratch), args.images)
        size = sum(path.stat().st_size for path in paths) / args.images
        split = Split(paths, np.zeros(args.images, np.int64), [path.name for path in paths])
        loader = peer(paths, args.batch_size, args.workers)

        def ours(decoder: str, workers: int) -> list[Tensor]:
            return [encoder.normalise(batch) for batch in decoded(split, decoder, args.batch_size, workers)]

        timings = alternate(
            {
                f"PIL + DataLoader, {args.workers} processes": lambda: list(loader),
                f"harness, decoder pil, {args.workers} threads": lambda: ours("pil", args.workers),
                f"harness, {args.workers} threads": lambda: ours("torchvision", args.workers),
                "harness, 1 thread": lambda: ours("torchvision", 1),
            },
            args.repeats,
        )
        print(f"{args.images} JPEGs of {size / 1000:.0f} kB to {asdict(GEOMETRY)}")
        print(agreement(split, loader, encoder))
    table = [(name, median(found).wall, args.images / median(found).wall) for name, found in timings.items()]
    reference, _, fast, _ = timings.values()
    report(
        ("", "wall s", "images/s"), table,
        f"harness / PIL + DataLoader: {speed_ratio(reference, fast):.2f} times the images a second",
    )  # fmt: skip


if __name__ == "__main__":
    main()
