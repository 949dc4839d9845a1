"""Details of stored predictions: names and thumbnails of images where this machine has them, numbers elsewhere."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from site_boards import says, small, with_evidence

from harness.board import Board
from harness.board.site.details import Details, details
from harness.board.site.images import KnownImages, called, listed
from harness.board.site.pictures import Pictures, Which, thumbnail
from harness.datasets import DatasetCard, Split
from harness.evidence import Embeddings, Evidence, Predictions, Reconstructions
from harness.lookup import find_dataset
from harness.plugins import Host

TASK = "centroid@toy"


@pytest.fixture
def targets(host: Host) -> list[int]:
    """Of the toy's test images."""
    found: list[int] = find_dataset(host, "toy").split("test").targets.tolist()
    return found


def shown(
    board: Board, host: Host, which: Which = "all", facts: Mapping[str, Any] | None = None
) -> tuple[Details, Pictures]:
    tasks = dict.fromkeys(c.task for c in board.columns)
    pictures = Pictures(which)
    return details(board, {t: KnownImages(host, t, facts or {}) for t in tasks}, pictures, lambda line: None), pictures


def off(targets: list[int], *wrong: int) -> list[int]:
    """The targets, with those of some images taken for another class."""
    return [(t + 1) % 3 if i in wrong else t for i, t in enumerate(targets)]


def test_images_and_classes_have_their_names(host: Host, targets: list[int]) -> None:
    found, _ = shown(with_evidence({("m", TASK): says(targets, off(targets, 4))}), host)
    [task] = found.models[0]
    assert task["task"] == 0
    [wrong] = task["wrong"]
    assert (wrong["image"], wrong["confidence"]) == ("test/4", 0.9)
    assert (wrong["target"], wrong["predicted"]) == (f"colour {targets[4]}", f"colour {(targets[4] + 1) % 3}")
    assert {c["name"] for c in task["classes"]} == {"colour 0", "colour 1", "colour 2"}
    assert task["classes"][0]["name"] == f"colour {targets[4]}"
    assert task["classes"][0]["accuracy"] < 1 == task["classes"][2]["accuracy"]
    assert sum(c["n"] for c in task["classes"]) == len(targets)
    assert task["reliability"]["kind"] == "single-label"
    assert task["reliability"]["bins"][13] == [0.9, round(1 - 1 / len(targets), 4), len(targets)]
    assert found.notes == []


def test_models_are_compared_on_their_tasks_page(host: Host, targets: list[int]) -> None:
    stored = {("a", TASK): says(targets, off(targets, 4, 7)), ("b", TASK): says(targets, off(targets, 4), 0.6)}
    found, _ = shown(with_evidence(stored), host)
    task = found.tasks[0]
    n = len(targets)
    assert (task["n"], task["of"], task["measure"]) == (n, 2, "accuracy")
    assert task["difficulty"] == [n - 2, 1, 1]
    assert [(h["image"], h["wrong"], h["of"]) for h in task["hardest"]] == [("test/4", 2, 2), ("test/7", 1, 2)]
    assert task["hardest"][0]["predicted"] == f"colour {(targets[4] + 1) % 3}"
    assert task["agreement"]["models"] == [0, 1]
    assert task["agreement"]["matrix"] == [[1, round(1 - 1 / n, 4)], [round(1 - 1 / n, 4), 1]]
    assert task["agreement"]["kappa"][0][1] < 1
    seven = next(c for c in task["classes"] if c["name"] == f"colour {targets[7]}")
    assert seven["best"] == 1


def test_evidence_of_some_images_is_matched_to_them(host: Host) -> None:
    split = find_dataset(host, "toy").split("test")
    rows = np.sort(np.random.RandomState(0).permutation(len(split))[:5])
    targets = split.targets[rows].tolist()
    limited = with_evidence({("m", TASK): says(targets, off(targets, 3))}, limit=5)
    found, _ = shown(limited, host)
    assert found.models[0][0]["wrong"][0]["image"] == f"test/{rows[3]}"
    every = split.targets.tolist()
    kept = [t for i, t in enumerate(every) if i != 2]
    found, _ = shown(with_evidence({("m", TASK): says(kept, off(kept, 2))}), host, facts={"excluded": ["test/2"]})
    assert found.models[0][0]["wrong"][0]["image"] == "test/3"


def test_images_that_may_be_others_have_numbers(host: Host, targets: list[int]) -> None:
    turned = [(t + 1) % 3 for t in targets]
    found, pictures = shown(with_evidence({("m", TASK): says(turned, off(turned, 1))}), host)
    assert found.models[0][0]["wrong"][0]["image"] == "image 1"
    assert found.models[0][0]["wrong"][0]["picture"] is None
    assert "not those of the dataset's test images here" in found.notes[0]
    assert pictures.files == {}
    board = with_evidence({("m", TASK): says(targets, off(targets, 1))})
    found, _ = shown(board, host, facts={"dataset": {"revision": "old"}})
    assert found.models[0][0]["wrong"][0]["image"] == "image 1"
    assert found.models[0][0]["wrong"][0]["target"].startswith("colour")
    assert "measured on revision old" in found.notes[0]


def test_what_is_not_installed_has_numbers(host: Host) -> None:
    found, _ = shown(with_evidence({("m", "knn@nowhere"): says([0, 1, 2], [0, 1, 1])}), host)
    assert found.models[0][0]["wrong"] == [
        {"image": "image 2", "picture": None, "target": "class 2", "predicted": "class 1", "confidence": 0.9}
    ]
    assert "nowhere" in found.notes[0]
    assert "numbers for names" in found.notes[0]


def test_labels_are_told_one_by_one(host: Host) -> None:
    truth = find_dataset(host, "toy-labels").split("test").targets
    chosen = torch.from_numpy(truth).float()
    chosen[0] = 1 - chosen[0]
    said = Predictions(torch.where(chosen > 0, 4.0, -4.0), torch.from_numpy(truth), multilabel=True)
    found, _ = shown(with_evidence({("m", "centroid@toy-labels"): said}), host)
    [task] = found.models[0]
    assert (task["measure"], task["reliability"]["kind"]) == ("average precision", "multi-label")
    [wrong] = task["wrong"]
    present = int(truth[0].argmax())
    names = {("no colour 0", "colour 0"), ("colour 0", "no colour 0")}
    assert (wrong["target"], wrong["predicted"]) in names
    assert (wrong["target"] == "colour 0") == (present == 0)
    hard = found.tasks[0]["hardest"][0]
    assert hard["target"] == f"colour {present}"
    assert hard["predicted"] == ", ".join(f"colour {c}" for c in range(3) if c != present)


def test_what_has_no_predictions_has_no_details(host: Host) -> None:
    features: Evidence = Embeddings(torch.zeros(2, 3), torch.tensor([0, 1]))
    calls: list[str] = []
    board = with_evidence({("a", TASK): features, ("b", TASK): features})
    kept = board.stored
    assert kept is not None
    object.__setattr__(board, "stored", lambda model, task: calls.append(model) or kept(model, task))
    found, _ = shown(board, host)
    assert (found.models, found.tasks, found.notes) == ({}, {}, [])
    assert calls == ["a"]  # files of other kinds may be large


def test_evidence_that_is_not_here_is_told(host: Host) -> None:
    board = small()
    assert shown(board, host)[0].notes == []  # it was never looked for
    object.__setattr__(board, "stored", lambda model, task: None)
    assert shown(board, host)[0].notes == [
        "no stored evidence of 4 models and tasks (a × knn@digits and 3 more): no details of these"
    ]


def test_models_with_other_images_are_not_compared(host: Host, targets: list[int]) -> None:
    board = with_evidence({("a", TASK): says(targets, targets), ("b", TASK): says(targets[:5], targets[:5])})
    found, _ = shown(board, host)
    assert found.tasks[0]["agreement"]["models"] == [0]
    assert len(found.models) == 2
    assert f"{TASK}: 1 model answered other images than the others, and are not compared" in found.notes


def test_a_tasks_first_variant_is_shown(host: Host, targets: list[int]) -> None:
    both = {"k=20": says(targets, targets), "k=1": says(targets, off(targets, 0))}
    found, _ = shown(with_evidence({("m", TASK): both}), host)
    assert found.models[0][0]["variant"] == "k=20"
    assert found.models[0][0]["wrong"] == []


def test_each_file_is_read_once(host: Host, targets: list[int]) -> None:
    board = with_evidence({(m, TASK): says(targets, targets) for m in "abc"})
    kept, calls = board.stored, list[tuple[str, str]]()
    assert kept is not None
    object.__setattr__(board, "stored", lambda model, task: calls.append((model, task)) or kept(model, task))
    shown(board, host)
    assert calls == [("a", TASK), ("b", TASK), ("c", TASK)]


@pytest.mark.parametrize(("which", "shareable", "files"), [
    ("cards", True, 1), ("cards", False, 0), ("all", False, 1), ("none", True, 0),
])  # fmt: skip
def test_pictures_are_shown_where_they_may_be(
    host: Host, targets: list[int], which: Which, shareable: bool, files: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = find_dataset(host, "toy").card.model_copy(update={"shareable": shareable})
    monkeypatch.setattr(KnownImages, "card", card)
    found, pictures = shown(with_evidence({("m", TASK): says(targets, off(targets, 4))}), host, which)
    assert len(pictures.files) == files
    [wrong] = found.models[0][0]["wrong"]
    assert wrong["picture"] == next(iter(pictures.files), None)
    assert found.tasks[0]["hardest"][0]["picture"] == wrong["picture"]
    assert any("do not say they may be shown" in note for note in found.notes) == (which == "cards" and not shareable)


@pytest.mark.parametrize(("which", "shareable", "kept"), [
    ("cards", True, True), ("cards", False, False), ("all", False, True), ("none", True, False),
])  # fmt: skip
def test_analyses_see_no_images_that_may_not_be_shown(
    host: Host, which: Which, shareable: bool, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = find_dataset(host, "toy").card.model_copy(update={"shareable": shareable})
    monkeypatch.setattr(KnownImages, "card", card)
    pixels = torch.zeros((2, 3, 4, 4), dtype=torch.uint8)
    rebuilt, features = Reconstructions(pixels, pixels), Embeddings(torch.zeros(2, 3), torch.tensor([0, 1]))
    board = with_evidence({("m", TASK): rebuilt, ("m", "features@toy"): features})
    pictures = Pictures(which)
    seen = pictures.guarded(board, lambda task: KnownImages(host, task, {}))
    assert (seen.evidence("m", TASK) is not None) == kept
    assert seen.evidence("m", "features@toy") == {"": features}
    assert seen.evidence("m", "nothing@toy") is None
    assert pictures.withheld == ({"toy@1"} if which == "cards" and not shareable else set())


def test_pictures_of_a_dataset_that_is_not_known_are_not_shown(host: Host) -> None:
    unknown = KnownImages(host, "knn@nowhere", {})
    assert not Pictures("cards").allowed(unknown)
    assert Pictures("all").allowed(unknown)


def test_pictures_are_not_without_end(host: Host, targets: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.board.site.pictures.MOST", 2)
    found, pictures = shown(with_evidence({("m", TASK): says(targets, off(targets, 1, 2, 3))}), host)
    assert len(pictures.files) == 2
    assert [w["picture"] is None for w in found.models[0][0]["wrong"]] == [False, False, True]
    assert found.notes == ["2 thumbnails; further images are named only"]


class Bad:
    """Images of which the second cannot be read."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int, /) -> NDArray[np.uint8] | bytes:
        return b"no image" if index else np.full((10, 40, 3), 7, np.uint8)


def test_thumbnails_are_small_jpegs_and_an_unreadable_image_has_none(host: Host) -> None:
    split = Split(Bad(), np.array([0, 1]), ["../../<a>", "b\n"])
    picture = Image.open(io.BytesIO(thumbnail(split, 0)))
    assert (picture.format, picture.size) == ("JPEG", (96, 24))
    known = KnownImages(host, TASK, {})
    known.__dict__["split"] = split
    pictures = Pictures("all")
    path = pictures.of(known, 0)
    assert path is not None
    assert path.startswith("pictures/")
    assert path.count("/") == 1
    assert not set(path) & set("<>\n\\ ")
    assert pictures.of(known, 1) is None
    assert list(pictures.files) == [path]


def test_names_of_labels() -> None:
    assert called(("a",), 0) == "a"
    assert called(("a",), 1) == "class 1"
    assert listed(("a", "b"), [0, 1]) == "a, b"
    assert listed(("a",), []) == "none"


def test_first_party_cards_say_which_pictures_may_be_shown(host: Host) -> None:
    assert find_dataset(host, "digits").card.shareable
    assert find_dataset(host, "scenes").card.shareable
    assert not find_dataset(host, "toy").card.shareable
    assert not DatasetCard(name="x", revision="1", classes=("a",), splits={}).shareable
