"""Pretrain the tiny zoo: ``python -m harness_models.pretrain CIFAR10 --method simclr --epochs 10 --out zoo``.

CIFAR10 is an .npz file with x_train, y_train, x_test, y_test, or a folder torchvision.datasets.CIFAR10 reads. No label
reaches a self-supervised method. Writes OUT/METHOD.safetensors (float16) and OUT/METHOD.json: the facts of the card.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from harness_models.pretrain.methods import METHODS, Method


def load_cifar10(path: Path) -> dict[str, Tensor]:
    """CIFAR-10 as uint8 images (N, 3, 32, 32) and int64 labels (N,)."""
    if path.suffix == ".npz":
        arrays = dict(np.load(path))
    else:
        from torchvision.datasets import CIFAR10

        arrays = {}
        for split, train in (("train", True), ("test", False)):
            part = CIFAR10(path, train=train, download=train)
            arrays[f"x_{split}"], arrays[f"y_{split}"] = part.data, np.asarray(part.targets)
    images = {k: torch.from_numpy(v).permute(0, 3, 1, 2).contiguous() for k, v in arrays.items() if k[0] == "x"}
    return images | {k: torch.from_numpy(v.astype(np.int64)) for k, v in arrays.items() if k[0] == "y"}


def train(method: Method, x: Tensor, y: Tensor, epochs: int, batch: int, lr: float, weight_decay: float) -> float:
    """AdamW on a cosine with 5 % warm-up. Returns seconds."""
    method.to(memory_format=torch.channels_last).train()
    parameters = [p for p in method.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=lr, weight_decay=weight_decay)
    steps, done, start = epochs * (len(x) // batch), 0, time.perf_counter()
    for epoch in range(epochs):
        order, total = torch.randperm(len(x), generator=method.rng), 0.0
        for index in order[: len(x) // batch * batch].split(batch):
            progress = done / steps
            for group in optimiser.param_groups:
                group["lr"] = lr * min(1.0, progress / 0.05 + 1 / steps) * (math.cos(math.pi * progress) + 1) / 2
            loss = method.loss(x[index].float() / 255, y[index])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            done += 1
            method.update(done / steps)
            total += loss.item()
        print(
            f"epoch {epoch + 1}/{epochs} loss {total * batch / len(x):.4f} {time.perf_counter() - start:.0f} s",
            flush=True,
        )
    return time.perf_counter() - start


@torch.inference_mode()
def knn_accuracy(method: Method, data: dict[str, Tensor], k: int = 20, temperature: float = 0.07) -> float:
    """Weighted kNN top-1 in percent on the CIFAR-10 test set, neighbours from all of train."""
    method.eval()
    x, q = (
        F.normalize(torch.cat([method.encode(b.float() / 255) for b in data[s].split(500)]))
        for s in ("x_train", "x_test")
    )
    votes = []
    for chunk in q.split(1000):
        similarity, neighbour = (chunk @ x.T).topk(k)
        weight = torch.zeros(len(chunk), 10).scatter_add_(
            1, data["y_train"][neighbour], (similarity / temperature).exp()
        )
        votes.append(weight.argmax(1))
    return 100 * (torch.cat(votes) == data["y_test"]).double().mean().item()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m harness_models.pretrain", description=__doc__)
    parser.add_argument("cifar10", type=Path)
    parser.add_argument("--method", choices=METHODS, required=True)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--weight-decay", type=float, default=1e-4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--images", type=int, default=50_000, help="use only the first N training images (for a trial)")
    parser.add_argument("--out", type=Path, default=Path("zoo"))
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    data = load_cifar10(args.cifar10)
    method = METHODS[args.method](args.seed)
    x, y = data["x_train"][: args.images], data["y_train"][: args.images]
    epochs = 0 if args.method == "random" else args.epochs
    seconds = train(method, x, y, epochs, args.batch, args.lr, args.weight_decay) if epochs else 0.0
    accuracy = knn_accuracy(method, data)
    print(f"{args.method}: CIFAR-10 kNN {accuracy:.2f} %", flush=True)

    args.out.mkdir(parents=True, exist_ok=True)
    state = {k: v.half() if v.is_floating_point() else v for k, v in method.backbone.state_dict().items()}
    save_file({k: v.contiguous() for k, v in state.items()}, args.out / f"{args.method}.safetensors")
    facts = {
        "method": args.method,
        "paradigm": method.paradigm,
        "data": "CIFAR-10 train",
        "images": len(x),
        "epochs": epochs,
        "batch": args.batch,
        "lr": args.lr,
        "weight_decay": args.weight_decay,
        "seed": args.seed,
        "seconds": round(seconds),
        "threads": torch.get_num_threads(),
        "cifar10_knn": round(accuracy, 2),
    }
    (args.out / f"{args.method}.json").write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
