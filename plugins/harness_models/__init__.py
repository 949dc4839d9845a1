"""First-party models: the schemes that load encoders, and the tiny zoo. Importing this imports no torch."""

from __future__ import annotations

from pathlib import Path

from harness.registry import Register
from harness.spec import hookimpl

CATALOGUES = Path(__file__).parent / "catalogues"
ZOO = Path(__file__).parent / "zoo" / "zoo.yaml"


@hookimpl
def register_models(register: Register) -> None:
    register("ckpt:", "harness_models.ckpt:model", summary="a checkpoint file: ckpt:PATH?arch=ARCH&format=FORMAT")
    register("timm:", "harness_models.timm_models:model", summary="a timm backbone: timm:NAME[?pretrained=0&seed=0]")
    register(
        "torchvision:",
        "harness_models.torchvision_models:model",
        summary="a torchvision classifier without its head: torchvision:NAME[/WEIGHTS][?pretrained=0&seed=0]",
    )
    register("py:", "harness_models.python_models:model", summary="a Python function: py:package.module:build")
    register(
        "hub:",
        "harness_models.hub_models:model",
        summary="a function of a repository's hubconf.py: hub:OWNER/REPO:BRANCH:ENTRY or hub:FOLDER:ENTRY[?head=fc]",
    )
    register("hf:", "harness_models.hf_models:model", summary="a vision model of transformers: hf:REPO[?pool=cls]")


@hookimpl
def register_catalogues(register: Register) -> None:
    for file in sorted(CATALOGUES.glob("*.yaml")):
        register(f"models-{file.stem}", str(file), summary=f"published checkpoints: {file.stem}")
    if ZOO.is_file():
        register("tiny-zoo", str(ZOO), summary="ten small encoders, one architecture, ten ways of pretraining")
