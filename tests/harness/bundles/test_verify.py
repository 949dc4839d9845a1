"""Cells of a bundle made again: by the same plugins, by others under the same names, and not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from bundle_world import TOYS, Edit, bundle_of, changed, made, members, published, snapshot, spoilt, toy_run

from harness.bundles.export import export
from harness.bundles.verify import Verified, verify
from harness.errors import HarnessError
from harness.plugins import Host
from harness.records import Record


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A bundle of two toys: eight single-model cells and two pair cells."""
    folder = tmp_path_factory.mktemp("toys")
    run = toy_run(Host(plugins=[str(TOYS)]), folder / "run")
    export(run, folder / "b.zip", by="Ada")
    return (folder / "b.zip").read_bytes()


@pytest.fixture
def bundle(tmp_path: Path, sound: bytes) -> Path:
    (tmp_path / "b.zip").write_bytes(sound)
    return tmp_path / "b.zip"


@pytest.fixture
def other(write_plugin: Callable[..., str]) -> Callable[[str, str], Host]:
    """The host with the toys in which some source is another."""

    def make(old: str, new: str) -> Host:
        source = TOYS.read_text()
        assert old in source
        return Host(plugins=[write_plugin("toys", source.replace(old, new))])

    return make


def check(bundle: Path, host: Host, cells: int = 20, **options: object) -> list[Verified]:
    return verify(bundle, host, cells, device="cpu", **options)  # type: ignore[arg-type]


def test_the_same_plugins_agree_on_every_single_model_cell(bundle: Path, host: Host) -> None:
    before = snapshot(bundle.parent)
    outcomes = check(bundle, host)
    assert Counter(o.verdict for o in outcomes) == {"agrees": 6}
    assert {(o.cell.model, o.cell.metric) for o in outcomes} == {
        (model, metric) for model in ("toy0", "toy1") for metric in ("toy-hits", "toy-hits-weighted", "toy-spread")
    }
    assert all(o.again == pytest.approx(o.value, rel=1e-6) and not o.reason for o in outcomes)
    assert snapshot(bundle.parent) == before


def test_the_seed_draws_the_cells(bundle: Path, host: Host) -> None:
    drawn = [[o.cell for o in check(bundle, host, 2, seed=seed)] for seed in (0, 0, 1, 2, 3)]
    assert drawn[0] == drawn[1]
    assert all(len(set(cells)) == 2 for cells in drawn)
    assert len({tuple(cells) for cells in drawn}) > 1


@pytest.mark.parametrize("model", ["toy*", "*", "toy?"])
def test_a_model_that_stands_for_several_is_not_run(tmp_path: Path, host: Host, model: str) -> None:
    (outcome,) = check(bundle_of(tmp_path, made(model)), host, uris=True)
    assert (outcome.verdict, outcome.again) == ("cannot be run here", None)
    assert "stands for several" in outcome.reason


def lowered(bundle: Path, part: str) -> str:
    """Lower the score of a record in the bundle by twenty points; returns the record's name."""
    name = next(n for n in members(bundle) if part in n)
    record = Record.model_validate_json(members(bundle)[name])
    score = record.score.model_copy(update={"value": record.score.value - 20})
    edit: Edit = changed(scores=[score.model_dump()])
    spoilt(bundle, {name: edit})
    return name


def test_an_edited_score_is_found(bundle: Path, host: Host) -> None:
    lowered(bundle, "toy1/centroid@toy/toy-hits-0")
    outcomes = {(o.cell.model, o.cell.metric): o for o in check(bundle, host)}
    wrong = outcomes.pop(("toy1", "toy-hits"))
    assert wrong.verdict == "differs"
    assert wrong.again == pytest.approx(wrong.value + 20, rel=1e-6)
    assert wrong.reason == f"{wrong.value:.6g}, and {wrong.again:.6g} here"
    assert {o.verdict for o in outcomes.values()} == {"agrees"}


def test_the_tolerance_decides(bundle: Path, host: Host) -> None:
    lowered(bundle, "toy1/centroid@toy/toy-hits-0")
    name = next(n for n in members(bundle) if "toy1/centroid@toy/toy-hits-0" in n)
    spoilt(bundle, {n: None for n in members(bundle) if n.startswith("records/") and n != name})
    spoilt(bundle, {"manifest.json": changed(counts={})})
    assert [o.verdict for o in check(bundle, host, tolerance=0.13)] == ["agrees"]


@pytest.mark.parametrize(
    ("old", "new", "verdict", "reason"),
    [
        ('"1", train: int = 40', '"2", train: int = 40', "cannot be run here", "another dataset: revision 1 in the"),
        ('@task("centroid",', '@task("centroid", version=7,', "cannot be run here", "another task: version 1 in the"),
        ("torch.manual_seed(seed)", "torch.manual_seed(seed + 9)", "differs", "another weights: "),
        ("std=(0.25, 0.25, 0.25)", "std=(0.5, 0.25, 0.25)", "differs", "another preprocess: std [0.25, 0.25, 0.25] in"),
        ('"loader": "toy"', '"loader": "toys"', "differs", "another architecture: loader toy in the bundle, toys here"),
        ("for seed in range(3)", "for seed in range(0)", "cannot be run here", "no model named 'toy"),
        ("        from collections import OrderedDict", '        raise OSError("it is not there")',
         "cannot be run here", "failed: OSError: it is not there"),
        ("scores = -self.scale", "scores = self.scale", "differs", " here"),
    ],
)  # fmt: skip
def test_other_plugins_of_the_same_names(
    bundle: Path, other: Callable[[str, str], Host], old: str, new: str, verdict: str, reason: str
) -> None:
    """What differs is named; another version or revision is nobody's fault, another model under a name is."""
    spoilt(bundle, {n: None for n in members(bundle) if "features@toy" in n} | {"manifest.json": changed(counts={})})
    outcomes = check(bundle, other(old, new), 2)
    assert [o.verdict for o in outcomes] == [verdict] * 2
    assert all(reason in o.reason for o in outcomes), outcomes


def test_a_newer_metric_here(bundle: Path, other: Callable[[str, str], Host]) -> None:
    host = other('@metric("toy-hits", accepts', '@metric("toy-hits", version=2, accepts')
    found = {o.cell.metric: o for o in check(bundle, host)}
    assert found["toy-hits"].verdict == "cannot be run here"
    assert found["toy-hits"].reason == "another metric: version 1 in the bundle, 2 here"
    assert found["toy-hits-weighted"].verdict == "agrees"


def test_each_cell_is_made_with_its_own_settings(tmp_path: Path, host: Host) -> None:
    run = toy_run(host, tmp_path / "run", limit=20, seeds=[3], models=["toy0"], tasks=["centroid[noise=0.1]@toy"])
    toy_run(host, run, precision="bf16", models=["toy0"], tasks=["centroid@toy"])
    export(run, tmp_path / "b.zip", by="Ada")
    outcomes = check(tmp_path / "b.zip", host)
    assert [o.verdict for o in outcomes] == ["agrees"] * 4
    assert {o.cell.seed for o in outcomes} == {0, 3}


@pytest.mark.parametrize(
    ("model", "task", "what"),
    [("py:evil:build", "knn@digits", "model"), ("tiny-random", "knn@folder:/etc", "dataset")],
)
def test_nothing_given_by_a_uri_is_run_unless_asked_for(
    tmp_path: Path, host: Host, monkeypatch: pytest.MonkeyPatch, model: str, task: str, what: str
) -> None:
    (tmp_path / "evil.py").write_text("raise RuntimeError('the code of a stranger')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    bundle = bundle_of(tmp_path, made(model, task=task))
    (outcome,) = check(bundle, host)
    assert outcome.verdict == "cannot be run here"
    assert outcome.reason.startswith(f"its {what} is given by a URI, which may run code")
    (outcome,) = check(bundle, host, uris=True)
    assert outcome.verdict == "cannot be run here"
    assert "--uris" not in outcome.reason


def test_published_figures_alone_cannot_be_verified(tmp_path: Path, host: Host) -> None:
    with pytest.raises(HarnessError, match="holds no measured score of a single model: there is nothing to verify"):
        check(bundle_of(tmp_path, published()), host)


def test_a_bad_bundle_is_not_run(tmp_path: Path, host: Host) -> None:
    bundle = bundle_of(tmp_path, made(), made("tiny-moco"))
    spoilt(bundle, {n: changed(seed=-1) for n in members(bundle) if n.startswith("records/")})
    with pytest.raises(HarnessError, match=r"its seed is -1 \('harness import --check' lists all problems\)"):
        check(bundle, host)
    (tmp_path / "b.zip").write_bytes(b"")
    with pytest.raises(HarnessError, match="not a bundle, or cut off"):
        check(bundle, host)
