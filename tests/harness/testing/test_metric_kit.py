"""Each planted fault fails its own check, and no other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import pytest
import torch
from torch import Tensor
from torchmetrics.classification import MulticlassAccuracy

from harness.datasets import DatasetCard
from harness.evidence import Embeddings, Evidence, Predictions
from harness.metrics import Metric, Weighted, metric
from harness.testing import Finding, check_metric, samples


def single(card: DatasetCard) -> str | None:
    return None if card.kind == "single-label" else "for one label an image"


def right(p: Predictions) -> Tensor:
    """Whether the highest score is the target's, in percent, (N,)."""
    return 100.0 * (p.scores.argmax(1) == p.targets)


def declare(compute: Any, **changes: Any) -> Metric:
    facts: dict[str, Any] = {"accepts": Predictions, "unit": "%", "bounds": (0, 100), "skip": single}
    compute.__doc__ = compute.__doc__ or "Planted."
    return metric("planted", **facts | changes)(compute)


def the_fault(metric: Metric, check: str) -> str:
    found = {f.check: f.message for f in check_metric(metric) if f.status == "failed"}
    assert list(found) == [check], found
    return found[check]


def skipped(findings: list[Finding]) -> dict[str, str]:
    assert not [f for f in findings if f.status == "failed"], findings
    return {f.check: f.message for f in findings if f.status == "skipped"}


def test_a_sound_metric_passes_every_check() -> None:
    assert {f.status for f in check_metric(declare(right))} == {"passed"}


def test_a_fraction_declared_as_percent() -> None:
    fraction = declare(lambda p: right(p) / 100)
    message = the_fault(fraction, "perfect evidence reaches the best bound")
    assert "scores 1, not the best bound 100%" in message
    assert "is it a fraction?" in message


def test_every_one_of_several_scores_is_checked() -> None:
    def beside(second: Any) -> Metric:
        return declare(lambda p: {"right": right(p), "second": second(p)})

    sound = beside(lambda p: Weighted(lambda w: w @ right(p).double() / w.sum(1)))
    assert {f.status for f in check_metric(sound)} == {"passed"}
    bare = the_fault(beside(lambda p: float(right(p).mean())), "one number, or one an image")
    assert bare == "metric planted: several scores must each be (N,), Weighted or an Interval"
    assert the_fault(beside(lambda p: right(p) / 0), "one number, or one an image").endswith("quality 1 (second)")
    assert the_fault(beside(lambda p: right(p)[:3]), "one number, or one an image").endswith("or (N,) (second)")
    assert the_fault(beside(lambda p: 7 * right(p)), "within its bounds").endswith("bounds (0, 100) (second)")


def test_a_percentage_declared_as_fraction() -> None:
    percentage = declare(right, bounds=(0, 1))
    assert "gave 100, outside its declared bounds (0, 1)" in the_fault(percentage, "within its bounds")


def test_dependence_on_the_order() -> None:
    def first_half(p: Predictions) -> Tensor:
        return right(p)[: len(p) // 2].mean()

    assert "in another order gave" in the_fault(declare(first_half), "independent of the order")


def test_the_wrong_direction() -> None:
    message = the_fault(declare(right, higher_is_better=False), "right direction")
    assert "declares that lower is better, but perfect evidence scores 100 and shuffled" in message


def test_randomness() -> None:
    assert "seed what is random" in the_fault(declare(lambda p: 99 * torch.rand(())), "deterministic")


def test_a_constant() -> None:
    assert "gives 100 whatever the evidence" in the_fault(declare(lambda p: 100.0), "right direction")


def test_nan_and_wrong_shapes() -> None:
    check = "one number, or one an image"
    assert "NaN" in the_fault(declare(lambda p: right(p) / 0.0 * 0.0), check)
    assert "shape (240, 1)" in the_fault(declare(lambda p: right(p)[:, None]), check)


def test_changing_the_evidence() -> None:
    def greedy(p: Predictions) -> Tensor:
        p.scores.mul_(2)
        return right(p)

    assert "changes scores in place" in the_fault(declare(greedy), "leaves the evidence alone")


def test_raising_on_a_resample() -> None:
    def demanding(p: Predictions) -> Tensor:
        assert p.targets is not None
        if len(p.targets.unique()) < p.scores.shape[1]:
            raise ValueError("a class has no image")
        return right(p)

    assert "ValueError: a class has no image" in the_fault(declare(demanding), "survives resampling")


def test_missing_facts() -> None:
    undocumented = Metric("planted", right, Predictions, "%", (0, 100), skip=single)
    assert "has no documentation" in the_fault(undocumented, "documented")
    assert "bounds must be (least, greatest)" in the_fault(declare(right, bounds=(100, 0)), "declared")
    assert "version" in the_fault(declare(right, version=0), "declared")
    assert "None or a reason" in the_fault(declare(right, skip=lambda card: False), "skip gives reasons")


def test_a_metric_that_refuses_everything_is_a_warning() -> None:
    findings = check_metric(declare(right, skip=lambda card: "never"))
    assert [f.check for f in findings if f.status == "warned"] == ["skip gives reasons"]
    assert "refuses every synthetic dataset" in skipped(findings)["one number, or one an image"]


def test_losses_and_torchmetrics() -> None:
    def nll(p: Predictions) -> Tensor:
        return torch.nn.functional.cross_entropy(p.scores, p.targets, reduction="none")

    loss = declare(nll, unit="nats", bounds=(0, float("inf")), higher_is_better=False)
    assert {f.status for f in check_metric(loss)} == {"passed"}

    ten = declare(
        MulticlassAccuracy(10, average="micro"), unit="", bounds=(0, 1),
        skip=lambda card: single(card) or (None if card.num_classes == 10 else "for ten classes"),
    )  # fmt: skip
    assert {f.status for f in check_metric(ten)} == {"passed"}


def test_embedding_metrics_with_and_without_targets() -> None:
    def spread(e: Embeddings) -> Tensor:
        return e.features.var(0).sum()

    def separation(e: Embeddings) -> Tensor:
        centres = torch.stack([e.features[e.targets == c].mean(0) for c in e.targets.unique()])
        return centres.var(0).sum()

    unbounded = {"accepts": Embeddings, "unit": "", "bounds": (0, float("inf"))}
    assert "does not use the targets" in skipped(check_metric(declare(spread, **unbounded)))["right direction"]
    assert list(skipped(check_metric(declare(separation, **unbounded)))) == ["perfect evidence reaches the best bound"]


def test_pair_metrics() -> None:
    def agreement(a: Predictions, b: Predictions) -> Tensor:
        return (a.scores.argmax(1) == b.scores.argmax(1)).double()

    facts = {"pair": True, "unit": "", "bounds": (0, 1)}
    assert {f.status for f in check_metric(declare(agreement, **facts))} == {"passed"}
    apart = declare(lambda a, b: 1 - agreement(a, b), **facts)
    assert "higher is better" in the_fault(apart, "right direction")


@dataclass(frozen=True)
class Counts(Evidence):
    name = "Counts"
    counts: Tensor


@dataclass(frozen=True)
class ExampleCounts(Counts):
    @classmethod
    def example(cls, card: DatasetCard, quality: float, seed: int) -> Self:
        random = torch.Generator().manual_seed(seed)
        return cls(torch.where(torch.rand(samples.TEST, generator=random) < quality, 0.0, 1.0))


@pytest.mark.parametrize("accepts", [Counts, ExampleCounts])
def test_evidence_of_ones_own(accepts: type[Evidence]) -> None:
    misses = declare(lambda e: e.counts, accepts=accepts, unit="", bounds=(0, 1), higher_is_better=False)
    missing = skipped(check_metric(misses)).values()
    assert all("example" in reason or "needs" in reason for reason in missing)
    assert bool(missing) == (accepts is Counts)
