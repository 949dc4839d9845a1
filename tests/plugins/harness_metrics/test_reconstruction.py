"""Likeness of images against scikit-image and formulas; LPIPS with weights of our own in the place of the published."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from skimage.metrics import structural_similarity
from torch import Tensor
from torchmetrics.functional.image import lpips as published

from harness.errors import UndefinedError
from harness.evidence import Reconstructions
from harness.metrics import scores, value
from harness_metrics.reconstruction import colour_mse, lpips, ssim, weights_file


def pair(side: int = 40, n: int = 3) -> Reconstructions:
    """Noise with a gradient, and the same with other noise on it."""
    random = torch.Generator().manual_seed(side)
    ramp = torch.arange(side).float() * 3
    images = (100 * torch.rand(n, 3, side, side, generator=random) + ramp).to(torch.uint8)
    noise = torch.randn(n, 3, side, side, generator=random) * torch.tensor([5.0, 20.0, 60.0])[:n].view(-1, 1, 1, 1)
    return Reconstructions(images, (images.float() + noise).clamp(0, 255).to(torch.uint8))


def test_colour_error_is_that_of_numpy_a_channel() -> None:
    e = pair()
    found = {s.variant: s.value for s in scores(colour_mse, e)}
    a, b = e.images.numpy().astype(float), e.rebuilt.numpy().astype(float)
    channels = ((a - b) ** 2).mean((0, 2, 3))
    assert list(found) == ["mean", "red", "green", "blue"]
    assert list(found.values()) == pytest.approx([channels.mean(), *channels])


def test_colour_error_tells_the_channels_apart_and_has_no_logit() -> None:
    assert not math.isfinite(colour_mse.bounds[1])  # which `imagenet_correlation` would take of a share
    images = torch.zeros(2, 3, 12, 12, dtype=torch.uint8)
    rebuilt = images.clone()
    rebuilt[:, 0] = 255
    found = {name: each.tolist() for name, each in colour_mse(Reconstructions(images, rebuilt)).items()}
    assert found == {"mean": [21675.0] * 2, "red": [65025.0] * 2, "green": [0.0] * 2, "blue": [0.0] * 2}


@pytest.mark.parametrize("side", [11, 32, 45])
def test_ssim_is_that_of_scikit_image(side: int) -> None:
    e = pair(side)
    oracle = [
        structural_similarity(
            a, b, channel_axis=0, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        for a, b in zip(e.images.numpy(), e.rebuilt.numpy(), strict=True)
    ]
    np.testing.assert_allclose(ssim(e), oracle, rtol=1e-6)
    assert oracle[0] > oracle[2]
    assert value(ssim, Reconstructions(e.images, e.images)) == pytest.approx(1)


def test_ssim_of_one_image_and_of_many_is_one_number_each() -> None:
    e = pair(16)
    many = e.take(torch.arange(40) % 3)
    assert ssim(e.take(torch.tensor([0]))).shape == (1,)
    np.testing.assert_allclose(ssim(many), ssim(e).repeat(14)[:40])


def test_small_images_have_no_ssim_and_no_lpips() -> None:
    with pytest.raises(UndefinedError, match="ssim is undefined on images of 10 pixels: it needs 11"):
        ssim(pair(10))
    with pytest.raises(UndefinedError, match="images of 31 pixels: it needs 32"):
        lpips(pair(31))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub folder, and no way to the network."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("tried to download")

    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints"


def put(net: str, architecture: str) -> dict[str, Tensor]:
    """Random weights in the place where those of a net are looked for."""
    torch.manual_seed(2)
    state = getattr(torchvision.models, architecture)(weights=None).state_dict()
    torch.save(state, weights_file(net))
    return state


def test_without_its_weights_lpips_is_undefined_and_says_what_to_put_where(hub: Path) -> None:
    with pytest.raises(UndefinedError, match=r"alexnet-owt-7be5be79\.pth.*nothing is downloaded") as told:
        lpips(pair())
    assert str(hub) in str(told.value)
    assert "vgg16-397923af.pth" in str(told.value)


def test_lpips_is_the_published_formula_of_the_nets_that_are_there(hub: Path) -> None:
    state, e = put("alex", "alexnet"), pair(64)
    put("squeeze", "squeezenet1_1")
    before = torch.get_rng_state()
    found = lpips(e)
    assert torch.equal(before, torch.get_rng_state())
    assert list(found) == ["alex", "squeeze"]
    assert found["alex"].shape == found["squeeze"].shape == (3,)
    np.testing.assert_allclose(found["alex"], formula(e, state), rtol=1e-4)
    assert float(lpips(Reconstructions(e.images, e.images))["squeeze"].abs().max()) == 0


def formula(e: Reconstructions, state: dict[str, Tensor]) -> Tensor:
    """Zhang et al. 2018, equation 1, after each ReLU of AlexNet, with the published weights of channels."""
    net = torchvision.models.alexnet(weights=None)
    net.load_state_dict(state)
    linear = torch.load(Path(published.__file__).parent / "lpips_models" / "alex.pth", "cpu", weights_only=True)
    shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    a, b = ((x.float() / 127.5 - 1 - shift.view(3, 1, 1)) / scale.view(3, 1, 1) for x in (e.images, e.rebuilt))
    total, level = torch.zeros(len(e)), 0
    with torch.no_grad():
        for layer in net.features[:12]:
            a, b = layer(a), layer(b)
            if isinstance(layer, torch.nn.ReLU):
                difference = (a / a.norm(dim=1, keepdim=True) - b / b.norm(dim=1, keepdim=True)).square()
                total += (difference * linear[f"lin{level}.model.1.weight"]).sum(1).mean((1, 2))
                level += 1
    assert level == 5
    return total
