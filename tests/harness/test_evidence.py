"""Evidence: checked when made, the same after storing, never half read."""

from __future__ import annotations

import resource
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from harness import evidence_files
from harness.cache import ArrayStore
from harness.errors import HarnessError, OutputError
from harness.evidence import Embeddings, Episodes, Estimates, Evidence, Predictions
from harness.evidence_files import load, save


def predictions(n: int = 5, **fields: Any) -> Predictions:
    generator = torch.Generator().manual_seed(0)
    return Predictions(torch.randn(n, 3, generator=generator), **fields)


def test_variants_survive_their_file_in_order(tmp_path: Path) -> None:
    path = tmp_path / "e.safetensors"
    variants = {
        "k=20": predictions(targets=torch.arange(5) % 3),
        "layer/deep": predictions(multilabel=True),
        "": predictions(temperature=1.5),
    }
    save(variants, path)
    found = load(path, Predictions)
    assert list(found) == list(variants)
    for name, evidence in variants.items():
        other = found[name]
        assert isinstance(other, Predictions)
        assert torch.equal(other.scores, evidence.scores)
        assert (other.multilabel, other.temperature) == (evidence.multilabel, evidence.temperature)
        assert (other.targets is None) == (evidence.targets is None)
    assert torch.equal(found["k=20"].targets, variants["k=20"].targets)


def test_a_subclass_without_a_name_of_its_own_does_not_take_its_bases(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Scores(Predictions):
        """Nameless."""

    save({"": predictions()}, tmp_path / "e")
    assert type(load(tmp_path / "e")[""]) is Predictions
    del Scores


def test_views_of_one_tensor_are_stored_apart(tmp_path: Path) -> None:
    scores = torch.randn(6, 4)
    save({"a": Predictions(scores[::2]), "b": Predictions(scores.T[:3])}, tmp_path / "e")
    found = load(tmp_path / "e", Predictions)
    assert torch.equal(found["a"].scores, scores[::2])
    assert torch.equal(found["b"].scores, scores.T[:3])


@pytest.mark.parametrize("kept", [0, 4, 40, -1])
def test_a_truncated_file_is_no_evidence(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "e"
    save({"": predictions()}, path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(HarnessError, match="not an evidence file"):
        load(path, Predictions)


def test_files_of_something_else(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(2)}, tmp_path / "plain")
    save({"": predictions()}, tmp_path / "predictions")
    for path, kind in ((tmp_path / "absent", Predictions), (tmp_path / "plain", Predictions),
                       (tmp_path / "predictions", Embeddings)):  # fmt: skip
        with pytest.raises(HarnessError, match="not an evidence file"):
            load(path, kind)


def test_saving_copies_only_what_shares_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copied = []
    clone = Tensor.clone
    monkeypatch.setattr(Tensor, "clone", lambda self: copied.append(self.shape) or clone(self))
    scores = torch.randn(6, 4)
    save({"a": Predictions(scores), "b": Predictions(torch.randn(6, 4)), "c": Predictions(scores[:2])}, tmp_path / "e")
    assert copied == [(2, 4)]
    assert torch.equal(load(tmp_path / "e", Predictions)["c"].scores, scores[:2])


def test_others_may_read_the_file_as_any_file(tmp_path: Path) -> None:
    (tmp_path / "any").touch()
    save({"": predictions()}, tmp_path / "e")
    assert (tmp_path / "e").stat().st_mode == (tmp_path / "any").stat().st_mode


def test_a_full_disk_stops_the_run_as_for_any_array(tmp_path: Path) -> None:
    store, large = ArrayStore(tmp_path), {"": predictions(100_000)}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # no file may grow larger, as if the disk were full
    try:
        with pytest.raises(OutputError, match=r"File too large.*; free space or choose another --arrays"):
            store.publish("evidence", "ab", "safetensors", lambda path: evidence_files.save(large, path), {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_rows_targets_and_devices() -> None:
    found = predictions(targets=torch.arange(5))
    index = torch.tensor([4, 4, 0])
    taken = found.take(index)
    assert len(taken) == 3
    assert torch.equal(taken.scores, found.scores[index])
    assert taken.targets.tolist() == [4, 4, 0]
    assert predictions().take(index).targets is None
    joined = predictions().join(targets=torch.zeros(5))
    assert joined.targets.tolist() == [0.0] * 5
    grown = Predictions(torch.zeros(2, 3, requires_grad=True)).cpu()
    assert not grown.scores.requires_grad


@dataclass(frozen=True)
class Untargeted(Evidence):
    """Evidence that has no targets."""

    name: ClassVar[str] = "Untargeted"
    values: Tensor
    note: str = "kept"


def test_evidence_without_targets_takes_none() -> None:
    found = Untargeted(torch.zeros(4))
    assert found.join(targets=torch.ones(4)) == found
    assert list(found.tensors()) == ["values"]
    assert found.take(torch.tensor([0])).note == "kept"


def test_probabilities() -> None:
    single = predictions().probabilities
    assert single.dtype == torch.float64
    assert torch.allclose(single.sum(1), torch.ones(5, dtype=torch.float64))
    several = predictions(multilabel=True)
    assert torch.allclose(several.probabilities, 1 / (1 + (-several.scores.double()).exp()))


@pytest.mark.parametrize(
    ("evidence", "message"),
    [
        (predictions(4), "Predictions.scores has 4 rows for 5 test images"),
        (predictions(targets=torch.zeros(6)), "Predictions.targets has 6 rows for 5 test images"),
        (Predictions(torch.zeros(5, 2)), r"Predictions.scores must be \(5, 3\), got \(5, 2\)"),
        (Embeddings(torch.tensor([[0.0, 1], [1, float("nan")], [1, 1], [1, 1], [1, 1]])),
         r"Embeddings.features holds NaN or infinite values \(first in row 1\)"),
        (Untargeted(torch.tensor([0.0, 1, 2, float("inf"), 4])), r"Untargeted.values .* \(first in row 3\)"),
        (Untargeted(torch.full((5, 2, 2), float("-inf"))), r"\(first in row 0\)"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_evidence_is_named(evidence: Evidence, message: str) -> None:
    with pytest.raises(HarnessError, match=message):
        evidence.check(5, 3)


def test_good_evidence_passes() -> None:
    predictions(targets=torch.arange(5)).check(5, 3)
    Untargeted(torch.tensor([2**40, 1])).check(2, 3)


def test_estimates_have_a_column_a_value() -> None:
    made = Estimates(torch.zeros(4, 2)).join(targets=torch.ones(4, 2))
    made.check(4, 2)
    with pytest.raises(HarnessError, match=r"Estimates.values must be \(4, 3\), got \(4, 2\)"):
        made.check(4, 3)


def test_episodes_are_counted_apart_from_images() -> None:
    Episodes(torch.zeros(600)).check(50, 10)
    assert len(Episodes(torch.zeros(3)).join(targets=torch.zeros(50))) == 3
    with pytest.raises(HarnessError, match=r"one number an episode, got \(2, 3\)"):
        Episodes(torch.zeros(2, 3)).check(50, 10)
    with pytest.raises(HarnessError, match="NaN or infinite"):
        Episodes(torch.tensor([1.0, float("nan")])).check(50, 10)
