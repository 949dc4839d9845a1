"""What must hold of a metric, shown on synthetic evidence of the type that it accepts."""

from __future__ import annotations

import inspect
import math
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from harness.datasets import DatasetCard
from harness.errors import HarnessError, UndefinedError
from harness.evidence import Evidence, Grams
from harness.metrics import Interval, Metric, Weighted, named
from harness.testing import samples
from harness.testing.kit import Doubt, Fault, Finding, Kit, NotApplicable, require_doc


class Gauge:
    """A metric, and the synthetic datasets that it does not refuse."""

    def __init__(self, metric: Metric) -> None:
        self.metric = metric

    @cached_property
    def cards(self) -> list[DatasetCard]:
        return [card for card in samples.CARDS if self.metric.skip(card) is None]

    def evidence(self, card: DatasetCard, quality: float) -> tuple[Evidence, ...]:
        """The metric's arguments: one piece, or for a pair metric the same one twice, the second less like it."""
        first = samples.evidence(self.metric.accepts, card, 0.6 if self.metric.pair else quality)
        if first is None:
            name = self.metric.accepts.__name__
            raise NotApplicable(f"no synthetic {name}: give it a classmethod example(card, quality, seed)")
        return (first, _blurred(first, quality)) if self.metric.pair else (first,)

    def value(self, *evidence: Evidence) -> float:
        """The score, whatever its bounds: the mean of per-image values."""
        return float(self.raw(*evidence).double().mean())

    def raw(self, *evidence: Evidence) -> Tensor:
        """What the metric returns, the first of several scores, as a tensor."""
        return next(iter(self.scores(*evidence).values()))

    def scores(self, *evidence: Evidence) -> dict[str, Tensor]:
        """All scores by name, as tensors; a single one has an empty name."""
        try:
            found = named(self.metric, self.metric(*evidence))
        except UndefinedError as error:
            raise NotApplicable(str(error)) from error
        except HarnessError as error:
            raise Fault(str(error)) from error
        return {name: _tensor(each, len(evidence[0])) for name, each in found.items()}

    def described(self) -> bool:
        """Whether the metric only describes, so that no evidence is better than other."""
        return self.metric.higher_is_better is None

    def better(self, a: float, b: float) -> bool:
        return a > b if self.metric.higher_is_better else a < b


def _tensor(found: Any, images: int) -> Tensor:
    if isinstance(found, Interval):
        found = found.value
    if isinstance(found, Weighted):
        found = found.of(torch.ones(1, images, dtype=torch.float64))
    return torch.as_tensor(found)


KIT: Kit[Gauge] = Kit()


def check_metric(metric: Metric) -> list[Finding]:
    """Run the metric kit; see the checks below for what each means."""
    return KIT.run(Gauge(metric))


def _blurred(evidence: Evidence, quality: float) -> Evidence:
    """The evidence with a share ``1 - quality`` of its rows put out of order, targets aside."""
    n = len(evidence)
    if isinstance(evidence, Grams):  # images move within their blocks
        values = evidence.values
        blocks = values.reshape(-1, values.shape[2], *values.shape[1:]).transpose(1, 2)
        turned = round((1 - quality) * len(blocks))
        moved = torch.cat([blocks[:turned].roll((1, 1), (2, 3)), blocks[turned:]])
        return replace(evidence, values=moved.transpose(1, 2).flatten(0, 1))
    moved = torch.arange(n)[: round((1 - quality) * n)]
    order = torch.arange(n)
    order[moved] = moved.roll(1)
    rows = {name: value[order] for name, value in evidence.tensors().items() if name != "targets"}
    return replace(evidence, **rows)


@KIT.check("declared")
def declared(gauge: Gauge) -> None:
    """A `Metric` with a version from 1, bounds in order, and a type of evidence."""
    metric = gauge.metric
    if not isinstance(metric, Metric):
        raise Fault(f"{metric!r} is no Metric: decorate it with @harness.metric")
    if not (isinstance(metric.version, int) and metric.version >= 1):
        raise Fault(f"version must be an integer from 1, got {metric.version!r}")
    if not metric.bounds[0] < metric.bounds[1]:
        raise Fault(f"bounds must be (least, greatest), got {metric.bounds}")
    if not (inspect.isclass(metric.accepts) and issubclass(metric.accepts, Evidence)):
        raise Fault(f"accepts must be a type of Evidence, got {metric.accepts!r}")


@KIT.check("documented", "declared")
def documented(gauge: Gauge) -> None:
    """A docstring says what is measured."""
    require_doc(f"the metric {gauge.metric.name!r}", gauge.metric.__doc__)


@KIT.check("skip gives reasons", "declared")
def skip_gives_reasons(gauge: Gauge) -> None:
    """`skip` answers None or a reason."""
    answers = [gauge.metric.skip(card) for card in samples.CARDS]
    if wrong := [a for a in answers if a is not None and not (isinstance(a, str) and a)]:
        raise Fault(f"skip(card) must return None or a reason, got {wrong[0]!r}")
    if all(answers):
        raise Doubt(f"refuses every synthetic dataset, so nothing more can be checked: {answers[0]}")


@KIT.check("one number, or one an image", "skip gives reasons")
def one_number_or_one_an_image(gauge: Gauge) -> None:
    """A finite scalar or (N,), on perfect, middling and random evidence."""
    for card in _some(gauge):
        for quality in (1.0, 0.6, 0.0):
            for name, value in gauge.scores(*gauge.evidence(card, quality)).items():
                which = f" ({name})" * bool(name)
                if value.numel() != 1 and value.shape != (samples.TEST,):
                    shape = f"shape {tuple(value.shape)} for {samples.TEST} images"
                    raise Fault(f"returned {shape}, expected a number or (N,){which}")
                if not value.double().isfinite().all():
                    raise Fault(f"returned NaN or infinity on {card.kind} evidence of quality {quality:g}{which}")


@KIT.check("leaves the evidence alone", "one number, or one an image")
def leaves_the_evidence_alone(gauge: Gauge) -> None:
    """Computing changes no tensor of the evidence, which other metrics read too."""
    for card in gauge.cards:
        evidence = gauge.evidence(card, 0.6)
        before = [{name: value.clone() for name, value in e.tensors().items()} for e in evidence]
        gauge.metric(*evidence)
        for was, now in zip(before, evidence, strict=True):
            if changed := [name for name, value in now.tensors().items() if not torch.equal(value, was[name])]:
                raise Fault(f"changes {changed[0]} in place: work on a copy")


@KIT.check("deterministic", "one number, or one an image")
def deterministic(gauge: Gauge) -> None:
    """The same evidence gives the same value."""
    for card in gauge.cards:
        evidence = gauge.evidence(card, 0.6)
        first, second = gauge.value(*evidence), gauge.value(*evidence)
        if first != second:
            raise Fault(f"the same evidence gave {first:g}, then {second:g}: seed what is random")


@KIT.check("independent of the order", "deterministic")
def independent_of_the_order(gauge: Gauge) -> None:
    """Images in another order give the same value."""
    if issubclass(gauge.metric.accepts, Grams):
        raise NotApplicable("inner products are of blocks of images in their order")
    order = torch.randperm(samples.TEST, generator=torch.Generator().manual_seed(7))
    for card in gauge.cards:
        evidence = gauge.evidence(card, 0.6)
        one, other = gauge.value(*evidence), gauge.value(*(e.take(order) for e in evidence))
        if not math.isclose(one, other, rel_tol=1e-5, abs_tol=1e-7):
            raise Fault(f"the same images in another order gave {other:g} instead of {one:g}")


@KIT.check("within its bounds", "one number, or one an image")
def within_its_bounds(gauge: Gauge) -> None:
    """No evidence, good or bad, gives a value outside the declared bounds."""
    low, high = gauge.metric.bounds
    slack = 1e-6 * max(1.0, *(abs(b) for b in gauge.metric.bounds if math.isfinite(b)), 1.0)
    for card in gauge.cards:
        for quality in (1.0, 0.6, 0.0):
            for name, found in gauge.scores(*gauge.evidence(card, quality)).items():
                value = float(found.double().mean())
                if not low - slack <= value <= high + slack:
                    which = f" ({name})" * bool(name)
                    raise Fault(f"gave {value:g}, outside its declared bounds ({low:g}, {high:g}){which}")


@KIT.check("right direction", "deterministic")
def right_direction(gauge: Gauge) -> None:
    """A perfect prediction scores better than the same one with its targets shuffled."""
    if gauge.described():
        raise NotApplicable("a description: no evidence is better than other")
    for card in gauge.cards:
        perfect = gauge.evidence(card, 1.0)
        best, worse = gauge.value(*perfect), gauge.value(*_spoilt(gauge, card, perfect))
        if best == worse:
            _explain_equal(gauge, card, best)
        if not gauge.better(best, worse):
            said = "higher" if gauge.metric.higher_is_better else "lower"
            raise Fault(f"declares that {said} is better, but perfect evidence scores {best:g} and shuffled {worse:g}")


def _spoilt(gauge: Gauge, card: DatasetCard, perfect: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
    """The perfect evidence with its truth shuffled; for a pair, with the second's rows out of order."""
    truth = getattr(perfect[0], "targets", None)
    if gauge.metric.pair or not isinstance(truth, Tensor):
        return gauge.evidence(card, 0.0)
    order = torch.randperm(len(truth), generator=torch.Generator().manual_seed(3))
    return (replace(perfect[0], targets=truth[order]),)  # type: ignore[call-arg]


def _explain_equal(gauge: Gauge, card: DatasetCard, value: float) -> None:
    if gauge.value(*gauge.evidence(card, 0.0)) == value == gauge.value(*gauge.evidence(card, 0.6)):
        raise Fault(f"gives {value:g} whatever the evidence")
    raise NotApplicable("does not use the targets: no evidence is perfect")


@KIT.check("perfect evidence reaches the best bound", "right direction", "within its bounds")
def perfect_reaches_the_best_bound(gauge: Gauge) -> None:
    """Where the best bound is finite, a perfect prediction attains it: 100, not 1, of a percentage."""
    metric = gauge.metric
    if gauge.described():
        raise NotApplicable("a description has no best bound")
    bound = metric.bounds[1] if metric.higher_is_better else metric.bounds[0]
    if not math.isfinite(bound):
        raise NotApplicable("the best bound is infinite")
    if issubclass(metric.accepts, samples.NEVER_PERFECT) and not metric.pair:
        raise NotApplicable(f"no {metric.accepts.name} are perfect")
    for card in gauge.cards:
        value = gauge.value(*gauge.evidence(card, 1.0))
        if not math.isclose(value, bound, rel_tol=1e-4, abs_tol=1e-4):
            fraction = metric.unit == "%" and math.isclose(100 * value, bound, rel_tol=1e-3)
            hint = ": is it a fraction? A percentage is declared" if fraction else ""
            raise Fault(f"perfect evidence scores {value:g}, not the best bound {bound:g}{metric.unit}{hint}")


@KIT.check("survives resampling", "one number, or one an image")
def survives_resampling(gauge: Gauge) -> None:
    """A bootstrap resample, which repeats images and may lack a class, does not raise."""
    if issubclass(gauge.metric.accepts, Grams):
        raise NotApplicable("inner products are of blocks of images: none is taken out")
    few = torch.arange(6).repeat(40)
    for card in gauge.cards:
        gauge.raw(*(e.take(few) for e in gauge.evidence(card, 0.6)))


def _some(gauge: Gauge) -> list[DatasetCard]:
    if not gauge.cards:
        raise NotApplicable("the metric refuses every synthetic dataset")
    return gauge.cards
