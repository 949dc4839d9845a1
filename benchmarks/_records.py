"""Records of a large leaderboard, as a run writes them: 3 kB of JSON each, 5.6 where the metric is the primary one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from harness.draws import Draws
from harness.records import Record, RecordStore, ScoreData

TASKS, METRICS, RESAMPLES = 50, 20, 1000
DOMAINS = ("natural", "fine-grained", "medical", "satellite", "texture")


def write(folder: Path, models: int) -> None:
    """The records of as many models, 50 tasks and 20 metrics under `folder`."""
    store = RecordStore(folder)
    for record in records(models):
        path = store.path(record.cell, record.key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(record.model_dump_json(indent=1).encode() + b"\n")  # without the fsync of a run


def records(models: int) -> Iterator[Record]:
    """Model by model. A model's draws share each task's images with those of all others."""
    noise = np.random.default_rng(0).normal(size=(TASKS, RESAMPLES))
    for m in range(models):
        rng = np.random.default_rng([1, m])
        ability = 60 + 30 * rng.random()
        for t in range(TASKS):
            like = _done(m, t, noise[t] + rng.normal(size=RESAMPLES), ability + 4 * rng.normal())
            for k in range(METRICS):
                yield _with_metric(like, k)


def _done(m: int, t: int, noise: Any, value: float) -> Record:
    """The primary record of a model and task."""
    evidence = _digest("evidence", m, t)
    value = min(max(value, 1.0), 99.0)
    return Record(
        status="done", model=f"benchmark-resnet50-method{m:04d}", task=f"linear[mode=converged]@dataset{t:02d}",
        metric=_metric(0), key=_digest(evidence, 0), scores=_scores(value), primary=True,
        draws=Draws.of((value + noise / 2).tolist()), finished=1.8e9 + 1000 * m + 10 * t,
        card={
            "name": f"benchmark-resnet50-method{m:04d}", "title": f"ResNet-50, Method {m}", "method": f"Method {m}",
            "paradigm": ("contrastive", "clustering", "distillation", "supervised")[m % 4], "data": "imagenet-1k",
            "architecture": "resnet50", "epochs": 200 + m % 7 * 100, "parameters": 23_508_032,
            "url": f"https://example.org/methods/{m}", "licence": "unknown",
        },
        dataset={
            "title": f"Dataset {t}", "domain": DOMAINS[t % 5], "near": t % 5 == 0, "collection": "", "classes": 100,
            "kind": "single-label", "within": [],
        },
        facts={
            "task": {"name": "linear", "version": 1, "parameters": {
                "mode": "converged", "view": "clean", "strengths": 45, "low": -6.0, "high": 5.0, "layer": None}},
            "dataset": {"name": f"dataset{t:02d}", "revision": _digest("revision", t), "target": "label",
                        "primary": {"name": "metric00", "version": 1}},
            "precision": "fp32", "decoder": "torchvision", "resamples": RESAMPLES, "evidence": evidence,
            "fingerprint": _digest("model", m), "weights": _digest("weights", m),
            "architecture": {"loader": "ckpt", "arch": "torchvision:resnet50", "format": "moco"},
            "preprocess": {"size": 224, "crop": 0.875, "interpolation": "bicubic", "fit": "short", "channels": "RGB",
                           "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
            "excluded": [],
        },
        provenance={
            "python": "3.11.7", "platform": "Linux-6.1.0-x86_64-with-glibc2.36", "torch": "2.11.0+cu128",
            "torchvision": "0.26.0+cu128", "device": "NVIDIA H100 80GB HBM3",
            "plugins": dict.fromkeys(("analyses", "datasets", "engines", "metrics", "models", "tasks"), "0.1.0"),
            "seconds": {"passes": 40.0 + m % 10, "task": 1.0 + t / 7, "metric": 0.012},
            "peak_memory": {"process": 2_000_000_000 + 4096 * (m * TASKS + t), "device": 6_000_000_000 + 512 * m},
            "cost": {"parameters": 23_508_032, "flops": 8_178_000_000, "images_per_second": 1500.0 + m % 97},
        },
    )  # fmt: skip


def _with_metric(like: Record, k: int) -> Record:
    """The record of another metric on the same evidence."""
    if k == 0:
        return like
    value = like.score.value * (1 - k / 50)
    seconds = like.provenance["seconds"] | {"metric": round(0.01 + k / 1000 + value / 1e4, 3)}
    return like.model_copy(
        update={
            "metric": _metric(k), "key": _digest(like.facts["evidence"], k), "draws": None, "primary": False,
            "finished": like.finished + k / 7, "provenance": like.provenance | {"seconds": seconds},
            "scores": _scores(value),
        }
    )  # fmt: skip


def _scores(value: float) -> tuple[ScoreData, ...]:
    return (ScoreData(value=value, low=value - 1, high=value + 1, n=10_000),)


def _metric(k: int) -> dict[str, Any]:
    return {"name": f"metric{k:02d}", "version": 1, "unit": "%", "bounds": [0, 100], "higher_is_better": True}


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()
