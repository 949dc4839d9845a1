from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
import torch
import yaml
from click.testing import Result
from files_server import Server, serving
from rich.console import Console
from safetensors import SafetensorError, safe_open
from torch import Tensor
from typer.testing import CliRunner

import harness.cli.downloads
from harness.cli import app
from harness.cli.downloads import Downloads
from harness.errors import HarnessError
from harness.lookup import find_model
from harness.plugins import Host

CONTENT = bytes(range(256)) * 400
PLUGIN = """
from functools import partial
from pathlib import Path
from harness import Model, ModelCard, Preprocess, hookimpl
from harness.fetch import fetch

def load():
    raise RuntimeError("no encoder here")

@hookimpl
def register_models(register):
    for name in ("one", "two"):
        get = partial(fetch, f"URL/{name}", Path("FOLDER", name), "DIGEST", None)
        register(f"net-{name}", Model(name, ModelCard(), load, Preprocess(), fetch=get))
    register("net-local", Model("local", ModelCard(), load, Preprocess()))
"""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.delenv("HARNESS_OFFLINE", raising=False)
    monkeypatch.delenv("http_proxy", raising=False)
    with serving() as server:
        server.files = {"/one": CONTENT, "/two": CONTENT}
        yield server


@pytest.fixture
def plugin(server: Server, tmp_path: Path) -> str:
    source = PLUGIN.replace("URL", server.url("")).replace("FOLDER", str(tmp_path / "got"))
    (tmp_path / "nets.py").write_text(source.replace("DIGEST", hashlib.sha256(CONTENT).hexdigest()))
    return str(tmp_path / "nets.py")


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_fetch_downloads_what_is_missing_and_says_what_is_there(plugin: str, server: Server, tmp_path: Path) -> None:
    one, two = tmp_path / "got" / "one", tmp_path / "got" / "two"
    done = invoke("--plugin", plugin, "models", "fetch", "net-one")
    assert (done.exit_code, done.output) == (0, f"net-one: fetched to {one} (102.4 kB)\n")
    done = invoke("--plugin", plugin, "models", "fetch", "net-*")
    assert done.exit_code == 0
    assert done.output.splitlines() == [
        "net-local: nothing to fetch",
        f"net-one: already at {one} (102.4 kB)",
        f"net-two: fetched to {two} (102.4 kB)",
    ]
    assert two.read_bytes() == CONTENT


def test_one_failure_stops_no_other(plugin: str, server: Server, tmp_path: Path) -> None:
    del server.files["/one"]
    done = invoke("--plugin", plugin, "models", "fetch", "net-one", "no-such-net", "net-two")
    assert done.exit_code == 1
    failed, unknown, fetched = done.output.splitlines()
    assert re.match(r"net-one: failed: cannot fetch http\S+/one: HTTP 404 Not Found: fetch it elsewhere", failed)
    assert unknown.startswith("no-such-net: failed: no model named 'no-such-net'")
    assert fetched.startswith("net-two: fetched to")


def test_offline_nothing_is_fetched(plugin: str, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_OFFLINE", "1")
    done = invoke("--plugin", plugin, "models", "fetch", "net-one")
    assert done.exit_code == 1
    assert "net-one: failed: HARNESS_OFFLINE is set: fetch http" in done.output
    assert server.requests == []


@pytest.mark.parametrize("arguments", [(), ("--all", "net-one"), ("--suite", "zoo", "net-one")])
def test_fetch_needs_names_or_all(arguments: tuple[str, ...]) -> None:
    with pytest.raises(HarnessError, match="name the models, a --suite, or give --all"):
        CliRunner().invoke(app, ["models", "fetch", *arguments], catch_exceptions=False)


def test_progress_is_lines_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness.cli.downloads, "PLAIN_SECONDS", 0.0)
    with Downloads(Console(file=StringIO(), width=80)) as downloads:
        downloads.of("a")(1000, 2000)
        downloads.of("a")(2000, 2000)
        downloads.of("b")(5, None)
    assert downloads.console.file.getvalue().splitlines() == ["a: 1.0 kB of 2.0 kB", "b: 5 B of unknown size"]
    assert downloads.transferred == {"a", "b"}


def test_progress_is_bars_on_a_terminal() -> None:
    out = StringIO()
    with Downloads(Console(file=out, force_terminal=True, width=100)) as downloads:
        downloads.of("net")(1_000_000, 2_000_000)
    assert "net" in out.getvalue()
    assert "1.0/2.0 MB" in out.getvalue()


def test_verify_goes_on_after_a_failure(plugin: str) -> None:
    done = invoke("--plugin", plugin, "models", "verify", "net-local", "tiny-random", "no-such-net")
    assert done.exit_code == 1
    assert "tiny-random" in done.output
    assert "stage3.0" in done.output
    assert "net-local: failed: model 'net-local': RuntimeError: no encoder here" in done.output
    assert "no-such-net: failed: no model named" in done.output
    assert invoke("models", "verify", "tiny-random").exit_code == 0


def embedded(host: Host, name: str) -> Tensor:
    """The embeddings of three random images."""
    model = find_model(host, name)
    side = model.preprocess.size
    pixels = torch.randint(0, 256, (3, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        return model.load()(pixels)["embedding"]


@pytest.mark.parametrize(
    "name",
    [
        "tiny-simclr",
        "torchvision:resnet18?pretrained=0&seed=3&preprocess={size: 64, crop: 1.0, mean: [0.1, 0.2, 0.3]}",
        "timm:vit_tiny_patch16_224?pretrained=0&preprocess=imagenet-no-norm",
    ],
)
def test_what_is_converted_gives_the_same_embeddings(name: str, tmp_path: Path) -> None:
    host, out = Host(), tmp_path / "new" / "a.safetensors"
    done = invoke("models", "convert", name, str(out))
    assert done.exit_code == 0, done.exception
    (uri,) = shlex.split(done.output)
    assert uri.startswith(f"ckpt:{out}?arch=")
    assert torch.equal(embedded(host, uri), embedded(host, name))
    assert find_model(host, uri).preprocess == find_model(host, name).preprocess
    assert [p.name for p in out.parent.iterdir()] == ["a.safetensors"]
    model = find_model(host, name)
    with safe_open(out, "pt") as file:
        metadata = file.metadata()
    digest = hashlib.sha256(model.weights.read_bytes()).hexdigest() if model.weights else ""
    assert (metadata["name"], metadata["source_sha256"]) == (name, digest)
    assert metadata["architecture"] == model.card.architecture


@pytest.mark.parametrize(
    ("name", "out", "message"),
    [
        ("toy0", "a.safetensors", "model 'toy0' has no architecture that a checkpoint can fill: no architecture ''"),
        # its weights have the size of its input, which the architecture's name does not tell
        ("timm:vit_tiny_patch16_224?pretrained=0&preprocess={size: 112}", "a.safetensors", "can fill: .*does not fit"),
        ("tiny-simclr", "a.pth", "must end in .safetensors"),
        ("tiny-simclr", "taken.safetensors", "taken.safetensors: exists already: name another file"),
    ],
)
def test_what_cannot_be_converted_says_why(host: Host, tmp_path: Path, name: str, out: str, message: str) -> None:
    from harness.convert import convert

    (tmp_path / "taken.safetensors").touch()
    with pytest.raises(HarnessError, match=message):
        convert(host, name, tmp_path / out)
    assert [p.name for p in tmp_path.iterdir()] == ["taken.safetensors"]


def test_an_encoder_of_its_own_cannot_be_converted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "from harness import Encoder, Preprocess\nclass Own(Encoder):\n    preprocess = Preprocess()\n"
    (tmp_path / "own_encoder.py").write_text(f"{source}def build():\n    return Own()\n")
    monkeypatch.syspath_prepend(tmp_path)
    from harness.convert import convert

    with pytest.raises(HarnessError, match=r"has an encoder of its own \(Own\): it cannot be converted"):
        convert(Host(), "py:own_encoder:build", tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    ("message", "out"),
    [
        (r"a\?b\.safetensors: has a '\?', after which a URI has its options: name another", "a?b.safetensors"),
        (r"file/a\.safetensors: model 'tiny-random' cannot be written there: ", "file/a.safetensors"),
        ("cannot be written there: OSError: .*too long", f"{'n' * 240}.safetensors"),
    ],
)
def test_a_file_that_cannot_be_written_is_named(host: Host, tmp_path: Path, message: str, out: str) -> None:
    from harness.convert import convert

    (tmp_path / "file").touch()
    with pytest.raises(HarnessError, match=message):
        convert(host, "tiny-random", tmp_path / out)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("error", [RuntimeError("no such key"), SafetensorError("I/O error")])
def test_so_is_one_that_safetensors_refuses(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    from harness.convert import convert

    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr("safetensors.torch.save_file", refuse)
    with pytest.raises(HarnessError, match=rf"a\.safetensors: model 'tiny-random' cannot .*{error}"):
        convert(host, "tiny-random", tmp_path / "a.safetensors")


MIXED = """
models:
  net-hand: {load: ckpt, source: net.pth, arch: tiny, preprocess: cifar, obtain: convert it with such a tool}
suites:
  mixed: {models: ["net-*"], tasks: [knn@digits]}
"""


@pytest.mark.parametrize(
    ("names", "status"), [(["net-*"], 0), (["--suite", "mixed"], 0), (["net-hand"], 1), (["net-*", "net-hand"], 1)]
)
def test_what_must_be_had_by_hand_fails_only_where_it_is_named(
    plugin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: list[str], status: int
) -> None:
    monkeypatch.setenv("HARNESS_CHECKPOINTS", str(tmp_path))
    (tmp_path / "mixed.yaml").write_text(MIXED)
    done = invoke("--plugin", plugin, "--registry", str(tmp_path / "mixed.yaml"), "models", "fetch", *names)
    assert done.exit_code == status, done.output
    hand = f"net-hand: by hand: cannot be fetched to {tmp_path / 'net.pth'} by itself: convert it with such a tool"
    assert hand in done.output.splitlines()
    assert ("net-two: fetched to" in done.output) == (names != ["net-hand"])


def test_show_says_how_weights_are_had(plugin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CHECKPOINTS", str(tmp_path))
    (tmp_path / "mixed.yaml").write_text(MIXED)
    command = ("--plugin", plugin, "--registry", str(tmp_path / "mixed.yaml"), "show")
    shown = {name: yaml.safe_load(invoke(*command, name).output)["weights"] for name in ("net-one", "net-local")}
    assert shown == {
        "net-one": "no file known here: 'harness models fetch net-one' gets it or says where it is",
        "net-local": "initialised on load",
    }
    hand = yaml.safe_load(invoke(*command, "net-hand").output)
    assert hand["weights"] == "not here, and to be had by hand: convert it with such a tool"
