"""What ``harness models fetch`` gets of the libraries' own weights."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace

import pytest
from files_server import serving
from safetensors.torch import save
from typer.testing import CliRunner

import harness_models.torchvision_models
from harness.cli import app
from harness.errors import HarnessError
from harness_models import timm_models, torchvision_models
from harness_models.architectures import build

CONTENT = b"weights" * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()[:8]


@pytest.fixture(autouse=True)
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HARNESS_OFFLINE", raising=False)


def test_torchvisions_weights_are_checked_by_their_name(checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as server:
        for digest in (DIGEST, "00000000"):
            server.files[f"/net-{digest}.pth"] = CONTENT
        url = server.url(f"/net-{DIGEST}.pth")
        weights = SimpleNamespace(url=url)
        monkeypatch.setattr(harness_models.torchvision_models, "_weights", lambda source: weights)
        fetch = torchvision_models.model("resnet18/IMAGENET1K_V1", preprocess="imagenet").fetch
        path = fetch(lambda done, total: None)
        assert path == checkpoints / f"net-{DIGEST}.pth"
        assert path.read_bytes() == CONTENT
        assert fetch(lambda done, total: pytest.fail("it is there")) == path

        weights.url = server.url("/net-00000000.pth")
        with pytest.raises(HarnessError, match="not 00000000 as declared"):
            fetch(lambda done, total: None)


def test_torchvisions_weights_in_torchs_folder_are_there(checkpoints: Path) -> None:
    own = checkpoints / "torch" / "hub" / "checkpoints" / "resnet18-f37072fd.pth"
    own.parent.mkdir(parents=True)
    own.touch()
    assert torchvision_models.model("resnet18/IMAGENET1K_V1").fetch(lambda done, total: None) == own


def test_timms_weights_come_from_its_hub(checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, list[str]]] = []

    def download(repository: str, revision: None, allow_patterns: list[str]) -> str:
        asked.append((repository, allow_patterns))
        return str(checkpoints / "snapshot")

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    fetch = timm_models.model("resnet18.a1_in1k", preprocess="imagenet").fetch
    assert fetch(lambda done, total: None) == checkpoints / "snapshot" / "model.safetensors"
    assert asked == [("timm/resnet18.a1_in1k", ["model.safetensors"])]
    (checkpoints / "resnet18.a1_in1k.safetensors").touch()
    assert fetch(lambda done, total: None) == checkpoints / "resnet18.a1_in1k.safetensors"
    assert len(asked) == 1


def test_timm_says_what_it_has_no_weights_of(checkpoints: Path) -> None:
    fetch = timm_models.model("cspresnet50d", preprocess="imagenet").fetch
    with pytest.raises(HarnessError, match="timm has no weights of cspresnet50d to fetch"):
        fetch(lambda done, total: None)


def test_a_checkpoint_of_the_catalogue_is_fetched_and_loads(checkpoints: Path, tmp_path: Path, online: None) -> None:
    state = build("tiny").module.state_dict()
    content = save(state)
    with serving() as server:
        server.files["/tiny.safetensors"] = content
        (tmp_path / "mine.yaml").write_text(
            f"models:\n  mine: {{load: ckpt, source: '{server.url('/tiny.safetensors')}', arch: tiny, "
            f"preprocess: cifar, sha256: '{hashlib.sha256(content).hexdigest()[:8]}'}}\n"
        )
        command = ["--registry", str(tmp_path / "mine.yaml"), "models"]
        failed = CliRunner().invoke(app, [*command, "verify", "mine"])
        assert (failed.exit_code, "'harness models fetch'" in failed.output) == (1, True)
        fetched = CliRunner().invoke(app, [*command, "fetch", "mine"])
        assert (fetched.exit_code, fetched.output[:16]) == (0, "mine: fetched to")
        assert CliRunner().invoke(app, [*command, "verify", "mine"]).exit_code == 0


def test_random_weights_need_no_fetching() -> None:
    assert timm_models.model("resnet18", pretrained=0).fetch is None
    assert torchvision_models.model("resnet18", pretrained=0).fetch is None
