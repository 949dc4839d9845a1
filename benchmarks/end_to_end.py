"""A whole evaluation against the way published transfer code does it: N models x datasets x {linear, kNN, few-shot}.

The peer follows the released code of Ericsson et al. 2021 (linusericsson/ssl-transfer), written anew: PIL transforms in
a DataLoader with one worker; for the linear protocol the features of train and val, a loop over scikit-learn, then
those of train + val and test; features anew for each protocol; for few-shot, each episode's images through the network
again. Both contestants get the same networks, images, splits and episodes, and each runs in a process of its own.

The paper draws 600 episodes; 20 are the default here, which spares the peer most of its forward passes.

    python -m benchmarks.end_to_end [--folders PATH ... --models URI ... --episodes 20]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset
from torchvision.transforms import v2

from benchmarks._common import report
from benchmarks.pixels import Files
from harness.api import default_host, plan, run
from harness.datasets import folds
from harness.encoder import ModuleEncoder
from harness.lookup import find_dataset, find_model
from harness.records import RecordStore, read_record
from harness.suite import Suite
from harness_tasks.fewshot import draw

MODELS = (
    "torchvision:resnet18?pretrained=0&preprocess={size: 128, crop: 1.0}",
    "torchvision:mobilenet_v2?pretrained=0&preprocess={size: 128, crop: 1.0}",
)
PUBLISHED = 600  # episodes
SHOTS, QUERIES, NEIGHBOURS, TEMPERATURE = 5, 15, 20, 0.07
Array = NDArray[Any]


def tasks(folders: Sequence[str], episodes: int) -> dict[tuple[str, str], str]:
    """The harness's text of each (folder, protocol)."""
    protocols = {
        "linear": "linear[view=whole]",
        "knn": f"knn[k={NEIGHBOURS},view=whole]",
        "few-shot": f"fewshot[5w{SHOTS}s,queries={QUERIES},episodes={episodes},view=whole]",
    }
    return {(f, name): f"{text}@folder:{f}" for f in folders for name, text in protocols.items()}


def ours(models: Sequence[str], folders: Sequence[str], episodes: int) -> tuple[dict[str, float], float]:
    """Score by model, folder and protocol; and, as the peer, seconds that grow with the number of episodes: none."""
    texts = tasks(folders, episodes)
    suite = Suite(models=tuple(models), tasks=tuple(texts.values()), metrics=("top1", "episode_accuracy"))
    with tempfile.TemporaryDirectory() as scratch:
        summary = run(plan(suite), out=scratch)
        if summary.failed:
            raise SystemExit(f"failed: {summary.failures}")
        found = [read_record(path) for path in RecordStore(Path(scratch) / "records").paths()]
    names = {text: key for key, text in texts.items()}
    return {"|".join((r.model, *names[r.task])): r.score.value for r in found if r.status == "done"}, 0.0


def peer(models: Sequence[str], folders: Sequence[str], episodes: int) -> tuple[dict[str, float], float]:
    """The same, straight down; and the processor seconds of the few-shot protocol."""
    found, host, spent = {}, default_host(), 0.0
    for name in models:
        encoder = find_model(host, name).load().eval()
        assert isinstance(encoder, ModuleEncoder)
        for folder in folders:
            world = World(encoder.module, encoder.preprocess.model_dump(), folder)
            scores, start = {"linear": world.linear(), "knn": world.knn()}, processor_seconds()
            scores["few-shot"] = world.few_shot(episodes)
            spent += processor_seconds() - start
            found |= {f"{name}|{folder}|{protocol}": score for protocol, score in scores.items()}
    return found, spent


class World:
    """One network and one dataset, as a script has them."""

    def __init__(self, network: nn.Module, geometry: dict[str, Any], folder: str) -> None:
        self.network = network
        transform = v2.Compose([
            v2.Resize(geometry["size"], v2.InterpolationMode.BICUBIC), v2.CenterCrop(geometry["size"]),
            v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(geometry["mean"], geometry["std"]),
        ])  # fmt: skip
        dataset = find_dataset(default_host(), f"folder:{folder}")
        splits = {name: dataset.split(name) for name in dataset.card.splits}
        self.files = {name: Files(list(split.images), transform) for name, split in splits.items()}
        self.targets = {name: np.asarray(split.targets) for name, split in splits.items()}
        self.folds = folds(dataset.card.splits)

    def features(self, split: str, rows: Array) -> Array:
        """(N, D) of some images of a split, from their files."""
        loader = DataLoader(Subset(self.files[split], rows.tolist()), batch_size=64, num_workers=1)
        with torch.no_grad():
            return np.concatenate([self.network(images).flatten(1).numpy() for images in loader])

    def fold(self, *names: str) -> tuple[Array, Array]:
        """Features and targets of one fold, or of train and val together."""
        parts = [self.folds[name] for name in names]
        x = np.concatenate([self.features(part.split, part.index) for part in parts])
        return x, np.concatenate([self.targets[part.split][part.index] for part in parts])

    def linear(self) -> float:
        from sklearn.linear_model import LogisticRegression

        warnings.filterwarnings("ignore")
        (x, y), (x_val, y_val) = self.fold("train"), self.fold("val")
        fitted, best, best_c = LogisticRegression(warm_start=True, tol=1e-4 / len(x)), 0.0, 1.0
        for wd in torch.logspace(-6, 5, 45).tolist():
            score = fitted.set_params(C=1 / wd).fit(x, y).score(x_val, y_val)
            if score > best:
                best, best_c = score, 1 / wd
        (x, y), (x_test, y_test) = self.fold("train", "val"), self.fold("test")
        fitted.set_params(C=best_c, tol=1e-4 / len(x)).fit(x, y)
        return 100 * float(fitted.score(x_test, y_test))

    def knn(self) -> float:
        from sklearn.neighbors import KNeighborsClassifier

        (x, y), (x_test, y_test) = self.fold("train", "val"), self.fold("test")

        def weigh(distance: Array) -> Array:
            return np.asarray(np.exp((1 - distance) / TEMPERATURE))

        fitted = KNeighborsClassifier(NEIGHBOURS, weights=weigh, metric="cosine", algorithm="brute").fit(x, y)
        return 100 * float(fitted.score(x_test, y_test))

    def few_shot(self, episodes: int) -> float:
        where = [(fold.split, row) for fold in self.folds.values() for row in fold.index]
        targets = np.array([self.targets[split][row] for split, row in where])
        scores = []
        for episode in draw(targets, 5, SHOTS + QUERIES, episodes, seed=0):
            images = [Subset(self.files[where[i][0]], [int(where[i][1])]) for i in episode.ravel()]
            loader = DataLoader(torch.utils.data.ConcatDataset(images), batch_size=64, num_workers=1)
            with torch.no_grad():
                x = torch.cat([self.network(batch).flatten(1) for batch in loader]).view(5, SHOTS + QUERIES, -1)
            distance = torch.cdist(x[:, SHOTS:].flatten(0, 1), x[:, :SHOTS].mean(1))
            scores.append(float((distance.argmin(1) == self._truth()).float().mean()))
        return 100 * float(np.mean(scores))

    @staticmethod
    def _truth() -> Tensor:
        return torch.arange(5).repeat_interleave(QUERIES)


def write_regions(folder: Path, classes: int, images: int) -> Path:
    """Class folders of JPEG files: jittered crops around `classes` places of scikit-learn's two photographs."""
    from sklearn.datasets import load_sample_images

    rng, photographs = np.random.default_rng(0), load_sample_images().images
    for label in range(classes):
        target = folder / f"region{label}"
        target.mkdir(parents=True)
        photograph, centre = photographs[label % 2], rng.integers((110, 150), (310, 490))
        for i in range(images):
            top, left = centre + rng.integers(-40, 41, 2) - (75, 100)
            top, left = np.clip((top, left), 0, (427 - 150, 640 - 200))
            noise = rng.integers(-25, 26, (150, 200, 3))
            crop = np.clip(photograph[top : top + 150, left : left + 200] + noise, 0, 255).astype(np.uint8)
            Image.fromarray(crop).save(target / f"{i:04d}.jpg", quality=90)
    return folder


def measured(name: str, arguments: Sequence[str]) -> dict[str, Any]:
    """One contestant in a process of its own: wall and processor seconds, peak memory, scores."""
    command = [sys.executable, "-m", "benchmarks.end_to_end", "--contestant", name, *arguments]
    out = subprocess.run(command, capture_output=True, text=True, check=False)
    if out.returncode:
        raise SystemExit(f"{name} failed:\n{out.stderr}")
    found: dict[str, Any] = json.loads(out.stdout.splitlines()[-1])
    return found


def contest(name: str, models: Sequence[str], folders: Sequence[str], episodes: int) -> None:
    """Run one contestant here and print what `measured` reads. Imports and a first forward are not timed."""
    import sklearn.linear_model
    import sklearn.neighbors  # noqa: F401

    for model in models:
        encoder = find_model(default_host(), model).load().eval()
        encoder(torch.zeros(64, 3, encoder.preprocess.size, encoder.preprocess.size, dtype=torch.uint8))
    wall, cpu = time.perf_counter(), processor_seconds()
    scores, few_shot = {"ours": ours, "peer": peer}[name](models, folders, episodes)
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    spent = {"wall": time.perf_counter() - wall, "cpu": processor_seconds() - cpu, "few_shot": few_shot}
    print(json.dumps({**spent, "peak_mb": usage / 1024, "scores": scores}))


def processor_seconds() -> float:
    """Of this process and of its children that have ended: DataLoader's workers."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--folders", nargs="+", default=[], help="class folders of images, with or without splits")
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--contestant", choices=("ours", "peer"), help="run this one alone")
    given = parser.parse_args()
    if given.contestant:
        contest(given.contestant, given.models, given.folders, given.episodes)
        return
    with tempfile.TemporaryDirectory() as scratch:
        made = [str(write_regions(Path(scratch, f"regions{n}"), n, 40)) for n in (10, 8)]
        folders = given.folders or made
        arguments = ["--models", *given.models, "--folders", *folders, "--episodes", str(given.episodes)]
        results = {name: measured(name, arguments) for name in ("ours", "peer")}
    scores = {name: result["scores"] for name, result in results.items()}
    rows = [(*(Path(part).name[:40] for part in key.split("|")), scores["ours"][key], scores["peer"][key])
            for key in scores["peer"]]  # fmt: skip
    report(("model", "dataset", "protocol", "ours %", "peer %"), rows, "")
    times = [(name, r["wall"], r["cpu"], r["peak_mb"]) for name, r in results.items()]
    theirs, mine = results["peer"], results["ours"]
    published = (theirs["cpu"] + theirs["few_shot"] * (PUBLISHED / given.episodes - 1)) / mine["cpu"]
    ratio = (
        f"peer / ours: {theirs['wall'] / mine['wall']:.1f} of wall time, {theirs['cpu'] / mine['cpu']:.1f} of CPU time"
    )
    scaled = f"with {PUBLISHED} episodes, the peer's few-shot seconds scaled up: {published:.0f} of CPU time"
    report(("", "wall s", "CPU s", "peak MB"), times, f"{ratio}; {scaled}")


if __name__ == "__main__":
    main()
