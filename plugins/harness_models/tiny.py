"""The one architecture of the tiny zoo: a CIFAR-stem residual network of 0.4 M parameters.

A 3x3 stem at full resolution (no pooling, as usual at 32 px), then three stages of basic blocks (He et al. 2016,
1512.03385), each halving the resolution first: 32 px in, 128x4x4 out, global average pooling to 128 dimensions.
Every block keeps its branch in a submodule named ``residual``, so that ``stage2.0.residual`` (before the addition) and
``stage2.0`` (after addition and ReLU) are both tappable layers, the odd and even layers of Grigg et al. 2021.
"""

from __future__ import annotations

from torch import Tensor, nn

STEM = 16
STAGES = ((32, 2), (64, 2), (128, 1))  # (width, blocks)


class Block(nn.Module):
    """A basic residual block: (N, C_in, H, W) to (N, C_out, H/stride, W/stride)."""

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(c_out),
            nn.ReLU(inplace=True),
            nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False),
            nn.BatchNorm2d(c_out),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or c_in != c_out:
            self.shortcut = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out))
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.residual(x) + self.shortcut(x))


def stage(c_in: int, c_out: int, blocks: int) -> nn.Sequential:
    """`blocks` residual blocks, the first of which halves the resolution."""
    return nn.Sequential(Block(c_in, c_out, 2), *(Block(c_out, c_out, 1) for _ in range(blocks - 1)))


class TinyResNet(nn.Module):
    """(N, 3, H, W) normalised images to (N, 128) pooled features."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, STEM, 3, 1, 1, bias=False), nn.BatchNorm2d(STEM), nn.ReLU(inplace=True))
        self.stage1 = stage(STEM, *STAGES[0])
        self.stage2 = stage(STAGES[0][0], *STAGES[1])
        self.stage3 = stage(STAGES[1][0], *STAGES[2])
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.num_features = STAGES[2][0]

    def forward(self, x: Tensor) -> Tensor:
        x = self.stage3(self.stage2(self.stage1(self.stem(x))))
        return self.pool(x).flatten(1)
