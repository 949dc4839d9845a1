"""Fine-tuning against a straight-line loop of torch's own parts, and what its protocol promises."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from finetune_world import SIZES, images, truth, world
from scipy.optimize import minimize_scalar
from torch import Tensor, nn

from harness.encoder import Encoder
from harness.errors import HarnessError
from harness.evidence import Predictions
from harness.metrics import value
from harness.passes import arithmetic
from harness.tasks import TaskData
from harness_metrics.classification import mean_average_precision, top1
from harness_tasks.finetune import Finetune, Point
from harness_tasks.finetuning import tuning
from harness_tasks.finetuning.batches import epochs
from harness_tasks.finetuning.training import Training

ONE = {"steps": 12, "batch": 16, "lrs": 0.05, "wds": 0.0, "augment": "none"}


def straight(
    data: TaskData, folds: Sequence[str], lr: float, wd: float, steps: int = 12, batch: int = 16,
    step: Callable[[nn.Module, Tensor, Tensor], Tensor] | None = None,
) -> tuple[Encoder, nn.Linear]:  # fmt: skip
    """The same protocol without augmentation, written down with torch's optimiser and schedule."""
    assert data.encoder is not None
    net = copy.deepcopy(data.encoder)
    pixels = torch.cat([images(name, data.multilabel) for name in folds])
    targets = torch.cat([truth(name, data.multilabel) for name in folds])
    torch.manual_seed(data.seed)
    head = nn.Linear(6, 3)
    torch.manual_seed(data.seed)
    both = [*net.parameters(), *head.parameters()]
    optimiser = torch.optim.SGD(both, lr, momentum=0.9, nesterov=True, weight_decay=wd)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    loss_of = nn.BCEWithLogitsLoss() if data.multilabel else nn.CrossEntropyLoss()
    net.train()
    for rows in map(torch.from_numpy, epochs(len(pixels), batch, steps, data.seed)):
        wanted = targets[rows].float() if data.multilabel else targets[rows]
        loss = loss_of(head(net(pixels[rows])["embedding"].float()), wanted)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return net.eval(), head


@pytest.mark.parametrize("multilabel", [False, True])
def test_it_is_sgd_with_nesterov_momentum_a_cosine_and_weight_decay_over_the_learning_rate(multilabel: bool) -> None:
    data = world(multilabel=multilabel)
    net, head = straight(data, ("train", "val"), lr=0.05, wd=1e-2 / 0.05)
    with torch.no_grad():
        expected = head(net(images("test", multilabel))["embedding"])
    found = Finetune(**ONE | {"wds": 1e-2}).run(data)
    assert found.multilabel == multilabel
    assert found.scores.dtype == torch.float32
    torch.testing.assert_close(found.scores, expected, atol=1e-5, rtol=1e-4)
    assert data.encoder is not None
    for (name, ours), theirs in zip(data.encoder.state_dict().items(), net.state_dict().values(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4, msg=name)
    without = Finetune(**ONE).run(world(multilabel=multilabel))
    assert (without.scores - expected).abs().max() > 1e-2


def test_grid_points_are_chosen_on_val_by_the_judge_and_each_starts_from_the_same_weights() -> None:
    seen: list[Tensor] = []

    def judge(evidence: Predictions) -> float:
        seen.append(evidence.scores)
        return [1.0, 3.0, 2.0][len(seen) - 1]

    data = replace(world(), judge=judge)
    found = Finetune(**ONE | {"lrs": (0.1, 0.05, 0.01)}).run(data)
    for scores, lr in zip(seen, (0.1, 0.05, 0.01), strict=True):
        net, head = straight(world(), ("train",), lr, 0.0)
        with torch.no_grad():
            torch.testing.assert_close(scores, head(net(images("val"))["embedding"]), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found.scores, Finetune(**ONE).run(world()).scores)


def test_the_temperature_is_the_chosen_points_on_val() -> None:
    seen: list[Tensor] = []

    def judge(evidence: Predictions) -> float:
        seen.append(evidence.scores)
        return [1.0, 2.0][len(seen) - 1]

    found = Finetune(**ONE | {"steps": 3, "lrs": (0.3, 0.1)}).run(replace(world(), judge=judge)).temperature

    def nll(t: float) -> float:
        return float(nn.functional.cross_entropy(seen[1].double() / t, truth("val")))

    best = minimize_scalar(nll, bounds=(0.02, 50), method="bounded", options={"xatol": 1e-8})
    assert 0.02 < best.x < 50
    assert found == pytest.approx(best.x, rel=1e-4)
    assert Finetune(**ONE).run(world(multilabel=True)).temperature is None


def test_ties_go_to_the_smaller_learning_rate_then_to_the_greater_weight_decay() -> None:
    tested: list[Point] = []

    class Spy(tuning.Tuning):
        def test(self, point: Point, temperature: float | None) -> Predictions:
            tested.append(point)
            return super().test(point, temperature)

    data = replace(world(), judge=lambda evidence: 1.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tuning, "Tuning", Spy)
        Finetune(**ONE | {"steps": 2, "lrs": (0.01, 0.1), "wds": (0.0, 1e-3, 1e-4)}).run(data)
    assert tested == [Point(0.01, 1e-3)]


def test_the_last_run_draws_from_train_and_val_and_never_from_test() -> None:
    data = world()
    Finetune(**ONE | {"steps": 30}).run(data)
    drawn: dict[str, Any] = {name: fold.source.drawn for name, fold in data.folds.items()}
    assert set(drawn["train"]) == set(range(SIZES["train"]))
    assert set(drawn["val"]) == set(range(SIZES["val"]))
    assert drawn["test"] == []


@pytest.mark.parametrize("augment", ["crop", "none"])
def test_it_learns(augment: str) -> None:
    data = world(dropout=0.0)
    found = Finetune(**ONE | {"steps": 80, "augment": augment}).run(data)
    assert value(top1, found.join(targets=truth("test"))) > 90


def test_it_learns_labels_independently() -> None:
    found = Finetune(**ONE | {"steps": 80, "lrs": 0.1}).run(world(multilabel=True))
    assert value(mean_average_precision, found.join(targets=truth("test", True))) > 90


def test_batch_statistics_move_in_training_and_stand_still_in_the_test() -> None:
    data = world()
    assert data.encoder is not None
    norm = next(m for m in data.encoder.modules() if isinstance(m, nn.BatchNorm2d))
    before = norm.running_mean.clone()
    found = Finetune(**ONE).run(data)
    assert not torch.allclose(norm.running_mean, before)
    assert norm.num_batches_tracked == 12
    reordered = replace(world(), folds=world().folds | {"test": _reversed(world())})
    torch.testing.assert_close(Finetune(**ONE).run(reordered).scores.flip(0), found.scores, atol=1e-6, rtol=1e-5)


def _reversed(data: TaskData) -> Any:
    source: Any = data.test.source
    return replace(data.test, source=replace(source, images=source.images.flip(0)))


def test_the_outcome_depends_on_the_seed_and_on_nothing_else_random() -> None:
    task = Finetune(**ONE | {"augment": "crop"})
    torch.manual_seed(12345)
    first = task.run(world()).scores
    torch.rand(5)
    assert torch.equal(task.run(world()).scores, first)
    assert not torch.allclose(task.run(world(seed=1)).scores, first)
    assert not torch.allclose(Finetune(**ONE).run(world()).scores, first)


def test_a_batch_in_parts_has_the_gradient_of_the_whole_where_nothing_is_normalised_over_it() -> None:
    def bare() -> TaskData:
        data = world(dropout=0.0)
        data.encoder.module[1] = nn.Identity()  # type: ignore[union-attr, index, operator]
        return data

    whole, parts = (Finetune(**ONE | {"accumulate": n}).run(bare()).scores for n in (1, 3))
    torch.testing.assert_close(whole, parts, atol=1e-5, rtol=1e-4)
    normalised = [Finetune(**ONE | {"accumulate": n}).run(world(dropout=0.0)).scores for n in (1, 3)]
    assert not torch.allclose(*normalised, atol=1e-4)


def test_half_precision_uses_the_weights_of_this_step() -> None:
    """Autocast caches cast weights until its outermost context ends, and the host's spans the whole task."""
    with arithmetic("bf16", "cpu"):
        half = Finetune(**ONE | {"steps": 40, "lrs": 0.1}).run(world(dropout=0.0)).scores
    full = Finetune(**ONE | {"steps": 40, "lrs": 0.1}).run(world(dropout=0.0)).scores
    assert half.dtype == torch.float32
    torch.testing.assert_close(half.softmax(1), full.softmax(1), atol=0.02, rtol=0)
    assert not torch.equal(half, full)


def test_float16_scales_the_loss() -> None:
    scaled: list[bool] = []
    with arithmetic("fp16", "cpu"), pytest.MonkeyPatch.context() as patch:
        update = Training.update

        def spy(self: Training, *batch: Tensor) -> None:
            update(self, *batch)
            scaled.append(self.scaler.get_scale() > 1)

        patch.setattr(Training, "update", spy)
        half = Finetune(**ONE | {"steps": 40, "lrs": 0.1}).run(world(dropout=0.0)).scores
    assert all(scaled)
    full = Finetune(**ONE | {"steps": 40, "lrs": 0.1}).run(world(dropout=0.0)).scores
    torch.testing.assert_close(half.softmax(1), full.softmax(1), atol=0.02, rtol=0)


def test_compiled_it_gives_the_same_up_to_rounding() -> None:
    compiled: list[dict[str, Any]] = []
    real = torch.compile

    def eager(module: nn.Module, **options: Any) -> Any:  # without the minute that a C++ compiler takes
        compiled.append(options)
        return real(module, backend="eager", **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "compile", eager)
        found = Finetune(**ONE | {"compile": True}).run(world())
    assert compiled == [{}, {}]
    torch.testing.assert_close(found.scores, Finetune(**ONE).run(world()).scores, atol=1e-5, rtol=1e-4)


def test_a_run_that_diverges_stops_and_is_not_chosen() -> None:
    steps: list[float] = []
    update = Training.update

    def spy(self: Training, *batch: Tensor) -> None:
        update(self, *batch)
        steps.append(self.lr)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Training, "update", spy)
        patch.setattr(tuning, "LOOK", 4)
        found = Finetune(**ONE | {"lrs": (1e30, 0.05)}).run(world())
    assert steps.count(1e30) in (4, 8)
    assert steps.count(0.05) == 24
    torch.testing.assert_close(found.scores, Finetune(**ONE).run(world()).scores)


def test_an_infinite_score_of_a_run_with_finite_losses_counts_as_divergence() -> None:
    with pytest.raises(HarnessError, match="all 1 runs diverged"):
        Finetune(**ONE | {"steps": 1, "lrs": 1e38}).run(world())


def test_if_all_diverge_it_says_so() -> None:
    with pytest.raises(HarnessError, match=r"all 2 runs diverged; give smaller lrs"):
        Finetune(**ONE | {"lrs": (1e30, 1e31)}).run(world())


def test_an_encoder_without_gradients_is_refused() -> None:
    class Frozen(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        @torch.no_grad()
        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.inner(x)
            return out

    data = world()
    data.encoder.module = Frozen(data.encoder.module)  # type: ignore[union-attr, arg-type]
    with pytest.raises(HarnessError, match="no weight of this encoder gets a gradient"):
        Finetune(**ONE).run(data)


def test_out_of_memory_names_the_parameter_that_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Training, *batch: Tensor) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Training, "update", full)
    with pytest.raises(HarnessError, match=r"finetune\[accumulate=4\]"):
        Finetune(**ONE | {"accumulate": 2}).run(world())


def test_it_conforms(conforms: Callable[[Any], None]) -> None:
    conforms(Finetune(steps=40, lrs=0.05, wds=0.0, augment="none"))
