from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from harness.errors import HarnessError
from harness.models import PRESETS, Preprocess
from harness_models.hf_models import model, own_preprocess

transformers = pytest.importorskip("transformers", reason="transformers is not present")

SIDE, WIDTH = 32, 32
VIT = {"hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": SIDE, "patch_size": 8}
TEXT = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 48,
        "max_position_embeddings": 12}  # fmt: skip
CLIP_TEXT = {**TEXT, "vocab_size": 7, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
STAGES = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1]}
PIXELS = {"do_resize": True, "size": {"shortest_edge": 36}, "resample": 3, "do_center_crop": True,
          "crop_size": {"height": SIDE, "width": SIDE}, "do_rescale": True, "rescale_factor": 1 / 255,
          "do_normalize": True, "image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.25, 0.3]}  # fmt: skip


def network(kind: str) -> Any:
    """A small random network of a family, as transformers has it."""
    made = {
        "vit": ("ViTModel", "ViTConfig", {**VIT, "intermediate_size": 48}),
        "vit-classifier": ("ViTForImageClassification", "ViTConfig", {**VIT, "intermediate_size": 48}),
        "dinov2": ("Dinov2Model", "Dinov2Config", {**VIT, "mlp_ratio": 2}),
        "registers": ("Dinov2WithRegistersModel", "Dinov2WithRegistersConfig", {**VIT, "mlp_ratio": 2}),
        "ijepa": ("IJepaModel", "IJepaConfig", {**VIT, "intermediate_size": 48}),
        "mae": ("ViTMAEModel", "ViTMAEConfig", {**VIT, "intermediate_size": 48}),
        "clip": ("CLIPModel", "CLIPConfig",
                 {"text_config": CLIP_TEXT, "vision_config": {**VIT, "intermediate_size": 48}, "projection_dim": 24}),
        "clip-vision": ("CLIPVisionModel", "CLIPVisionConfig", {**VIT, "intermediate_size": 48}),
        "siglip": ("SiglipModel", "SiglipConfig",
                   {"text_config": {**TEXT, "vocab_size": 50}, "vision_config": {**VIT, "intermediate_size": 48}}),
        "resnet": ("ResNetModel", "ResNetConfig", {**STAGES, "embedding_size": 8}),
        "convnext": ("ConvNextModel", "ConvNextConfig", STAGES),
        "swin": ("SwinModel", "SwinConfig",
                 {"image_size": SIDE, "patch_size": 4, "embed_dim": 16, "depths": [1, 1], "num_heads": [2, 2],
                  "window_size": 4}),
    }  # fmt: skip
    cls, config, options = made[kind]
    torch.manual_seed(0)
    return getattr(transformers, cls)(getattr(transformers, config)(**options)).eval()


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., tuple[str, Any]]:
    """Writes a network's folder as the hub has it; gives the folder and the network."""

    def save(kind: str, pixels: Mapping[str, Any] = PIXELS) -> tuple[str, Any]:
        made = network(kind)
        folder = tmp_path / kind
        made.save_pretrained(folder)
        (folder / "preprocessor_config.json").write_text(json.dumps(pixels))
        return str(folder), made

    return save


def images() -> Tensor:
    return torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


def expected(kind: str, made: Any, pool: str) -> Tensor:
    """The embedding from the network as it was before it was saved."""
    tower = getattr(made, "vit", getattr(made, "vision_model", made))
    output = tower(pixel_values=images())
    if pool == "projected":
        found = made.get_image_features(pixel_values=images())
        return getattr(found, "pooler_output", found)
    hidden = output.last_hidden_state
    if pool == "cls":
        return hidden[:, 0]
    if pool == "pooler":
        return output.pooler_output.flatten(1)
    return hidden.mean((2, 3)) if hidden.ndim == 4 else hidden[:, -16:].mean(1)


@pytest.mark.parametrize(
    ("kind", "pool", "default", "layers"),
    [
        ("vit", "cls", True, ["blocks.0", "blocks.1"]),
        ("vit", "pooler", False, ["blocks.0", "blocks.1"]),
        ("vit", "mean", False, ["blocks.0", "blocks.1"]),
        ("vit-classifier", "cls", True, ["blocks.0", "blocks.1"]),
        ("dinov2", "cls", True, ["blocks.0", "blocks.1"]),
        ("dinov2", "mean", False, ["blocks.0", "blocks.1"]),
        ("registers", "mean", False, ["blocks.0", "blocks.1"]),
        ("ijepa", "mean", True, ["blocks.0", "blocks.1"]),
        ("clip", "pooler", True, ["blocks.0", "blocks.1"]),
        ("clip", "projected", False, ["blocks.0", "blocks.1"]),
        ("clip-vision", "pooler", True, ["blocks.0", "blocks.1"]),
        ("siglip", "pooler", True, ["blocks.0", "blocks.1"]),
        ("siglip", "projected", False, ["blocks.0", "blocks.1"]),
        ("resnet", "pooler", True, ["stages.0", "stages.1", "stages.2", "stages.3"]),
        ("convnext", "pooler", True, ["stages.0", "stages.1", "stages.2", "stages.3"]),
        ("convnext", "mean", False, ["stages.0", "stages.1", "stages.2", "stages.3"]),
        ("swin", "pooler", True, ["blocks.0", "blocks.1"]),
    ],
)
def test_families(saved: Callable[..., Any], kind: str, pool: str, default: bool, layers: list[str]) -> None:
    folder, made = saved(kind)
    entry = model(folder, pool="" if default else pool)
    encoder = entry.load()
    assert encoder.layers == (*layers, "embedding")
    with torch.inference_mode():
        tapped = encoder.activations(images(), encoder.layers)
        torch.testing.assert_close(tapped["embedding"], expected(kind, made, pool))
        assert list(tapped) == list(encoder.layers)
        assert all((pooled := encoder.pool(a, name)).ndim == 2 and len(pooled) == 2 for name, a in tapped.items())
        maps = encoder.feature_maps(images())
    assert all(m.tensor.shape[-1] * m.stride == SIDE for m in maps)
    assert entry.weights == Path(folder, "model.safetensors")


def test_blocks_are_the_hidden_states(saved: Callable[..., Any]) -> None:
    folder, made = saved("dinov2")
    encoder = model(folder).load()
    with torch.inference_mode():
        tapped = encoder.activations(images(), ["blocks.0", "blocks.1"])
        states = made(pixel_values=images(), output_hidden_states=True).hidden_states
        torch.testing.assert_close(tapped["blocks.0"], states[1])
        torch.testing.assert_close(made.layernorm(tapped["blocks.1"])[:, 0], encoder.embed(images()))
        torch.testing.assert_close(encoder.pool(tapped["blocks.0"], "blocks.0"), states[1][:, 0])


def test_the_map_of_a_vit_is_its_patches_in_place(saved: Callable[..., Any]) -> None:
    folder, made = saved("registers")
    with torch.inference_mode():
        (level,) = model(folder).load().feature_maps(images())
        hidden = made(pixel_values=images()).last_hidden_state
    assert (level.stride, level.tensor.shape) == (8, (2, WIDTH, 4, 4))
    torch.testing.assert_close(level.tensor[0, :, 1, 2], hidden[0, 5 + 1 * 4 + 2])


def test_nothing_is_imported_to_plan(saved: Callable[..., Any], python: Callable[[str], str]) -> None:
    folder, _ = saved("vit")
    said = python(
        "import sys; from harness.plugins import Host; from harness.lookup import find_model\n"
        f"print(find_model(Host(), 'hf:{folder}').preprocess.size, {{'torch', 'transformers'}} & sys.modules.keys())"
    )
    assert said == f"{SIDE} set()"


def test_identity_holds_what_changes_an_output(saved: Callable[..., Any], tmp_path: Path) -> None:
    folder, _ = saved("vit")
    before = model(folder).identity
    assert model(folder, pool="mean").identity != before
    config = json.loads(Path(folder, "config.json").read_text())
    for field, value, same in (("transformers_version", "9.9", True), ("layer_norm_eps", 0.5, False)):
        Path(folder, "config.json").write_text(json.dumps({**config, field: value}))
        assert (model(folder).identity == before) is same


@pytest.mark.parametrize(
    ("kind", "lost", "message"),
    [
        ("vit", "layernorm.weight", r"keys missing: layernorm\.weight; unexpected: none"),
        ("clip", "vision_model.post_layernorm.weight", r"keys missing: vision_model\.post_layernorm\.weight; unexp"),
        ("resnet", "embedder.embedder.convolution.weight", r"keys missing: embedder\.embedder\.convolution\.weight"),
    ],
)
def test_a_missing_weight_is_an_error(saved: Callable[..., Any], kind: str, lost: str, message: str) -> None:
    folder, _ = saved(kind)
    path = Path(folder, "model.safetensors")
    state = load_file(path)
    del state[lost]
    save_file(state, path, {"format": "pt"})
    with pytest.raises(HarnessError, match=rf"{kind} does not fit the \w+: {message}"):
        model(folder).load()


def test_an_unexpected_weight_is_an_error_but_a_head_is_not(saved: Callable[..., Any]) -> None:
    folder, _ = saved("resnet")
    path = Path(folder, "model.safetensors")
    state = load_file(path)
    save_file({**state, "classifier.1.weight": torch.zeros(2, 2)}, path, {"format": "pt"})
    model(folder).load()
    save_file({**state, "encoder.stages.7.weight": torch.zeros(2, 2)}, path, {"format": "pt"})
    with pytest.raises(HarnessError, match=r"keys missing: none; unexpected: encoder\.stages\.7\.weight"):
        model(folder).load()


def test_a_missing_pooler_matters_only_to_who_pools_by_it(saved: Callable[..., Any]) -> None:
    folder, _ = saved("vit-classifier")  # whose file has none
    assert not any("pooler" in key for key in model(folder).load().state_dict())
    with pytest.raises(HarnessError, match=r"keys missing: pooler\.dense\.bias, pooler\.dense\.weight"):
        model(folder, pool="pooler").load()


def test_a_lost_text_tower_matters_only_to_the_joint_space(saved: Callable[..., Any]) -> None:
    folder, _ = saved("clip")
    path = Path(folder, "model.safetensors")
    save_file({k: v for k, v in load_file(path).items() if k.startswith("vision_")}, path, {"format": "pt"})
    model(folder).load()
    with pytest.raises(HarnessError, match=r"does not fit the CLIPVision\w+: keys missing: "):
        model(folder, pool="projected").load()


def test_weights_of_another_shape_are_an_error(saved: Callable[..., Any]) -> None:
    folder, _ = saved("vit")
    config = json.loads(Path(folder, "config.json").read_text())
    Path(folder, "config.json").write_text(json.dumps({**config, "patch_size": 16}))
    with pytest.raises(HarnessError, match=r"cannot be loaded: .*(shape|size)"):
        model(folder).load()


def test_pickles_are_refused(saved: Callable[..., Any]) -> None:
    folder, made = saved("vit")
    Path(folder, "model.safetensors").unlink()
    torch.save(made.state_dict(), Path(folder, "pytorch_model.bin"))
    with pytest.raises(HarnessError, match=r"holds no model\.safetensors \(other formats may execute code"):
        model(folder).load()


@pytest.mark.parametrize(
    ("kind", "pool", "message"),
    [
        ("vit", "clss", "no pool 'clss'; did you mean 'cls'"),
        ("vit", "projected", "needs an image-text model, not a ViTModel"),
        ("siglip", "cls", "siglip: the network has no class token"),
        ("dinov2", "pooler", ""),
        ("ijepa", "pooler", "ijepa: the network has no pooled output"),
        ("mae", "", "masks its input at random"),
    ],
)
def test_impossible_poolings(saved: Callable[..., Any], kind: str, pool: str, message: str) -> None:
    folder, _ = saved(kind)
    if not message:
        assert model(folder, pool=pool).load().pooling == pool
        return
    with pytest.raises(HarnessError, match=message):
        model(folder, pool=pool).load()


def test_half_precision_files_are_computed_in_full(saved: Callable[..., Any]) -> None:
    folder, made = saved("vit")
    made.half().save_pretrained(folder)
    encoder = model(folder).load()
    assert {p.dtype for p in encoder.parameters()} == {torch.float32}
    torch.testing.assert_close(encoder.embed(images()), expected("vit", made.float(), "cls"))


def test_a_repository_is_read_from_the_cache_and_never_fetched(
    saved: Callable[..., Any], checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(HarnessError, match=r"hf:who/net is not on this machine: .* put its files at .*/who--net"):
        model("who/net").load()
    monkeypatch.setenv("HARNESS_OFFLINE", "1")
    with pytest.raises(HarnessError, match=r"HARNESS_OFFLINE is set: fetch who/net of the Hugging Face hub elsewhere"):
        model("who/net").fetch(lambda done, total: None)
    monkeypatch.setattr("socket.socket.connect", None)  # and what is there needs no connection

    folder, made = saved("vit")
    repository = tmp_path / "cache" / "models--who--net"
    (repository / "snapshots").mkdir(parents=True)
    Path(folder).rename(repository / "snapshots" / "abc")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    entry = model("who/net")
    assert entry.preprocess.size == SIDE
    assert entry.fetch(lambda done, total: pytest.fail("it is there")) == repository / "snapshots" / "abc"
    torch.testing.assert_close(entry.load().embed(images()), expected("vit", made, "cls"))
    assert model(str(repository / "snapshots" / "abc")).fetch is None
    (repository / "snapshots" / "abc").rename(checkpoints / "who--net")  # where the error said
    assert model("who/net").weights == checkpoints / "who--net" / "model.safetensors"


@pytest.mark.parametrize("source", ["/no/such/folder", "./no-such-folder"])
def test_a_folder_must_exist(source: str) -> None:
    with pytest.raises(HarnessError, match=r"no config\.json in"):
        model(source)


def test_texts_share_the_space_of_images(saved: Callable[..., Any]) -> None:
    folder, made = saved("clip")
    vocabulary = {"<|startoftext|>": 0, "<|endoftext|>": 1, "a</w>": 2, "b</w>": 3, "a": 4, "b": 5, "<unk>": 6}
    Path(folder, "vocab.json").write_text(json.dumps(vocabulary))
    Path(folder, "merges.txt").write_text("#version: 0.2\n")
    Path(folder, "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "CLIPTokenizer"}))
    encoder = model(folder, pool="projected").load()
    with torch.inference_mode():
        texts = encoder.embed_text(["a", "b a"])
        ids = torch.tensor([[0, 2, 1, *[1] * 9], [0, 3, 2, 1, *[1] * 8]])
        found = made.get_text_features(input_ids=ids, attention_mask=(ids.cumsum(1) >= 0).long())
        torch.testing.assert_close(texts, getattr(found, "pooler_output", found))
        assert texts.shape == encoder.embed(images()).shape == (2, 24)
    with pytest.raises(HarnessError, match="only with pool=projected"):
        model(folder).load().embed_text(["a"])


GEOMETRIES: list[tuple[dict[str, Any], tuple[int, int, str]]] = [
    ({}, (36, 32, "short")),
    ({"size": {"height": 40, "width": 40}, "do_center_crop": False}, (40, 40, "squash")),
    ({"size": {"height": 40, "width": 40}}, (40, 32, "squash")),
    ({"size": 40, "do_center_crop": False}, (40, 40, "squash")),
    ({"size": 36, "crop_size": 32}, (36, 32, "short")),
    ({"size": 224, "crop_pct": 0.875, "do_center_crop": None, "crop_size": None}, (256, 224, "short")),
    ({"size": {"shortest_edge": 384}, "crop_pct": 0.875, "do_center_crop": None}, (384, 384, "squash")),
]


@pytest.mark.parametrize(("fields", "geometry"), GEOMETRIES)
def test_geometries(tmp_path: Path, fields: dict[str, Any], geometry: tuple[int, int, str]) -> None:
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({**PIXELS, **fields}))
    found = own_preprocess(tmp_path)
    assert (found.geometry.resize, found.size, found.fit) == geometry
    assert (found.mean, found.std, found.interpolation) == ((0.4, 0.5, 0.6), (0.2, 0.25, 0.3), "bicubic")


def test_the_librarys_own_defaults_are_the_presets(tmp_path: Path) -> None:
    transformers.CLIPImageProcessor().save_pretrained(tmp_path)
    assert own_preprocess(tmp_path) == PRESETS["clip"]
    transformers.ViTImageProcessor().save_pretrained(tmp_path)
    half = (0.5, 0.5, 0.5)
    assert own_preprocess(tmp_path) == Preprocess(crop=1, interpolation="bilinear", fit="squash", mean=half, std=half)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"resample": 1}, "no resize by nearest, bilinear, bicubic"),
        ({"do_resize": False}, "no resize by"),
        ({"do_rescale": False}, "does not rescale"),
        ({"rescale_factor": 1 / 127.5}, "does not rescale"),
        ({"image_mean": None}, "mean"),
        ({"size": {"shortest_edge": 40}, "do_center_crop": False}, "no square input of a fixed size"),
        ({"size": {"height": 40, "width": 60}, "do_center_crop": False}, "no square input"),
        ({"size": {"shortest_edge": 20}}, "no square input"),
        ({"size": None}, "no square input"),
    ],
)
def test_what_no_preprocess_can_do_must_be_stated(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    path = tmp_path / "preprocessor_config.json"
    path.write_text(json.dumps({**PIXELS, **fields}))
    with pytest.raises(HarnessError, match=rf"{path.name}: .*{message}") as caught:
        own_preprocess(tmp_path)
    assert "state preprocess=" in str(caught.value)
    path.unlink()
    with pytest.raises(HarnessError, match="state preprocess="):
        own_preprocess(tmp_path)
    path.write_text("{")
    with pytest.raises(HarnessError, match="cannot be read as JSON"):
        own_preprocess(tmp_path)
