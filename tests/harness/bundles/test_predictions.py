"""Predictions in bundles: where they go, and which are taken."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from bundle_world import bundle_of, changed, made, snapshot, spoilt, toy_run

from harness.bundles.export import export
from harness.bundles.importing import BundleError, check_bundle, import_bundle
from harness.evidence import Episodes, Estimates, Evidence, Predictions
from harness.evidence_files import load, save
from harness.plugins import Host


def test_predictions_go_where_no_run_takes_them_for_its_own(tmp_path: Path, host: Host) -> None:
    run = toy_run(host, tmp_path / "run")
    export(run, tmp_path / "b.zip", predictions=True, by="Ada")
    report = import_bundle(tmp_path / "b.zip", host, tmp_path / "out")
    mine, theirs = (
        {path.name: path.read_bytes() for path in folder.rglob("*.safetensors")}
        for folder in (run / "arrays" / "evidence", tmp_path / "out" / "submitted" / "evidence")
    )
    assert mine == theirs
    assert report.predictions == len(mine) == 4
    assert not (tmp_path / "out" / "arrays").exists()
    assert all(load(path) for path in (tmp_path / "out").rglob("*.safetensors"))
    before = snapshot(tmp_path / "out")
    import_bundle(tmp_path / "b.zip", host, tmp_path / "out")
    assert snapshot(tmp_path / "out") == before


@pytest.mark.parametrize("content", [b"", b"\x00" * 8, b"\xff" * 64, (9).to_bytes(8, "little") + b'{"a": 1} '])
def test_predictions_that_are_none(tmp_path: Path, host: Host, content: bytes) -> None:
    bundle = bundle_of(tmp_path, record := made())
    spoilt(bundle, {f"predictions/{record.facts['evidence']}.safetensors": content})
    with pytest.raises(BundleError, match="it is no evidence file"):
        import_bundle(bundle, host, tmp_path / "out")


def scored(**changes: Any) -> Predictions:
    """Predictions of four images of three classes."""
    fields = {"scores": torch.zeros(4, 3), "targets": torch.tensor([0, 1, 2, 0])} | changes
    return Predictions(**fields)


@pytest.mark.parametrize(
    ("evidence", "message"),
    [
        (scored(), ""),
        (scored(targets=None), ""),
        (scored(multilabel=True, targets=torch.ones(4, 3)), ""),
        (Episodes(torch.rand(600)), ""),
        (Estimates(torch.rand(4, 2), torch.rand(4, 2)), ""),
        (scored(targets=torch.tensor([0, 1])), "targets has 2 rows for 4"),
        (scored(targets=torch.tensor([0, 1, 10**9, 0])), "its targets are not those of 3 classes"),
        (scored(targets=torch.tensor([0, 1, -1, 0])), "its targets are not those of 3 classes"),
        (scored(targets=torch.zeros(4)), "its targets are not those of 3 classes"),
        (scored(targets=torch.ones(4, 3)), "its targets are not those of 3 classes"),
        (scored(multilabel=True, targets=torch.full((4, 3), 2)), "its targets are not those of 3 classes"),
        (scored(scores=torch.full((4, 3), torch.nan)), "holds NaN or infinite values"),
        (scored(scores=torch.zeros(4, 0)), r"its scores are \(4, 0\), not numbers of images and classes"),
        (scored(scores=torch.zeros(4)), r"its scores are \(4,\), not numbers of images and classes"),
        (scored(scores=torch.zeros(4, 3) > 0), "not numbers of images and classes"),
        (Episodes(torch.tensor(1.0)), "its Episodes have no row for each image"),
    ],
)
def test_predictions_that_do_not_hold_together(tmp_path: Path, host: Host, evidence: Evidence, message: str) -> None:
    save({"": evidence}, tmp_path / "e")
    bundle = bundle_of(tmp_path, record := made())
    spoilt(bundle, {f"predictions/{record.facts['evidence']}.safetensors": (tmp_path / "e").read_bytes()})
    spoilt(bundle, {"manifest.json": changed(counts={})})
    report = check_bundle(bundle, host)
    assert report.faults == bool(message)
    assert not message or re.search(message, report.problems[0])


def test_predictions_of_a_kind_of_elsewhere_are_kept_and_told(tmp_path: Path, host: Host) -> None:
    save({"": scored()}, tmp_path / "e")
    (tmp_path / "e").write_bytes((tmp_path / "e").read_bytes().replace(b"Predictions", b"Elsewhere!!"))
    bundle = bundle_of(tmp_path, record := made())
    spoilt(bundle, {f"predictions/{record.facts['evidence']}.safetensors": (tmp_path / "e").read_bytes()})
    spoilt(bundle, {"manifest.json": changed(counts={})})
    report = check_bundle(bundle, host)
    assert (report.faults, report.predictions) == (0, 1)
    assert report.notes == ["some predictions are of a kind that is not known here: no board will show them"]


def test_predictions_of_nothing(tmp_path: Path, host: Host) -> None:
    bundle = spoilt(bundle_of(tmp_path), {f"predictions/{'0' * 64}.safetensors": b"x"})
    with pytest.raises(BundleError, match="no record of the bundle is of this evidence"):
        import_bundle(bundle, host, tmp_path / "out")
