"""Spectrum, dimension, distribution and transferability metrics: constants, kinds of targets, scores and intervals."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from harness.errors import UndefinedError
from harness.evidence import Embeddings, ViewEmbeddings
from harness.metrics import Interval, Metric, scores, value
from harness.numerics import dimension as dimensions
from harness.numerics import spectrum as spectra
from harness.numerics import transferability as transfer
from harness.testing.samples import card
from harness_metrics import dimension, distribution, spectrum, transferability

N, D, V = 240, 128, 3
EMBEDDINGS = [
    spectrum.rankme, spectrum.effective_rank, spectrum.alpha_req, dimension.twonn, dimension.mle_dimension,
    distribution.uniformity, distribution.sparsity, distribution.norm,
    transferability.logme, transferability.h_score, transferability.h_score_shrunk, transferability.class_separation,
]  # fmt: skip
VIEWS = [spectrum.lidar, distribution.alignment]
CLASSED = [transferability.h_score, transferability.h_score_shrunk, transferability.class_separation]


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def embeddings() -> Embeddings:
    """As a ReLU network gives them: none is negative, many are zero, and images of a class are near."""
    targets = torch.arange(N) % 5
    return Embeddings((normal(N, D) + normal(5, D, seed=1)[targets]).relu(), targets)


def views() -> ViewEmbeddings:
    clean = embeddings()
    seen = clean.features[:, None] + 0.3 * normal(N, V, D, seed=2)
    return ViewEmbeddings(seen, clean.features, torch.zeros(N, V, 1), targets=clean.targets)


@pytest.mark.parametrize("metric", EMBEDDINGS + VIEWS, ids=lambda x: x.name)
def test_each_is_finite_with_an_interval_and_keeps_its_bounds(metric: Metric) -> None:
    for found in scores(metric, views() if metric in VIEWS else embeddings(), resamples=100):
        assert found.low < found.value < found.high
        assert found.high - found.low < 0.5 * abs(found.value) + 0.5
        assert metric.bounds[0] < found.value < metric.bounds[1]


def test_the_constants_are_those_their_names_and_docs_tell() -> None:
    e, v = embeddings(), views()
    x, y = e.features, e.targets
    expected = {
        spectrum.rankme: spectra.entropy_rank(x, 1e-7),
        spectrum.effective_rank: spectra.entropy_rank(x, 0.0),
        spectrum.alpha_req: spectra.power_law(x, 11, 100),
        dimension.twonn: dimensions.two_nn(x, 0.1),
        dimension.mle_dimension: dimensions.maximum_likelihood(x, 20),
        transferability.h_score: transfer.h_score(x, y),
        transferability.h_score_shrunk: transfer.h_score_shrunk(x, y),
        transferability.class_separation: transfer.class_separation(x, y),
    }
    for metric, found in expected.items():
        assert metric(e) == Interval(*found)
    assert spectrum.rankme(e).value > spectrum.effective_rank(e).value
    assert spectrum.lidar(v) == Interval(*spectra.lidar(v.features, 1e-4, 1e-7))
    unit = torch.nn.functional.normalize(x.double())
    pairs = torch.pdist(unit).square()
    assert value(distribution.uniformity, e) == pytest.approx(float((-2 * pairs).exp().mean().log()), rel=1e-5)


def test_logme_takes_classes_labels_and_continuous_targets() -> None:
    e = embeddings()
    columns = torch.nn.functional.one_hot(e.targets)
    assert value(transferability.logme, Embeddings(e.features, columns)) == value(transferability.logme, e)
    depth = e.features[:, :2] + 0.1 * normal(N, 2, seed=3)
    assert transferability.logme(Embeddings(e.features, depth)) == Interval(*transfer.logme(e.features, depth))
    for kind in ("single-label", "multi-label", "continuous"):
        assert transferability.logme.skip(card(kind)) is None


@pytest.mark.parametrize("metric", CLASSED, ids=lambda x: x.name)
def test_metrics_of_classes_skip_other_targets(metric: Metric) -> None:
    assert metric.skip(card("single-label")) is None
    for kind in ("multi-label", "continuous"):
        assert kind in metric.skip(card(kind))


def test_alignment_is_the_mean_over_pairs_of_views() -> None:
    v = views()
    unit = torch.nn.functional.normalize(v.features.double(), dim=2)
    pairs = [(unit[:, a] - unit[:, b]).square().sum(1) for a, b in ((0, 1), (0, 2), (1, 2))]
    torch.testing.assert_close(distribution.alignment(v), torch.stack(pairs).mean(0))
    one = ViewEmbeddings(v.features[:, :1], v.clean, v.parameters[:, :1])
    for metric in VIEWS:
        with pytest.raises(UndefinedError, match="two views"):
            metric(one)


def test_views_that_are_the_same_are_aligned() -> None:
    v = views()
    same = ViewEmbeddings(v.clean[:, None].expand(-1, V, -1), v.clean, v.parameters)
    assert value(distribution.alignment, same) == pytest.approx(0, abs=1e-12)


def test_norms_are_numpys() -> None:
    e = embeddings()
    lengths = np.linalg.norm(e.features.double().numpy(), axis=1)
    found = {s.variant: s.value for s in scores(distribution.norm, e, resamples=10)}
    expected = {"mean": lengths.mean(), "sd": lengths.std(), "cv": lengths.std() / lengths.mean()}
    assert found == pytest.approx(expected)
    assert list(found) == ["mean", "sd", "cv"]


def test_norms_under_weights_equal_repeating_images() -> None:
    e = embeddings()
    counts = torch.randint(0, 4, (3, N), generator=torch.Generator().manual_seed(1))
    for name in ("sd", "cv"):
        for row, w in zip(distribution.norm(e)[name].of(counts.double()), counts, strict=True):
            again = distribution.norm(e.take(torch.arange(N).repeat_interleave(w)))[name]
            assert row.item() == pytest.approx(again.of(torch.ones(1, int(w.sum()), dtype=torch.float64)).item())


@pytest.mark.parametrize("metric", EMBEDDINGS, ids=lambda x: x.name)
def test_collapsed_features_have_a_value_or_a_reason(metric: Metric) -> None:
    """All images alike: rank 1, no spread, or undefined."""
    e = Embeddings(torch.full((N, D), 0.3), torch.arange(N) % 5)
    known = {"rankme": 1.0, "effective_rank": 1.0, "uniformity": 0.0, "sparsity": 0.0, "norm": 0.3 * D**0.5}
    if metric.name in known:
        assert value(metric, e) == pytest.approx(known[metric.name], abs=1e-2)
    elif metric.name != "logme":  # whose one feature is then as good as a bias
        with pytest.raises(UndefinedError):
            value(metric, e)


@pytest.mark.parametrize("metric", EMBEDDINGS, ids=lambda x: x.name)
def test_features_that_are_all_zero_are_undefined(metric: Metric) -> None:
    with pytest.raises(UndefinedError):
        value(metric, Embeddings(torch.zeros(N, D), torch.arange(N) % 5))
