"""What the engine hands to tasks: views, continuous targets, originals to augment, a scratch folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from engine_world import Colours, go, make_host, model, records

from harness.datasets import DatasetCard, Split
from harness.errors import UndefinedError
from harness.evidence import Estimates, Predictions
from harness.metrics import metric
from harness.models import Model, Preprocess
from harness.registry import Entry, Origin
from harness.tasks import Needs, TaskData, task

ME = Origin("test")


@task("seen", evidence=Predictions)
@dataclass(frozen=True)
class Seen:
    """The test embeddings of a view as scores."""

    view: str = "clean"

    @property
    def needs(self) -> Needs:
        return Needs(folds=("test",), views=(self.view,))

    def run(self, data: TaskData) -> Predictions:
        return Predictions(data.test.embeddings[:, :3])


def cropping(made: Model) -> Model:
    """The model with an input that crops, so that no other view is its own."""
    own = Preprocess(size=8, crop=0.8)

    def load() -> Any:
        encoder = made.load()
        encoder.preprocess = own
        return encoder

    return Model("crops", made.card, load, own, {"seed": 1, "crop": True})


def test_each_view_is_forwarded_once_and_its_own_view_never_again(tmp_path: Path) -> None:
    host = make_host()
    host["task"].add(Entry("seen", Seen, ME))
    host["model"].add(Entry("crops", cropping(model(1)), ME))
    tasks = ("seen@colours", "seen[whole]@colours", "seen[view=squash]@colours")
    found = go(tmp_path, host, models=("crops",), tasks=tasks, metrics=("top1", "nll"))
    assert (found.done, found.images_forwarded, found.images_wanted) == (6, 180, 180)
    values = {r.task: r.score.value for r in records(tmp_path) if r.metric["name"] == "nll"}
    assert len(set(values.values())) == 3
    own = go(tmp_path / "own", host, models=("net1",), tasks=tasks[:2], metrics=("nll",))
    assert (own.images_forwarded, own.images_wanted) == (60, 60)  # its crop is 1: 'whole' is what it sees anyway


class Shades(Colours):
    """How bright the images are, and how red: a continuous target."""

    @property
    def card(self) -> DatasetCard:
        return super().card.model_copy(update={"kind": "continuous", "classes": ("bright", "red")})

    def split(self, name: str) -> Split:
        split = super().split(name)
        values = [(image.mean(), image[..., 0].mean()) for image in split.images]
        return Split(split.images, np.array(values), split.ids)


@task("mean", evidence=Estimates)
class Mean:
    """The train mean, for every image."""

    def run(self, data: TaskData) -> Estimates:
        mean = torch.cat([data.train.targets, data.val.targets]).mean(0)
        return Estimates(mean.expand(len(data.test.embeddings), data.num_classes))


@metric("absolute", accepts=Estimates, bounds=(0, float("inf")), higher_is_better=False)
def absolute(e: Estimates) -> torch.Tensor:
    """Mean absolute error of each image."""
    assert e.targets is not None
    return (e.values - e.targets).abs().mean(1)


def test_continuous_targets_go_through(tmp_path: Path) -> None:
    host = make_host(shades=Shades())
    host["task"].add(Entry("mean", Mean, ME))
    host["metric"].add(Entry("absolute", absolute, ME))
    found = go(tmp_path, host, tasks=("mean@shades",), metrics=("absolute", "top1"))
    assert (found.done, found.failed) == (2, 0)
    shades, colours = Shades(), {name: np.array(Shades().split(name).targets) for name in ("train", "test")}
    expected = np.abs(colours["test"] - colours["train"].mean(0)).mean()
    done = [r for r in records(tmp_path) if r.status == "done"]
    assert np.allclose([r.score.value for r in done], expected, rtol=1e-6)
    assert done[0].dataset["kind"] == shades.card.kind == "continuous"
    assert [s["reason"] for s in found.skips if s["metric"] == "top1"] == [
        "accepts Predictions, the task gives Estimates"
    ]


def test_originals_are_cut_anew_in_the_order_of_the_draws(tmp_path: Path) -> None:
    whole = np.stack(list(Colours().split("test").images))
    draws = [3, 0, 3, 59, 7]

    @task("cut", evidence=Predictions)
    class Cut:
        needs = Needs(encoder=True)

        def run(self, data: TaskData) -> Predictions:
            def augment(image: torch.Tensor, place: int) -> torch.Tensor:
                return image[:, place : place + 4, :4]

            batches = list(data.test.augmented(draws, 2, augment))
            assert [len(b) for b in batches] == [2, 2, 1]
            cuts = [whole[d, place : place + 4, :4].transpose(2, 0, 1) for place, d in enumerate(draws)]
            assert np.array_equal(torch.cat(batches).numpy(), np.stack(cuts))
            return Predictions(torch.zeros(60, 3))

    host = make_host()
    host["task"].add(Entry("cut", Cut, ME))
    for decoder in ("torchvision", "pil"):
        found = go(
            tmp_path / decoder, host, models=("net0",), tasks=("cut@colours",), metrics=("top1",), decoder=decoder
        )
        assert (found.done, found.failures) == (1, [])


def test_what_a_task_keeps_outlives_its_failure_and_not_its_success(tmp_path: Path) -> None:
    folders: list[Path] = []

    @task("long", evidence=Predictions)
    class Long:
        def run(self, data: TaskData) -> Predictions:
            assert data.scratch is not None
            folders.append(data.scratch)
            if not (data.scratch / "half").exists():
                data.scratch.mkdir(parents=True)
                (data.scratch / "half").write_text("way")
                raise RuntimeError("stopped half way")
            return Predictions(torch.zeros(60, 3))

    host = make_host()
    host["task"].add(Entry("long", Long, ME))
    fields: dict[str, Any] = {"models": ("net0",), "tasks": ("long@colours",), "metrics": ("top1",)}
    assert go(tmp_path, host, **fields).failed == 1
    assert (folders[0] / "half").read_text() == "way"
    assert go(tmp_path, host, **fields).done == 1
    assert folders[0] == folders[1]
    assert not folders[0].exists()


@task("halves", evidence=Predictions)
class Halves:
    """Two variants."""

    def run(self, data: TaskData) -> dict[str, Predictions]:
        return {"zero": Predictions(torch.zeros(60, 3)), "one": Predictions(torch.ones(60, 3))}


def test_a_score_that_is_undefined_is_skipped_with_the_reason(tmp_path: Path) -> None:
    @metric("picky", accepts=Predictions, bounds=(0, 1))
    def picky(p: Predictions) -> float:
        if p.scores.sum() == 0:
            raise UndefinedError("picky is undefined: all scores are zero")
        return 0.5

    @metric("never", accepts=Predictions)
    def never(p: Predictions) -> float:
        raise UndefinedError("never is undefined: as it says")

    host = make_host()
    host["task"].add(Entry("halves", Halves, ME))
    host["metric"].add(Entry("picky", picky, ME))
    host["metric"].add(Entry("never", never, ME))
    found = go(tmp_path, host, models=("net0",), tasks=("halves@colours",), metrics=("picky", "never"))
    assert (found.done, found.failed, found.skipped) == (1, 0, 1)
    assert found.skips[0]["reason"] == "never is undefined: as it says"
    assert [s.variant for s in records(tmp_path)[0].scores] == ["one"]
    (skipped,) = records(tmp_path, "skipped")
    assert (skipped.metric["name"], skipped.reason) == ("never", "never is undefined: as it says")
