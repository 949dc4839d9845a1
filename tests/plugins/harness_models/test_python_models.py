from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from harness.errors import HarnessError
from harness.lookup import find_model
from harness.models import PRESETS
from harness.plugins import Host
from harness_models.ckpt import model as ckpt_model
from harness_models.python_models import model

SOURCE = """
from torch import nn
from harness import ModuleEncoder, Preprocess

def module(width=4):
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.AdaptiveAvgPool2d(1))

def encoder():
    return ModuleEncoder(module(), Preprocess(size=48))

def number():
    return 3

def broken():
    raise KeyError("weights")
"""


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module with functions that make models; each test has one of its own."""
    name = f"net_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    return name


def test_an_encoder_brings_its_preprocessing(net: str) -> None:
    made = model(f"{net}:encoder")
    assert made.preprocess.size == 48
    assert made.load().preprocess == made.preprocess
    with pytest.raises(HarnessError, match="its own preprocess: leave out"):
        model(f"{net}:encoder", preprocess="cifar").load()


def test_a_module_needs_one_stated(net: str) -> None:
    with pytest.raises(HarnessError, match="state its input with preprocess="):
        model(f"{net}:module")
    encoder = model(f"{net}:module", preprocess="cifar").load()
    assert encoder.preprocess == PRESETS["cifar"]
    assert encoder(torch.zeros(2, 3, 32, 32, dtype=torch.uint8))["embedding"].shape == (2, 4)


def test_options_reach_the_function_and_the_identity(host: Host, net: str) -> None:
    made = find_model(host, f"py:{net}:module?width=7&preprocess=cifar")
    assert made.identity["options"] == {"width": 7}
    assert made.load()(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))["embedding"].shape == (1, 7)


def test_identity_follows_the_source_file(net: str, tmp_path: Path) -> None:
    before = model(f"{net}:module", preprocess="cifar").identity
    assert model(f"{net}:module", preprocess="cifar").identity == before
    with open(tmp_path / f"{net}.py", "a") as file:
        file.write("# changed\n")
    assert model(f"{net}:module", preprocess="cifar").identity != before


def test_random_weights_are_the_same_each_time(net: str) -> None:
    made = model(f"{net}:module", preprocess="cifar")
    first, second = (made.load().state_dict()["module.0.weight"] for _ in range(2))
    assert torch.equal(first, second)


def test_a_function_is_an_architecture_for_a_checkpoint(net: str, tmp_path: Path) -> None:
    state = {"0.weight": torch.ones(4, 3, 3, 3), "0.bias": torch.zeros(4)}
    save_file(state, tmp_path / "a.safetensors")
    made = ckpt_model(str(tmp_path / "a.safetensors"), arch=f"py:{net}:module", preprocess="cifar")
    assert len(str(made.identity["source"])) == 64
    assert made.load().state_dict()["module.0.weight"].eq(1).all()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere.at.all:build", r"no Python module 'nowhere\.at\.all' \(is its folder on PYTHONPATH\?\)"),
        ("nowhere", "expected py:package.module:function"),
        ("{net}:modul", "has no function 'modul'; did you mean 'module'"),
        ("{net}:number", "must return an Encoder or an nn.Module, not a int"),
        ("{net}:broken", "broken failed: KeyError: 'weights'"),
    ],
)
def test_what_is_wrong_is_named(net: str, source: str, message: str) -> None:
    with pytest.raises(HarnessError, match=message):
        model(source.format(net=net), preprocess="cifar").load()
