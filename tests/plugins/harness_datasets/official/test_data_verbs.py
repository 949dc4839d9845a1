"""``harness data`` over published datasets."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.cli.data import LOGGERS, _lacking, _logged
from harness_datasets.official import base

Small = Callable[..., Any]


def invoke(*words: str, status: int = 0) -> str:
    result = CliRunner().invoke(app, ["data", *words])
    assert result.exit_code == status, result.output
    return result.output


@pytest.fixture
def tiny_cifar(small: Small, monkeypatch: pytest.MonkeyPatch) -> Path:
    """CIFAR-10's miniature, under its registered name."""
    dataset, _ = small("cifar10")
    known = {"cifar10": dataset.facts}
    monkeypatch.setattr("harness_datasets.official.records.facts", lambda name: known.get(name) or base.facts(name))
    return Path(dataset.root)


def test_list_says_what_is_here(tiny_cifar: Path) -> None:
    rows = {line.split()[0]: line for line in invoke("list").splitlines() if line.strip()}
    assert rows["cifar10"].split()[-2:] == ["near", "yes"]
    assert rows["cifar100"].split()[-2:] == ["near", "no"]
    assert rows["svhn"].split()[-2:] == ["far", "no"]
    assert "Stanford Cars" in rows["cars"]
    assert "19,850" in rows["sun397"]


def test_prepare_goes_on_after_a_failure(tiny_cifar: Path) -> None:
    printed = invoke("prepare", "cars", "nonesuch", "cifar10", status=1)
    assert "cars: failed: dataset cars: there is no" in printed
    assert "nonesuch: failed: no dataset named" in printed
    assert "cifar10: ready, train 6, test 4" in printed


def test_verify(tiny_cifar: Path) -> None:
    assert "cifar10/train: 6 images, 0 unreadable" in invoke("verify", "cifar10")
    (tiny_cifar / "cifar-10-batches-bin/test_batch.bin").write_bytes(b"short")
    printed = invoke("verify", "svhn", "cifar10", "nonesuch", status=1)
    assert "svhn/train: dataset svhn: there is no" in printed
    assert "cifar10/train: 6 images, 0 unreadable" in printed
    assert "cifar10/test: dataset cifar10, split test:" in printed
    assert "test_batch.bin is truncated" in printed
    assert "nonesuch: no dataset named" in printed


def test_verify_names_unreadable_images(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, _ = small("dtd")
    monkeypatch.setattr("harness_datasets.official.listed.facts", lambda name: dataset.facts)
    dataset.split("val").images[1].write_bytes(b"\xff\xd8\xff")
    printed = invoke("verify", "dtd", status=1)
    assert "dtd/val: 3 images, 1 unreadable" in printed
    assert "  dtd/dtd/images/bee/bee_0007.jpg: " in printed


def test_classes_without_images(small: Small) -> None:
    dataset, _ = small("cifar10")
    content = dataset.split("train")
    assert _lacking(dataset, content) == ""
    dataset.facts = dataset.facts.model_copy(update={"classes": ("ant", "bee", "cat", "dodo")})
    vars(dataset).pop("_classes", None)
    assert _lacking(dataset, content) == "1 of 4 classes have no image (the first: dodo)"


def test_tenths(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        tell = base.Tenths("file.zip")
        for received in (0, 5_000_000, 14_000_000, 15_000_000, 50_000_000, 50_000_000):
            tell(received, 50_000_000)
        tell(7, None)
    assert caplog.messages == [f"file.zip: {p} % of 50.0 MB" for p in (10, 20, 30, 100)]


def test_our_own_lines_are_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Even where a library has given the root logger a handler."""
    root = logging.getLogger()
    before, levels = logging.StreamHandler(sys.stderr), [logging.getLogger(name).level for name in LOGGERS]
    root.addHandler(before)
    try:
        with _logged():
            for name in ("harness.x", "harness_datasets.y", "library"):
                logging.getLogger(name).info("line of %s", name)
        logging.getLogger("harness.x").info("afterwards")
    finally:
        root.removeHandler(before)
    assert capsys.readouterr().err == "line of harness.x\nline of harness_datasets.y\n"
    assert [logging.getLogger(name).level for name in LOGGERS] == levels


def test_preparing_leaves_the_root_logger_alone(tiny_cifar: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging, "basicConfig", lambda **_: pytest.fail("the root logger was set up"))
    assert "ready" in invoke("prepare", "cifar10")
