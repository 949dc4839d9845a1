"""Rebuild the tiny zoo: ``python -m harness_models.zoo FOLDER``.

FOLDER is what ``python -m harness_models.pretrain`` wrote: METHOD.safetensors and METHOD.json for each method. Copies
the weights here, writes zoo.yaml, and prints the table of the documentation.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import yaml

from harness_models.tiny import TinyResNet

HERE = Path(__file__).parent
TITLES = {
    "supervised": "Supervised",
    "simclr": "SimCLR",
    "moco-v2": "MoCo v2",
    "byol": "BYOL",
    "simsiam": "SimSiam",
    "barlow-twins": "Barlow Twins",
    "vicreg": "VICReg",
    "swav": "SwAV",
    "rotation": "Rotation",
    "random": "Random",
}
HEADER = "# The tiny zoo, written by 'python -m harness_models.zoo'; do not edit.\n"


def entry(facts: dict[str, Any], weights: Path) -> dict[str, Any]:
    """One model of the catalogue, from the facts that its pretraining recorded."""
    method, trained = facts["method"], facts["epochs"] > 0
    title = TITLES[method]
    settings = {name: facts[name] for name in ("epochs", "batch", "lr", "weight_decay", "seed")}
    options = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in settings.items())
    return {
        "load": "ckpt",
        "source": weights.name,
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "arch": "tiny",
        "format": "plain",
        "preprocess": "cifar",
        "card": {
            "title": f"Tiny ResNet, {title}" if trained else "Tiny ResNet, random initialisation",
            "parameters": sum(p.numel() for p in TinyResNet().parameters()),
            "licence": "Apache-2.0",
            "reported": {"cifar10_knn": facts["cifar10_knn"]},
        },
        "pretraining": {
            "method": title,
            "paradigm": facts["paradigm"],
            "data": facts["data"] if trained else "none",
            **settings,
            "command": f"python -m harness_models.pretrain CIFAR10 --method {method} {options}",
        },
    }


def rebuild(folder: Path, into: Path) -> list[dict[str, Any]]:
    """Copy the weights of `folder` into `into` and write its zoo.yaml. Returns the facts, in the order of TITLES."""
    models, found = {}, []
    for method in TITLES:
        weights = folder / f"{method}.safetensors"
        if not weights.is_file():
            print(f"{weights.name}: not in {folder}, left out")
            continue
        facts = json.loads((folder / f"{method}.json").read_text())
        shutil.copyfile(weights, into / f"tiny-{weights.name}")
        models[f"tiny-{method}"] = entry(facts, into / f"tiny-{weights.name}")
        found.append(facts)
    text = yaml.safe_dump({"models": models}, sort_keys=False, width=120)
    (into / "zoo.yaml").write_text(HEADER + text, encoding="utf-8")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m harness_models.zoo", description=__doc__)
    parser.add_argument("folder", type=Path)
    print("| model | method | paradigm | epochs | CIFAR-10 kNN |\n|---|---|---|--:|--:|")
    for facts in rebuild(parser.parse_args().folder, HERE):
        method, paradigm, epochs = facts["method"], facts["paradigm"], facts["epochs"]
        print(f"| tiny-{method} | {TITLES[method]} | {paradigm} | {epochs} | {facts['cifar10_knn']:.2f} |")


if __name__ == "__main__":
    main()
