"""The task of views: what it asks for, what it gives, and the whitening against the paper's formula."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from view_world import data, drawn, encoder

from harness.errors import HarnessError
from harness.tasks import parameters
from harness_tasks.views import Views, whitener


def correlated(n: int, d: int) -> torch.Tensor:
    random = torch.Generator().manual_seed(0)
    x = torch.randn(n, d, generator=random) * torch.logspace(0, -1, d)
    return x @ torch.randn(d, d, generator=random) + 3


def test_it_asks_for_the_clean_images_of_train_and_the_views_of_a_sample_of_test() -> None:
    needs = Views("rotation", 16).needs
    assert needs.folds == ("train", "test")
    assert needs.views == ("clean", "rotation[16]")
    assert needs.layers == ("embedding",)
    assert needs.sample == 200
    assert Views("rotation", reference="none").needs.folds == ("test",)
    assert Views(layers="stage*").needs.layers == ("stage*",)


def test_the_same_views_have_one_form() -> None:
    assert Views("rotation[16]") == Views("rotation", 16) == Views("rotation")
    assert parameters(Views("hflip")) == {
        "family": "hflip", "n": 1, "layers": ("embedding",), "reference": "train", "floor": 0.01, "sample": 200,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"family": "rotaton"}, "no view family 'rotaton'; did you mean 'rotation'"),
        ({"family": "rotation[4]", "n": 4}, "the number of views is given twice"),
        ({"family": "hflip", "n": 2}, "the family has 1"),
        ({"floor": -0.1}, "floor is a part of the mean variance, 0 to 1, got -0.1"),
    ],
)
def test_what_cannot_be_says_why(given: dict[str, Any], message: str) -> None:
    with pytest.raises(HarnessError, match=message):
        Views(**given)


@pytest.mark.parametrize("name", ["cnn", "vit"])
def test_it_gives_features_of_views_and_the_statistics_of_train(name: str) -> None:
    given = data(encoder(name), "simclr[3]")
    found = Views("simclr", 3).run(given)
    assert found.features.equal(given.test.layer("embedding", "simclr[3]"))
    assert found.features.shape[:2] == (24, 3)
    assert found.clean.equal(given.test.layer("embedding"))
    assert found.parameters.equal(drawn("simclr[3]"))
    torch.testing.assert_close(found.mean, given.train.layer("embedding").mean(0))
    assert found.family == "simclr"
    found.check(24, 3)
    bare = Views("simclr", 3, reference="none").run(given)
    assert bare.mean is None
    assert bare.whitening is None


def test_each_layer_is_a_variant_the_deepest_first() -> None:
    layers = ("blocks.3", "blocks.11", "embedding")
    given = data(encoder("vit"), "hflip[1]", layers)
    found = Views("hflip", layers=("blocks.*", "embedding")).run(given)
    assert list(found) == ["embedding", "blocks.11", "blocks.3"]
    assert found["blocks.3"].features.equal(given.test.layer("blocks.3", "hflip[1]"))
    torch.testing.assert_close(found["blocks.3"].mean, given.train.layer("blocks.3").mean(0))


def test_whitening_is_the_papers() -> None:
    x = correlated(300, 12)
    mean, whitening = whitener(x, 0.0)
    inverse = np.linalg.inv(np.cov(x.double().numpy(), rowvar=False))
    wanted = np.linalg.cholesky(inverse)
    np.testing.assert_allclose(whitening.numpy(), wanted, rtol=1e-4, atol=1e-4 * np.abs(wanted).max())
    np.testing.assert_allclose(mean, x.double().mean(0), rtol=1e-6)
    z = (x - mean).double() @ whitening.double()
    np.testing.assert_allclose(np.cov(z.numpy(), rowvar=False), np.eye(12), atol=1e-4)


def test_variances_below_the_floor_are_raised_to_it() -> None:
    x = correlated(8, 12)
    _, whitening = whitener(x, 0.05)
    variance, axes = np.linalg.eigh(np.cov(x.double().numpy(), rowvar=False))
    assert (variance < 1e-9).sum() == 5
    floored = axes @ np.diag(1 / np.maximum(variance, 0.05 * variance.mean())) @ axes.T
    np.testing.assert_allclose(whitening.double() @ whitening.double().T, floored, rtol=1e-3, atol=1e-4 * floored.max())
    full = correlated(300, 12)
    assert float(np.linalg.eigvalsh(np.cov(full.numpy(), rowvar=False)).min()) > 0
    assert whitener(full, 1e-9)[1].equal(whitener(full, 0.0)[1])


def test_dead_units_and_single_dimensions_are_whitened_too() -> None:
    x = torch.cat([correlated(300, 6), torch.zeros(300, 2)], 1)
    _, whitening = whitener(x, 0.01)
    assert whitening.isfinite().all()
    variance = torch.cov(x.double().T).trace() / 8
    torch.testing.assert_close(whitening[-1, -1].double(), 1 / (0.01 * variance).sqrt(), rtol=1e-5, atol=0)
    _, single = whitener(x[:, :1], 0.0)
    torch.testing.assert_close(single, 1 / x[:, :1].std(0, keepdim=True))


def test_singular_covariances_without_a_floor_and_single_images_are_refused() -> None:
    with pytest.raises(HarnessError, match="covariance of 8 train images in 12 dimensions is singular; give a floor"):
        whitener(correlated(8, 12), 0.0)
    with pytest.raises(HarnessError, match="two train images are the least"):
        whitener(correlated(1, 12), 0.01)


def test_constant_features_have_no_direction() -> None:
    mean, whitening = whitener(torch.full((20, 5), 0.1), 0.01)
    assert not whitening.any()
    torch.testing.assert_close(mean, torch.full((5,), 0.1))
