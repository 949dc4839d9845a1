"""Metrics of few-shot episodes."""

from __future__ import annotations

from harness import metric
from harness.evidence import Episodes
from harness.metrics import Interval


@metric("episode_accuracy", accepts=Episodes, unit="%", bounds=(0, 100))
def episode_accuracy(e: Episodes) -> Interval:
    """Mean accuracy of the episodes, in percent, plus and minus 1.96 population standard deviations by root E."""
    mean = float(e.accuracy.double().mean())
    half = 1.96 * float(e.accuracy.double().std(correction=0)) / len(e) ** 0.5
    return Interval(mean, mean - half, mean + half)
