"""Plans: pairs by type, skips with reasons, shared passes, exact counts, and no torch."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError, PlanError
from harness.planning import Cell, Plan, describe, fold_indices, plan, task_identity
from harness.plugins import Host
from harness.registry import Entry, Origin
from harness.suite import Suite


@pytest.fixture
def make(host: Host) -> Callable[..., Plan]:
    def planned(*tasks: str, models: tuple[str, ...] = ("toy0", "toy1"), **fields: object) -> Plan:
        return plan(Suite(models=models, tasks=tasks, **fields), host)

    return planned


def test_metrics_are_paired_by_the_type_of_the_evidence(make: Callable[..., Plan]) -> None:
    found = make("centroid@toy", "features@toy").pairs
    assert {"top1", "nll", "toy-hits", "toy-hits-weighted"} <= set(found["centroid@toy"])
    assert {"toy-spread", "toy-similarity"} <= set(found["features@toy"])
    assert "toy-spread" not in found["centroid@toy"]
    assert "top1" not in found["features@toy"]


def test_each_refusal_carries_its_reason(make: Callable[..., Plan]) -> None:
    found = make("centroid@toy", "centroid@toy-labels", "features@toy")
    skips = {(s.task, s.metric): s.reason for s in found.skips}
    assert skips["centroid@toy", "toy-spread"] == "accepts Embeddings, the task gives Predictions"
    assert skips["centroid@toy-labels", "toy-hits"] == "toy is multi-label"
    assert skips["centroid@toy", "top5"] == "toy has 3 classes"
    for task, metrics in found.pairs.items():  # nothing is dropped silently
        told = {s.metric for s in found.skips if s.task == task}
        assert told.isdisjoint(metrics)
        assert told | set(metrics) == set(found.metrics)


def test_a_pair_metric_needs_two_models(make: Callable[..., Plan]) -> None:
    one = make("features@toy", models=("toy0",))
    assert [(s.metric, s.reason) for s in one.skips if s.metric == "toy-similarity"] == [
        ("toy-similarity", "compares two models, the suite has one")
    ]
    with pytest.raises(PlanError, match=r"no cell to run: features@toy × toy-similarity: compares two models"):
        make("features@toy", models=("toy0",), metrics=("toy-similarity",))


def test_cells_model_by_model_then_pairs(make: Callable[..., Plan]) -> None:
    found = make("centroid@toy", "features@toy", models=("toy2", "toy0", "toy1"), seeds=(0, 7),
                 metrics=("toy-hits", "toy-spread", "toy-similarity"))  # fmt: skip
    cells = list(found.cells())
    assert len(cells) == len(set(cells)) == len(found) == 3 * 2 * 2 + 3 * 2
    assert cells[:4] == [
        Cell("toy2", "centroid@toy", "toy-hits", 0), Cell("toy2", "centroid@toy", "toy-hits", 7),
        Cell("toy2", "features@toy", "toy-spread", 0), Cell("toy2", "features@toy", "toy-spread", 7),
    ]  # fmt: skip
    assert [(c.model, c.partner, c.seed) for c in cells[12:]] == [
        ("toy2", "toy0", 0), ("toy2", "toy0", 7), ("toy2", "toy1", 0),
        ("toy2", "toy1", 7), ("toy0", "toy1", 0), ("toy0", "toy1", 7),
    ]  # fmt: skip


def test_one_pass_a_split_for_the_union_of_layers(make: Callable[..., Plan]) -> None:
    found = make("centroid@toy", "centroid[layer=stem]@toy", "centroid[layer=deep]@toy", "features@toy")
    assert [(p.model, p.source, p.split, p.layers, p.images) for p in found.passes] == [
        (model, "toy@1", split, ("embedding", "stem", "deep"), n)
        for model in ("toy0", "toy1") for split, n in (("train", 40), ("test", 24))
    ]  # fmt: skip
    assert found.images == 2 * 64


def test_targets_of_the_same_images_share_passes(make: Callable[..., Plan]) -> None:
    assert len(make("centroid@toy", "centroid@toy-labels").passes) == 4
    assert len(make("centroid@toy", "centroid@toy[revision=2]").passes) == 8


def test_only_the_folds_asked_for_are_forwarded(make: Callable[..., Plan]) -> None:
    assert [(p.split, p.images) for p in make("features@toy", models=("toy0",)).passes] == [("test", 24)]
    assert {p.split for p in make("centroid@toy[val=12]").passes} == {"train", "val", "test"}


def test_a_task_with_the_live_encoder_has_no_pass(make: Callable[..., Plan]) -> None:
    found = make("live@toy")
    assert found.passes == ()
    assert found.images == 0
    assert len(found) > 0


def test_a_task_without_a_metric_has_no_pass(make: Callable[..., Plan]) -> None:
    found = make("centroid@toy", "features@toy", metrics=("toy-hits",))
    assert found.pairs["features@toy"] == ()
    assert all(p.layers == ("embedding",) for p in found.passes)
    assert len(found) == 2


@pytest.mark.parametrize(("limit", "train", "test"), [(10, 10, 10), (30, 30, 24), (1000, 40, 24)])
def test_a_limit_counts_in_every_split(make: Callable[..., Plan], limit: int, train: int, test: int) -> None:
    found = make("centroid@toy", models=("toy0",), limit=limit)
    assert {p.split: p.images for p in found.passes} == {"train": train, "test": test}
    held = fold_indices(found.suite, found.tasks["centroid@toy"])
    assert len(held["train"].index) + len(held["val"].index) == train
    assert len(held["test"].index) == test


def test_a_dataset_that_nothing_can_be_learnt_from_is_skipped(make: Callable[..., Plan]) -> None:
    found = make("centroid@toy", "centroid@toy[classes=1]")
    assert [(s.task, s.metric, s.reason) for s in found.skips if not s.metric] == [
        ("centroid@toy[classes=1]", "", "has one class only")
    ]
    with pytest.raises(PlanError, match=r"no cell to run: centroid@toy\[classes=1\] × any metric: has one class only"):
        make("centroid@toy[classes=1]")


def test_a_dataset_without_a_test_split_is_skipped(host: Host, toys: ModuleType) -> None:
    class TrainOnly(toys.Toy):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self._card = self._card.model_copy(update={"splits": {"train": 40}})

    host["dataset"].add(Entry("train-only", TrainOnly, Origin("here")))
    found = plan(Suite(models=("toy0",), tasks=("centroid@toy", "centroid@train-only")), host)
    reasons = [s.reason for s in found.skips if s.task == "centroid@train-only"]
    assert reasons == ["no test split (splits: train)"]


def test_unknown_names_are_errors_with_the_nearest(make: Callable[..., Plan]) -> None:
    for tasks, fields in (
        (("centroid@tooy",), {}), (("centriod@toy",), {}), (("centroid@toy",), {"models": ("tooy0",)}),
        (("centroid@toy",), {"metrics": ("toyhits",)}),
    ):  # fmt: skip
        with pytest.raises(HarnessError, match=r"did you mean '(toy|centroid|toy0|toy-hits)'"):
            make(*tasks, **fields)


def test_models_given_as_objects(host: Host, toys: ModuleType) -> None:
    mine = toys.toy_model(9)
    found = plan(Suite(models=("mine", "toy0"), tasks=("centroid@toy",)), host, {"mine": mine})
    assert found.models["mine"] is mine
    assert list(found.models) == ["mine", "toy0"]


VIEWS = """
from harness import Needs, hookimpl, task
from harness.evidence import Predictions
@task("turned", evidence=Predictions)
class Turned:
    needs = Needs(views=("clean", "rotaton[16]"))
    def run(self, data): ...
@hookimpl
def register_tasks(register): register(Turned)
"""


def test_a_view_that_is_not_there_is_a_reason(write_plugin: Callable[..., str], toys: ModuleType) -> None:
    host = Host(plugins=[write_plugin("views", VIEWS), str(toys.__file__)])
    found = plan(Suite(models=("toy0",), tasks=("centroid@toy", "turned@toy")), host)
    (reason,) = (s.reason for s in found.skips if s.task == "turned@toy")
    assert reason.startswith("needs a view there is not: no view 'rotaton[16]'; did you mean 'rotation'?")


RAISING = """
from harness import hookimpl, metric, task
from harness.evidence import Predictions
def bad(*arguments): raise AttributeError("no\\nsuch fact")
@metric("raising", accepts=Predictions, skip=bad)
def raising(p): ...
@task("raising", evidence=Predictions)
class Raising:
    skip = bad
    def run(self, data): ...
@hookimpl
def register_metrics(register): register(raising)
@hookimpl
def register_tasks(register): register(Raising)
"""


def test_a_skip_that_raises_is_the_reason(write_plugin: Callable[..., str], toys: ModuleType) -> None:
    host = Host(plugins=[write_plugin("raising", RAISING), str(toys.__file__)])
    found = plan(Suite(models=("toy0",), tasks=("centroid@toy", "raising@toy")), host)
    reasons = {(s.task, s.metric): s.reason for s in found.skips}
    expected = "skip() failed: AttributeError: no such fact"
    assert reasons["centroid@toy", "raising"] == reasons["raising@toy", ""] == expected
    assert len(found) > 0


def test_a_hundred_thousand_cells(make: Callable[..., Plan]) -> None:
    tasks = [f"centroid[scale={s}]@toy" for s in range(1, 251)]
    models = tuple(f"toy:net?seed={s}" for s in range(100))
    found = make(*tasks, models=models, metrics=("toy-hits", "nll"), seeds=(0, 1))
    assert len(found) == 100_000 == sum(1 for _ in found.cells())
    assert len(found.passes) == 200


@given(
    st.lists(st.sampled_from(["centroid@toy", "features@toy", "live@toy", "centroid@toy-labels", "features[]@toy"]),
             min_size=1, unique=True),
    st.lists(st.sampled_from(["toy0", "toy1", "toy2"]), min_size=1, unique=True),
    st.sets(st.integers(0, 5), min_size=1, max_size=3),
)  # fmt: skip
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_length_is_the_number_of_cells(
    make: Callable[..., Plan], tasks: list[str], models: list[str], seeds: set[int]
) -> None:
    found = make(*tasks, models=tuple(models), seeds=tuple(seeds))
    assert len(found) == len(list(found.cells())) == len(set(found.cells()))


def test_a_plan_as_json_values(make: Callable[..., Plan]) -> None:
    found = make("centroid@toy", "features@toy", metrics=("toy-hits", "toy-spread"))
    facts = describe(found)
    assert (facts["cells"], facts["passes"], facts["images"]) == (4, 4, 128)
    assert facts["tasks"] == {"centroid@toy": ["toy-hits"], "features@toy": ["toy-spread"]}
    reason = "accepts Predictions, the task gives Embeddings"
    assert {"task": "features@toy", "metric": "toy-hits", "reason": reason, "mismatch": True} in facts["skips"]


def test_identities_hold_the_parameters(make: Callable[..., Plan]) -> None:
    found = make("centroid[2]@toy")
    assert task_identity(found.tasks["centroid[2]@toy"]) == {
        "name": "centroid", "version": 1, "parameters": {"scale": 2.0, "noise": 0.0, "layer": "embedding"}
    }  # fmt: skip


def test_planning_imports_no_torch(python: Callable[[str], str], toys: ModuleType) -> None:
    assert (
        python(f"""
import sys
from harness.plugins import Host
from harness.registry import Entry, Origin
from harness.planning import describe, plan
from harness.suite import Suite
host = Host(plugins=[{toys.__file__!r}])
found = plan(Suite(models=("toy*",), tasks=("centroid@toy", "features@toy", "live@toy")), host)
print(len(list(found.cells())) == len(found) == describe(found)["cells"], "torch" in sys.modules)
""")
        == "True False"
    )
