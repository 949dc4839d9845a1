"""Reconstruction and detail in whole runs, from a suite to records."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.api import load_suite, plan, run
from harness.plugins import Host
from harness.records import Record, RecordStore, read_record
from harness.registry import Entry, Origin

ENTRIES = {
    "task": {"reconstruct": "harness_tasks.reconstruct:Reconstruct", "detail": "harness_tasks.detail:Detail"},
    "metric": {
        "colour_mse": "harness_metrics.reconstruction:colour_mse",
        "ssim": "harness_metrics.reconstruction:ssim",
        "decoding_r2": "harness_metrics.detail:decoding_r2",
    },
}


@pytest.fixture
def host() -> Host:
    """A host that has both tasks and their metrics."""
    made = Host()
    for kind, entries in ENTRIES.items():
        for name, target in entries.items():
            if name not in made[kind]:
                made[kind].add(Entry(name, target, Origin("test")))
    return made


def records(out: Path, host: Host, task: str, metrics: list[str], model: str = "tiny-supervised") -> list[Record]:
    suite = load_suite("quickstart", host, models=[model], tasks=[task], metrics=metrics, limit=150)
    summary = run(plan(suite, host), out, host)
    assert summary.failed == 0, summary.failures
    return [read_record(path) for path in RecordStore(out / "records").paths()]


def test_a_reconstruction_is_recorded_by_channel(tmp_path: Path, host: Host) -> None:
    task = "reconstruct[iterations=2,sample=4]@digits"
    found = {r.metric["name"]: r for r in records(tmp_path, host, task, ["colour_mse", "ssim"])}
    assert {name: r.score.n for name, r in found.items()} == {"colour_mse": 4, "ssim": 4}
    assert [s.variant for s in found["colour_mse"].scores] == ["mean", "red", "green", "blue"]
    assert found["colour_mse"].score.value > 0


@pytest.mark.slow
def test_a_transformer_is_inverted_too(tmp_path: Path, host: Host) -> None:
    task, model = "reconstruct[iterations=2,sample=1]@digits", "timm:vit_tiny_patch16_224?pretrained=0"
    (found,) = records(tmp_path, host, task, ["colour_mse"], model)
    assert found.score.n == 1


def test_the_detail_of_digits_is_decoded(tmp_path: Path, host: Host) -> None:
    (found,) = records(tmp_path, host, "detail@digits", ["decoding_r2"])
    values = {s.variant: s.value for s in found.scores}
    assert list(values) == ["mean_colour", "histogram", "thumbnail"]  # grey: chroma is undefined
    assert found.score.value == values["mean_colour"]
    assert all(values[name] > 0.05 for name in ("mean_colour", "thumbnail"))
