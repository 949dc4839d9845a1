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
from harness.metrics import Metric, metric
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


def test_force_clears_what_a_task_kept(tmp_path: Path) -> None:
    found: list[bool] = []

    @task("keeps", evidence=Predictions)
    class Keeps:
        def run(self, data: TaskData) -> Predictions:
            assert data.scratch is not None
            found.append(data.scratch.exists())
            data.scratch.mkdir(parents=True, exist_ok=True)
            raise RuntimeError("stopped half way")

    host = make_host()
    host["task"].add(Entry("keeps", Keeps, ME))
    fields: dict[str, Any] = {"models": ("net0",), "tasks": ("keeps@colours",), "metrics": ("top1",)}
    for force in (False, False, True):
        go(tmp_path, host, options={"force": force}, **fields)
    assert found == [False, True, False]


@task("halves", evidence=Predictions)
class Halves:
    """Two variants."""

    def run(self, data: TaskData) -> dict[str, Predictions]:
        return {"zero": Predictions(torch.zeros(60, 3)), "one": Predictions(torch.ones(60, 3))}


def refusing(name: str, *sums: float) -> Metric:
    """A metric that is undefined where the scores have one of these sums."""

    @metric(name, accepts=Predictions, bounds=(0, 1))
    def refuse(p: Predictions) -> float:
        if float(p.scores.sum()) in sums:
            raise UndefinedError(f"{name} is undefined: the sum is {p.scores.sum():.0f}")
        return 0.5

    return refuse


def test_a_score_that_is_undefined_is_told_with_the_reason_and_never_sought_again(tmp_path: Path) -> None:
    host = make_host()
    host["task"].add(Entry("halves", Halves, ME))
    for one in (refusing("first", 0.0), refusing("second", 180.0), refusing("both", 0.0, 180.0)):
        host["metric"].add(Entry(one.name, one, ME))
    fields: dict[str, Any] = {"models": ("net0",), "tasks": ("halves@colours",), "metrics": ("first", "second", "both")}
    for done, reused in ((1, 0), (0, 1)):
        found = go(tmp_path, host, **fields)
        assert (found.done, found.reused, found.failed, found.skipped) == (done, reused, 0, 0)
        cell = {"model": "net0", "task": "halves@colours", "seed": "0"}
        assert found.undefined == [
            cell | {"metric": name, "reason": f"{name} is undefined: the sum is 0"} for name in ("first", "both")
        ]
        assert len(found.keys) == 3
    (second,) = records(tmp_path)
    assert [s.variant for s in second.scores] == ["zero"]
    assert {r.metric["name"] for r in records(tmp_path, "skipped")} == {"first", "both"}
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "records").rglob("*.json")}
    go(tmp_path, host, **fields)
    assert before == {path: path.stat().st_mtime_ns for path in before}
    assert len(go(tmp_path, host, options={"force": True}, **fields).undefined) == 2
    assert all(path.stat().st_mtime_ns != before[path] for path in before)


def test_a_pair_says_why_there_is_nothing_to_compare(tmp_path: Path) -> None:
    @task("none", evidence=Predictions)
    class Nothing:
        def run(self, data: TaskData) -> Predictions:
            raise UndefinedError("there is nothing to say")

    @metric("apart", accepts=Predictions, pair=True)
    def apart(a: Predictions, b: Predictions) -> float:
        return 0.0

    host = make_host()
    host["task"].add(Entry("none", Nothing, ME))
    host["metric"].add(Entry("apart", apart, ME))
    found = go(tmp_path, host, tasks=("none@colours",), metrics=("top1", "apart"))
    assert not found.failures
    assert [f["reason"] for f in found.undefined if f["metric"] == "apart"] == [
        "none@colours of net0 has no evidence to compare: there is nothing to say"
    ]


def test_what_cannot_be_judged_is_a_failure_that_says_so(tmp_path: Path) -> None:
    @task("judges", evidence=Predictions)
    class Judges:
        def run(self, data: TaskData) -> Predictions:
            data.judge(Predictions(torch.zeros(18, 3)))
            return Predictions(torch.zeros(60, 3))

    colours, host = Colours(), make_host()
    colours._card = colours.card.model_copy(update={"primary_metric": "picky"})
    host["dataset"]._entries["colours"] = [Entry("colours", lambda: colours, ME)]
    host["task"].add(Entry("judges", Judges, ME))
    host["metric"].add(Entry("picky", refusing("picky", 0.0), ME))
    found = go(tmp_path, host, models=("net0",), tasks=("judges@colours",), metrics=("top1",))
    assert [f["reason"] for f in found.failures] == [
        "nothing can be chosen by picky on the val fold: picky is undefined: the sum is 0"
    ]


def test_an_episodic_task_pools_its_images_itself(tmp_path: Path) -> None:
    @task("pools", evidence=Predictions, episodic=True)
    class Pools:
        def run(self, data: TaskData) -> Predictions:
            return Predictions(torch.zeros(len(data.test.targets), 3))

    host = make_host()
    host["task"].add(Entry("pools", Pools, ME))
    found = go(tmp_path, host, models=("net0",), tasks=("pools@colours",), metrics=("top1",), limit=4)
    assert (found.done, found.failures) == (1, [])  # its val fold is empty
