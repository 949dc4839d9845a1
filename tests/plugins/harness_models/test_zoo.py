from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from harness.catalogue import CatalogueFile
from harness.lookup import find_model
from harness.plugins import Host
from harness.testing.models import check_model
from harness.yamlfile import YamlFile
from harness_models import ZOO
from harness_models.ckpt import model as ckpt_model
from harness_models.tiny import TinyResNet
from harness_models.zoo.__main__ import TITLES, rebuild

NAMES = [f"tiny-{method}" for method in TITLES]
SHIPPED = list(YamlFile(ZOO).validate(CatalogueFile).models)


def test_the_zoo_is_whole() -> None:
    assert SHIPPED == NAMES


@pytest.mark.parametrize("name", SHIPPED)
def test_each_model_is_small_and_conforms(host: Host, name: str) -> None:
    model = find_model(host, name)
    assert model.weights is not None
    assert model.weights.stat().st_size <= 1_200_000
    faults = [finding for finding in check_model(model) if finding.status == "failed"]
    assert not faults
    assert model.card.parameters == sum(p.numel() for p in TinyResNet().parameters()) <= 500_000
    assert model.card.method == TITLES[name.removeprefix("tiny-")]
    assert {"command", "seed"} <= (model.card.model_extra or {}).keys()


@pytest.mark.parametrize("name", [name for name in SHIPPED if name != "tiny-random"])
def test_pretraining_beats_random_initialisation(host: Host, name: str) -> None:
    knn = {n: find_model(host, n).card.reported["cifar10_knn"] for n in (name, "tiny-random")}
    assert knn[name] > knn["tiny-random"] + 3


def test_rebuilding_writes_a_catalogue_that_loads(tmp_path: Path) -> None:
    folder, into = tmp_path / "out", tmp_path / "zoo"
    folder.mkdir()
    into.mkdir()
    net = TinyResNet()
    save_file(net.state_dict(), folder / "simclr.safetensors")
    settings = {"epochs": 2, "batch": 8, "lr": 0.1, "weight_decay": 0.0, "seed": 3}
    facts = {"method": "simclr", "paradigm": "contrastive", "data": "CIFAR-10 train", "cifar10_knn": 50.5, **settings}
    (folder / "simclr.json").write_text(json.dumps(facts))
    assert rebuild(folder, into) == [facts]
    entry = YamlFile(into / "zoo.yaml").validate(CatalogueFile).models["tiny-simclr"]
    command = entry.pretraining["command"]
    assert command.endswith("--method simclr --epochs 2 --batch 8 --lr 0.1 --weight-decay 0.0 --seed 3")
    encoder = ckpt_model(str(into / entry.source), **(entry.model_extra or {})).load()
    assert torch.equal(encoder.state_dict()["module.stem.0.weight"], net.stem[0].weight)
