"""Two runs: every cell accounted for once, and each change with the facts that explain it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.board.changes import UNSTEADY, UNTOLD, Cause, changes, text
from harness.records import Record

Make = Callable[..., Record]
FACTS: dict[str, Any] = {
    "task": {"name": "linear", "version": 1, "parameters": {"k": 5, "view": "clean"}},
    "dataset": {"name": "d", "revision": "r1", "primary": {"name": "top1", "version": 1}},
    "precision": "fp32", "decoder": "torchvision", "resamples": 1000, "weights": "a" * 64, "fingerprint": "f" * 64,
    "architecture": {"loader": "timm", "name": "resnet18"}, "preprocess": {"size": 224, "crop": 0.875},
    "excluded": [], "evidence": "e" * 64,
}  # fmt: skip
PROVENANCE = {"device": "cpu (1 threads)", "torch": "2.14", "plugins": {"tasks": "ssl-harness 0.1.0"}}


@pytest.fixture
def record(make: Make) -> Make:
    def made(model: str = "m", task: str = "linear@d", value: float | None = 50.0, **fields: Any) -> Record:
        return make(model, task, value, **({"facts": FACTS, "provenance": PROVENANCE} | fields))

    return made


def changed(at: str, value: Any) -> dict[str, Any]:
    """The facts with one other; the path in dots."""
    outer, _, inner = at.partition(".")
    return FACTS | {outer: changed_within(FACTS[outer], inner, value) if inner else value}


def changed_within(facts: dict[str, Any], at: str, value: Any) -> dict[str, Any]:
    outer, _, inner = at.partition(".")
    return facts | {outer: changed_within(facts[outer], inner, value) if inner else value}


@pytest.mark.parametrize(
    ("at", "value", "cause"),
    [("weights", "b" * 64, ("weights", "aaaaaaaa", "bbbbbbbb")),
     ("architecture.name", "resnet50", ("architecture name", "resnet18", "resnet50")),
     ("preprocess.crop", 1.0, ("preprocess crop", "0.875", "1.0")),
     ("task.version", 2, ("task version", "1", "2")),
     ("task.parameters.k", 20, ("task parameter k", "5", "20")),
     ("task.parameters.new", True, ("task parameter new", "none", "true")),
     ("dataset.revision", "r2", ("dataset revision", "r1", "r2")),
     ("dataset.primary.version", 2,
      ("dataset primary", '{"name": "top1", "version": 1}', '{"name": "top1", "version": 2}')),
     ("precision", "bf16", ("precision", "fp32", "bf16")), ("decoder", "pil", ("decoder", "torchvision", "pil")),
     ("resamples", 100, ("resamples", "1000", "100")),
     ("excluded", ["i1", "i2", "i3", "i4"], ("excluded images", "none", "i1, i2, i3, … (4)"))],
    ids=lambda x: x if isinstance(x, str) else "",
)  # fmt: skip
def test_every_fact_of_a_key_is_told_when_it_differs(record: Make, at: str, value: Any, cause: Any) -> None:
    found = changes([record()], [record(value=51.0, key="other", facts=changed(at, value))])
    assert found.cells[0].status == "value"
    assert found.cells[0].causes == (Cause(*cause),)


def test_what_a_record_has_beside_its_facts(record: Make) -> None:
    after = record(value=51.0, key="other", limit=100, version=2, kind="submitted")
    assert {c.fact for c in changes([record()], [after]).cells[0].causes} == {"limit", "metric version", "kind"}


def test_the_same_key_with_another_value_is_not_deterministic(record: Make) -> None:
    other = {"device": "NVIDIA H200", "torch": "2.15", "plugins": {"tasks": "ssl-harness 0.2.0"}}
    found = changes([record()], [record(value=50.1, provenance=PROVENANCE | other)]).cells[0]
    assert found.causes == (
        Cause(UNSTEADY), Cause("device", "cpu (1 threads)", "NVIDIA H200"), Cause("torch", "2.14", "2.15"),
        Cause("plugin tasks", "ssl-harness 0.1.0", "ssl-harness 0.2.0"),
    )  # fmt: skip
    assert changes([record()], [record(value=50.1)]).cells[0].causes == (Cause(UNSTEADY),)
    assert changes([record()], [record(value=50.1, key="other")]).cells[0].causes == (Cause(UNTOLD),)


def test_an_interval_may_change_alone(record: Make) -> None:
    found = changes([record()], [record(half=2.0, key="other", facts=changed("resamples", 50))]).cells[0]
    assert (found.status, [c.fact for c in found.causes]) == ("interval", ["resamples"])


def test_unchanged_values_are_unchanged_whatever_was_done_anew(record: Make) -> None:
    found = changes([record()], [record(finished=2e9, key="other", facts=changed("weights", "b" * 64))])
    assert (found.counts, found.groups) == ({"unchanged": 1}, ())


def test_variants_are_compared_by_name(record: Make) -> None:
    before = record(value=None, variants={"k=1": 50.0, "k=5": 60.0})
    assert changes([before], [record(value=None, variants={"k=5": 60.0, "k=1": 50.0})]).groups == ()
    assert changes([before], [record(value=None, variants={"k=1": 50.0, "k=5": 61.0})]).cells[0].status == "value"
    assert changes([before], [record(value=None, variants={"k=1": 50.0})]).cells[0].status == "value"


def test_another_outcome_tells_both_reasons(record: Make) -> None:
    failed = record(value=None, reason="no memory", facts={})
    found = changes([record()], [failed]).cells[0]
    assert (found.status, found.causes) == ("outcome", (Cause("done → failed (no memory)"),))
    again = changes([failed], [record(value=None, reason="no disk", facts={})]).cells[0]
    assert again.causes == (Cause("failed (no memory) → failed (no disk)"),)
    assert changes([failed], [failed]).counts == {"unchanged": 1}


def test_cells_of_one_run_only_say_what_the_other_lacks(record: Make) -> None:
    first = [record("m"), record("m", "knn@d"), record("n"), record("m", metric="ece"), record("m", seed=1)]
    second = [record("m"), record("n", "linear@e")]
    found = changes(first, second)
    told = {(c.cell.model, c.cell.task, c.cell.metric, c.cell.seed): (c.status, c.causes[0].fact[21:])
            for c in found.cells if c.causes}  # fmt: skip
    assert told == {
        ("m", "knn@d", "top1", 0): ("first only", "such task"),
        ("n", "linear@d", "top1", 0): ("first only", "such cell"),
        ("m", "linear@d", "ece", 0): ("first only", "such metric"),
        ("m", "linear@d", "top1", 1): ("first only", "such seed"),
        ("n", "linear@e", "top1", 0): ("second only", "such task"),
    }


def test_cells_of_one_run_only_name_another_limit_too(record: Make) -> None:
    first, second = [record(seed=1, limit=20), record("n", seed=1)], [record(limit=40), record("o", limit=100)]
    absent = Cause("the other run has no such seed")
    told = {(c.cell.model, c.status): c.causes for c in changes(first, second).cells}
    assert told == {
        ("m", "first only"): (absent, Cause("limit", "20", "40, 100")),
        ("n", "first only"): (Cause("the other run has no such model"), Cause("limit", "none", "40, 100")),
        ("m", "second only"): (absent, Cause("limit", "none, 20", "40")),
        ("o", "second only"): (Cause("the other run has no such model"), Cause("limit", "none, 20", "100")),
    }
    assert changes([record(seed=1, limit=40)], second).cells[0].causes == (absent,)
    assert changes([record(seed=1, kind="reported")], second).cells[0].causes == (absent,)
    assert all("limit" not in c.fact for cell in changes(first, []).cells for c in cell.causes)


def test_many_changes_of_one_cause_are_one_group(record: Make) -> None:
    first = [record(f"m{i}", f"linear@d{j}") for i in range(10) for j in range(70)]
    second = [r.model_copy(update={"key": "other", "scores": (r.score.model_copy(update={"value": 50 + i / 100}),),
                                   "facts": changed("dataset.revision", f"r{i % 3}")})
              for i, r in enumerate(first, 1)]  # fmt: skip
    (group,) = [g for g in changes(first, second).groups if g.facts == ("dataset revision",)]
    assert len(group.changes) == sum(i % 3 != 1 for i in range(1, 701)) == 466
    assert {(c.before, c.after) for c in group.values("dataset revision")} == {("r1", "r2"), ("r1", "r0")}
    assert (len(group.names("model")), len(group.names("task"))) == (10, 70)
    assert group.largest.after is not None
    assert group.largest.after.score.value == 50 + 699 / 100


def test_the_newest_measured_record_of_a_cell_counts(record: Make) -> None:
    older, newer = record(value=40.0, key="a", finished=1.0), record(value=60.0, key="b", finished=2.0)
    published = record(value=99.0, key="c", kind="reported", finished=3.0)
    hidden = record(value=None, key="", finished=4.0, reason="before its key was known")
    found = changes([newer, hidden, published, older], [record(value=60.0, key="b")])
    assert found.counts == {"unchanged": 1}


def test_pairs_change_with_the_models_that_they_are_of(record: Make) -> None:
    facts = {k: v for k, v in FACTS.items() if k not in ("weights", "architecture", "preprocess", "fingerprint")}
    before = [record("m"), record("n"), record("m", metric="cka", partner="n", facts=facts)]
    other = changed("weights", "b" * 64)
    after = [record("m"), record("n", key="o", facts=other),
             record("m", metric="cka", partner="n", value=51.0, key="o", facts=facts)]  # fmt: skip
    (change,) = [c for c in changes(before, after).cells if c.status == "value"]
    assert change.causes == (Cause("weights", "aaaaaaaa, aaaaaaaa", "aaaaaaaa, bbbbbbbb"),)


def test_sizes_are_shares_of_the_metrics_range(record: Make) -> None:
    found = changes([record()], [record(value=55.0, key="o")]).cells[0]
    assert found.size == pytest.approx(0.05)
    free = [r.model_copy(update={"metric": r.metric | {"bounds": None}}) for r in (record(), record(value=40.0))]
    assert changes(*([r] for r in free)).cells[0].size == pytest.approx(0.2)
    assert changes([record()], []).cells[0].size == 0


def test_facts_as_text() -> None:
    assert [text(x) for x in (None, [], "x", 1.5, True, "0" * 64, ["a", "b"])] == [
        "none", "none", "x", "1.5", "true", "00000000", "a, b",
    ]  # fmt: skip
    assert len(text("long " * 40)) == 60


@pytest.mark.parametrize("bounds", ["none", [0], [100, 0], [0, None], [0, float("nan")], {"low": 0}])
def test_what_was_edited_by_hand_is_compared_all_the_same(record: Make, bounds: Any) -> None:
    metric = {"name": "top1", "version": 1, "bounds": bounds}
    facts = {"task": "linear", "dataset": ["digits"], "architecture": 3}
    edited = record(value=75.0, key="other", facts=facts, provenance={"plugins": "all"})
    edited = edited.model_copy(update={"metric": metric})
    found = changes([record()], [edited]).cells[0]
    assert (found.status, found.size) == ("value", pytest.approx(1 / 3))
    assert changes([edited], [edited]).counts == {"unchanged": 1}
    same_key = edited.model_copy(update={"scores": record(value=70.0).scores})
    assert changes([edited], [same_key]).cells[0].causes == (Cause(UNSTEADY),)
