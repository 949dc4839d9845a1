"""What a task may ask for beyond pooled clean embeddings: families of views, samples, taps, patterns, masks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from engine_world import CIFAR, ME, Colours, go, make_host, records, small_net, suite
from torch import Tensor

from harness import evidence_files, pixels
from harness.api import leaderboard, plan
from harness.datasets import Split, subset
from harness.encoder import ModuleEncoder
from harness.errors import UndefinedError
from harness.evidence import Attributions, Embeddings
from harness.metrics import metric
from harness.registry import Entry
from harness.tasks import Needs, TaskData, tap, task
from harness.transforms import family_of, image_seed

SEEN: dict[str, Any] = {}


@task("asks", evidence=Embeddings, primary="length")
class Asks:
    """Keeps what it is given."""

    needs = Needs(
        layers=("embedding", "*", tap("0", "flat"), tap("*", "gram", 8)), views=("clean", "rotation[4]"), sample=20
    )

    def run(self, data: TaskData) -> Embeddings:
        SEEN.update(data=data)
        return Embeddings(data.test.layer("embedding"))


@task("plain", evidence=Embeddings, primary="length")
class Plain:
    """The test embeddings, all of them."""

    needs = Needs(folds=("test",), views=("clean", "rotation[4]"))

    def run(self, data: TaskData) -> Embeddings:
        return Embeddings(data.test.layer("embedding", "rotation[4]")[:, 1])


@task("masked", evidence=Attributions, primary="inside")
class Masked:
    """Maps of zeros."""

    needs = Needs(folds=("test",), encoder=True, sample=6)

    def run(self, data: TaskData) -> Attributions:
        images = torch.cat(list(data.test.pixels(4)))
        assert not data.test.features
        return Attributions(images[:, 0].float(), images)


@metric("length", accepts=Embeddings)
def length(e: Embeddings) -> dict[str, Tensor]:
    """Two lengths."""
    return {"one": e.features.norm(dim=1), "two": 2 * e.features.norm(dim=1)}


@metric("inside", accepts=Attributions, higher_is_better=None)
def inside(a: Attributions) -> Tensor:
    """The share of the image that the mask covers."""
    assert a.masks is not None
    return a.masks.float().mean((1, 2))


class Objects(Colours):
    """Images with the mask of an object: their upper half."""

    def split(self, name: str) -> Split:
        mask = np.zeros((12, 12), np.uint8)
        mask[:6] = 1
        found = super().split(name)
        return replace(found, fields={"object_masks": [mask] * len(found)})


def host_with(**datasets: Any) -> Any:
    host = make_host(**datasets)
    for cls in (Asks, Plain, Masked):
        host["task"].add(Entry(cls.name, cls, ME))  # type: ignore[attr-defined]
    for one in (length, inside):
        host["metric"].add(Entry(one.name, one, ME))
    return host


def test_a_task_gets_what_it_asked_for(tmp_path: Path) -> None:
    dataset = Colours()
    summary = go(tmp_path, host_with(colours=dataset), models=("net0",), tasks=("asks@colours",), metrics=("length",))
    assert not summary.failed
    data: TaskData = SEEN["data"]
    assert data.layers == ("0", "1", "2", "3", "4", "embedding")
    assert data.train.layer("3").shape == (72, 16)
    assert (tap("0", "flat"), "clean") not in data.train.features  # what is not pooled is of the test fold alone
    assert data.test.layer("embedding").shape == (20, 16)
    assert data.test.layer("embedding", "rotation[4]").shape == (20, 4, 16)
    assert data.test.layer(tap("0", "flat")).shape == (20, 8 * 16 * 16)
    assert data.test.layer(tap("2", "gram", 8), "rotation[4]").shape == (20, 4, 8)
    assert summary.images_forwarded == 90 + 60 + 4 * 20

    encoder = ModuleEncoder(small_net(0), CIFAR).eval()
    split = dataset.split("test")
    rows = np.random.RandomState(0).permutation(60)[:20]  # inner products are of images in random order
    images = torch.stack([pixels.load_fast(split.images[row], "", CIFAR.geometry) for row in rows])
    with torch.no_grad():
        clean = encoder(images)["embedding"]
        family, n = family_of("rotation[4]")
        drawn = torch.stack([family.draw(n, image_seed("rotation", split.ids[row])) for row in rows])
        turned = encoder(family.apply(images, drawn[:, 3], 32))["embedding"]
    torch.testing.assert_close(data.test.layer("embedding"), clean)
    torch.testing.assert_close(data.test.layer("embedding", "rotation[4]")[:, 3], turned)
    assert torch.equal(data.test.parameters("rotation[4]"), drawn)
    with torch.no_grad():
        block = encoder(images[8:16], ("2",))["2"].flatten(1)
    block = block - block.mean(0)
    torch.testing.assert_close(data.test.layer(tap("2", "gram", 8))[8:16], block @ block.T, rtol=1e-4, atol=1e-4)


def test_views_of_samples_are_nested_in_one_pass(tmp_path: Path) -> None:
    """A task that wants all images and one that wants some of them share the sweep."""
    changes = {"models": ("net0",), "tasks": ("asks@colours", "plain@colours"), "metrics": ("length",)}
    host = host_with()
    assert plan(suite(**changes), host).images == 90 + 60 + 4 * 60
    assert go(tmp_path, host, **changes).images_forwarded == 90 + 60 + 4 * 60
    again = go(tmp_path, host, **changes)
    assert (again.images_forwarded, again.reused) == (0, 2)


def test_results_do_not_depend_on_the_batch(tmp_path: Path) -> None:
    found = []
    for size in (3, 16):
        changes = {"models": ("net0",), "tasks": ("asks@colours",), "metrics": ("length",)}
        go(tmp_path / str(size), host_with(), {"batch_size": size}, **changes)
        found.append(SEEN["data"].test.features)
    for key, value in found[0].items():
        torch.testing.assert_close(value, found[1][key], rtol=1e-4, atol=1e-4)


def test_several_scores_and_descriptions_on_the_board(tmp_path: Path) -> None:
    changes = {
        "models": ("net0", "net1"),
        "tasks": ("plain@colours", "masked@objects"),
        "metrics": ("length", "inside"),
    }
    summary = go(tmp_path, host_with(objects=Objects()), **changes)
    assert not summary.failures
    board = leaderboard(tmp_path, columns="all")
    ranked = {column.name: column.ranked for column in board.columns}
    assert ranked == {
        "plain@colours length[one]": True, "plain@colours length[two]": False, "masked@objects inside": False,
    }  # fmt: skip
    entry = board.entry("net0", "masked@objects inside")
    assert (entry.value, entry.place) == (0.5, None)
    assert [c.heading for c in board.columns if c.metric == "inside"] == ["inside"]
    kept = board.evidence("net0", "masked@objects")
    assert kept is not None
    assert isinstance(kept[""], Attributions)
    assert kept[""].images.shape == (6, 3, 32, 32)
    assert board.evidence("net0", "nothing@objects") is None
    for path in (tmp_path / "arrays" / "evidence").rglob("*.safetensors"):
        path.write_bytes(b"damaged")
    assert board.evidence("net0", "masked@objects") is None
    assert "stored" not in board.to_dict()


def test_pairs_are_on_the_board(tmp_path: Path) -> None:
    go(tmp_path, host_with(), models=("net0", "net1"), tasks=("embedded@colours",), metrics=("distance", "length"))
    pairs = leaderboard(tmp_path, columns="all").pairs
    assert [(p.model, p.partner, p.metric, p.variant) for p in pairs] == [
        ("net0", "net1", "distance", "embedding"), ("net0", "net1", "distance", "0"),
    ]  # fmt: skip
    assert all(p.low is not None and p.low <= p.value for p in pairs)
    go(tmp_path / "alone", host_with(), models=("net0", "net1"), tasks=("embedded@colours",), metrics=("distance",))
    board = leaderboard(tmp_path / "alone")
    kept = [board.evidence(model, "embedded@colours") for model in ("net0", "net1")]
    assert [list(variants or ()) for variants in kept] == [["embedding", "0"]] * 2
    assert {r.facts.get("evidence", "") for r in records(tmp_path) if r.partner is None} != {""}


@pytest.mark.parametrize("layers", [("0*//flat",), ("embeding*",)])
def test_a_pattern_that_matches_nothing_fails_its_task_alone(tmp_path: Path, layers: tuple[str, ...]) -> None:
    @task("wrong", evidence=Embeddings, primary="length")
    class Wrong:
        """Asks for a layer that may not be there."""

        needs = Needs(folds=("test",), layers=layers)

        def run(self, data: TaskData) -> Embeddings:
            return Embeddings(data.test.embeddings)

    host = host_with()
    host["task"].add(Entry("wrong", Wrong, ME))
    changes = {"models": ("net0",), "tasks": ("wrong@colours", "plain@colours"), "metrics": ("length",)}
    summary = go(tmp_path, host, **changes)
    wrong = [r for r in records(tmp_path, "failed") if r.task.startswith("wrong")]
    assert summary.done == 1 + (layers[0] == "0*//flat")
    if layers == ("embeding*",):
        assert "no layer matches 'embeding*'" in wrong[0].reason


class Unreadable(Colours):
    """Colours, without the first images of a sample of the test fold."""

    def split(self, name: str) -> Split:
        found = super().split(name)
        if name == "test":
            for row in subset(60, 3):
                found.images[row] = b"not an image"
        return found


def test_a_sample_of_which_nothing_can_be_read_fails_its_task_alone(tmp_path: Path) -> None:
    @task("few", evidence=Embeddings, primary="length")
    class Few:
        """Three images, in blocks too."""

        needs = Needs(folds=("test",), layers=("embedding//flat", tap("0", "gram", 8)), sample=3)

        def run(self, data: TaskData) -> Embeddings:
            return Embeddings(data.test.embeddings)

    host = host_with(colours=Unreadable(revision="unreadable"))
    host["task"].add(Entry("few", Few, ME))
    changes = {"models": ("net0",), "tasks": ("few@colours", "plain@colours"), "metrics": ("length",)}
    summary = go(tmp_path, host, **changes, bad_images="exclude")
    assert [f["reason"] for f in summary.failures] == ["few@colours: none of the test images that it takes can be read"]
    assert (summary.done, len(summary.excluded_images)) == (1, 3)


def test_pairs_of_undefined_evidence_are_skipped(tmp_path: Path) -> None:
    @task("sometimes", evidence=Embeddings, primary="length")
    class Sometimes:
        """Undefined for one of the models."""

        needs = Needs(folds=("test",))

        def run(self, data: TaskData) -> Embeddings:
            if float(data.test.embeddings[0, 0]) == FIRST:
                raise UndefinedError("on purpose")
            return Embeddings(data.test.embeddings)

    host = host_with()
    host["task"].add(Entry("sometimes", Sometimes, ME))
    changes = {"models": ("net0", "net1"), "tasks": ("plain@colours", "sometimes@colours"), "metrics": ("distance",)}
    image = pixels.load_fast(Colours().split("test").images[0], "", CIFAR.geometry)[None]
    with torch.no_grad():
        FIRST = float(ModuleEncoder(small_net(1), CIFAR).eval()(image)["embedding"][0, 0])
    summary = go(tmp_path, host, **changes)
    assert (summary.done, summary.failed) == (1, 0)
    assert "sometimes@colours of net1 has no evidence to compare: on purpose" in summary.undefined[-1]["reason"]


def test_evidence_of_pairs_is_read_once_for_all_their_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @metric("other", accepts=Embeddings, pair=True, higher_is_better=None)
    def other(first: Embeddings, second: Embeddings) -> Tensor:
        """Distances again."""
        return (first.features - second.features).norm(dim=1)

    host, read = host_with(), list[Path]()
    host["metric"].add(Entry("other", other, ME))
    changes = {"models": ("net0", "net1"), "tasks": ("plain@colours",), "metrics": ("length",)}
    go(tmp_path, host, **changes)
    load = evidence_files.load
    monkeypatch.setattr(evidence_files, "load", lambda path, kind: read.append(path) or load(path, kind))
    assert go(tmp_path, host, **changes | {"metrics": ("distance", "other")}).done == 2
    once = len(read)
    assert go(tmp_path / "again", host, {"arrays": tmp_path / "arrays"}, **changes | {"metrics": ("distance",)}).done
    assert len(read) - once == once
