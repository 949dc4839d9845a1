"""The shipped catalogues: every entry can be planned, and says what its library says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
import timm
import torch
from torchvision.models import resnet50

from harness.catalogue import CatalogueFile
from harness.errors import HarnessError
from harness.lookup import find_dataset, find_model
from harness.planning import plan
from harness.plugins import Host
from harness.yamlfile import YamlFile
from harness_models import timm_models, torchvision_models
from harness_models.architectures import build

OWN = {"timm": timm_models.own_preprocess, "torchvision": torchvision_models.own_preprocess}
ROOT = Path(__file__).parents[3]
FILES = [ROOT / "registry.yaml", *sorted((ROOT / "plugins/harness_models/catalogues").glob("*.yaml"))]
CATALOGUE = YamlFile(FILES[0]).validate(CatalogueFile)
MODELS = {name: entry for file in FILES for name, entry in YamlFile(file).validate(CatalogueFile).models.items()}
OTHER_SIZE = {name for name in MODELS if "dinov2" in name}  # evaluated at 224 px, as the comment there says
METHODS = "insdis moco-v1 pcl-v1 pirl pcl-v2 simclr-v1 moco-v2 simclr-v2 sela-v2 infomin byol deepcluster-v2 swav"


@pytest.mark.parametrize("name", MODELS)
def test_each_card_is_complete(host: Host, name: str, checkpoints: Path) -> None:
    card = find_model(host, name).card
    assert all((card.title, card.method, card.data, card.licence, card.architecture, card.parameters))
    assert card.paradigm != "unknown"
    assert card.citation or card.method == "Random"


@pytest.mark.parametrize("name", [n for n, m in MODELS.items() if m.load in OWN and n not in OTHER_SIZE])
def test_stated_preprocessing_is_the_librarys(host: Host, name: str) -> None:
    entry, stated = MODELS[name], find_model(host, name).preprocess
    source = entry.source if "/" in entry.source or entry.load == "timm" else f"{entry.source}/IMAGENET1K_V1"
    own = OWN[entry.load](source)
    assert stated.geometry == own.geometry
    assert (stated.mean, stated.std, stated.channels) == (own.mean, own.std, own.channels)


def test_the_papers_fourteen_are_there(host: Host) -> None:
    """Ericsson et al. 2021: SimCLR alone takes pixels as they are."""
    for name in (*METHODS.split(), "supervised-v1"):
        model = find_model(host, f"resnet50-{name}")
        assert model.card.parameters == 23508032
        assert (model.preprocess.mean == (0, 0, 0)) == name.startswith("simclr")


def test_no_two_checkpoints_share_a_file(host: Host, checkpoints: Path) -> None:
    """Else one model's weights would pass for another's."""
    places = [find_model(host, n).load.args[0] for n, m in MODELS.items() if m.load == "ckpt"]  # type: ignore[attr-defined]
    assert len(set(places)) == len(places)
    assert all(place.parent == checkpoints for place in places)


@pytest.mark.parametrize("name", [name for name, entry in MODELS.items() if (entry.model_extra or {}).get("obtain")])
def test_what_no_url_gives_is_explained(host: Host, name: str, checkpoints: Path) -> None:
    model = find_model(host, name)
    with pytest.raises(HarnessError, match=r"is not on this machine: download .* save .* there$"):
        model.load()
    assert model.card.model_extra is not None
    assert "download" in model.card.model_extra["obtain"]


ARCHITECTURES = {
    name: entry.model_extra["arch"] if entry.load == "ckpt" else f"timm:{entry.source.partition('.')[0]}"
    for name, entry in MODELS.items()
    if entry.model_extra and entry.load in ("ckpt", "timm")
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_an_entrys_parameters_are_counted(host: Host, name: str) -> None:
    """On the meta device, where a network costs nothing."""
    library, _, arch = ARCHITECTURES[name].partition(":")
    arch, _, query = arch.partition("?")
    options = {key: timm_models._literal(value) for key, value in parse_qsl(query)}
    with torch.device("meta"):
        module = timm.create_model(arch, num_classes=0, **options) if library == "timm" else resnet50()
    head = 0 if library == "timm" else 2049 * 1000
    assert sum(p.numel() for p in module.parameters()) - head == find_model(host, name).card.parameters


def test_moco_v3s_small_vit_has_twelve_heads() -> None:
    """Its weights would load into timm's six as well, and give other embeddings."""
    module = build(ARCHITECTURES["vit-small-moco-v3"]).module
    assert {block.attn.num_heads for block in module.blocks} == {12}


def test_planning_imports_no_torch() -> None:
    script = (
        "import sys; from harness.plugins import Host; from harness.lookup import find_model; host = Host();"
        "[find_model(host, name).card for name in host['model'].names() if not name.endswith(':')];"
        "assert not host.failures, host.failures; assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", CATALOGUE.suites)
def test_each_suite_can_be_planned(host: Host, name: str) -> None:
    assert len(plan(host.suites[name], host)) > 0


def test_each_dataset_exists(host: Host) -> None:
    assert all(find_dataset(host, name).card.classes for name in CATALOGUE.datasets)
