"""One class a pretraining method: a backbone, the method's heads and its loss (from the `lightly` package).

Each is called with a uint8-derived batch (N, 3, 32, 32) in [0, 1] and its labels, and returns the loss. Only
`Supervised` reads the labels. `update(progress)` follows every optimiser step.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from lightly import loss as losses
from lightly.models import modules as heads
from lightly.models.modules.heads import VICRegProjectionHead
from lightly.models.utils import update_momentum
from torch import Tensor, nn

from harness_models.pretrain.augment import crop_and_flip, simclr_view
from harness_models.tiny import TinyResNet

MEAN = torch.tensor([0.4914, 0.4822, 0.4465]).view(3, 1, 1)
STD = torch.tensor([0.2470, 0.2435, 0.2616]).view(3, 1, 1)
HIDDEN = 512


class Method(nn.Module):
    """A backbone under training; subclasses add heads and define `loss`."""

    paradigm = "none"

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.rng = torch.Generator().manual_seed(seed)
        self.backbone = TinyResNet()
        self.dim = self.backbone.num_features

    def encode(self, x: Tensor, backbone: nn.Module | None = None) -> Tensor:
        """Features of [0, 1] images, (N, 128): bfloat16 convolutions, float32 out."""
        x = ((x - MEAN) / STD).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            return (backbone or self.backbone)(x).float()

    def views(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return simclr_view(x, self.rng), simclr_view(x, self.rng)

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        raise TypeError(f"{type(self).__name__} has no loss: it is not trained")

    def update(self, progress: float) -> None:
        """After each step; `progress` runs from 0 to 1."""


class Supervised(Method):
    paradigm = "supervised"

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.head = nn.Linear(self.dim, 10)

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(self.head(self.encode(crop_and_flip(x, 32, (0.5, 1.0), self.rng))), y)


class Rotation(Method):
    """Gidaris et al. 2018 (1803.07728): which of four rotations."""

    paradigm = "pretext"

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.head = nn.Linear(self.dim, 4)

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        x = crop_and_flip(x[: len(x) // 2], 32, (0.5, 1.0), self.rng)
        turned = torch.cat([torch.rot90(x, k, (2, 3)) for k in range(4)])
        return F.cross_entropy(self.head(self.encode(turned)), torch.arange(4).repeat_interleave(len(x)))


class TwoView(Method):
    """Methods that compare the projections of two views in one symmetric loss."""

    head: nn.Module
    criterion: nn.Module

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        z1, z2 = self.head(self.encode(torch.cat(self.views(x)))).chunk(2)
        loss: Tensor = self.criterion(z1, z2)
        return loss


class SimCLR(TwoView):
    """Chen et al. 2020 (2002.05709)."""

    paradigm = "contrastive"

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.head = heads.SimCLRProjectionHead(self.dim, HIDDEN, 128)
        self.criterion = losses.NTXentLoss(temperature=0.5)


class BarlowTwins(TwoView):
    """Zbontar et al. 2021 (2103.03230)."""

    paradigm = "non-contrastive"

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.head = heads.BarlowTwinsProjectionHead(self.dim, HIDDEN, HIDDEN)
        self.criterion = losses.BarlowTwinsLoss(lambda_param=5e-3)


class VICReg(TwoView):
    """Bardes et al. 2022 (2105.04906)."""

    paradigm = "non-contrastive"

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.head = VICRegProjectionHead(self.dim, HIDDEN, HIDDEN, num_layers=2)
        self.criterion = losses.VICRegLoss()


class SimSiam(Method):
    """Chen & He 2021 (2011.10566)."""

    paradigm = "non-contrastive"

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.project = heads.SimSiamProjectionHead(self.dim, HIDDEN, HIDDEN)
        self.predict = heads.SimSiamPredictionHead(HIDDEN, HIDDEN // 4, HIDDEN)
        self.criterion = losses.NegativeCosineSimilarity()

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        z1, z2 = (self.project(self.encode(view)) for view in self.views(x))
        p1, p2 = self.predict(z1), self.predict(z2)
        return (self.criterion(p1, z2.detach()) + self.criterion(p2, z1.detach())) / 2


class MomentumMethod(Method):
    """Keeps an exponential moving average of the backbone and its projection, from `m` up to 1 on a cosine."""

    m = 0.99

    def start(self, project: nn.Module) -> None:
        self.project = project
        self.slow_backbone, self.slow_project = copy.deepcopy(self.backbone), copy.deepcopy(project)
        for p in (*self.slow_backbone.parameters(), *self.slow_project.parameters()):
            p.requires_grad = False

    @torch.no_grad()
    def target(self, x: Tensor) -> Tensor:
        z: Tensor = self.slow_project(self.encode(x, self.slow_backbone))
        return z

    def update(self, progress: float) -> None:
        m = 1 - (1 - self.m) * (math.cos(math.pi * progress) + 1) / 2
        update_momentum(self.backbone, self.slow_backbone, m)
        update_momentum(self.project, self.slow_project, m)


class BYOL(MomentumMethod):
    """Grill et al. 2020 (2006.07733)."""

    paradigm = "non-contrastive"

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.start(heads.BYOLProjectionHead(self.dim, HIDDEN, 128))
        self.predict = heads.BYOLPredictionHead(128, HIDDEN, 128)
        self.criterion = losses.NegativeCosineSimilarity()

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        both = torch.cat(self.views(x))
        p1, p2 = self.predict(self.project(self.encode(both))).chunk(2)
        t1, t2 = self.target(both).chunk(2)
        return (self.criterion(p1, t2) + self.criterion(p2, t1)) / 2


class MoCoV2(MomentumMethod):
    """He et al. 2020 (1911.05722) with the MLP head of 2003.04297; symmetric loss, queue of 4096, temperature 0.2.

    One process has no shuffled BatchNorm; queries and keys go through separate forwards, as in the paper.
    """

    paradigm = "contrastive"

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.start(heads.MoCoProjectionHead(self.dim, HIDDEN, 128))
        self.criterion = losses.NTXentLoss(temperature=0.2, memory_bank_size=(4096, 128))

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        v1, v2 = self.views(x)
        q1, q2 = (self.project(self.encode(v)) for v in (v1, v2))
        return (self.criterion(q1, self.target(v2)) + self.criterion(q2, self.target(v1))) / 2


class SwAV(Method):
    """Caron et al. 2020 (2006.09882): two 32 px views and two 24 px views, 256 prototypes."""

    paradigm = "clustering"

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.project = heads.SwaVProjectionHead(self.dim, HIDDEN, 128)
        self.prototypes = heads.SwaVPrototypes(128, n_prototypes=256)
        self.criterion = losses.SwaVLoss()

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        self.prototypes.normalize()
        small = [simclr_view(x, self.rng, 24, (0.1, 0.4)) for _ in range(2)]
        high, low = self.encode(torch.cat(self.views(x))), self.encode(torch.cat(small))
        codes = [self.prototypes(F.normalize(self.project(h), dim=1)) for h in (*high.chunk(2), *low.chunk(2))]
        loss: Tensor = self.criterion(codes[:2], codes[2:])
        return loss


METHODS: dict[str, Callable[[int], Method]] = {
    "supervised": Supervised,
    "simclr": SimCLR,
    "moco-v2": MoCoV2,
    "byol": BYOL,
    "simsiam": SimSiam,
    "barlow-twins": BarlowTwins,
    "vicreg": VICReg,
    "swav": SwAV,
    "rotation": Rotation,
    "random": Method,
}
