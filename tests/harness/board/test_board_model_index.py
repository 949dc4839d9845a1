from __future__ import annotations

from collections.abc import Callable

import pytest
import yaml
from huggingface_hub import ModelCard, ModelCardData
from huggingface_hub.repocard_data import eval_results_to_model_index, model_index_to_eval_results

from harness.board import Board, build
from harness.records import Record

Make = Callable[..., Record]
FACTS = {"task": {"name": "linear", "version": 1}, "dataset": {"revision": "r1"}}
DIGITS = {"title": "Handwritten digits.", "kind": "single-label"}


@pytest.fixture
def board(make: Make) -> Board:
    """Two models; of the second, one score was reported and one failed; the third has none."""
    records = [make("a", t, 93.42, facts=FACTS, dataset=DIGITS) for t in ("linear@digits", "knn@digits[colour]")]
    records += [make("a", "linear@digits", 3.0, metric="ece", better="lower", facts=FACTS, dataset=DIGITS)]
    records += [make("b", "seg@ade", 25.0, kind="reported", half=None), make("b", "linear@digits", reason="NaN")]
    return build([*records, make("c", "linear@digits", reason="NaN")], title="t", columns="first")


def test_hugging_face_reads_it_as_a_card(board: Board) -> None:
    card = ModelCard(f"{build_one(board, 'a')}# A model\n")
    results = {(r.task_name, r.metric_type): r for r in card.data.eval_results}
    assert card.data.model_name == "a"
    assert set(results) == {("linear@digits", "top1"), ("linear@digits", "ece"), ("knn@digits[colour]", "top1")}
    found = results["linear@digits", "top1"]
    assert (found.metric_value, found.verified, found.task_type) == (93.42, False, "image-classification")
    assert (found.dataset_type, found.dataset_name, found.dataset_revision, found.dataset_split) == (
        "digits", "Handwritten digits", "r1", "test",
    )  # fmt: skip
    told = {"unit": "%", "version": 1, "low": 92.42, "high": 94.42, "images": 360, "seeds": 1, "kind": "measured"}
    assert found.metric_args == told
    assert results["knn@digits[colour]", "top1"].dataset_config == "colour"


def test_it_survives_hugging_faces_own_writing(board: Board) -> None:
    held = yaml.safe_load(build_one(board, "a").strip("-\n"))["model-index"]
    name, results = model_index_to_eval_results(held)
    again = ModelCardData(model_name=name, eval_results=results)
    values = sorted((r.metric_name, r.metric_value) for r in results)
    _, reread = model_index_to_eval_results(eval_results_to_model_index(name, again.eval_results))
    assert sorted((r.metric_name, r.metric_value) for r in reread) == values, "tasks of one dataset stay apart"


def test_several_models_are_documents_of_their_own(board: Board) -> None:
    documents = [d for d in yaml.safe_load_all(board.render("model-index")) if d]
    assert [d["model-index"][0]["name"] for d in documents] == ["a", "b"], "one without scores has nothing to tell"
    (result,) = documents[1]["model-index"][0]["results"]
    assert (result["task"], result["metrics"][0]["args"]["kind"]) == ({"type": "other", "name": "seg@ade"}, "reported")


def test_only_primary_metrics_of_classes_are_called_classification(make: Make) -> None:
    kinds = {"single-label": "image-classification", "multi-label": "image-classification", "continuous": "other"}
    for kind, expected in kinds.items():
        held = build([make("a", "linear@digits", 90.0, facts=FACTS, dataset={"kind": kind})]).render("model-index")
        assert yaml.safe_load(held.strip("-\n"))["model-index"][0]["results"][0]["task"]["type"] == expected


def test_without_scores_there_is_an_empty_index() -> None:
    assert ModelCard(build([]).render("model-index")).data.to_dict() == {}


def test_hostile_names_stay_strings(make: Make) -> None:
    for name in (
        "yes",
        "1e3",
        "null",
        "a: b",
        "- a",
        "---\nx: 1",
        "&a",
        "*a",
        "!!python/object:os.system",
        "\u202ex",
        "{",
    ):
        text = build([make(name, f"linear@{name}", 90.0, metric=name)]).render("model-index")
        (document,) = (d for d in yaml.safe_load_all(text) if d)
        plain = " ".join(name.replace("\u202e", " ").split())
        assert document["model-index"][0]["name"] == plain
        assert document["model-index"][0]["results"][0]["metrics"][0]["type"] == plain


def build_one(board: Board, model: str) -> str:
    """The front matter of one model's card."""
    parts = board.render("model-index").split("---\n")
    return next(f"---\n{part}---\n" for part in parts if f"- name: {model}\n" in part)
