"""Keys: what changes a score changes the key; what does not, does not."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.api import plan, run
from harness.identity import (
    digest,
    embedding_key,
    evidence_key,
    file_digest,
    images_digest,
    model_fingerprint,
    pixels_key,
    record_key,
)
from harness.models import Model, Preprocess
from harness.plugins import Host
from harness.records import RecordStore, read_record
from harness.suite import Suite

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(scalars, lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(), x, max_size=3))
facts = st.dictionaries(st.text(), values, max_size=5)


def reordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(value)}
    return [reordered(item) for item in value] if isinstance(value, list) else value


@given(facts)
def test_a_digest_does_not_depend_on_the_order_of_keys(value: dict[str, Any]) -> None:
    assert digest(value) == digest(reordered(value))
    assert len(digest(value)) == 64


@given(facts, facts)
def test_different_facts_have_different_digests(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert (digest(a) == digest(b)) == (json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True))


def test_what_a_digest_takes() -> None:
    assert digest(Preprocess()) == digest(Preprocess().model_dump(mode="json"))
    assert digest((1, 2)) == digest([1, 2])
    assert digest(MappingProxyType({"a": 1})) == digest({"a": 1})
    for value in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="not JSON compliant"):
            digest(value)
    for thing in (Path("/somewhere"), np.float32(1), {1, 2}, object()):
        with pytest.raises(TypeError, match="cannot be part of an identity"):
            digest({"fact": thing})


EMBEDDING = {"model": "m", "source": "s@1", "split": "train", "layer": "l", "view": "clean", "precision": "fp32",
             "decoder": "pil", "images": "all"}  # fmt: skip
PIXELS = {"source": "s@1", "split": "train", "geometry": {"size": 8}, "decoder": "pil", "images": "all"}
EVIDENCE = {"model": "m", "task": {"name": "knn", "version": 1, "parameters": {"k": 1}}, "dataset": {"revision": "1"},
            "precision": "fp32", "decoder": "pil", "images": {"train": "all"}, "seed": 0}  # fmt: skip
RECORD = {"evidence": ("e",), "metric": {"name": "top1", "version": 1}, "resamples": 1000}
MODEL = {"identity": {"arch": "r50"}, "preprocess": {"size": 224}, "weights": "abc"}


@pytest.mark.parametrize(
    ("key", "given_facts", "changes"),
    [
        (embedding_key, EMBEDDING, dict.fromkeys(EMBEDDING, "other")),
        (pixels_key, PIXELS, dict.fromkeys(PIXELS, "other") | {"geometry": {"size": 9}}),
        (evidence_key, EVIDENCE, {"model": "n", "precision": "bf16", "decoder": "torchvision", "seed": 1,
                                  "task": {"name": "knn", "version": 2, "parameters": {"k": 1}},
                                  "dataset": {"revision": "2"}, "images": {"train": "abc"}}),
        (record_key, RECORD, {"evidence": ("e", "f"), "metric": {"name": "top1", "version": 2}, "resamples": 10}),
        (model_fingerprint, MODEL, {"identity": {}, "preprocess": {"size": 96}, "weights": "abd"}),
    ],
)  # fmt: skip
def test_every_fact_of_a_key_changes_it(
    key: Callable[..., str], given_facts: dict[str, Any], changes: dict[str, Any]
) -> None:
    assert set(changes) == set(given_facts)
    keys = [key(**given_facts), *(key(**{**given_facts, name: value}) for name, value in changes.items())]
    assert len(set(keys)) == len(keys)
    assert key(**given_facts) == keys[0]


def test_which_images() -> None:
    assert images_digest(np.arange(5), 5) == "all"
    some = images_digest(np.array([0, 2, 3]), 5)
    assert some != images_digest(np.array([0, 2, 4]), 5) != "all"
    assert some == images_digest(np.array([0, 2, 3], dtype=np.int32), 6)


def test_a_file_is_its_content(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(b"weights")
    b.write_bytes(b"weights")
    assert file_digest(a) == file_digest(b) == hashlib.sha256(b"weights").hexdigest()
    b.write_bytes(b"weightz")
    os.utime(b, ns=(1, 1))
    assert file_digest(a) != file_digest(b)


Result = dict[str, tuple[str, tuple[Any, ...]]]


@pytest.fixture
def result(host: Host, tmp_path: Path) -> Callable[..., Result]:
    """Runs a small suite and gives (key, scores) by cell."""
    count = iter(range(1000))

    def go(given: dict[str, Model] | None = None, options: dict[str, Any] | None = None, **fields: Any) -> Result:
        tasks = ("centroid[noise=0.5]@toy",)
        fields = {"models": ("toy0",), "tasks": tasks, "metrics": ("nll",), "resamples": 20} | fields
        out = tmp_path / f"run{next(count)}"
        options = {"device": "cpu", "workers": 2} | (options or {})
        summary = run(plan(Suite(**fields), host, given), out, host, **options)
        assert summary.failed == 0, summary.failures
        found = [read_record(path) for path in RecordStore(out / "records").paths()]
        return {f"{r.metric['name']} {r.seed}": (r.key, r.scores) for r in found if r.status == "done"}

    return go


def test_how_and_where_it_runs_changes_neither_key_nor_score(result: Callable[..., Result], tmp_path: Path) -> None:
    reference = result()
    assert list(reference) == ["nll 0"]
    for options in (
        {"batch_size": 3}, {"workers": 1}, {"batch_size": 64, "workers": 4}, {"arrays": tmp_path / "elsewhere"},
        {"pixel_cache": 0}, {"force": True}, {"fail_fast": True},
    ):  # fmt: skip
        found = result(options=options)
        assert found["nll 0"][0] == reference["nll 0"][0], options
        for score, other in zip(found["nll 0"][1], reference["nll 0"][1], strict=True):
            assert (score.value, score.low, score.high) == pytest.approx((other.value, other.low, other.high), rel=1e-5)


def test_a_name_a_limit_beyond_the_end_or_a_default_spelt_out_changes_no_key(
    result: Callable[..., Result], toys: ModuleType
) -> None:
    reference = result()
    assert result(limit=10_000) == reference
    assert result(tasks=("centroid[noise=0.5, scale=1.0]@toy",)) == reference
    assert result(tasks=("centroid[noise=0.5]@toy[revision=1]",)) == reference
    assert result(models=("toy:net?seed=0",)) == reference
    assert result({"toy0": toys.toy_model(0)}) == reference


def test_what_changes_a_score_changes_the_key(result: Callable[..., Result], host: Host, toys: ModuleType) -> None:
    keys = {"reference": result()["nll 0"][0]}
    for name, fields in {
        "precision": {"precision": "bf16"},
        "decoder": {"decoder": "pil"},
        "revision": {"tasks": ("centroid[noise=0.5]@toy[revision=2]",)},
        "parameter": {"tasks": ("centroid[noise=0.5, scale=2]@toy",)},
        "layer": {"tasks": ("centroid[noise=0.5, layer=stem]@toy",)},
        "weights": {"models": ("toy1",)},
        "limit": {"limit": 20},
        "resamples": {"resamples": 21},
    }.items():
        keys[name] = result(**fields)["nll 0"][0]
    keys["seed"] = result(seeds=(1,))["nll 1"][0]
    model = toys.toy_model(0)
    wider = toys.TINY.model_copy(update={"crop": 0.5})

    def load() -> Any:
        encoder = model.load()
        encoder.preprocess = wider
        return encoder

    changed = Model("toy0", model.card, load, wider, model.identity)
    keys["preprocess"] = result({"toy0": changed})["nll 0"][0]
    other = Model("toy0", model.card, model.load, model.preprocess, {"loader": "other"})
    keys["architecture"] = result({"toy0": other})["nll 0"][0]
    assert len(set(keys.values())) == len(keys), keys


@pytest.mark.parametrize("version_of", ["metric", "task"])
def test_a_version_changes_the_key(
    result: Callable[..., Result], host: Host, monkeypatch: pytest.MonkeyPatch, version_of: str
) -> None:
    before = result()["nll 0"][0]
    if version_of == "task":
        monkeypatch.setattr(host["task"].entry("centroid").resolve(), "version", 2)
    else:
        entry = host["metric"].entry("nll")
        host["metric"]._entries["nll"] = [replace(entry, target=replace(entry.resolve(), version=2))]
    assert result()["nll 0"][0] != before


def test_weights_in_a_file_are_known_by_content_not_by_path(
    result: Callable[..., Result], toys: ModuleType, tmp_path: Path
) -> None:
    keys = []
    for name, content in (("a.pth", b"one"), ("b.pth", b"one"), ("c.pth", b"two")):
        (tmp_path / name).write_bytes(content)
        model = replace(toys.toy_model(0), weights=tmp_path / name)
        keys.append(result({"toy0": model})["nll 0"][0])
    assert keys[0] == keys[1] != keys[2]
