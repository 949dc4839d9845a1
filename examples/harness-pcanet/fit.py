"""Makes the checkpoints: ``python fit.py``. Fits PCANets to patches of scikit-learn's two photographs, without labels."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from sklearn.datasets import load_sample_images
from torch.nn import functional as F

from harness_pcanet.network import PCANet, principal_filters

photographs = torch.stack([torch.tensor(image) for image in load_sample_images().images]).permute(0, 3, 1, 2)
mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
images = (photographs / 255 - mean.view(3, 1, 1)) / std.view(3, 1, 1)
for name, (first, second) in {"small": (4, 16), "large": (8, 32)}.items():
    network = PCANet(first, second).requires_grad_(False)
    network.first.weight.copy_(principal_filters(images, first))
    network.second.weight.copy_(principal_filters(F.avg_pool2d(network.first(images).abs(), 2), second))
    save_file(network.state_dict(), Path(__file__).parent / f"src/harness_pcanet/weights/pcanet-{name}.safetensors")
