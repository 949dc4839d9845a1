"""Metrics: named, versioned functions of one kind of evidence.

A metric returns one of four things: one number an image (N,), whose mean is the score; a `Weighted` function of image
weights; just a number; or a number with an `Interval` of its own. The host gives every other score a 95 % confidence
interval over the test images by the bootstrap: the first two for all resamples at once, a number by computing it anew
on each. A metric of several scores returns a mapping, by name, of any of these but bare numbers.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.datasets import DatasetCard
from harness.draws import Draws
from harness.errors import HarnessError, UndefinedError
from harness.evidence import Evidence

if TYPE_CHECKING:
    from torch import Tensor

Skip = Callable[[DatasetCard], str | None]


@dataclass(frozen=True)
class Score:
    """A number with its 95 % interval (`low`, `high` are None where none can be given) over `n` images.

    `draws` are the bootstrap's, in the order of its resamples; None where there was no bootstrap.
    """

    value: float
    low: float | None
    high: float | None
    n: int
    variant: str = ""
    draws: Draws | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Weighted:
    """A score as a function of image weights: (R, N) to (R,); ones give its value, multinomial draws its interval."""

    of: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Interval:
    """A score with a 95 % interval of the metric's own, instead of a bootstrapped one; None where it can give none."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Metric:
    """A metric and what is declared of it.

    Attributes:
        compute: a function of the evidence (of two for a pair metric), or a class or object with ``update`` and
            ``compute`` (any `torchmetrics.Metric`), fed ``(scores, targets)``.
        accepts: the type of evidence.
        bounds: the least and the greatest value it can take, in `unit`.
        higher_is_better: None for a description that makes no model better than another; it ranks none.
        pair: whether it compares two models' evidence on one dataset.
        skip: tells from a dataset's card why the metric does not apply, or None.
    """

    name: str
    compute: Callable[..., Any]
    accepts: type[Evidence]
    unit: str = ""
    bounds: tuple[float, float] = (-math.inf, math.inf)
    higher_is_better: bool | None = True
    version: int = 1
    pair: bool = False
    skip: Skip = field(default=lambda card: None)
    __doc__: str | None = None

    def __call__(self, *evidence: Evidence) -> Any:
        """The bare value: a number or (N,) tensor."""
        if not hasattr(self.compute, "update"):
            return self.compute(*evidence)
        meter: Any = self.compute() if inspect.isclass(self.compute) else self.compute
        if hasattr(meter, "reset"):
            meter.reset()
        meter.update(getattr(evidence[0], "scores"), getattr(evidence[0], "targets"))  # noqa: B009
        return meter.compute()

    @property
    def identity(self) -> dict[str, Any]:
        """What of the metric can change a score."""
        return {"name": self.name, "version": self.version}

    def describe(self) -> dict[str, Any]:
        """What a record says of the metric; infinite bounds become None, as JSON has none."""
        bounds = [b if math.isfinite(b) else None for b in self.bounds]
        return {**self.identity, "unit": self.unit, "bounds": bounds, "higher_is_better": self.higher_is_better}


def metric(
    name: str,
    *,
    accepts: type[Evidence],
    unit: str = "",
    bounds: tuple[float, float] = (-math.inf, math.inf),
    higher_is_better: bool | None = True,
    version: int = 1,
    pair: bool = False,
    skip: Skip | None = None,
) -> Callable[[Callable[..., Any]], Metric]:
    """Declare a metric; see `Metric`. Decorates a function, or a class with ``update`` and ``compute``."""

    def decorate(compute: Callable[..., Any]) -> Metric:
        return Metric(
            name, compute, accepts, unit, bounds, higher_is_better, version, pair,
            skip or (lambda card: None), inspect.getdoc(compute),
        )  # fmt: skip

    return decorate


def value(metric: Metric, *evidence: Evidence) -> float:
    """The metric's (first) value on whole evidence. Raises `HarnessError` when it is not finite or out of bounds."""
    return _number(metric, next(iter(named(metric, metric(*evidence)).values())), len(evidence[0]))


def score(metric: Metric, *evidence: Evidence, variant: str = "", resamples: int = 1000, seed: int = 0) -> Score:
    """The metric's (first) value on whole evidence, with its bootstrap interval; errors as `value`."""
    return scores(metric, *evidence, variant=variant, resamples=resamples, seed=seed)[0]


def scores(
    metric: Metric, *evidence: Evidence, variant: str = "", resamples: int = 1000, seed: int = 0
) -> tuple[Score, ...]:
    """All scores of the metric on whole evidence, each with its interval; errors as `value`.

    One, unless the metric returns several by name; their variants are the evidence's and the name, with a comma.
    """
    found = named(metric, metric(*evidence))
    made: list[Score] = []
    for name, each in found.items():
        number = _number(metric, each, len(evidence[0]))
        draws = None
        if isinstance(each, Interval):
            low, high = each.low, each.high
        else:
            redrawn = _redrawn(metric, evidence, each, resamples, seed)
            low, high = _interval(redrawn)
            draws = None if made else Draws.of(redrawn.tolist())
        made.append(Score(number, low, high, len(evidence[0]), ",".join(filter(None, (variant, name))), draws))
    return tuple(made)


def named(metric: Metric, found: Any) -> Mapping[str, Any]:
    """What a metric returned, by name; a single score has an empty one.

    Raises `HarnessError` for several of which one is a bare number, or none.
    """
    if not isinstance(found, Mapping):
        return {"": found}
    if not found or any(not isinstance(each, Weighted | Interval) and _bare(each) for each in found.values()):
        raise HarnessError(f"metric {metric.name}: several scores must each be (N,), Weighted or an Interval")
    return found


def _bare(value: Any) -> bool:
    return not hasattr(value, "ndim") or value.ndim == 0


def _number(metric: Metric, found: Any, n: int) -> float:
    import torch

    if isinstance(found, Weighted):
        found = found.of(torch.ones(1, n, dtype=torch.float64))
    elif isinstance(found, Interval):
        found = found.value
    found = torch.as_tensor(found, dtype=torch.float64 if isinstance(found, float) else None)
    if found.numel() != 1 and found.shape != (n,):
        raise HarnessError(f"metric {metric.name} must return one number or ({n},), got shape {tuple(found.shape)}")
    return _bounded(metric, float(found.double().mean()))


def _redrawn(metric: Metric, evidence: tuple[Evidence, ...], found: Any, resamples: int, seed: int) -> Tensor:
    """The metric on each bootstrap resample of the images, (resamples,)."""
    import torch

    from harness.numerics import bootstrap

    n = len(evidence[0])
    if not isinstance(found, Weighted) and torch.as_tensor(found).shape != (n,):
        resampled = bootstrap.resample_indices(n, resamples, seed)
        redone = [_defined(metric, *(e.take(index) for e in evidence)) for index in resampled]
        return torch.tensor(redone, dtype=torch.float64)
    of = found.of if isinstance(found, Weighted) else lambda w: w @ torch.as_tensor(found).double() / n
    return torch.cat([torch.empty(0), *(of(w) for w in bootstrap.weights(n, resamples, seed))])


def _defined(metric: Metric, *evidence: Evidence) -> float:
    """The bare value on a resample; NaN, which `_interval` leaves out, where it has none."""
    try:
        return float(metric(*evidence))
    except UndefinedError:
        return math.nan


def _interval(draws: Tensor) -> tuple[float | None, float | None]:
    """The central 95 % of bootstrap draws; undefined draws (a class lost its last image) are left out."""
    from harness.numerics.bootstrap import percentile_interval

    draws = draws[draws.isfinite()]
    if len(draws) == 0:
        return None, None
    low, high = percentile_interval(draws)
    return float(low), float(high)


def _bounded(metric: Metric, value: float) -> float:
    low, high = metric.bounds
    slack = 1e-6 * max(1.0, *(abs(b) for b in metric.bounds if math.isfinite(b)), 1.0)
    if not math.isfinite(value):
        raise HarnessError(f"metric {metric.name} returned {value}")
    if not low - slack <= value <= high + slack:
        raise HarnessError(f"metric {metric.name} returned {value:g}, outside its declared bounds {metric.bounds}")
    return min(max(value, low), high)
