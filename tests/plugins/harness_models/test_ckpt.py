from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from sklearn.datasets import load_sample_image
from torch import Tensor
from torchvision.models import resnet18

from harness.encoder import Encoder
from harness.errors import HarnessError
from harness.lookup import find_model
from harness.pixels import load_fast
from harness.plugins import Host
from harness_models.architectures import build
from harness_models.ckpt import model

PALACE = 698  # ImageNet's class of scikit-learn's sample photograph china.jpg


@pytest.fixture
def moco_file(tmp_path: Path) -> tuple[Path, torch.nn.Module]:
    """A file laid out as MoCo v2's, and the ResNet-18 in it."""
    source, key_encoder = resnet18(), resnet18()
    state = {f"module.encoder_q.{k}": v for k, v in source.state_dict().items() if not k.startswith("fc.")}
    state |= {f"module.encoder_k.{k}": v for k, v in key_encoder.state_dict().items()}
    state |= {"module.encoder_q.fc.0.weight": torch.ones(4, 4), "module.queue": torch.ones(2, 3)}
    state["module.queue_ptr"] = torch.zeros(1)
    torch.save({"epoch": 800, "arch": "resnet18", "state_dict": state}, tmp_path / "moco.pth.tar")
    return tmp_path / "moco.pth.tar", source


def test_a_published_layout_loads(
    moco_file: tuple[Path, torch.nn.Module], load: Callable[[str], Encoder], pixels: Callable[[int], Tensor]
) -> None:
    path, source = moco_file
    encoder = load(f"ckpt:{path}?arch=torchvision:resnet18&format=moco")
    source.fc = torch.nn.Identity()
    images = pixels(224)
    assert not encoder.training
    torch.testing.assert_close(encoder(images)["embedding"], source.eval()(encoder.normalise(images)))


def test_the_wrong_format_fails_with_both_lists(moco_file: tuple[Path, torch.nn.Module]) -> None:
    with pytest.raises(HarnessError, match=r"102 keys missing \(bn1\.bias, .*; 1 keys unexpected|keys unexpected"):
        model(str(moco_file[0]), arch="torchvision:resnet18", format="plain").load()


def test_identity_tells_what_changes_outputs_and_no_path(moco_file: tuple[Path, torch.nn.Module]) -> None:
    path, _ = moco_file
    made = model(str(path), arch="torchvision:resnet18", format="moco")
    assert made.identity == {"loader": "ckpt", "arch": "torchvision:resnet18", "format": "moco"}
    assert made.weights == path
    moved = path.rename(path.with_name("moved.pth.tar"))
    assert model(str(moved), arch="torchvision:resnet18", format="moco").identity == made.identity


def test_a_missing_file_is_told_when_planning() -> None:
    with pytest.raises(HarnessError, match="no checkpoint file"):
        model("absent.pth", arch="tiny")


def test_an_unfetched_url_is_told_when_loading(checkpoints: Path) -> None:
    made = model("https://example.org/net.safetensors", arch="tiny")
    assert made.weights is None
    assert made.card.model_extra == {"checkpoint": "https://example.org/net.safetensors"}
    with pytest.raises(HarnessError, match=r"not on this machine: fetch it to .*net\.safetensors"):
        made.load()


def test_a_file_that_no_url_gives_is_explained(checkpoints: Path) -> None:
    made = model("converted.safetensors", arch="tiny", obtain="convert it and save it there")
    assert made.card.model_extra == {"obtain": "convert it and save it there"}
    with pytest.raises(
        HarnessError, match=r"converted\.safetensors is not on this machine: convert it and save it there$"
    ):
        made.load()
    save_file(build("tiny").module.state_dict(), checkpoints / "converted.safetensors")
    assert model("converted.safetensors", arch="tiny", obtain="convert it").load().layers[-1] == "embedding"


def test_a_url_may_have_a_file_of_another_name(checkpoints: Path) -> None:
    """Since two methods both publish a resnet50.pth."""
    made = model("https://example.org/net.safetensors", arch="tiny", file="mine.safetensors")
    with pytest.raises(HarnessError, match=r"example\.org/net\.safetensors is not .*: fetch it to .*mine\.safetensors"):
        made.load()
    save_file(build("tiny").module.state_dict(), checkpoints / "mine.safetensors")
    assert made.load().layers[-1] == "embedding"


def test_an_architecture_takes_timms_options(tmp_path: Path) -> None:
    arch = "timm:vit_tiny_patch16_224?num_heads=4&depth=2&global_pool=avg"
    module = build(arch).module
    assert [block.attn.num_heads for block in module.blocks] == [4, 4]
    assert module.global_pool == "avg"
    with pytest.raises(HarnessError, match=r"cannot be built: .*num_haeds"):
        build("timm:vit_tiny_patch16_224?num_haeds=4")


def test_a_fetched_url_loads(checkpoints: Path) -> None:
    backbone = build("tiny").module
    save_file(backbone.state_dict(), checkpoints / "net.safetensors")
    made = model("https://example.org/net.safetensors", arch="tiny", preprocess="cifar")
    assert made.weights == checkpoints / "net.safetensors"
    assert made.load().layers[-2:] == ("stage3.0", "embedding")


def test_an_altered_file_is_refused(checkpoints: Path) -> None:
    save_file(build("tiny").module.state_dict(), checkpoints / "net.safetensors")
    with pytest.raises(HarnessError, match="its SHA-256 is"):
        model(str(checkpoints / "net.safetensors"), arch="tiny", sha256="0" * 64).load()


@pytest.mark.parametrize(
    ("arch", "message"),
    [
        ("tinny", "no architecture 'tinny'; did you mean 'tiny'"),
        ("torchvison:resnet50", "did you mean 'torchvision:'"),
        ("torchvision:", "no architecture 'torchvision:'"),
        ("tiny:3", "no architecture 'tiny:3'"),
        ("py:nowhere:build", "no Python module 'nowhere'"),
    ],
)
def test_unknown_architectures_are_told_when_planning(tmp_path: Path, arch: str, message: str) -> None:
    (tmp_path / "a.pth").touch()
    with pytest.raises(HarnessError, match=message):
        model(str(tmp_path / "a.pth"), arch=arch)


def test_a_uri_without_arch_says_so(host: Host, tmp_path: Path) -> None:
    (tmp_path / "a.pth").touch()
    with pytest.raises(HarnessError, match="arch"):
        find_model(host, f"ckpt:{tmp_path / 'a.pth'}")


def china(encoder: Encoder) -> Tensor:
    pixels = load_fast(load_sample_image("china.jpg").copy(), "china", encoder.preprocess.geometry)
    return encoder(pixels[None])["embedding"]


def test_real_self_supervised_weights_fit(real: Callable[[str], Path], load: Callable[[str], Encoder]) -> None:
    encoder = load(f"ckpt:{real('augnet_r50.safetensors')}?arch=torchvision:resnet50&format=torchvision")
    assert torch.isfinite(features := china(encoder)).all()
    assert features.shape == (1, 2048)


def test_real_caffe_weights_know_a_palace(real: Callable[[str], Path], load: Callable[[str], Encoder]) -> None:
    path = real("supervised_r50.safetensors")
    encoder = load(f"ckpt:{path}?arch=resnet50-caffe&format=torchvision&preprocess=imagenet-caffe")
    head = load_file(path)
    scores = china(encoder) @ head["fc.weight"].T + head["fc.bias"]
    assert scores.argmax() == PALACE


def test_real_mobilenet_weights_know_a_palace(real: Callable[[str], Path], load: Callable[[str], Encoder]) -> None:
    path = real("mobilenet_v2.pth")
    encoder = load(f"ckpt:{path}?arch=torchvision:mobilenet_v2&format=torchvision")
    head = torch.load(path, weights_only=True)
    scores = china(encoder) @ head["classifier.1.weight"].T + head["classifier.1.bias"]
    assert scores.argmax() == PALACE


def test_real_weights_do_not_fit_another_architecture(real: Callable[[str], Path]) -> None:
    with pytest.raises(HarnessError, match=r"does not fit the ResNet: .* keys unexpected"):
        model(str(real("augnet_r50.safetensors")), arch="torchvision:resnet18", format="torchvision").load()


@pytest.mark.parametrize("file", ["..", ".", "../x.pth", "/x.pth", "a/x.pth"])
def test_no_file_of_a_catalogue_leads_out_of_the_checkpoint_folder(checkpoints: Path, file: str) -> None:
    for source, more in (("https://example.org/net.pth", {}), ("net.pth", {"obtain": "ask"})):
        with pytest.raises(HarnessError, match="is no name of a checkpoint file"):
            model(source, arch="tiny", file=file, **more)
    with pytest.raises(HarnessError, match="is no name of a checkpoint file"):
        model("https://example.org/..", arch="tiny", obtain="ask")
    assert "x.pth" in str(model("https://example.org/a%2Fx.pth", arch="tiny", obtain="ask").name)
