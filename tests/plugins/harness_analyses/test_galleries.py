"""Images side by side."""

from __future__ import annotations

import pytest
import torch
from analysis_boards import with_evidence
from drawings import texts

from harness.evidence import Attributions, Reconstructions
from harness.testing import check_analysis
from harness_analyses.galleries import attribution_gallery, reconstruction_gallery
from harness_metrics.attribution import attentive_diffusion, attribution_energy
from harness_metrics.reconstruction import colour_mse

RANDOM = torch.Generator().manual_seed(0)
TASK = "attribute@d"


def attributions(images: int, masks: bool, size: int = 16) -> Attributions:
    pixels = torch.randint(256, (images, 3, size, size), generator=RANDOM, dtype=torch.uint8)
    objects = torch.zeros(images, size, size, dtype=torch.uint8)
    objects[:, 4:10, 2:9] = 1
    maps = torch.rand(images, 5, 5, generator=RANDOM)
    return Attributions(maps, pixels, masks=objects if masks else None, targets=torch.arange(images))


def test_energy_and_diffusion_are_the_metrics() -> None:
    made = attributions(4, masks=True)
    rows = attribution_gallery(with_evidence({("sup", TASK): made}))
    energy, diffusion = attribution_energy(made), attentive_diffusion(made)
    assert [row["energy"] for row in rows] == pytest.approx(energy.tolist())
    assert [row["diffusion"] for row in rows] == pytest.approx(diffusion.tolist())
    assert [row["target"] for row in rows] == [0, 1, 2, 3]


def test_six_images_of_every_model_are_drawn() -> None:
    board = with_evidence({("sup", TASK): attributions(8, True), ("sim", TASK): attributions(8, True, size=24)})
    assert attribution_gallery.figures is not None
    figure = attribution_gallery.figures(board)[TASK]
    assert len(figure.rows) == 6 * 3
    assert [row["column"] for row in figure.rows[:3]] == ["image", "sim", "sup"]
    first = attribution_gallery(board)[0]
    assert (first["model"], figure.rows[1]["caption"]) == ("sim", f"{first['energy']:.0f} %")
    assert figure.rows[0]["map_high"] is None
    assert figure.rows[1]["map_high"] > 0.5
    assert "energy: share of the map on the object" in texts(figure)
    assert "image 5, class 5" in " ".join(texts(figure))


def test_without_masks_captions_have_the_diffusion() -> None:
    board = with_evidence({("sup", TASK): attributions(2, False), ("sim", TASK): attributions(1, False)})
    assert attribution_gallery.figures is not None
    figure = attribution_gallery.figures(board)[TASK]
    last = attribution_gallery(board)[-1]
    assert last["energy"] is None
    captions = {(row["row"], row["column"]): row["caption"] for row in figure.rows}
    assert captions["image 1, class 1", "sup"] == f"{last['diffusion']:.0f} %"
    assert captions["image 1, class 1", "sim"] == ""
    assert "diffusion: share of the map above its mean" in texts(figure)


def test_an_image_without_its_object_has_no_energy() -> None:
    made = attributions(2, masks=True)
    assert made.masks is not None
    made.masks[1] = 0
    board = with_evidence({("sup", TASK): made})
    assert attribution_gallery(board)[1]["energy"] is None
    assert attribution_gallery.figures is not None
    assert attribution_gallery.figures(board)[TASK].rows[3]["caption"] == "no object"


def test_a_map_of_nothing_has_no_energy() -> None:
    made = attributions(2, masks=True)
    made.maps[0] = 0
    board = with_evidence({("sup", TASK): made})
    assert [row["energy"] is None for row in attribution_gallery(board)] == [True, False]
    assert attribution_gallery.figures is not None
    assert attribution_gallery.figures(board)[TASK].rows[1]["caption"] == "flat map"


def test_reconstructions_have_their_error() -> None:
    images, rebuilt = torch.randint(256, (2, 7, 3, 8, 8), generator=RANDOM, dtype=torch.uint8)
    made = Reconstructions(images, rebuilt)
    board = with_evidence({("sup", "reconstruct@d"): made, ("sup", TASK): attributions(2, True)})
    rows = reconstruction_gallery(board)
    assert [row["mse"] for row in rows] == pytest.approx(colour_mse(made)["mean"][:6].tolist())
    assert reconstruction_gallery.figures is not None
    figures = reconstruction_gallery.figures(board)
    assert list(figures) == ["reconstruct@d"]
    assert figures["reconstruct@d"].rows[1]["caption"] == f"MSE {rows[0]['mse']:.0f}"
    assert len(figures["reconstruct@d"].rows) == 12


def test_they_conform() -> None:
    for analysis in (attribution_gallery, reconstruction_gallery):
        assert {finding.status for finding in check_analysis(analysis)} == {"passed"}
