"""Tasks: protocols bound to a dataset. A task turns what it needs of an encoder into evidence."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, TypeVar, runtime_checkable

from harness.datasets import DatasetCard
from harness.errors import HarnessError, nearest
from harness.evidence import Evidence
from harness.taps import read
from harness.taps import tap as tap
from harness.views import CLEAN, is_family

if TYPE_CHECKING:
    from torch import Tensor

    from harness.encoder import Encoder

EMBEDDING = "embedding"
FOLDS = ("train", "val", "test")


@dataclass(frozen=True)
class Needs:
    """What a task gets, and all it gets.

    Attributes:
        folds: of train, val and test.
        layers: taps (`harness.taps.tap`) or patterns of them, whose activations are served from the shared pass or the
            store; ``embedding`` is the default layer, but for a task that asks for the encoder: that one gets none.
        views: of the images. A family's views, ``rotation[16]``, are made of the test fold alone, and so are taps that
            are not pooled.
        encoder: the live encoder and its images too (fine-tuning, attribution, dense heads); its pixels are those of
            the first view.
        sample: the test fold is this many images, a fixed random choice; None for all of them.

    Inner products are of blocks of random images: the test fold of a task that taps them is in a fixed random order.
    """

    folds: tuple[str, ...] = FOLDS
    layers: tuple[str, ...] | None = None
    views: tuple[str, ...] = (CLEAN,)
    encoder: bool = False
    sample: int | None = None

    def __post_init__(self) -> None:
        """Raises `HarnessError` for an unknown fold or tap, without the test fold, which evidence is about, and where
        a family's views are all that is asked for of another fold, or of the pixels.
        """
        if unknown := [name for name in self.folds if name not in FOLDS]:
            raise HarnessError(f"no fold {unknown[0]!r}{nearest(unknown[0], FOLDS)} (folds: {', '.join(FOLDS)})")
        if "test" not in self.folds:
            raise HarnessError("a task needs the test fold: its evidence is about those images")
        if self.sample is not None and self.sample < 1:
            raise HarnessError(f"a sample needs an image at least, got {self.sample}")
        if self.layers is None:
            object.__setattr__(self, "layers", () if self.encoder else (EMBEDDING,))
        for layer in self.layers or ():
            read(layer)
        if self.encoder and is_family(self.views[0]):
            raise HarnessError(f"pixels are of one view of an image, {self.views[0]} is several (clean, whole, squash)")
        if self.layers and len(self.folds) > 1 and all(map(is_family, self.views)):
            raise HarnessError(
                f"{self.views[0]} is made of the test fold alone, and the {self.folds[0]} fold is needed"
            )

    @property
    def features(self) -> tuple[tuple[str, str], ...]:
        """Every (tap, view) whose activations the task gets."""
        return tuple((layer, view) for view in self.views for layer in self.layers or ())

    @property
    def shuffled(self) -> bool:
        """Whether the test fold is in random order."""
        return any(read(layer).reduction == "gram" for layer in self.layers or ())

    def of_fold(self, fold: str) -> tuple[Feature, ...]:
        """What of `features` one of its folds gets."""
        found = []
        for layer, view in self.features:
            narrow = is_family(view) or read(layer).reduction != "pooled"
            if not narrow:
                found.append(Feature(layer, view))
            elif fold == "test":
                found.append(Feature(layer, view, True, self.sample))
        return tuple(found)


class Feature(NamedTuple):
    """A tap in a view: of all images of a split, or, where `narrow`, of a sample of so many (None: all)."""

    layer: str
    view: str
    narrow: bool = False
    sample: int | None = None


class TargetsWithheldError(HarnessError):
    """A task asked for the test targets. The host joins them to what the task returns."""


Augment = Callable[["Tensor", int], "Tensor"]


class ImageSource(Protocol):
    """A fold's images, for tasks that need the encoder; see `Fold.pixels` and `Fold.augmented`."""

    def pixels(self, batch_size: int) -> Iterator[Tensor]: ...
    def augmented(self, draws: Sequence[int], batch_size: int, augment: Augment) -> Iterator[Tensor]: ...


@dataclass(frozen=True)
class Fold:
    """One fold's features by tap and view, and its targets (None where the host withholds them).

    Attributes:
        drawn: what the images of a family's views were transformed with, by view; see `parameters`.
    """

    name: str
    features: Mapping[tuple[str, str], Tensor]
    given: Tensor | None
    source: ImageSource | None = None
    drawn: Callable[[str], Tensor] | None = field(default=None, repr=False)

    @property
    def embeddings(self) -> Tensor:
        """(N, D) of the first layer and view asked for."""
        if not self.features:
            raise HarnessError("a task that needs the encoder has no stored embeddings: read pixels() instead")
        return next(iter(self.features.values()))

    def layer(self, name: str, view: str = CLEAN) -> Tensor:
        """Of one of the taps and views that the task needs: (N, D), or (N, V, D) of a family of V views."""
        return self.features[name, view]

    def parameters(self, view: str) -> Tensor:
        """(N, V, P): what each of a family's V views was transformed with; `harness.transforms` names the P numbers."""
        if self.drawn is None:
            raise HarnessError(f"the {self.name} fold has no views of {view!r}: only the test fold does")
        return self.drawn(view)

    @property
    def targets(self) -> Tensor:
        """(N,) int64, (N, C) of 0 and 1, or (N, T) float32. Raises `TargetsWithheldError` on the test fold."""
        if self.given is None:
            raise TargetsWithheldError(
                f"the targets of the {self.name} fold are withheld from tasks: return scores instead"
            )
        return self.given

    def pixels(self, batch_size: int) -> Iterator[Tensor]:
        """uint8 batches (N, 3, S, S) in order, for tasks that need the encoder."""
        return self._images.pixels(batch_size)

    def augmented(self, draws: Sequence[int], batch_size: int, augment: Augment) -> Iterator[Tensor]:
        """uint8 batches (B, 3, S, S) of the images `draws`, which may repeat, each cut anew from its decoded original.

        Args:
            augment: from an original (3, H, W) and its place among the draws to (3, S, S); called in several threads,
                so whatever it draws must depend on that place alone.
        """
        return self._images.augmented(draws, batch_size, augment)

    @property
    def _images(self) -> ImageSource:
        if self.source is None:
            raise HarnessError("this task did not ask for pixels: declare Needs(encoder=True)")
        return self.source


@dataclass(frozen=True)
class TaskProgress:
    """How far a long task is, in steps of its own."""

    model: str
    task: str
    done: int
    total: int


@dataclass(frozen=True)
class TaskData:
    """What a task's `run` gets.

    Attributes:
        folds: by name; `train`, `val` and `test` for short.
        classes: class names.
        layers: the encoder's names of the layers that the task's patterns stand for, shallow to deep.
        judge: the dataset's primary metric of evidence about the val images, larger is better: to choose by.
        seed: for whatever the task draws; torch's generator is already seeded with it.
        encoder: on `device`, for tasks that asked for it.
        scratch: a folder of this very task, model and seed, for what lets a long task go on where it was stopped; it
            outlives a run that is killed or fails, and is removed once the evidence is stored.
        progress: to be called with steps done and steps in all by a task that takes long.
    """

    folds: Mapping[str, Fold]
    classes: tuple[str, ...]
    multilabel: bool
    judge: Callable[[Evidence], float]
    seed: int = 0
    device: str = "cpu"
    encoder: Encoder | None = field(default=None, repr=False)
    scratch: Path | None = None
    progress: Callable[[int, int], None] = field(default=lambda done, total: None, repr=False)
    layers: tuple[str, ...] = (EMBEDDING,)

    @property
    def train(self) -> Fold:
        return self.folds["train"]

    @property
    def val(self) -> Fold:
        return self.folds["val"]

    @property
    def test(self) -> Fold:
        return self.folds["test"]

    @property
    def num_classes(self) -> int:
        return len(self.classes)


@runtime_checkable
class Task(Protocol):
    """A protocol: a frozen dataclass, whose fields are its parameters, decorated with `task`.

    `needs` may be an attribute or left out (embeddings of all folds); `skip` tells why it cannot run on a dataset.
    """

    name: ClassVar[str]
    evidence: ClassVar[type[Evidence]]
    version: ClassVar[int]
    episodic: ClassVar[bool]
    primary: ClassVar[str]
    needs: Needs

    def skip(self, card: DatasetCard) -> str | None: ...

    def run(self, data: TaskData) -> Evidence | Mapping[str, Evidence]: ...


T = TypeVar("T", bound=type)


def task(
    name: str, *, evidence: type[Evidence], version: int = 1, episodic: bool = False, primary: str = ""
) -> Callable[[T], T]:
    """Declare a protocol: a class whose ``run(data)`` returns `evidence`, alone or by variant.

    Args:
        name: as in ``name@dataset``.
        version: raise it when the numbers change; records of other versions are never mixed.
        episodic: gets the test targets: it draws episodes by label, or describes how images of a class lie.
        primary: the metric that ranks models, for evidence that the dataset's own does not accept.
    """

    def decorate(cls: T) -> T:
        if not callable(getattr(cls, "run", None)):
            raise HarnessError(f"task {name!r}: {cls.__name__} needs a method run(data)")
        own = "__dataclass_fields__" in vars(cls)  # not a base's: the fields of a subclass are parameters too
        cls = cls if own else dataclass(frozen=True)(cls)  # type: ignore[assignment]
        facts = {"name": name, "evidence": evidence, "version": version, "episodic": episodic, "primary": primary}
        defaults = {"needs": Needs(), "skip": lambda self, card: None}
        for key, value in (facts | {k: v for k, v in defaults.items() if not hasattr(cls, k)}).items():
            setattr(cls, key, value)
        return cls

    return decorate


def parameters(task: Task) -> dict[str, Any]:
    """The task's parameters, defaults included: what of them can change a number."""
    return {f.name: getattr(task, f.name) for f in dataclasses.fields(task)}  # type: ignore[arg-type]
