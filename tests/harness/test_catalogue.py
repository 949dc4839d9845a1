"""The catalogue: checkpoints, datasets and suites in YAML, with errors that point into the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.lookup import find_dataset, find_model, find_suite
from harness.plugins import Host

TOYS = str(Path(__file__).parents[1] / "toys.py")


@pytest.fixture
def registry(tmp_path: Path) -> Callable[[str], Host]:
    def read(text: str) -> Host:
        (tmp_path / "mine.yaml").write_text(text)
        return Host(plugins=[TOYS], catalogues=[tmp_path / "mine.yaml"])

    return read


def test_a_checkpoint_takes_yaml_not_code(registry: Callable[[str], Host]) -> None:
    host = registry("""
models:
  mine:
    load: toy
    source: net
    seed: 3
    card: {title: Mine, reported: {imagenet_top1: 70.5}}
    pretraining: {method: MySSL, paradigm: contrastive, epochs: 200, heads: 3}
""")
    assert host["model"].entry("mine").summary == "Mine"
    model = find_model(host, "mine")
    assert (model.name, model.card.name, model.card.method, model.card.epochs) == ("mine", "mine", "MySSL", 200)
    assert model.card.model_extra == {"heads": 3}
    assert model.card.reported == {"imagenet_top1": 70.5}
    assert model.identity == {"loader": "toy", "seed": 3}


def test_a_source_beside_the_file_is_a_path(registry: Callable[[str], Host], tmp_path: Path) -> None:
    (tmp_path / "weights.pth").touch()
    host = registry("models: {mine: {load: toy, source: weights.pth}}")
    with pytest.raises(HarnessError, match=str(tmp_path / "weights.pth")):
        find_model(host, "mine")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{load: toyy, source: net}", "no model scheme 'toyy:'; did you mean 'toy:'?"),
        ("{load: toy, source: nett}", "no toy 'nett', only 'net'"),
        ("{load: toy, source: net, sead: 3}", "unexpected keyword argument 'sead'"),
        ("{load: toy, source: net, pretraining: {epochs: many}}", "epochs"),
    ],
)
def test_what_a_loader_refuses_is_told_with_file_and_line(
    registry: Callable[[str], Host], entry: str, message: str
) -> None:
    host = registry(f"models:\n\n  mine: {entry}\n")
    with pytest.raises(HarnessError) as caught:
        find_model(host, "mine")
    assert "mine.yaml:3: model mine: " in str(caught.value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("modles: {}", "mine.yaml:1: modles: unknown field; did you mean 'models'?"),
        ("models:\n  mine:\n    source: x", "mine.yaml:2: models.mine.load: field required"),
        ("datasets:\n  d: {use: toy, sumary: x}", "datasets.d.sumary: unknown field; did you mean 'summary'?"),
        ("suites:\n  s: {models: [a], tasks: [t], limt: 3}", "suites.s.limt: unknown field; did you mean 'limit'?"),
        ("suites:\n  s: 3", "mine.yaml:2: suites.s: input should be a valid dictionary"),
        ("models: [a]", "mine.yaml:1: models: input should be a valid dictionary"),
    ],
)
def test_a_field_that_does_not_fit(registry: Callable[[str], Host], text: str, message: str) -> None:
    with pytest.raises(HarnessError) as caught:
        registry(text)
    assert message in str(caught.value)


def test_an_absent_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="no such file"):
        Host(catalogues=[tmp_path / "absent.yaml"])


def test_an_empty_file_is_no_error(registry: Callable[[str], Host]) -> None:
    assert "quickstart" in registry("").suites


def test_a_dataset_under_a_shorter_name_takes_further_arguments(registry: Callable[[str], Host]) -> None:
    host = registry("datasets: {short: {use: 'toy[train=30]'}, again: {use: short}, loop: {use: loop}}")
    assert host["dataset"].entry("short").summary == "toy[train=30]"
    assert find_dataset(host, "short").card.splits == {"train": 30, "test": 24}
    card = find_dataset(host, "short[revision=2, train=33]").card
    assert (card.revision, card.splits["train"]) == ("2", 33)
    for name in ("again", "loop"):
        with pytest.raises(HarnessError, match="must name a plugin's dataset"):
            find_dataset(host, name)


def test_suites_get_their_names(registry: Callable[[str], Host]) -> None:
    host = registry("suites:\n  mine: {models: ['toy*'], tasks: [centroid@toy], limit: 10}\n")
    assert find_suite(host, "mine").name == "mine"
    assert find_suite(host, "mine").limit == 10


def test_the_users_own_file_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "harness").mkdir()
    (tmp_path / "harness" / "registry.yaml").write_text("suites: {own: {models: [a], tasks: [b@c]}}")
    assert "own" in Host().suites


def test_a_name_that_a_plugin_has_too_is_a_conflict(registry: Callable[[str], Host]) -> None:
    host = registry("models: {toy0: {load: toy, source: net}}")
    with pytest.raises(HarnessError, match=r"given by .*toys.py and .*mine.yaml"):
        find_model(host, "toy0")
    assert find_model(host, "toy1").name == "toy1"


def test_every_shipped_model_has_a_loader_and_every_shipped_suite_a_plan() -> None:
    host = Host()
    for entry in host["model"]:
        fields = getattr(entry.target, "fields", None)
        assert fields is None or f"{fields.load}:" in host["model"], entry.name
    assert {"quickstart", "smoke"} <= set(host.suites)
