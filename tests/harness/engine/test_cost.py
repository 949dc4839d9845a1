"""Cost: counted as published, kept with what it was paid for, and without effect on anything else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from engine_world import CIFAR, ME, go, make_host, model, records
from torch import Tensor, nn

from harness.encoder import ModuleEncoder
from harness.engine.cost import measured, recalled
from harness.models import Model, ModelCard, Preprocess
from harness.passes import Forward
from harness.registry import Entry

NET = 3 * 8 * 9 + 8 + 8 * 16 * 9 + 16
"""Parameters of the world's net."""
WORK = 2 * (16 * 16 * 8 * 3 * 9 + 8 * 8 * 16 * 8 * 9)
"""Its FLOPs at 32 x 32: two convolutions of stride 2."""


def forward(module: nn.Module, side: int = 32, precision: str = "fp32") -> Forward:
    return Forward(ModuleEncoder(module, Preprocess(size=side, crop=1.0)), "cpu", precision, 4)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_products_count_twice_at_any_precision(precision: str) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 5))
    assert measured(forward(net, 8, precision)) == {"parameters": 965, "flops": 2 * 3 * 8 * 8 * 5}


def test_published_counts_of_a_network_and_a_transformer() -> None:
    """torchvision's tables give multiply-adds: 1.81 G for ResNet-18, 4.41 G for ViT-B/32 with its attention."""
    from torchvision.models import resnet18, vit_b_32

    for make, parameters, giga in ((resnet18, 11_689_512, 1.81), (vit_b_32, 88_224_232, 4.41)):
        found = measured(forward(make(weights=None), 224))
        assert found["parameters"] == parameters
        assert found["flops"] / 2e9 == pytest.approx(giga, abs=0.005)


class Moody(nn.Module):
    """Draws random numbers, keeps running means, and counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.calls = nn.BatchNorm2d(3), 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += len(x)
        return (self.norm(x) + torch.rand_like(x)).mean((2, 3))


def test_counting_leaves_no_trace() -> None:
    made = forward(Moody())
    before = {name: value.clone() for name, value in made.encoder.state_dict().items()}
    torch.manual_seed(3)
    expected, fast = torch.rand(4), torch.backends.mha.get_fastpath_enabled()
    torch.manual_seed(3)
    measured(made)
    assert torch.equal(torch.rand(4), expected)
    assert all(torch.equal(value, before[name]) for name, value in made.encoder.state_dict().items())
    assert (made.images, made.encoder.training, torch.is_grad_enabled()) == (0, False, True)
    assert torch.backends.mha.get_fastpath_enabled() == fast


def test_a_model_that_cannot_be_counted_has_what_can() -> None:
    class Picky(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise RuntimeError("never with one image")

    assert measured(forward(Picky())) == {"parameters": 0}


def test_the_longest_pass_tells_the_speed() -> None:
    cost = {"parameters": 3, "images_per_second": 80.0}
    short = {"shape": [10, 4], "cost": {"parameters": 3, "flops": 7, "images_per_second": 5.0}}
    assert recalled([{"shape": [200, 4], "cost": cost}, short, {"shape": [999, 4]}]) == {**cost, "flops": 7}
    assert recalled([]) == {}


def costs(out: Path) -> list[dict[str, Any]]:
    return [r.provenance["cost"] for r in records(out)]


def test_every_record_tells_the_cost_of_its_model(tmp_path: Path) -> None:
    summary = go(tmp_path)
    assert summary.images_forwarded == summary.images_wanted
    for cost in costs(tmp_path):
        assert (cost["parameters"], cost["flops"]) == (NET, WORK)
        assert cost["images_per_second"] > 0
        assert cost["device"].startswith("cpu")


@pytest.mark.parametrize("changes", [{"tasks": ("linear@colours",)}, {"metrics": ("top1",)}], ids=["task", "metric"])
def test_what_is_computed_from_stored_features_has_the_cost_of_making_them(tmp_path: Path, changes: Any) -> None:
    go(tmp_path, **{"tasks": ("knn@colours",), "metrics": ("nll",)})
    before = costs(tmp_path)
    summary = go(tmp_path, **{"tasks": ("knn@colours",), "metrics": ("nll",)} | changes)
    assert (summary.done, summary.images_forwarded) == (2, 0)
    assert costs(tmp_path) == [cost for cost in before for _ in range(2)]


def test_features_stored_without_cost_serve_as_before(tmp_path: Path) -> None:
    go(tmp_path, tasks=("knn@colours",))
    for path in (tmp_path / "arrays").rglob("*.json"):
        path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != "cost"}))
    summary = go(tmp_path, tasks=("linear@colours",))
    assert (summary.done, summary.images_forwarded) == (4, 0)
    assert not any("cost" in r.provenance for r in records(tmp_path) if r.task == "linear@colours")


def test_a_task_with_the_live_encoder_has_no_pass_to_time(tmp_path: Path) -> None:
    go(tmp_path, tasks=("pixels@colours",), metrics=("top1",))
    assert costs(tmp_path) == [{"parameters": NET, "flops": WORK}] * 2


def test_another_view_than_the_models_own_is_not_timed(tmp_path: Path) -> None:
    host, own = make_host(), Preprocess(size=16, crop=0.5)

    def load() -> ModuleEncoder:
        return ModuleEncoder(model(0).load().module, own)

    host["model"].add(Entry("crops", Model("crops", ModelCard(), load, own, {}), ME))
    tasks = ("linear[view=whole]@colours", "knn@colours")
    go(tmp_path, host, models=("crops",), tasks=tasks, metrics=("top1",))
    timed = {r.task: "images_per_second" in r.provenance["cost"] for r in records(tmp_path)}
    assert timed == dict(zip(tasks, (False, True), strict=True))


def test_pairs_have_no_cost(tmp_path: Path) -> None:
    go(tmp_path, tasks=("embedded@colours",), metrics=("distance",))
    assert all("cost" not in r.provenance for r in records(tmp_path))


def test_a_model_that_fails_on_the_blank_image_is_scored_all_the_same(tmp_path: Path) -> None:
    class Shy(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            if len(x) == 1 and float(x.std((2, 3)).max()) == 0:
                raise ValueError("a blank image")
            return x.mean((2, 3))

    host = make_host()
    host["model"].add(Entry("shy", Model("shy", ModelCard(), lambda: ModuleEncoder(Shy(), CIFAR), CIFAR, {}), ME))
    summary = go(tmp_path, host, models=("shy",), tasks=("knn@colours",), metrics=("top1",))
    assert (summary.done, summary.failed) == (1, 0)
    assert set(costs(tmp_path)[0]) == {"parameters", "images_per_second", "device"}
