from __future__ import annotations

import hashlib
import io
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from files_server import Server, serving
from torch import Tensor, nn

import harness_models.hub_models
from harness.errors import HarnessError
from harness.lookup import find_model
from harness.plugins import Host
from harness_models.hub_models import _downloads, model

HUBCONF = """
dependencies = ["torch"]
from parts import WIDTH, Net
import torch

def net(width=WIDTH, pretrained=False):
    made = Net(width)
    if pretrained:
        url = "URL/weights-DIGEST.pth"
        made.load_state_dict(torch.hub.load_state_dict_from_url(url, map_location="cpu", check_hash=True))
    return made

def resnet(**options):
    from torchvision.models import resnet18
    return resnet18(weights=None, **options)

def vit():
    from timm import create_model
    return create_model("vit_tiny_patch16_224", img_size=32, num_classes=0)

def number():
    return 3
"""
PARTS = """
from torch import nn
WIDTH = 6

class Net(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv, self.pool, self.fc = nn.Conv2d(3, width, 3), nn.AdaptiveAvgPool2d(1), nn.Linear(width, 2)

    def forward(self, x):
        return self.fc(self.pool(self.conv(x)).flatten(1))
"""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.delenv("HARNESS_OFFLINE", raising=False)
    monkeypatch.delenv("http_proxy", raising=False)
    with serving() as server:
        monkeypatch.setattr(harness_models.hub_models, "ARCHIVE", server.url("/{name}/{branch}.zip"))
        yield server


@pytest.fixture
def weights() -> bytes:
    """A file for the net: ones."""
    state = {"conv.weight": torch.ones(6, 3, 3, 3), "conv.bias": torch.ones(6), "fc.weight": torch.ones(2, 6),
             "fc.bias": torch.ones(2)}  # fmt: skip
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


@pytest.fixture
def write(server: Server, weights: bytes) -> Callable[[Path], Path]:
    """Writes the repository to a folder."""
    digest = hashlib.sha256(weights).hexdigest()[:8]

    def made(folder: Path) -> Path:
        folder.mkdir(parents=True)
        (folder / "hubconf.py").write_text(HUBCONF.replace("URL", server.url("")).replace("DIGEST", digest))
        (folder / "parts.py").write_text(PARTS)
        server.files[f"/weights-{digest}.pth"] = weights
        return folder

    return made


def test_a_local_folder(
    host: Host, tmp_path: Path, write: Callable[[Path], Path], pixels: Callable[[int], Tensor]
) -> None:
    folder = write(tmp_path / "repo")
    made = find_model(host, f"hub:{folder}:net?preprocess=cifar&width=5&head=fc")
    assert made.identity["options"] == {"width": 5}
    assert made.fetch is None
    encoder = made.load()
    assert encoder.layers == ("conv", "pool", "fc", "embedding")
    assert isinstance(encoder.module.fc, nn.Identity)
    assert not encoder.training
    embedding = encoder(pixels(32))["embedding"]
    assert embedding.shape == (2, 5)
    assert torch.equal(made.load()(pixels(32))["embedding"], embedding)  # random, but the same each time


def test_layers_of_what_is_known(
    tmp_path: Path, write: Callable[[Path], Path], pixels: Callable[[int], Tensor]
) -> None:
    folder = write(tmp_path / "repo")
    resnet = model(f"{folder}:resnet", head="fc", num_classes=7).load()
    assert resnet.layers[-2:] == ("layer4.1", "embedding")
    assert resnet(pixels(32))["embedding"].shape == (2, 512)
    vit = model(f"{folder}:vit", preprocess="cifar").load()
    assert vit.layers == (*(f"blocks.{i}" for i in range(12)), "embedding")


def test_planning_imports_no_torch_and_runs_nothing(
    tmp_path: Path, write: Callable[[Path], Path], python: Callable[[str], str]
) -> None:
    folder = write(tmp_path / "repo")
    (folder / "hubconf.py").write_text("raise SystemExit('run')")
    said = python(f"import sys; from harness_models.hub_models import model; model('{folder}:net'); "
                  "print('torch' in sys.modules)")  # fmt: skip
    assert said == "False"


def test_identity_follows_every_python_file(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    folder = write(tmp_path / "repo")
    before = model(f"{folder}:net").identity
    copy = write(tmp_path / "elsewhere")
    assert model(f"{copy}:net").identity == before
    (folder / "notes.txt").touch()
    assert model(f"{folder}:net").identity == before
    (folder / "parts.py").write_text(PARTS.replace("6", "7"))
    assert model(f"{folder}:net").identity != before
    assert model(f"{copy}:net", head="fc").identity != before


def test_each_repository_has_its_own_modules(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    first, second = write(tmp_path / "first"), write(tmp_path / "second")
    (second / "parts.py").write_text(PARTS.replace("WIDTH = 6", "WIDTH = 9"))
    widths = [model(f"{folder}:net", preprocess="cifar").load().module.conv.out_channels for folder in (first, second)]
    assert widths == [6, 9]
    assert "parts" not in sys.modules
    assert str(first) not in sys.path


def test_a_run_downloads_nothing(
    checkpoints: Path, tmp_path: Path, write: Callable[[Path], Path], server: Server
) -> None:
    with pytest.raises(HarnessError, match=r"not on this machine: 'harness models fetch hub:who/net:main:net\?trust=1"):
        model("who/net:net").load()
    folder = write(tmp_path / "repo")
    with pytest.raises(HarnessError, match=r"weights are not on this machine: 'harness models fetch' gets http"):
        model(f"{folder}:net", preprocess="cifar", pretrained=True).load()
    assert server.requests == []


def archive(folder: Path, inner: str) -> bytes:
    """What GitHub gives of a branch."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zipped:
        for path in folder.iterdir():
            zipped.write(path, f"{inner}/{path.name}")
    return file.getvalue()


def test_fetch_gets_code_and_weights_of_what_is_trusted(
    checkpoints: Path, tmp_path: Path, write: Callable[[Path], Path], server: Server
) -> None:
    server.files["/who/net/v1/x.zip"] = archive(write(tmp_path / "made"), "net-v1-x")
    entry = model("who/net:v1/x:net", pretrained=True, preprocess="cifar")
    with pytest.raises(HarnessError, match=r"runs the code of who/net: look at it, then fetch it with trust=1"):
        entry.fetch(lambda done, total: None)
    assert server.requests == []

    trusted = model("who/net:v1/x:net", pretrained=True, preprocess="cifar", trust=1)
    told: list[int] = []
    folder = checkpoints / "torch" / "hub" / "who_net_v1_x"
    assert trusted.fetch(lambda done, total: told.append(done)) == folder
    assert [path.rpartition(".")[2] for path, _ in server.requests] == ["zip", "pth"]
    assert told
    assert sorted(p.name for p in folder.parent.iterdir()) == ["checkpoints", "who_net_v1_x"]

    again: list[int] = []
    trusted.fetch(lambda done, total: again.append(done))
    assert again == []
    loaded = model("who/net:v1/x:net", pretrained=True, preprocess="cifar", head="fc").load()
    assert loaded.module.conv.weight.eq(1).all()
    assert len(server.requests) == 2


def test_the_branch_may_be_left_out(checkpoints: Path, write: Callable[[Path], Path]) -> None:
    write(checkpoints / "torch" / "hub" / "who_net_master")
    assert model("who/net:net", preprocess="cifar").load().module.conv.out_channels == 6


def test_an_archive_without_hubconf_is_no_repository(
    checkpoints: Path, tmp_path: Path, write: Callable[[Path], Path], server: Server
) -> None:
    made = write(tmp_path / "made")
    (made / "hubconf.py").unlink()
    server.files["/who/net/main.zip"] = archive(made, "net-main")
    with pytest.raises(HarnessError, match=r"holds no hubconf\.py: who/net is no repository"):
        model("who/net:main:net", trust=1).fetch(lambda done, total: None)
    assert list((checkpoints / "torch" / "hub").iterdir()) == []


def test_offline_no_code_is_fetched(checkpoints: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_OFFLINE", "1")
    with pytest.raises(HarnessError, match=r"HARNESS_OFFLINE is set: fetch http.*who_net_main"):
        model("who/net:main:net", trust=1).fetch(lambda done, total: None)
    assert server.requests == []


@pytest.mark.parametrize(
    ("rest", "options", "message"),
    [
        (":nett", {}, "Cannot find callable nett in hubconf"),
        (":number", {}, "gives a int, not an nn.Module"),
        (":net", {"width": "wide"}, "hub:.*:net: "),
        (":net", {"depth": 3}, "unexpected keyword argument 'depth'"),
        (":net", {"head": "fcc"}, "no submodule 'fcc'; did you mean 'fc'"),
    ],
)
def test_what_is_wrong_is_named(
    tmp_path: Path, write: Callable[[Path], Path], rest: str, options: dict[str, object], message: str
) -> None:
    folder = write(tmp_path / "repo")
    with pytest.raises(HarnessError, match=message):
        model(f"{folder}{rest}", **options).load()


@pytest.mark.parametrize(
    "source", ["entry", "/no/folder:net", "./no-folder:net", "a/b/c:main:net", "../a:net", "who:net"]
)
def test_what_is_no_repository_is_refused(source: str) -> None:
    with pytest.raises(HarnessError, match=r"cannot read hub:|no hubconf\.py in|no repository"):
        model(source)


def test_threads_take_turns_to_replace_torchs_downloads() -> None:
    def other() -> None:
        with _downloads(lambda *_: None):
            entered.set()
            left.wait()

    before, entered, left = torch.hub.download_url_to_file, threading.Event(), threading.Event()
    thread = threading.Thread(target=other)
    with _downloads(lambda *_: None):
        thread.start()
        assert not entered.wait(0.2)
    left.set()
    thread.join()
    assert torch.hub.download_url_to_file is before
