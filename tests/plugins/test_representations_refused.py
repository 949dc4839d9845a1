"""What cannot be measured of a representation is said in one line, through the host, and nothing else stops."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from representation_world import go, records, world

from harness.errors import HarnessError
from harness.records import Summary

ATTRIBUTE = ("attribute[sample=2]", "attribute[sample=2,head=finetune,steps=1,batch=8]")
CLOSED = ("attribute[sample=2,method=cam]", "attribute[sample=2,method=rollout]")


def one(out: Path, task: str, metric: str) -> Summary:
    """A run of a single cell."""
    return go(out, world(), ["flat"], [task], [metric])


def undefined(found: Summary, model: str = "") -> dict[tuple[str, str], str]:
    """Reasons by task and metric, of all models or one."""
    assert found.failures == []
    of_model = [u for u in found.undefined if not model or u["model"] == model]
    return {(u["task"].removesuffix("@squares"), u["metric"]): u["reason"] for u in of_model}


@pytest.mark.parametrize(
    ("task", "metric"),
    [
        ("embed[nope]", "norm"), ("embed[nope,flat=true]", "norm"), ("layers[nope]", "top1"),
        ("grams[nope]", "cka_layers"), ("nnk[layer=nope]", "nnk_affinity"),
        ("views[rotation[2],layers=nope]", "alignment"), ("reconstruct[layer=nope,sample=1,iterations=1]", "ssim"),
    ],
)  # fmt: skip
def test_an_unknown_layer_is_named_with_those_that_there_are(tmp_path: Path, task: str, metric: str) -> None:
    (failure,) = one(tmp_path, task, metric).failures
    assert failure["reason"] == "Flat has no layer 'nope' (has: first, second, embedding)"


def test_a_near_miss_is_told_and_other_tasks_go_on(tmp_path: Path) -> None:
    summary = go(tmp_path, world(), ["flat"], ["embed[secnd]", "embed[nope*]", "embed[second]"], ["norm"])
    reasons = {failure["task"]: failure["reason"] for failure in summary.failures}
    assert "did you mean 'second'?" in reasons["embed[secnd]@squares"]
    assert reasons["embed[nope*]@squares"] == "no layer matches 'nope*' (has: first, second, embedding)"
    assert [record.task for record in records(tmp_path, "done")] == ["embed[second]@squares"]


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("nnk[k=1]", "a neighbourhood needs two candidates at least"),
        ("nnk[simclr[2]]", "a manifold needs 3 views of an image at least"),
        ("nnk[mode=nope]", "mode: Input should be 'exact' or 'reference'"),
        ("grams[block=3]", "blocks of 4 images or more, got 3"),
        ("embed[sample=0]", "a sample needs an image at least, got 0"),
        ("views[rotaton]", "no view family 'rotaton'; did you mean 'rotation'?"),
        ("views[rotation[0]]", "an image needs one view or more"),
        ("views[posterize[8]]", "the family has 7 of an image, no more"),
        ("views[floor=2]", "floor is a part of the mean variance, 0 to 1, got 2"),
        ("occlude[mask=2,stride=4]", "needs 1 <= stride <= mask, got stride 4 and mask 2"),
        ("reconstruct[iterations=0]", "needs iterations from 1"),
        ("attribute[method=lime]", "Input should be 'gradcam', 'cam' or 'rollout'"),
    ],
)  # fmt: skip
def test_parameters_that_make_no_sense_are_refused_before_anything_runs(
    tmp_path: Path, task: str, message: str
) -> None:
    with pytest.raises(HarnessError, match=re.escape(message)) as caught:
        one(tmp_path, task, "norm")
    assert "\n" not in str(caught.value)


def test_too_few_images_for_the_neighbours(tmp_path: Path) -> None:
    metrics = ["twonn", "mle_dimension", "mutual_knn", "knn_jaccard", "rankme"]
    found = undefined(go(tmp_path, world(), ["flat", "constant"], ["embed[sample=2]"], metrics))
    assert found["embed[sample=2]", "twonn"] == "2 neighbours need more than 2 images, there are 2"
    assert found["embed[sample=2]", "mle_dimension"] == "20 neighbours need more than 20 images, there are 2"
    for metric in ("mutual_knn", "knn_jaccard"):
        assert found["embed[sample=2]", metric] == "10 neighbours need 11 images, there are 2"
    assert ("embed[sample=2]", "rankme") not in found


def test_of_k_beyond_the_class_all_others_are_candidates(tmp_path: Path) -> None:
    go(tmp_path, world(), ["flat"], ["nnk[k=13]", "nnk[k=39]"], ["nnk_neighbours"])
    first, second = ([s.value for s in record.scores] for record in records(tmp_path, "done"))
    assert first == second  # a class has 13 or 14 images


def test_a_class_of_one_image(tmp_path: Path) -> None:
    tasks, metrics = ["nnk", "embed", "grams[block=40]"], ["nnk_diameter", "class_separation", "class_r2", "logme"]
    found = undefined(go(tmp_path, world(alone=True), ["flat"], tasks, metrics))
    manifold = "the semantic manifold of class 'blue' is undefined: it has 1 test images, 3 are needed"
    separation = "a class has one image, and no distance within"
    assert found == {("nnk", "nnk_diameter"): manifold, ("embed", "class_separation"): separation}


CONSTANT = {
    "grams[block=8]": (("cka", "cka_rbf", "cka_layers", "cka_class", "class_r2"), "within every block the same"),
    "embed": (
        ("twonn", "mle_dimension", "alpha_req_11_100", "h_score", "h_score_shrunk", "class_separation", "svcca",
         "pwcca", "procrustes", "rsa", "cka_pooled", "mutual_knn"),
        "TwoNN has 0 distances|coincide|have 0|constant|the same direction|all 40 images have the same features",
    ),
    "views[rotation[4]]": (
        ("invariance_cosine", "invariance_mahalanobis", "view_cosine", "lidar", "equivariance_r2"), "constant|same mean"
    ),
    "nnk": (("nnk_neighbours", "nnk_affinity"), "all features are the same"),
    "nnk[simclr[3],sample=4]": (("nnk_neighbours", "nnk_affinity"), "all features are the same"),
    "attribute[sample=2]": (("attribution_gini", "attribution_entropy", "attribution_energy"), "a map is constant"),
    "occlude[sample=1,mask=8,stride=8]": (("attribution_gini", "attribution_rank"), "a map is constant"),
}  # fmt: skip


def test_constant_features(tmp_path: Path) -> None:
    wanted = {(task, metric): reason for task, (metrics, reason) in CONSTANT.items() for metric in metrics}
    tasks = [*CONSTANT, "layers", "detail", "consistency[rotation[2]]", "reconstruct[sample=1,iterations=1]"]
    metrics = [*dict.fromkeys(metric for _, metric in wanted), "rankme", "norm", "top1", "decoding_r2", "consistency"]
    found = undefined(go(tmp_path, world(), ["constant", "shrunk"], tasks, metrics), "constant")
    for (task, metric), reason in wanted.items():
        assert re.search(reason, found[task, metric]), (task, metric)
    values = {
        (r.task.removesuffix("@squares"), r.metric["name"]): r.score.value
        for r in records(tmp_path, "done") if r.model == "constant"
    }  # fmt: skip
    assert not set(wanted) & set(values)
    assert values["embed", "rankme"] == pytest.approx(1, abs=1e-4)
    assert values["consistency[rotation[2]]", "consistency"] == 100
    assert values["detail", "decoding_r2"] <= 0


def test_a_model_without_spatial_maps(tmp_path: Path) -> None:
    tasks = [*ATTRIBUTE, *CLOSED, "reconstruct[sample=1,iterations=1]", "occlude[sample=1,mask=16,stride=16]"]
    summary = go(tmp_path, world(), ["flat"], tasks, ["attentive_diffusion", "ssim"])
    found = undefined(summary)
    assert {task for task, _ in found} == {*ATTRIBUTE, *CLOSED, "reconstruct[sample=1,iterations=1]"}
    assert all(reason.endswith("has no spatial feature maps") for reason in found.values())
    assert summary.done == 1  # hiding parts of the image needs no map


def test_a_map_that_no_weight_comes_before(tmp_path: Path) -> None:
    found = undefined(go(tmp_path, world(), ["shrunk"], ATTRIBUTE, ["attribution_gini"]))
    assert set(found.values()) == {"no attribution: no weight of the network comes before layer '0'"}


def test_a_dataset_without_masks(tmp_path: Path) -> None:
    metrics = ["attribution_energy", "pointing_game", "attribution_gini"]
    summary = go(tmp_path, world(), ["flat"], ["occlude[sample=1,mask=16,stride=16]@digits"], metrics)
    assert {u["metric"] for u in summary.undefined if "no masks of the objects" in u["reason"]} == set(metrics[:2])
    assert summary.done == 1


def test_models_without_a_layer_in_common_are_not_compared(tmp_path: Path) -> None:
    summary = go(tmp_path, world(), ["cnn", "vit"], ["embed[*2*]"], ["procrustes"])
    assert summary.failures == []
    assert "no variant of embed[*2*]@squares in common" in summary.undefined[0]["reason"]
