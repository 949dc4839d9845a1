"""Tables 1 to 10 of Ericsson, Gouk & Hospedales, "How Well Do Self-Supervised Models Transfer?", CVPR 2021.

The CSV files hold the printed numbers; ``facts.yaml`` says which model, task and metric each is of. Averages over
datasets that a reader can form are left out. ImageNet top-1 is the one the paper correlates with: 77.20 for the
supervised model, where torchvision states 76.13 for these weights.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from harness.records import Record
from harness.reported import Paper, Place, reported

FOLDER = Path(__file__).parent
PAPER = Paper(
    source="arXiv:2011.13377v2",
    title="Ericsson, Gouk & Hospedales, How Well Do Self-Supervised Models Transfer?, CVPR 2021",
    date="2021-03-29",
    url="https://arxiv.org/abs/2011.13377",
)
LINEAR, FEW = "linear[mode=protocol,view=whole]", "fewshot[5w{}s,view=squash]"
EPISODES = 600
COMPONENTS = ("target_net", "momentum_enc", "memory_bank", "proj_head")
AUGMENTATIONS = ("jigsaw", "grayscale", "colour_jitter", "solarize", "blur", "random_crop", "hflip")

Row = dict[str, str]


def records() -> Iterator[Record]:
    """Every printed figure, as a `reported` record."""
    yield from _many_shot()
    yield from _few_shot()
    yield from _others()


def _many_shot() -> Iterator[Record]:
    """Table 1: linear and fine-tuned recognition, and ImageNet top-1."""
    for row in table(1):
        protocol = LINEAR if row["protocol"] == "linear" else row["protocol"]
        for heading, facts in _facts()["datasets"].items():
            if heading in row and (heading != "imagenet_top1" or protocol == LINEAR):
                task = f"{protocol}@{facts['name']}"
                place = Place("1", f"{row['model']} ({row['protocol']})", heading)
                yield _record(place, row["model"], task, facts["metric"], float(row[heading]), facts)


def _few_shot() -> Iterator[Record]:
    """Tables 2, 3 and 6 to 8: 5-way 5-, 20- and 50-shot episodes, with their intervals."""
    for number in (2, 3, 6, 7, 8):
        for row in table(number):
            for heading in [name for name in row if f"{name}_ci95" in row]:
                dataset, _, shots = heading.partition("_")
                facts = _facts()["datasets"][dataset]
                shots = shots.removesuffix("shot") or _facts()["shots"][number]
                task, place = f"{FEW.format(shots)}@{facts['name']}", Place(str(number), row["model"], heading)
                value, half = float(row[heading]), float(row[f"{heading}_ci95"])
                yield _record(place, row["model"], task, "episode_accuracy", value, facts | {"test": EPISODES}, half)


def _others() -> Iterator[Record]:
    """Tables 4, 5 and 9: detection, dense prediction, calibration, reconstruction, attention."""
    for number, columns in _facts()["columns"].items():
        for row in table(number):
            for heading, (task, metric, *scale) in columns.items():
                facts = _facts()["groups"][task.partition("@")[2]]
                value = round(float(row[heading]) * (scale[0] if scale else 1), 6)
                yield _record(Place(str(number), row["model"], heading), row["model"], task, metric, value, facts)


def _record(
    place: Place, row: str, task: str, metric: str, value: float, facts: dict[str, Any], half: float | None = None
) -> Record:
    unit, bounds, higher, primary = _facts()["metrics"][metric]
    described = {"name": metric, "version": 1, "unit": unit, "bounds": bounds, "higher_is_better": higher}
    about = {
        "title": facts["title"], "domain": facts["domain"], "near": facts.get("near"),
        "collection": facts.get("collection", ""), "kind": facts.get("kind", "single-label"),
        "classes": facts.get("classes"),
    }  # fmt: skip
    return reported(
        PAPER, place, _facts()["models"][row]["name"], task, described, value, half=half, n=facts.get("test", 0),
        primary=primary, card=cards()[row], dataset=about,
    )  # fmt: skip


@cache
def cards() -> dict[str, dict[str, Any]]:
    """What tables 1 and 10 tell of each model, by its row: shaped as `harness.models.ModelCard`."""
    top1 = {row["model"]: float(row["imagenet_top1"]) for row in table(1)}
    return {row: _card(row, given, top1[row]) for given in table(10) for row in [given[ROW].rstrip("*")]}


ROW = "model(*=PyContrast weights)"


def _card(row: str, given: Row, top1: float) -> dict[str, Any]:
    facts = _facts()["models"][row]
    return {
        "name": facts["name"], "title": f"ResNet-50, {facts['method']}", "method": facts["method"],
        "paradigm": facts["paradigm"], "data": "imagenet-1k", "epochs": int(given["epochs"]),
        "architecture": "resnet50", "parameters": 23508032, "reported": {"imagenet_top1": top1},
        "batch": int(given["batch"]), "components": [name for name in COMPONENTS if given[name]],
        "augmentations": [AS_PRINTED.get(given[name], name) for name in AUGMENTATIONS if given[name]],
        "normalised_input": bool(given["normalised_input"]),
        **({"weights_of": "PyContrast"} if given[ROW].endswith("*") else {}),
    }  # fmt: skip


AS_PRINTED = {"multi": "multi_crop", "PCA": "pca_colour"}


@cache
def table(number: int) -> tuple[Row, ...]:
    """A table's rows, by heading."""
    lines = (FOLDER / f"table{number}.csv").read_text(encoding="utf-8").splitlines()
    return tuple(csv.DictReader(line for line in lines if not line.startswith("#")))


@cache
def _facts() -> dict[str, Any]:
    facts: dict[str, Any] = yaml.safe_load((FOLDER / "facts.yaml").read_text(encoding="utf-8"))
    return facts
