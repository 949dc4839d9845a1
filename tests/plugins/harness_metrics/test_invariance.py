"""Invariance against SciPy, scikit-learn and loops; encoders invariant by construction; what must not matter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cosine, mahalanobis
from sklearn.neighbors import NearestNeighbors
from view_world import data, encoder

from harness.errors import UndefinedError
from harness.evidence import ViewEmbeddings
from harness.metrics import Metric, score, scores, value
from harness.transforms import FAMILIES
from harness_metrics import invariance as m
from harness_tasks.views import Views, whitener

N, V, D = 20, 5, 7
WHITENED = [m.invariance_cosine, m.invariance_mahalanobis, m.invariance_curve]
ALL = [*WHITENED, m.invariance_raw, m.view_cosine, m.view_retrieval]


def evidence(noise: float = 0.5, family: str = "rotation", **changes: torch.Tensor | None) -> ViewEmbeddings:
    """Features with a large mean and views that are noisy copies, the further on the noisier."""
    random = torch.Generator().manual_seed(0)
    scale = torch.logspace(0.5, -0.5, D)
    reference = torch.randn(200, D, generator=random) * scale + 4
    clean = torch.randn(N, D, generator=random) * scale + 4
    steps = noise * torch.linspace(0.2, 2, V)[:, None]
    features = clean[:, None] + steps * torch.randn(N, V, D, generator=random)
    parameters = FAMILIES[family].draw(V, 0).expand(N, -1, -1)
    mean, whitening = whitener(reference, 0.0)
    return replace(ViewEmbeddings(features, clean, parameters, mean, whitening, family), **changes)


def test_cosine_and_distance_are_the_papers() -> None:
    """As the released code has them: SciPy's distance by the inverse covariance, cosine after Cholesky."""
    e = evidence()
    c = e.whitening.double()
    inverse = (c @ c.T).numpy()
    z, moved = ((e.mean.double() - features.double()) @ c for features in (e.clean, e.features))
    s = [[1 - cosine(moved[i, v], z[i]) for v in range(V)] for i in range(N)]
    distance = [[mahalanobis(e.clean[i], e.features[i, v], inverse) for v in range(V)] for i in range(N)]
    np.testing.assert_allclose(m.invariance_cosine(e), np.mean(s, 1), rtol=1e-9)
    np.testing.assert_allclose(m.invariance_mahalanobis(e), np.mean(distance, 1), rtol=1e-6)
    raw = [[1 - cosine(e.features[i, v].double(), e.clean[i].double()) for v in range(V)] for i in range(N)]
    np.testing.assert_allclose(m.invariance_raw(e), np.mean(raw, 1), rtol=1e-9)
    assert 0.3 < value(m.invariance_cosine, e) < value(m.invariance_raw, e) - 0.05


def test_unrelated_images_are_about_the_root_of_twice_the_dimensions_apart() -> None:
    random = torch.Generator().manual_seed(0)
    mix = torch.randn(50, 50, generator=random)
    reference, clean, others = (torch.randn(n, 50, generator=random) @ mix for n in (20_000, 400, 400))
    e = ViewEmbeddings(others[:, None], clean, torch.zeros(400, 1, 1), *whitener(reference, 0.0))
    assert value(m.invariance_mahalanobis, e) == pytest.approx(100**0.5, rel=0.02)
    assert abs(value(m.invariance_cosine, e)) < 0.03


@pytest.mark.parametrize("metric", [m.invariance_cosine, m.invariance_mahalanobis], ids=lambda x: x.name)
def test_whitening_undoes_any_invertible_linear_map(metric: Metric) -> None:
    e = evidence()
    random = torch.Generator().manual_seed(5)
    mix, shift = torch.randn(D, D, generator=random) * 3, torch.randn(D, generator=random) * 10
    reference = torch.randn(300, D, generator=random) * torch.logspace(0, -0.5, D) + 4
    before = replace(e, **dict(zip(("mean", "whitening"), whitener(reference, 0.0), strict=True)))
    mixed = dict(zip(("mean", "whitening"), whitener(reference @ mix + shift, 0.0), strict=True))
    after = replace(e, features=e.features @ mix + shift, clean=e.clean @ mix + shift, **mixed)
    torch.testing.assert_close(metric(after), metric(before), rtol=2e-3, atol=2e-3)


def test_view_cosine_equals_a_loop_over_all_pairs() -> None:
    e = evidence(noise=1.0)
    z = (e.features - e.mean).double()
    z = (z / z.norm(dim=2, keepdim=True)).numpy()
    own = [np.mean([z[i, a] @ z[i, b] for a in range(V) for b in range(V) if a != b]) for i in range(N)]
    other = [
        np.mean([z[i, a] @ z[j, b] for j in range(N) if j != i for a in range(V) for b in range(V)]) for i in range(N)
    ]
    np.testing.assert_allclose(m.view_cosine(e), np.array(own) - np.array(other), rtol=1e-5, atol=1e-6)


def test_view_cosine_is_one_for_equal_views_and_nought_for_unrelated_ones() -> None:
    random = torch.Generator().manual_seed(0)
    clean = torch.randn(300, 100, generator=random) + 5
    equal = clean[:, None].expand(-1, 4, -1)
    random_views = torch.randn(300, 4, 100, generator=random) + 5
    of = {name: ViewEmbeddings(f, clean, torch.zeros(300, 4, 1)) for name, f in (("=", equal), ("?", random_views))}
    assert value(m.view_cosine, of["="]) == pytest.approx(1, abs=0.01)
    assert value(m.view_cosine, of["?"]) == pytest.approx(0, abs=0.01)
    assert value(m.invariance_raw, of["?"]) > 0.9  # what centring is for


def test_retrieval_equals_scikit_learn() -> None:
    e = evidence(noise=3.0)
    nearest = NearestNeighbors(n_neighbors=1, metric="cosine", algorithm="brute").fit(e.clean.double())
    found = nearest.kneighbors(e.features.double().flatten(0, 1), return_distance=False).reshape(N, V)
    np.testing.assert_allclose(m.view_retrieval(e), 100 * (found == np.arange(N)[:, None]).mean(1))
    assert 20 < value(m.view_retrieval, e) < 90
    assert value(m.view_retrieval, evidence(noise=0.0)) == 100


def test_a_curve_has_the_mean_and_a_point_for_each_value() -> None:
    e = evidence()
    found = m.invariance_curve(e)
    assert list(found) == ["mean", "angle=0", "angle=72", "angle=144", "angle=216", "angle=288"]
    assert found["mean"].equal(m.invariance_cosine(e))
    torch.testing.assert_close(torch.stack(list(found.values())[1:]).mean(0), found["mean"])
    third = replace(e, features=e.features[:, 2:3], parameters=e.parameters[:, 2:3])
    torch.testing.assert_close(found["angle=144"], m.invariance_cosine(third))
    assert found["angle=0"].mean() > found["angle=288"].mean() + 0.1
    points = scores(m.invariance_curve, e, variant="embedding", resamples=100)
    assert [point.variant for point in points[:2]] == ["embedding,mean", "embedding,angle=0"]
    assert points[1].low < points[1].value < points[1].high


def test_strengths_with_a_seed_for_each_image_are_a_grid_too() -> None:
    family = FAMILIES["noise"]
    parameters = torch.stack([family.draw(V, seed) for seed in range(N)])
    found = m.invariance_curve(replace(evidence(), parameters=parameters, family="noise"))
    assert list(found)[:3] == ["mean", "sd=0", "sd=0.0625"]


@pytest.mark.parametrize("family", ["translation", "simclr", "hflip", ""])
def test_what_is_no_grid_of_one_parameter_has_no_curve(family: str) -> None:
    views = 1 if family == "hflip" else V
    drawn = FAMILIES[family].draw(views, 0) if family else torch.zeros(V, 1)
    e = evidence()
    e = replace(e, family=family, features=e.features[:, :views], parameters=drawn.expand(N, -1, -1))
    with pytest.raises(UndefinedError, match=f"the views of {family or 'no family'} are no grid of one parameter"):
        m.invariance_curve(e)


@pytest.mark.parametrize("metric", ALL, ids=lambda x: x.name)
def test_neither_the_order_of_images_nor_that_of_views_matters(metric: Metric) -> None:
    e, order = evidence(noise=2.0), torch.randperm(N, generator=torch.Generator().manual_seed(2))
    turned = replace(e, features=e.features.flip(1), parameters=e.parameters.flip(1))
    assert value(metric, e.take(order)) == pytest.approx(value(metric, e))
    assert value(metric, turned) == pytest.approx(value(metric, e))


@pytest.mark.parametrize("metric", ALL, ids=lambda x: x.name)
def test_equal_views_are_invariant(metric: Metric) -> None:
    e = evidence(noise=0.0)
    wanted = {"invariance_mahalanobis": 0, "view_retrieval": 100}.get(metric.name, 1)
    assert value(metric, e) == pytest.approx(wanted, abs=0.1 if metric is m.view_cosine else 1e-6)
    found = score(metric, evidence(), resamples=200)
    assert found.low < found.value < found.high or metric is m.view_retrieval


@pytest.mark.parametrize("metric", WHITENED, ids=lambda x: x.name)
def test_without_a_reference_or_on_a_constant_one_it_is_undefined(metric: Metric) -> None:
    with pytest.raises(UndefinedError, match="needs a reference set to whiten by"):
        value(metric, evidence(mean=None, whitening=None))
    with pytest.raises(UndefinedError, match="features of the reference set are constant"):
        value(metric, evidence(whitening=torch.zeros(D, D)))


def test_too_few_images_or_views_and_constant_features_are_undefined() -> None:
    e = evidence()
    one = e.take(torch.tensor([0]))
    with pytest.raises(UndefinedError, match="view_cosine needs two images and two views of each, got 1 and 5"):
        m.view_cosine(one)
    with pytest.raises(UndefinedError, match="got 20 and 1"):
        m.view_cosine(replace(e, features=e.features[:, :1]))
    with pytest.raises(UndefinedError, match="the features are constant"):
        m.view_cosine(replace(e, features=torch.ones(N, V, D), clean=torch.ones(N, D), mean=None))
    with pytest.raises(UndefinedError, match="view_retrieval needs two images"):
        m.view_retrieval(one)


@pytest.mark.parametrize("name", ["cnn", "vit"])
def test_encoders_see_small_turns_less_than_large_ones(name: str) -> None:
    """From pixels to scores, through the transforms and the task."""
    e = Views("rotation", 8).run(data(encoder(name), "rotation[8]"))
    curve = {name: float(points.mean()) for name, points in m.invariance_curve(e).items()}
    assert curve["angle=0"] == pytest.approx(1, abs=1e-5)
    assert curve["angle=45"] < 0.9
    for metric in ALL:
        assert np.isfinite(value(metric, e))


def test_an_encoder_of_lightness_ignores_colour() -> None:
    """Saturation keeps the lightness, but for what it clips and rounds; brightness does not."""
    found = {}
    for name in ("cnn", "gray"):
        for view in ("saturation[4]", "brightness[4]"):
            e = Views(view).run(data(encoder(name), view))
            found[name, view] = value(m.invariance_raw, e), value(m.invariance_cosine, e)
    assert found["gray", "saturation[4]"][0] > 0.999
    assert found["gray", "saturation[4]"][1] > found["cnn", "saturation[4]"][1] + 0.2
    assert found["gray", "brightness[4]"][1] < found["gray", "saturation[4]"][1] - 0.2
