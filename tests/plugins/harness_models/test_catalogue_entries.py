"""The catalogue at the top of the project: every entry can be planned, and says what its library says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.catalogue import CatalogueFile
from harness.lookup import find_dataset, find_model
from harness.planning import plan
from harness.plugins import Host
from harness.yamlfile import YamlFile
from harness_models import timm_models, torchvision_models

OWN = {"timm": timm_models.own_preprocess, "torchvision": torchvision_models.own_preprocess}
CATALOGUE = YamlFile(Path(__file__).parents[3] / "registry.yaml").validate(CatalogueFile)
OTHER_SIZE = {"vit-small-dinov2"}  # evaluated at 224 px, as the comment there says


@pytest.mark.parametrize("name", CATALOGUE.models)
def test_each_card_is_complete(host: Host, name: str, checkpoints: Path) -> None:
    card = find_model(host, name).card
    assert all((card.title, card.method, card.data, card.licence, card.architecture, card.parameters))
    assert card.paradigm != "unknown"
    assert card.citation or card.method == "Random"


@pytest.mark.parametrize("name", [n for n, m in CATALOGUE.models.items() if m.load in OWN and n not in OTHER_SIZE])
def test_stated_preprocessing_is_the_librarys(host: Host, name: str) -> None:
    entry, stated = CATALOGUE.models[name], find_model(host, name).preprocess
    source = entry.source if "/" in entry.source or entry.load == "timm" else f"{entry.source}/IMAGENET1K_V1"
    own = OWN[entry.load](source)
    assert stated.geometry == own.geometry
    assert (stated.mean, stated.std, stated.channels) == (own.mean, own.std, own.channels)


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
