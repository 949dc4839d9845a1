"""Passes over patches against full passes, in float64, where nothing but exactness can agree."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import mobilenet_v3_small
from torchvision.models.resnet import BasicBlock, ResNet

from harness_models.tiny import TinyResNet
from harness_tasks.occlusion.incremental import Incremental
from harness_tasks.occlusion.patches import Patch, Sliding, Span


class Odd(nn.Module):
    """Sums and concatenations of unlike branches: dilation, groups, gaps in the stride, rectangles, ceilings.

    Its maximum pooling sees values below 0, and one convolution is seen by more than its batch normalisation.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, (5, 3), (1, 2), (2, 1)), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.dilated, self.norm = nn.Conv2d(8, 8, 3, 1, 2, dilation=2, groups=4), nn.BatchNorm2d(8)
        self.pooled = nn.MaxPool2d(3, 2, 1, ceil_mode=True)
        self.gapped = nn.Conv2d(16, 8, 1, 3)
        self.mean = nn.AvgPool2d(2, 1)
        self.reflecting = nn.Conv2d(8, 4, 3, padding=1, padding_mode="reflect")
        self.same = nn.Conv2d(4, 4, 3, padding="same")

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.dilated(x)
        y = torch.relu(self.norm(y)) + y
        y += x
        z = self.pooled(torch.cat([-9 + y, x + y], dim=1))
        z = nn.functional.silu(self.mean(self.gapped(z)), inplace=True)
        return self.same(self.reflecting(z)).amax(3).flatten(1)


def double(module: nn.Module) -> nn.Module:
    """Evaluated in float64, with statistics of batches that are not those of a new network."""
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.uniform_(norm.running_mean, -0.5, 0.5)
            nn.init.uniform_(norm.running_var, 0.5, 2.0)
            nn.init.uniform_(norm.weight, 0.5, 2.0)
            nn.init.normal_(norm.bias)
    return module.eval().double()


def squeezing() -> nn.Module:
    made: nn.Module = mobilenet_v3_small(weights=None)
    return nn.Sequential(made.features, made.avgpool, nn.Flatten())


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "tiny": TinyResNet, "resnet": lambda: ResNet(BasicBlock, [1, 2, 1, 1]), "odd": Odd, "squeezing": squeezing,
}  # fmt: skip
WINDOWS = [(0, 1, 0, 1), (0, 4, 27, 40), (36, 40, 36, 40), (13, 20, 22, 24), (5, 39, 0, 40), (0, 40, 0, 40)]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("size", [40, 45])
def test_it_is_the_network_wherever_the_window(name: str, size: int) -> None:
    torch.manual_seed(1)
    network = double(NETWORKS[name]())
    image = torch.randn(1, 3, size, size, dtype=torch.float64)
    incremental = Incremental(network)
    with torch.no_grad():
        torch.testing.assert_close(incremental.start(image), network(image), rtol=1e-9, atol=1e-11)
        for top, bottom, left, right in WINDOWS:
            changed = image.repeat(3, 1, 1, 1)
            changed[:, :, top:bottom, left:right] = torch.randn(3, 3, bottom - top, right - left, dtype=torch.float64)
            values = changed[:, :, top:bottom, left:right]
            found = incremental(Patch(values, Span(top, bottom), Span(left, right), image))
            torch.testing.assert_close(found, network(changed), rtol=1e-9, atol=1e-11)
            assert (found - incremental.start(image)).abs().max() > 2e-8


def test_the_network_itself_is_left_as_it_was() -> None:
    network = TinyResNet()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    Incremental(network).start(torch.randn(1, 3, 32, 32))
    assert network.training
    assert network.stem[2].inplace
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_only_the_window_is_computed() -> None:
    seen: list[torch.Size] = []

    class Spy(nn.ReLU):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(x.shape)
            return super().forward(x)

    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, 1, 1), nn.ReLU(), nn.Conv2d(4, 4, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2)
    ).eval()
    incremental = Incremental(net)
    image = torch.randn(1, 3, 64, 64)
    incremental.start(image)
    for name in ("1", "3"):
        spy = Spy()
        spy.__class__.__module__ = "torch.nn"
        incremental.module.set_submodule(name, spy)
    incremental._patched = type(incremental._patched)(incremental.module)
    incremental.start(image)
    seen.clear()
    incremental(Patch(torch.zeros(2, 3, 5, 5), Span(30, 35), Span(0, 5), image))
    assert [tuple(shape[2:]) for shape in seen] == [(7, 6), (9, 7)]


@pytest.mark.parametrize("kernel", [1, 2, 3, 7])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2])
def test_outputs_are_those_that_see_a_change_and_inputs_those_they_see(kernel: int, stride: int, dilation: int) -> None:
    n, padding = 23, (kernel - 1) // 2
    axis = Sliding(kernel, stride, padding, dilation)
    outputs = (n + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    sees = [{o * stride - padding + dilation * k for k in range(kernel)} for o in range(outputs)]
    for start in range(n):
        for stop in range(start + 1, min(start + 6, n + 1)):
            changed = [o for o in range(outputs) if sees[o] & set(range(start, stop))]
            found = axis.outputs(Span(start, stop), outputs)
            assert set(changed) <= set(range(*found)) <= set(range(outputs))
            assert not changed or list(range(*found)) == changed or dilation > 1 or kernel < stride
            wanted = set().union(*(sees[o] for o in range(*found)))
            assert axis.inputs(found) == Span(min(wanted), max(wanted) + 1)
