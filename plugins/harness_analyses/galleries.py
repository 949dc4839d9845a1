"""Images side by side: where models look, and what can be rebuilt from their features."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from harness import analysis
from harness.evidence import Attributions, Evidence, Reconstructions
from harness.plots import gallery
from harness_analyses.common import figure_name, first_of, paradigms, tasks_with
from harness_analyses.labels import labels

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from harness.analyses import Figures
    from harness.board import Board

IMAGES = 6
ENERGY, DIFFUSION = "energy: share of the map on the object", "diffusion: share of the map above its mean"

Shares = tuple[float | None, float]
E = TypeVar("E", bound=Evidence)


def draw_attributions(board: Board) -> Figures:
    """A row an image: the image, then every model's map over it."""
    called = labels(board)
    shown: Figures = {}
    for task, models in stored(board, Attributions):
        images = min(IMAGES, max(map(len, models.values())))
        measured = {model: _shares(a, images) for model, a in models.items()}
        energies = any(energy is not None for shares in measured.values() for energy, _ in shares)
        rows, captions = list(range(images)), [[""] for _ in range(images)]
        pixels: list[list[Any]] = [[_original(models, i)] for i in rows]
        maps: list[list[Any]] = [[None] for _ in rows]
        for model, a in models.items():
            for i in rows:
                there = i < len(a)
                pixels[i].append(_pixels(a.images[i]) if there else None)
                maps[i].append(a.maps[i].numpy() if there else None)
                captions[i].append(_said(measured[model][i], energies) if there else "")
        shown[figure_name(task)] = gallery(
            pixels, _row_names(models), ["image", *(called[m] for m in models)], task, overlays=maps,
            captions=captions, subtitle=ENERGY if energies else DIFFUSION,
        )  # fmt: skip
    return shown


@analysis("attribution_gallery", figures=draw_attributions)
def attribution_gallery(board: Board) -> list[dict[str, Any]]:
    """Where models look: the figures have attribution maps over the first six images of a task, model by model.

    One row for each image and model, in percent: `energy`, the share of the map's sum on the object that the target is
    about (None without masks, as metric `attribution_energy`), and `diffusion`, the share of the map's cells above its
    mean (as `attentive_diffusion`). No rows where the board's runs have no stored maps: ``attribute@DATASET`` and
    ``occlude@DATASET`` keep them.
    """
    groups = paradigms(board)
    return [
        {
            "task": task, "image": i, "target": _target(a, i), "model": model, "paradigm": groups[model],
            "energy": energy, "diffusion": diffusion,
        }
        for task, models in stored(board, Attributions)
        for model, a in models.items()
        for i, (energy, diffusion) in enumerate(_shares(a, IMAGES))
    ]  # fmt: skip


def draw_reconstructions(board: Board) -> Figures:
    """A row an image: the image, then what was rebuilt from every model's features."""
    called = labels(board)
    shown: Figures = {}
    for task, models in stored(board, Reconstructions):
        rows = range(min(IMAGES, max(map(len, models.values()))))
        pixels = [
            [_original(models, i), *(_pixels(r.rebuilt[i]) if i < len(r) else None for r in models.values())]
            for i in rows
        ]
        captions = [["", *(f"MSE {_mse(r, i):.0f}" if i < len(r) else "" for r in models.values())] for i in rows]
        shown[figure_name(task)] = gallery(
            pixels, [f"image {i}" for i in rows], ["image", *(called[m] for m in models)], task, captions=captions,
            subtitle="rebuilt from each model's features; MSE of pixels on a scale of 0 to 255",
        )  # fmt: skip
    return shown


@analysis("reconstruction_gallery", figures=draw_reconstructions)
def reconstruction_gallery(board: Board) -> list[dict[str, Any]]:
    """What can be rebuilt from features: the figures have the first six images of a task, model by model.

    One row for each image and model: `mse` of the pixels on a scale of 0 to 255 (as metric `colour_mse`). No rows where
    the board's runs have no stored reconstructions: ``reconstruct@DATASET`` keeps them.
    """
    groups = paradigms(board)
    return [
        {"task": task, "image": i, "model": model, "paradigm": groups[model], "mse": _mse(found, i)}
        for task, models in stored(board, Reconstructions)
        for model, found in models.items()
        for i in range(min(IMAGES, len(found)))
    ]


def stored(board: Board, kind: type[E]) -> Iterator[tuple[str, dict[str, E]]]:
    """Each task with such evidence, and that of its models, grouped by paradigm."""
    for task in tasks_with(board, kind):
        found = {model: first_of(board, model, task) for model in paradigms(board)}
        yield task, {model: each for model, each in found.items() if isinstance(each, kind) and len(each)}


def _pixels(image: Tensor) -> NDArray[np.uint8]:
    """(3, S, S) to (S, S, 3)."""
    found: NDArray[np.uint8] = image.permute(1, 2, 0).numpy()
    return found


def _original(models: Mapping[str, Attributions] | Mapping[str, Reconstructions], i: int) -> NDArray[np.uint8]:
    """As the model of the largest input saw it."""
    having = [e.images for e in models.values() if i < len(e)]
    return _pixels(max(having, key=lambda images: images.shape[-1])[i])


def _shares(a: Attributions, most: int) -> list[Shares]:
    """Energy and diffusion of the first images' maps, in percent."""
    import torch.nn.functional as F

    maps = a.maps[:most].double()
    diffusion = 100.0 * (maps > maps.mean((1, 2), keepdim=True)).double().mean((1, 2))
    energy: list[float | None] = [None] * len(maps)
    if a.masks is not None:
        masks = a.masks[:most].double()
        sized = F.interpolate(maps[:, None], masks.shape[1:], mode="bilinear", align_corners=False)[:, 0]
        share = 100.0 * (sized * masks).sum((1, 2)) / sized.sum((1, 2))
        energy = [float(s) if bool(m.any()) and bool(s.isfinite()) else None for s, m in zip(share, masks, strict=True)]
    return list(zip(energy, diffusion.tolist(), strict=True))


def _said(shares: Shares, energies: bool) -> str:
    """The caption of a map: its energy, or its diffusion."""
    energy, diffusion = shares
    if diffusion == 0:  # no cell is above the mean
        return "flat map"
    if energies:
        return "no object" if energy is None else f"{energy:.0f} %"
    return f"{diffusion:.0f} %"


def _row_names(models: Mapping[str, Attributions]) -> list[str]:
    longest = max(models.values(), key=len)
    targets = [_target(longest, i) for i in range(min(IMAGES, len(longest)))]
    return [f"image {i}" if t is None else f"image {i}, class {t}" for i, t in enumerate(targets)]


def _target(a: Attributions, i: int) -> int | None:
    """The image's class, where it has one."""
    return int(a.targets[i]) if a.targets is not None and a.targets.ndim == 1 else None


def _mse(r: Reconstructions, i: int) -> float:
    return float((r.rebuilt[i].double() - r.images[i].double()).square().mean())
