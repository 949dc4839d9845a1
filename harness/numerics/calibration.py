"""Temperature scaling: Guo et al., On Calibration of Modern Neural Networks, ICML 2017, section 4.2."""

from __future__ import annotations

from torch import Tensor

BOUND = 100.0
"""Temperatures are sought from 1 / BOUND to BOUND times the scale of the margins."""


def temperature(logits: Tensor, targets: Tensor) -> float:
    """Return the T for which ``softmax(logits / T)`` has the least negative log-likelihood of the targets.

    The likelihood is convex in b = 1 / T: Newton's method in float64, with bisection where a step would leave the
    bracket of the root. Margins, logits minus the target's, are first divided by their root mean square, so that the
    temperature of k times the logits is k times theirs. Where there is no minimum within the bounds, as on images all
    classified correctly (T to 0) or worse than by chance (T to infinity), the bound is returned; 1 where all logits of
    each image are equal, and any temperature is as good.

    Args:
        logits: (N, C).
        targets: (N,) classes.

    Raises ValueError without an image.
    """
    if not len(targets):
        raise ValueError("a temperature needs images to be fitted on")
    z = logits.double()
    z = z - z.gather(1, targets[:, None])
    scale = float(z.square().mean().sqrt())
    return scale / _sharpest(z / scale) if scale else 1.0


def _sharpest(z: Tensor) -> float:
    """Return the b within the bounds that minimises the negative log-likelihood of margins (N, C) of unit scale."""
    low, high = 1 / BOUND, BOUND
    if _derivatives(z, high)[0] <= 0:
        return high
    if _derivatives(z, low)[0] >= 0:
        return low
    b = 1.0
    for _ in range(200):
        slope, curvature = _derivatives(z, b)
        low, high = (b, high) if slope < 0 else (low, b)
        newton = b - slope / curvature if curvature > 0 else low
        step = newton if low < newton < high else (low * high) ** 0.5
        if abs(step - b) <= 1e-12 * b:
            break
        b = step
    return b


def _derivatives(margins: Tensor, b: float) -> tuple[float, float]:
    """Return the first and second derivative in b of the mean negative log-likelihood, of logits minus the target's."""
    p = (margins * b).softmax(1)
    mean = (p * margins).sum(1)
    return float(mean.mean()), float(((p * margins**2).sum(1) - mean**2).mean())
