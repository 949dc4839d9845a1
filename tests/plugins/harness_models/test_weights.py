from __future__ import annotations

import pickle
import random
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from harness.errors import HarnessError
from harness.identity import file_digest
from harness_models.formats import FORMATS, Format
from harness_models.weights import check_digest, load_strictly, read, seeded


def small() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


class Sabotage:
    """A pickle that makes a file when it is executed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):  # type: ignore[no-untyped-def]
        return (Path.touch, (self.path,))


def test_a_pickle_is_never_executed(tmp_path: Path) -> None:
    mark, path = tmp_path / "executed", tmp_path / "evil.pth"
    torch.save({"state_dict": Sabotage(mark)}, path)
    with pytest.raises(HarnessError, match=r"this pickle would execute code .*convert it to safetensors"):
        read(path)
    assert not mark.exists()
    torch.load(path, weights_only=False)  # the file does what it should not
    assert mark.exists()


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_nor_is_a_bare_pickle(tmp_path: Path, protocol: int) -> None:
    mark, path = tmp_path / "executed", tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps(Sabotage(mark), protocol))
    with pytest.raises(HarnessError, match=r"execute code.*convert it to safetensors"):
        read(path)
    assert not mark.exists()


@pytest.mark.parametrize("name", ["weights.pth", "weights.pt", "weights.pth.tar"])
def test_tensors_are_read_from_a_torch_file(tmp_path: Path, name: str) -> None:
    torch.save({"state_dict": {"w": torch.ones(2)}, "epoch": 3}, tmp_path / name)
    assert torch.equal(read(tmp_path / name)["state_dict"]["w"], torch.ones(2))


@pytest.mark.parametrize("name", ["a.safetensors", "a.pth"])
def test_a_truncated_file_is_one_clear_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if path.suffix == ".pth":
        torch.save({"w": torch.ones(100)}, path)
    else:
        save_file({"w": torch.ones(100)}, path)
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(HarnessError, match=rf"{name}: (truncated|cannot be read)") as caught:
        read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"no checkpoint at all", pickle.dumps([1, 2, 3], protocol=2)])
def test_another_file_is_no_checkpoint(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(content)
    with pytest.raises(HarnessError, match=r"a\.pth: ") as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_a_list_is_no_checkpoint(tmp_path: Path) -> None:
    torch.save([torch.ones(2)], tmp_path / "a.pth")
    with pytest.raises(HarnessError, match="holds a list, not a dictionary"):
        read(tmp_path / "a.pth")


def test_the_ending_must_be_known(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"not a checkpoint: expected \.safetensors"):
        read(tmp_path / "notes.txt")


def test_the_digest_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"w": torch.ones(2)}, path)
    check_digest(path, "")
    check_digest(path, file_digest(path).upper())
    with pytest.raises(HarnessError, match=r"its SHA-256 is .* not 00ff as declared"):
        check_digest(path, "00ff")


def test_the_first_digits_of_a_digest_stand_for_it(tmp_path: Path) -> None:
    """As in the names of PyTorch's files."""
    path = tmp_path / "a.safetensors"
    save_file({"w": torch.ones(2)}, path)
    digest = file_digest(path)
    check_digest(path, digest[:8])
    for wrong in (digest[:7], digest[1:9], digest + "0"):
        with pytest.raises(HarnessError, match="its SHA-256 is"):
            check_digest(path, wrong)


def test_weights_arrive_in_the_modules_dtype(tmp_path: Path) -> None:
    source, target = small(), small()
    half = {k: v.half() if v.is_floating_point() else v for k, v in source.state_dict().items()}
    save_file(half, tmp_path / "a.safetensors")
    load_strictly(target, tmp_path / "a.safetensors", FORMATS["plain"])
    assert all(p.dtype == torch.float32 for p in target.parameters())
    assert torch.equal(target.state_dict()["0.weight"], half["0.weight"].float())


def test_every_fault_is_counted_and_named(tmp_path: Path) -> None:
    state = small().state_dict()
    del state["0.bias"], state["1.running_var"]
    state |= {"0.weight": torch.ones(4, 3, 5, 5), **{f"extra{i}": torch.ones(1) for i in range(9)}}
    save_file(state, tmp_path / "a.safetensors")
    with pytest.raises(HarnessError) as caught:
        load_strictly(small(), tmp_path / "a.safetensors", FORMATS["plain"])
    message = str(caught.value)
    assert "2 keys missing (0.bias, 1.running_var)" in message
    assert "9 keys unexpected (extra0, extra1, extra2, extra3, …)" in message
    assert "1 keys of another shape (0.weight 4x3x5x5, not 4x3x3x3)" in message


def test_a_failed_load_changes_nothing(tmp_path: Path) -> None:
    module = small()
    before = module.state_dict()["0.bias"].clone()
    save_file({"0.bias": before + 1}, tmp_path / "a.safetensors")
    with pytest.raises(HarnessError):
        load_strictly(module, tmp_path / "a.safetensors", FORMATS["plain"])
    assert torch.equal(module.state_dict()["0.bias"], before)


def test_only_declared_heads_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({**small().state_dict(), "fc.weight": torch.ones(2, 4)}, path)
    load_strictly(small(), path, Format(drop=("fc.",)))
    with pytest.raises(HarnessError, match=r"1 keys unexpected \(fc\.weight\)"):
        load_strictly(small(), path, Format(drop=("head.",)))


def test_a_dropped_prefix_does_not_drop_the_backbone(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    state = {k: torch.full_like(v, 2) for k, v in small().state_dict().items()}
    save_file(state, path)
    module = small()
    load_strictly(module, path, Format(drop=("0.",)))
    assert module.state_dict()["0.bias"].eq(2).all()


def test_batch_counters_of_old_files_may_be_missing(tmp_path: Path) -> None:
    state = small().state_dict()
    del state["1.num_batches_tracked"]
    save_file(state, tmp_path / "a.safetensors")
    load_strictly(small(), tmp_path / "a.safetensors", FORMATS["plain"])


def test_seeded_leaves_the_callers_random_state() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with seeded(0):
        first = torch.rand(3)
    assert torch.equal(torch.rand(3), expected)
    with seeded(0):
        assert torch.equal(torch.rand(3), first)


def test_keys_that_are_no_names_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save({**small().state_dict(), 1: torch.ones(1)}, path)
    with pytest.raises(HarnessError, match=r"a\.pth: holds keys that are no names"):
        load_strictly(small(), path, FORMATS["plain"])
    torch.save({1: torch.ones(1)}, path)  # no format fits either
    with pytest.raises(HarnessError, match="does not fit the Sequential"):
        load_strictly(small(), path, FORMATS["byol"])


ODD = {
    "int64": lambda tensor: tensor.to(torch.int64),
    "complex64": lambda tensor: tensor.to(torch.complex64),
    "sparse": lambda tensor: tensor.to_sparse(),
    "meta": lambda tensor: tensor.to("meta"),
    "quantised": lambda tensor: torch._empty_affine_quantized(tensor.shape, scale=0.1, zero_point=0, dtype=torch.qint8),
}


@pytest.mark.parametrize("kind", ODD)
def test_tensors_of_another_kind_are_faults(tmp_path: Path, kind: str) -> None:
    state = small().state_dict()
    torch.save(state | {"0.bias": ODD[kind](state["0.bias"])}, tmp_path / "a.pth")
    with pytest.raises(HarnessError, match=rf"Sequential: 1 keys of another kind \(0\.bias {kind}\)$"):
        load_strictly(small(), tmp_path / "a.pth", FORMATS["plain"])


def test_whatever_torch_stumbles_over_is_one_line(tmp_path: Path) -> None:
    """Files in torch's format of before 1.6, with a few bytes changed."""
    torch.save({"w": torch.ones(2), "epoch": 3}, tmp_path / "a.pth", _use_new_zipfile_serialization=False)
    whole, draw, told = (tmp_path / "a.pth").read_bytes(), random.Random(0), []
    for _ in range(500):
        damaged = bytearray(whole)
        for _ in range(2):
            damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        (tmp_path / "a.pth").write_bytes(damaged)
        try:
            read(tmp_path / "a.pth")
        except HarnessError as error:
            told.append(str(error))
    assert len(told) > 100
    assert not any("\n" in line for line in told)
