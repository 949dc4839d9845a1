"""What do the embeddings look like? Maps in two dimensions, by PCA and t-SNE."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness import analysis
from harness.evidence import Embeddings
from harness.plots import Axis, Point, scatter
from harness_analyses.common import figure_name, first_of, paradigms, tasks_with
from harness_analyses.labels import labels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.analyses import Figures
    from harness.board import Board
    from harness.plots import Figure

IMAGES = 2000
COLOURED = 10
FEWEST = 4
COMPONENTS = 50
"""Principal components that t-SNE is given."""
PERPLEXITY = 30.0

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Map:
    """A model's embeddings of some of a task's images, no more than `IMAGES`, a fixed random choice.

    Attributes:
        components: (N, K) principal components, the strongest first.
        shares: (K,) of the variance.
        classes: (N,) each image's class, -1 where it has not exactly one; None without classes.
        images: how many there are in all.
        dimensions: of the embeddings.
    """

    task: str
    model: str
    components: Floats
    shares: Floats
    classes: NDArray[np.int64] | None
    images: int
    dimensions: int

    @property
    def coloured(self) -> list[int]:
        """The most frequent classes."""
        often = Counter([] if self.classes is None else [c for c in self.classes.tolist() if c >= 0])
        return sorted(sorted(often, key=lambda c: (-often[c], c))[:COLOURED])


def draw(board: Board) -> Figures:
    """Each model's embeddings by PCA and by t-SNE, coloured by class."""
    from threadpoolctl import threadpool_limits

    called = labels(board)
    shown: Figures = {}
    for each in maps(board):
        about = f"{len(each.components)} of {each.images} images, {each.dimensions} dimensions"
        first, second = (Axis(f"component {i + 1}, {100 * each.shares[i]:.0f} % of the variance") for i in (0, 1))
        title, of = f"{each.task}: {called[each.model]}", (each.model, each.task)
        places = each.components[:, :2]
        shown[figure_name("PCA", *of)] = _figure(each, places, (first, second), f"{title}, PCA", about)
        with threadpool_limits(1):  # sums in one order, so that the map is the same every time
            places, perplexity = tsne(each.components)
        about = f"{about}; t-SNE of {each.components.shape[1]} principal components, perplexity {perplexity:.3g}"
        first, second = Axis("t-SNE 1 (no unit)"), Axis("t-SNE 2 (no unit)")
        shown[figure_name("t-SNE", *of)] = _figure(each, places, (first, second), f"{title}, t-SNE", about)
    return shown


@analysis("embedding_map", figures=draw)
def embedding_map(board: Board) -> list[dict[str, Any]]:
    """Each model's embeddings of a task's images; the figures are maps of them in two dimensions.

    A map has at most 2000 images, a fixed random choice, in the colours of the 10 most frequent classes: their first
    two principal components, and t-SNE (van der Maaten & Hinton 2008) of the 50 strongest. Distances between groups of
    a t-SNE mean little. `pc1` and `pc2` are the components' shares of the variance. Of several layers the deepest is
    shown. Left out are fewer than 4 images and features without two directions. No rows where the board's runs have
    no stored embeddings: ``embed@DATASET`` keeps them.
    """
    groups = paradigms(board)
    return [
        {
            "task": each.task, "model": each.model, "paradigm": groups[each.model], "images": each.images,
            "shown": len(each.components), "dimensions": each.dimensions,
            "classes": None if each.classes is None else len(set(each.classes.tolist()) - {-1}),
            "pc1": float(each.shares[0]), "pc2": float(each.shares[1]),
        }
        for each in maps(board)
    ]  # fmt: skip


def maps(board: Board) -> Iterator[Map]:
    """Of every task with embeddings, model by model."""
    for task in tasks_with(board, Embeddings):
        for model in paradigms(board):
            stored = first_of(board, model, task)
            made = _map(task, model, stored) if isinstance(stored, Embeddings) else None
            if made is not None:
                yield made


def tsne(components: Floats) -> tuple[Floats, float]:
    """(N, 2), from the first principal components, and the perplexity, which has to be below N."""
    from sklearn.manifold import TSNE

    perplexity = min(PERPLEXITY, (len(components) - 1) / 3)
    found: Floats = TSNE(2, perplexity=perplexity, init="pca", random_state=0).fit_transform(components)
    return np.asarray(found, np.float64), perplexity


def _map(task: str, model: str, stored: Embeddings) -> Map | None:
    """None where there is nothing to see."""
    images = len(stored)
    some = np.sort(np.random.default_rng(0).permutation(images)[:IMAGES])
    x = stored.features.numpy()[some].reshape(len(some), -1).astype(np.float64)
    if len(x) < FEWEST:
        return None
    components, shares = pca(x - x.mean(0))
    if len(shares) < 2:
        return None
    return Map(task, model, components, shares, _classes(stored, some), images, x.shape[1])


def pca(centred: Floats) -> tuple[Floats, Floats]:
    """Up to 50 principal components of centred features (N, D), (N, K), and their shares of the variance, (K,).

    From the inner products of images, of which there are fewer than dimensions as a rule. Components without variance,
    up to the rounding of float32 features, are left out; each one's largest number is positive, or its sign would be
    the solver's whim.
    """
    from scipy.linalg import eigh

    n = len(centred)
    variance, vectors = eigh(centred @ centred.T, subset_by_index=(max(0, n - COMPONENTS), n - 1))
    variance, vectors = variance[::-1], vectors[:, ::-1]
    kept = variance > (n * np.finfo(np.float32).eps) ** 2 * variance[0]
    components: Floats = vectors[:, kept] * np.sqrt(variance[kept])
    largest = np.take_along_axis(components, np.abs(components).argmax(0)[None], 0)
    return components * np.sign(largest), variance[kept] / np.square(centred).sum()


def _classes(stored: Embeddings, some: NDArray[np.int64]) -> NDArray[np.int64] | None:
    if stored.targets is None or stored.targets.is_floating_point():
        return None
    targets = stored.targets.numpy()[some]
    if targets.ndim == 1:
        return np.asarray(targets, np.int64)
    return np.where(targets.sum(1) == 1, targets.argmax(1), -1).astype(np.int64)


def _figure(each: Map, places: Floats, axes: tuple[Axis, Axis], title: str, about: str) -> Figure:
    coloured = each.coloured
    classes = [-1] * len(places) if each.classes is None else each.classes.tolist()
    digits = len(str(max(coloured, default=0)))
    groups = [f"class {c:0{digits}}" if c in coloured else "" for c in classes]
    points = [
        Point("", float(x), float(y), group, hollow=not group) for (x, y), group in zip(places, groups, strict=True)
    ]
    others = "other classes" if each.classes is not None else "no classes"
    return scatter(points, *axes, title, subtitle=about, line=False, hollow=others)
