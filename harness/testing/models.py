"""What must hold of a model."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor, nn

from harness.encoder import EMBEDDING, Encoder
from harness.errors import HarnessError
from harness.identity import digest
from harness.models import Model, Preprocess
from harness.names import split_scheme
from harness.passes import Forward
from harness.testing.kit import Doubt, Fault, Finding, Kit, NotApplicable
from harness.testing.normalisation import received

IMAGES = 6
TOLERANCE = 1e-3  # relative; float32 kernels differ by about 1e-6 between batch sizes, neighbours by far more


class Bench:
    """A model on the bench: loaded once as the host does, with six images to look at."""

    def __init__(self, model: Model) -> None:
        self.model = model

    @cached_property
    def encoder(self) -> Encoder:
        model = self.model
        if model.fetch is not None and not (model.weights is not None and model.weights.is_file()):
            raise NotApplicable("its weights are not on this machine: 'harness models fetch' gets them")
        encoder = model.load()
        if not isinstance(encoder, Encoder):
            raise Fault(f"load() returned a {type(encoder).__name__}: wrap a plain module in harness.ModuleEncoder")
        return encoder.eval()

    @cached_property
    def pixels(self) -> Tensor:
        """uint8 (6, 3, S, S): images that differ in colour, contrast and pattern."""
        random = torch.Generator().manual_seed(0)
        size = self.encoder.preprocess.size
        base = torch.rand(IMAGES, 3, 1, 1, generator=random)
        coarse = torch.rand(IMAGES, 3, 4, 4, generator=random) - 0.5
        fine = torch.rand(IMAGES, 3, size, size, generator=random) - 0.5
        contrast = torch.linspace(0.1, 0.8, IMAGES).view(-1, 1, 1, 1)
        image = base + contrast * (nn.functional.interpolate(coarse, size=size, mode="bilinear") + 0.5 * fine)
        return (image.clamp(0, 1) * 255).to(torch.uint8)

    def embed(self, pixels: Tensor) -> Tensor:
        """(N, D), through the host's own forward pass, in one batch."""
        return Forward(self.encoder, "cpu", "fp32", len(pixels)).embed(pixels)[EMBEDDING]

    @cached_property
    def embeddings(self) -> Tensor:
        return self.embed(self.pixels)


KIT: Kit[Bench] = Kit()


def check_model(model: Model) -> list[Finding]:
    """Run the model kit; see the checks below for what each means."""
    return KIT.run(Bench(model))


@KIT.check("loads")
def loads(bench: Bench) -> None:
    """`load` gives an `Encoder`."""
    bench.encoder  # noqa: B018 - loading is the check


@KIT.check("card complete")
def card_complete(bench: Bench) -> None:
    """Method, paradigm and pretraining data are stated; a licence too."""
    card = bench.model.card
    missing = [name for name in ("method", "architecture") if not getattr(card, name)]
    missing += ["paradigm"] * (card.paradigm == "unknown") + ["data"] * (not card.data and card.paradigm != "none")
    if missing and split_scheme(bench.model.name):
        raise Doubt(f"the card of this URI lacks {', '.join(missing)}: a catalogue entry can state them")
    if missing:
        raise Fault(f"the card lacks {', '.join(missing)}: a reader of the board needs them")
    if not card.licence:
        raise Doubt("the card states no licence")


@KIT.check("identity stated")
def identity_stated(bench: Bench) -> None:
    """The identity is JSON, and says something where no weights file does."""
    digest(bench.model.identity)
    if bench.model.weights is not None and not bench.model.weights.is_file():
        raise Fault(f"the weights file {bench.model.weights} does not exist")
    if not bench.model.identity:
        raise Fault("identity is empty: two architectures or option sets would share a key; state them in it")


@KIT.check("preprocessing declared", "loads")
def preprocessing_declared(bench: Bench) -> None:
    """The encoder carries the `Preprocess` that its model declares."""
    found = getattr(bench.encoder, "preprocess", None)
    if not isinstance(found, Preprocess):
        raise Fault("the encoder has no preprocess: set self.preprocess to a harness.Preprocess")
    if found != bench.model.preprocess:
        raise Fault(f"the encoder's preprocess differs from the model's: {found} against {bench.model.preprocess}")


@KIT.check("preprocessing sealed", "loads")
def preprocessing_sealed(bench: Bench) -> None:
    """`forward` and `normalise` are the host's: nothing can be left out or done twice there."""
    for name in ("forward", "normalise"):
        if name in vars(bench.encoder) or getattr(type(bench.encoder), name) is not getattr(Encoder, name):
            raise Fault(f"{name}() is replaced: the host's applies the preprocessing; implement embed() instead")


@KIT.check("shapes and dtypes", "preprocessing declared", "preprocessing sealed")
def shapes_and_dtypes(bench: Bench) -> None:
    """Six images give a floating (6, D)."""
    with torch.inference_mode():
        out = bench.encoder(bench.pixels)
    value = out.get(EMBEDDING) if isinstance(out, dict) else out
    if not isinstance(value, Tensor):
        raise Fault(f"activations() must return a dict with {EMBEDDING!r}, got {type(out).__name__}")
    if value.ndim != 2 or len(value) != IMAGES:
        raise Fault(f"{IMAGES} images gave embeddings {tuple(value.shape)}, expected ({IMAGES}, D): pool in embed()")
    if value.dtype != torch.float32:
        raise Fault(f"embeddings are {value.dtype}, expected torch.float32: the host chooses the precision")


@KIT.check("finite", "shapes and dtypes")
def finite(bench: Bench) -> None:
    """No NaN, no infinity."""
    if not bench.embeddings.isfinite().all():
        rows = (~bench.embeddings.isfinite().all(1)).sum()
        raise Fault(f"{rows} of {IMAGES} embeddings hold NaN or infinite values")


@KIT.check("deterministic", "finite")
def deterministic(bench: Bench) -> None:
    """The same batch gives the same embeddings."""
    again = bench.embed(bench.pixels)
    if not torch.allclose(again, bench.embeddings, rtol=1e-5, atol=1e-6):
        dropouts = [(n, m) for n, m in bench.encoder.named_modules() if isinstance(m, nn.modules.dropout._DropoutNd)]
        on = [f"{name} is still in training mode" for name, module in dropouts if module.training]
        hint = on[0] if on else "look for F.dropout without training=self.training"
        raise Fault(f"the same images gave other embeddings the second time (off by {_gap(again, bench):.2g}): {hint}")


@KIT.check("same at every load", "deterministic")
def same_at_every_load(bench: Bench) -> None:
    """Loading twice gives the same encoder: random weights are seeded."""
    again = Bench(bench.model).embed(bench.pixels)
    if not torch.allclose(again, bench.embeddings, rtol=1e-4, atol=1e-5):
        raise Fault("a second load() gave other embeddings: load the weights, or seed their initialisation")


@KIT.check("images told apart", "finite")
def images_told_apart(bench: Bench) -> None:
    """Different images have different embeddings."""
    apart = (bench.embeddings[1:] - bench.embeddings[0]).norm(dim=1)
    if bool((apart <= 1e-6 * bench.embeddings.norm(dim=1).max()).any()):
        raise Fault("different images gave the same embedding: does embed() use its input?")


@KIT.check("independent of the batch", "deterministic")
def independent_of_the_batch(bench: Bench) -> None:
    """An image's embedding depends on no neighbour, batch size or order."""
    neighbours = torch.cat([bench.pixels[:1], 255 - bench.pixels[1:]])
    others = {
        "alone": torch.cat([bench.embed(image[None]) for image in bench.pixels]),
        "in another order": bench.embed(bench.pixels.flip(0)).flip(0),
        "among other images": torch.cat([bench.embed(neighbours)[:1], bench.embeddings[1:]]),
    }
    for how, value in others.items():
        if (gap := _gap(value, bench)) > TOLERANCE:
            raise Fault(f"an image {how} has another embedding (off by {gap:.2g}): {_batch_statistics(bench.encoder)}")


def _gap(value: Tensor, bench: Bench) -> float:
    """The greatest relative difference of an embedding."""
    return float(((value - bench.embeddings).norm(dim=1) / bench.embeddings.norm(dim=1).clamp_min(1e-12)).max())


def _batch_statistics(encoder: Encoder) -> str:
    for name, module in encoder.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and (module.training or module.running_mean is None):
            return f"{name} ({type(module).__name__}) uses the batch's own statistics"
    return "look for statistics taken over the batch"


@KIT.check("normalised once", "finite")
def normalised_once(bench: Bench) -> None:
    """What the host normalised reaches the network as it is; a model that declares no normalisation may do its own."""
    affine = received(bench.encoder)
    if affine is None:
        raise NotApplicable("no RGB image was seen on its way into the network")
    declared = bench.encoder.preprocess
    own = declared.mean == (0.0, 0.0, 0.0) and declared.std == (1.0, 1.0, 1.0)
    if not affine.identity and not own:
        raise Fault(
            f"the image is normalised twice: the network gets {affine}. Remove the model's own normalisation, or "
            "declare preprocess='imagenet-no-norm'"
        )
    if affine.identity and own:
        raise Doubt("neither the host nor the model normalises: values in [0, 1] reach the network; is that meant?")


@KIT.check("layers exist", "finite")
def layers_exist(bench: Bench) -> None:
    """Every declared layer can be tapped and pooled; the last is the embedding."""
    layers = bench.encoder.layers
    if not layers or layers[-1] != EMBEDDING or len(set(layers)) != len(layers):
        raise Fault(f"layers must be unique and end with {EMBEDDING!r}, got {layers}")
    with torch.inference_mode():
        tapped = bench.encoder(bench.pixels, layers)
    for layer in layers:
        value = tapped.get(layer)
        if value is None or value.ndim not in (2, 3, 4) or len(value) != IMAGES:
            shape = None if value is None else tuple(value.shape)
            raise Fault(f"layer {layer!r} gave {shape}, expected (N, C, H, W) or (N, T, D)")
        pooled = value if layer == EMBEDDING else bench.encoder.pool(value, layer)
        if pooled.ndim != 2 or not pooled.isfinite().all():
            raise Fault(f"layer {layer!r} pools to {tuple(pooled.shape)}, or to values that are not finite")


@KIT.check("feature maps", "finite")
def feature_maps(bench: Bench) -> None:
    """Where there are maps: (N, C, H, W), fine to coarse, with strides that fit the input."""
    with torch.inference_mode():
        images = bench.encoder.normalise(bench.pixels)
        try:
            maps = bench.encoder.feature_maps(images)
        except HarnessError as error:
            raise NotApplicable(str(error)) from error
    if [m.stride for m in maps] != sorted({m.stride for m in maps}):
        raise Fault(f"feature maps must go from fine to coarse, got strides {[m.stride for m in maps]}")
    for level in maps:
        if level.tensor.ndim != 4 or len(level.tensor) != IMAGES:
            raise Fault(f"feature map {level.name!r} is {tuple(level.tensor.shape)}, expected (N, C, H, W)")
        if not 0.5 < level.tensor.shape[-1] * level.stride / images.shape[-1] < 2:
            raise Fault(f"feature map {level.name!r} has {level.tensor.shape[-1]} columns at stride {level.stride}")
