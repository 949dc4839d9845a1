"""The published tables of Ericsson et al. 2021: complete, consistent, in the names of measured runs."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from statistics import fmean

import pytest

from harness.board import Board, build
from harness.errors import HarnessError
from harness.lookup import find_dataset, find_metric, find_model
from harness.models import ModelCard
from harness.plugins import Host
from harness.records import Record
from harness.reported import import_reported
from harness_papers.ericsson2021 import cards, records, table

LINEAR = "linear[mode=protocol,view=whole]"
FEW = "fewshot[5w{}s,view=squash]"
KORNBLITH = ("aircraft", "caltech101", "cars", "cifar10", "cifar100", "dtd", "flowers", "food101", "pets", "sun397")
CDFSL = ("cropdiseases", "eurosat", "isic2018", "chestx")
SUPERVISED = "resnet50-supervised-v1"


@pytest.fixture(scope="module")
def found() -> list[Record]:
    return list(records())


@pytest.fixture(scope="module")
def board(found: list[Record]) -> Board:
    return build(found, columns="all")


def column(board: Board, name: str) -> dict[str, float]:
    """A column's score by model."""
    at = [c.name for c in board.columns].index(name)
    return {row.model: float(row.entries[at].value or math.nan) for row in board.rows}


def beaten_by(board: Board, name: str) -> list[str]:
    """The models that are better than the supervised one on a column."""
    scores = column(board, name)
    return [model for model, score in scores.items() if score > scores[SUPERVISED]]


def many_shot(board: Board, protocol: str) -> dict[str, str]:
    """The column of each many-shot dataset."""
    return {c.dataset: c.name for c in board.columns if c.protocol == protocol and c.ranked and c.dataset != "imagenet"}


def test_every_figure_of_the_tables_is_there_once(found: list[Record]) -> None:
    tables: dict[str, int] = {}
    for record in found:
        tables[record.facts["table"]] = tables.get(record.facts["table"], 0) + 1
    per_model = {"1": 23, "2": 10, "3": 4, "4": 6, "5": 7, "6": 10, "7": 7, "8": 8, "9": 11}
    assert tables == {number: 14 * count for number, count in per_model.items()}
    assert len({r.key for r in found}) == len({r.cell for r in found}) == len(found) == 1204
    assert {r.kind for r in found} == {"reported"}


def test_they_make_a_full_board_of_fourteen_ranked_models(found: list[Record]) -> None:
    board = build(found)
    assert len(board.rows) == len(board.ranked) == 14
    assert {e.kind for row in board.rows for e in row.entries} == {"reported"}
    counted = [c for c in board.columns if c.ranked]
    settings = {(c.protocol.partition("[")[0], c.dataset) for c in counted}  # 5, 20 and 50 shots are one
    assert (len(counted), len(settings)) == (66, 40)  # the 40 tasks of the paper
    assert board.rule.over == "tasks"
    assert [row.standing and row.standing.rank for row in board.rows] == list(range(1, 15))
    best, worst = board.rows[0].standing, board.rows[-1].standing
    assert best is not None
    assert worst is not None
    assert best.worst is not None
    assert worst.best is not None
    assert best.worst < worst.best, "the evidence tells the first from the last"


def test_known_figures_are_where_measured_ones_would_be(board: Board) -> None:
    for name, model, value, half in [
        (f"{LINEAR}@imagenet top1", SUPERVISED, 77.2, None),
        (f"{LINEAR}@aircraft mean_per_class", "resnet50-byol", 53.87, None),
        (f"{LINEAR}@voc2007 map11", "resnet50-swav", 83.68, None),
        ("finetune@cifar10 top1", "resnet50-simclr-v1", 97.07, None),
        (f"{FEW.format(20)}@cars episode_accuracy", "resnet50-insdis", 55.18, 0.69),
        (f"{FEW.format(5)}@isic2018 episode_accuracy", "resnet50-moco-v2", 42.6, 0.55),
        (f"{FEW.format(50)}@pets episode_accuracy", SUPERVISED, 98.54, 0.16),
        ("detection[frozen]@voc2007 ap50", "resnet50-simclr-v2", 82.34, None),
        ("normals@nyuv2 median_angular_error", "resnet50-sela-v2", 36.1, None),
        ("segmentation@ade20k miou", "resnet50-pcl-v1", 29.83, None),
        ("finetune@kornblith-mean ece_temperature_crossfit", "resnet50-deepcluster-v2", 1.85, None),
        ("inversion@ericsson15 colour_mse_green", "resnet50-infomin", 2403, None),
    ]:
        entry = board.entry(model, name)
        assert (entry.value, entry.kind, entry.mark) == (value, "reported", "‡")
        assert entry.half == (None if half is None else pytest.approx(half))


def test_the_printed_averages_come_out(board: Board) -> None:
    """A transcription error in any of 308 figures would show."""
    for row in table(1):
        protocol = LINEAR if row["protocol"] == "linear" else row["protocol"]
        model = cards()[row["model"]]["name"]
        mean = fmean(column(board, name)[model] for name in many_shot(board, protocol).values())
        assert mean == pytest.approx(float(row["avg"]), abs=0.011), (model, protocol)


def test_metrics_and_datasets_are_those_registered(found: list[Record]) -> None:
    """Where the harness has the metric or dataset itself, the facts agree, so that columns do not mix."""
    host, compared = Host(), set()
    for record in {(r.metric["name"], r.task.partition("@")[2]): r for r in found}.values():
        name, dataset = record.metric["name"], record.task.partition("@")[2]
        if name in host["metric"]:
            assert record.metric == find_metric(host, name).describe()
            compared.add(name)
        if dataset in host["dataset"] and not record.task.startswith("detection"):
            card = find_dataset(host, dataset).card
            known = {k: getattr(card, k) for k in ("title", "domain", "near", "collection", "kind")}
            assert record.dataset == known | {"classes": card.num_classes}
            compared.add(dataset)
            if "fewshot" not in record.task:
                assert record.score.n == card.splits["test"]
                assert name == card.primary_metric
    assert compared >= {"top1", "mean_per_class", "ece"}


def test_models_are_those_of_the_catalogue() -> None:
    host, compared = Host(), set()
    for card in cards().values():
        ModelCard.model_validate(card)
        if card["name"] in host["model"]:
            theirs = find_model(host, card["name"]).card
            assert theirs.paradigm == card["paradigm"]
            compared.add(card["name"])
            if card["name"] != SUPERVISED:  # the paper's 77.20 is not what torchvision states
                assert theirs.reported.get("imagenet_top1", card["reported"]["imagenet_top1"]) == pytest.approx(
                    card["reported"]["imagenet_top1"]
                )
    assert compared >= {"resnet50-moco-v1", "resnet50-moco-v2", SUPERVISED}


def test_cards_tell_how_the_models_were_trained() -> None:
    byol, supervised = cards()["BYOL"], cards()["Supervised"]
    assert (byol["epochs"], byol["batch"], byol["components"]) == (1000, 4096, ["target_net", "proj_head"])
    assert byol["augmentations"] == ["grayscale", "colour_jitter", "solarize", "blur", "random_crop", "hflip"]
    assert supervised["augmentations"] == ["pca_colour", "random_crop", "hflip"]
    assert "multi_crop" in cards()["SwAV"]["augmentations"]
    assert [name for name, card in cards().items() if not card["normalised_input"]] == ["SimCLR-v1", "SimCLR-v2"]
    assert [name for name, card in cards().items() if "weights_of" in card] == ["InsDis", "PIRL"]
    assert {c["paradigm"] for c in cards().values()} == {"contrastive", "clustering", "non-contrastive", "supervised"}


def test_self_supervised_models_win_every_linear_task_but_pets(board: Board) -> None:
    linear = many_shot(board, LINEAR)
    assert len(linear) == 11
    assert [dataset for dataset, name in linear.items() if not beaten_by(board, name)] == ["pets"]


def test_the_supervised_model_wins_few_shot_on_natural_images(board: Board) -> None:
    names = {dataset: f"{FEW.format(20)}@{dataset} episode_accuracy" for dataset in KORNBLITH}
    assert [dataset for dataset, name in names.items() if beaten_by(board, name)] == ["dtd", "flowers"]


@pytest.mark.parametrize("shots", [5, 20, 50])
@pytest.mark.parametrize("dataset", CDFSL)
def test_several_beat_it_on_other_domains(board: Board, dataset: str, shots: int) -> None:
    assert len(beaten_by(board, f"{FEW.format(shots)}@{dataset} episode_accuracy")) >= 3


def test_the_best_models_elsewhere(board: Board) -> None:
    best = {
        name: max(scores, key=scores.__getitem__)
        for name in (c.name for c in board.columns if c.higher_is_better)
        for scores in [column(board, name)]
    }
    assert best["detection[frozen]@voc2007 ap50"] == "resnet50-simclr-v2"
    assert best["detection[finetune]@voc2007 ap50"] == "resnet50-byol"
    assert best["segmentation@ade20k miou"] == "resnet50-pcl-v1"
    assert {best[f"normals@nyuv2 within_{angle}"] for angle in ("11.25", "22.5", "30")} == {"resnet50-simclr-v2"}
    for error in ("mean", "median"):
        scores = column(board, f"normals@nyuv2 {error}_angular_error")
        assert min(scores, key=scores.__getitem__) == "resnet50-simclr-v2"


def test_they_stand_beside_a_measured_model(found: list[Record], tmp_path: Path, make: Callable[..., Record]) -> None:
    mine = make("mine", f"{LINEAR}@cifar10", 90.0)
    again = make("resnet50-byol", f"{LINEAR}@cifar10", 93.1)
    board = build([*found, mine, again], columns="all")
    name = f"{LINEAR}@cifar10 top1"
    assert [c.name for c in board.columns].count(name) == 1
    assert (board.entry("mine", name).mark, board.entry("resnet50-swav", name).mark) == ("", "‡")
    measured = board.entry("resnet50-byol", name)
    assert (measured.value, measured.kind) == (93.1, "measured")  # what is measured goes before what is reported
    assert "reported 2021-03-29" in measured.note
    assert "‡ reported elsewhere, not measured here." in board.footnotes
    assert "mixed" not in " ".join(c.note for c in board.columns)


def test_the_command_line_knows_them(tmp_path: Path) -> None:
    host = Host()
    assert import_reported(host, "ericsson2021", tmp_path) == (1204, 1204)
    assert import_reported(host, "ericsson2021", tmp_path) == (1204, 0)
    with pytest.raises(HarnessError, match="did you mean 'ericsson2021'"):
        import_reported(host, "ericson2021", tmp_path)
