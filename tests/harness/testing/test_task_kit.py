"""Each planted fault fails its own check, and no other."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from harness.datasets import DatasetCard
from harness.encoder import EMBEDDING
from harness.evidence import Embeddings, Evidence, Predictions
from harness.tasks import Needs, TaskData, task
from harness.testing import check_task, worlds


def distances(data: TaskData) -> Tensor:
    """Minus the distance of each test image to each class centre, (N, C)."""
    train = data.train
    centres = torch.stack([train.embeddings[train.targets == c].mean(0) for c in range(data.num_classes)])
    return -torch.cdist(data.test.embeddings, centres)


def single(self: Any, card: DatasetCard) -> str | None:
    return None if card.kind == "single-label" else "for one label an image"


def planted(run: Any, **facts: Any) -> Any:
    """A task class with this `run`."""
    members = {"__doc__": "Planted.", "skip": single, "run": run, **facts.pop("members", {})}
    return task("planted", **{"evidence": Predictions, **facts})(type("Planted", (), members))


def the_fault(cls: Any, check: str) -> str:
    found = {f.check: f.message for f in check_task(cls) if f.status == "failed"}
    assert list(found) == [check], found
    return found[check]


def statuses(cls: Any) -> set[str]:
    return {f.status for f in check_task(cls)}


def test_a_sound_task_passes_every_check() -> None:
    assert statuses(planted(lambda self, data: Predictions(distances(data)))) == {"passed"}
    variants = planted(
        lambda self, data: {"k=1": Predictions(distances(data)), "k=2": Predictions(2 * distances(data))}
    )
    assert statuses(variants) == {"passed"}


def test_looking_at_test_targets() -> None:
    def run(self: Any, data: TaskData) -> Predictions:
        return Predictions(torch.nn.functional.one_hot(data.test.targets, data.num_classes).float())

    message = the_fault(planted(run), "test targets unseen")
    assert "the targets of the test fold are withheld" in message


def test_looking_at_test_targets_behind_the_hosts_back() -> None:
    answers = {card.kind: worlds.truth(card, "test") for card in worlds.CARDS}

    def run(self: Any, data: TaskData) -> Predictions:
        return Predictions(torch.nn.functional.one_hot(answers["single-label"], data.num_classes).float())

    found = {f.check: f.message for f in check_task(planted(run)) if f.status == "failed"}
    assert "do test targets leak?" in found["no better than chance on noise"]


def test_an_episodic_task_that_answers_with_the_targets_it_may_see() -> None:
    def honest(self: Any, data: TaskData) -> Predictions:
        return Predictions(distances(data), data.test.targets)

    def cheating(self: Any, data: TaskData) -> Predictions:
        truth = data.test.targets
        return Predictions(distances(data) + 9e9 * torch.nn.functional.one_hot(truth, data.num_classes), truth)

    assert statuses(planted(honest, episodic=True)) == {"passed", "skipped"}
    assert "100% right on random features" in the_fault(
        planted(cheating, episodic=True), "no better than chance on noise"
    )


def test_randomness() -> None:
    def run(self: Any, data: TaskData) -> Predictions:
        return Predictions(distances(data) * (1 + torch.rand(())))

    assert "draw from data.seed" in the_fault(planted(run), "deterministic")


def test_dependence_on_the_order_of_test_images() -> None:
    def run(self: Any, data: TaskData) -> Predictions:
        scores = distances(data)
        return Predictions(scores - 0.1 * scores.abs().mean() * torch.arange(len(scores))[:, None] / len(scores))

    assert "order of the test images" in the_fault(planted(run), "independent of the test order")


def test_learning_nothing() -> None:
    fixed = planted(lambda self, data: Predictions(-distances(data)))
    assert "0% right on classes that lie far apart" in the_fault(fixed, "learns what is plain")


def test_evidence_of_the_wrong_type_length_or_values() -> None:
    check = "evidence as declared"
    assert "gave Embeddings, declared is Predictions" in the_fault(
        planted(lambda self, data: Embeddings(data.test.embeddings)), check
    )
    assert "rows for 240 test images" in the_fault(planted(lambda self, data: Predictions(distances(data)[1:])), check)
    assert "NaN" in the_fault(planted(lambda self, data: Predictions(distances(data).log())), check)
    assert "must be (240, 5), got (240, 4)" in the_fault(
        planted(lambda self, data: Predictions(distances(data)[:, 1:])), check
    )
    assert "no evidence" in the_fault(planted(lambda self, data: {}), check)


def test_a_task_that_raises() -> None:
    assert "ZeroDivisionError" in the_fault(planted(lambda self, data: 1 / 0), "runs")


def test_missing_facts() -> None:
    def run(self: Any, data: TaskData) -> Evidence:
        return Predictions(distances(data))

    assert "no documentation" in the_fault(planted(run, members={"__doc__": None}), "documented")
    assert "version" in the_fault(planted(run, version=0), "declared")
    assert "None or a reason" in the_fault(
        planted(run, members={"skip": lambda self, card: False}), "skip gives reasons"
    )


def test_parameters_that_are_no_plain_values() -> None:
    @task("planted", evidence=Predictions)
    class Odd:
        """Planted."""

        distance: object = torch.cdist
        skip: ClassVar[Any] = single

        def run(self, data: TaskData) -> Predictions:
            return Predictions(distances(data))

    assert "cannot be part of an identity" in the_fault(Odd, "parameters identify it")


def test_a_task_with_the_live_encoder() -> None:
    def run(self: Any, data: TaskData) -> Predictions:
        def embed(name: str) -> Tensor:
            with torch.inference_mode():
                batches = data.folds[name].pixels(64)
                return torch.cat([data.encoder(batch)[EMBEDDING] for batch in batches])

        train, targets = embed("train"), data.train.targets
        centres = torch.stack([train[targets == c].mean(0) for c in range(data.num_classes)])
        return Predictions(-torch.cdist(embed("test"), centres))

    assert statuses(planted(run, members={"needs": Needs(encoder=True)})) == {"passed"}


def test_other_layers_and_other_evidence() -> None:
    needs = Needs(folds=("test",), layers=("layer1", "layer4"))

    def run(self: Any, data: TaskData) -> dict[str, Embeddings]:
        return {layer: Embeddings(data.test.layer(layer)) for layer in needs.layers}

    findings = check_task(planted(run, evidence=Embeddings, members={"needs": needs}))
    assert [f.check for f in findings if f.status == "skipped"] == [
        "no better than chance on noise",
        "learns what is plain",
    ]
    assert {f.status for f in findings} == {"passed", "skipped"}
