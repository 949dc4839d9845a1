"""Occlusion maps: sharing work between masks against one full forward pass a mask, in CPU seconds of this process.

    python -m benchmarks.occlusion
    python -m benchmarks.occlusion --model torchvision:resnet50?pretrained=0 --places 480 --threads 1 --repeats 3

The peer does what public re-implementations do: one masked image at a time through the whole network. A batched loop
over whole images is shown too. With fewer places than the protocol has, these are blocks of neighbours, as the task
takes them, spread evenly over the image. The clean pass, one an image, is counted with them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from benchmarks._common import alternate, median, report, speed_ratio
from harness.encoder import Encoder
from harness.lookup import find_model
from harness.passes import default_batch_size
from harness.plugins import Host
from harness_tasks.occlude import PUBLISHED
from harness_tasks.occlusion.forward import Plain, Shared, fastest
from harness_tasks.occlusion.patches import Span
from harness_tasks.occlusion.sliding import Masks

MODELS = ("torchvision:resnet50?pretrained=0", "tiny-supervised")
Tile = tuple[Sequence[Span], Sequence[Span]]


def tiles(masks: Masks, together: int, places: int) -> list[Tile]:
    """Blocks of neighbouring places on a square grid over the image, about as many places as wanted."""
    spans, found = masks.spans, list(masks.tiles(together))
    rows = [row for row, column in found if column.start == 0]
    columns = [column for row, column in found if row.start == 0]
    side = max(1, round((places / together) ** 0.5))

    def spread(parts: list[slice]) -> list[Sequence[Span]]:
        few = min(side, len(parts))
        return [spans[parts[int((at + 0.5) * len(parts) / few)]] for at in range(few)]

    return [(row, column) for row in spread(rows) for column in spread(columns)]


def scores(forward: Plain | Shared, image: Tensor, blocks: Sequence[Tile], alone: bool) -> Tensor:
    """The root relative squared error of each mask, (places,), each `alone` or block by block."""
    clean = forward.start(image)
    if alone:
        blocks = [([row], [column]) for rows, columns in blocks for row in rows for column in columns]
    found = torch.cat([forward.masked(*block) for block in blocks])
    return torch.linalg.norm((found - clean).double(), dim=1) / torch.linalg.norm(clean.double())


def measure(name: str, encoder: Encoder, places: int, repeats: int) -> None:
    """One model's table."""
    size = encoder.preprocess.size
    pixels = torch.randint(0, 256, (1, 3, size, size), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    image, masks = encoder.normalise(pixels), Masks(size, max(2, round(PUBLISHED * size)), 1)
    plain, shared = Plain(encoder), fastest(encoder, image, masks)
    batch = default_batch_size(size, "cpu", torch.get_num_threads())
    blocks = tiles(masks, batch * shared.batches, places)
    chosen: dict[str, Callable[[], Tensor]] = {
        "one at a time": lambda: scores(plain, image, blocks, alone=True),
        "batches of whole images": lambda: scores(plain, image, blocks, alone=False),
        f"harness ({type(shared).__name__.lower()})": lambda: scores(shared, image, blocks, alone=False),
    }
    timings = alternate(chosen, repeats)
    found = {label: run() for label, run in chosen.items()}
    peer, *_, ours = chosen
    error = {label: float((found[label] - found[peer]).abs().max()) for label in chosen}
    greatest = float(found[peer].max())
    rows = [(label, median(timings[label]).cpu, f"{error[label]:.0e}, of {greatest:.0e}") for label in chosen]
    n = len(found[peer])
    setting = f"{size} px, masks of {masks.side}, {n:,} of {len(masks):,} places, {torch.get_num_threads()} threads"
    print(f"\n{name}: {setting}\n")
    ratio = speed_ratio(timings[peer], timings[ours], "cpu")
    report(("", "CPU s", "largest difference, of the greatest score"), rows, f"one at a time / harness: {ratio:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", help=f"default: {', '.join(MODELS)}")
    for name, default in (("places", 120), ("threads", 1), ("repeats", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    host = Host()
    with torch.inference_mode():
        for name in args.model or MODELS:
            measure(name, find_model(host, name).load().eval(), args.places, args.repeats)


if __name__ == "__main__":
    main()
