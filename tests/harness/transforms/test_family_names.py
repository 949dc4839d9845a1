"""Names of view families, and the seeds of images."""

from __future__ import annotations

import subprocess
import sys

import pytest

from harness.errors import HarnessError
from harness.transforms import FAMILIES, NAMES, family_of, image_seed, members


def test_a_view_names_a_family_and_a_number() -> None:
    assert family_of("simclr[7]") == (FAMILIES["simclr"], 7)
    assert family_of("rotation") == (FAMILIES["rotation"], 16)
    assert family_of(" posterize[ 3 ] ")[1] == 3
    assert set(FAMILIES) == set(NAMES)


@pytest.mark.parametrize(
    ("view", "message"),
    [
        ("rotaton[3]", "no view family 'rotaton'; did you mean 'rotation'"),
        ("rotation[]", r"view 'rotation\[\]': expected a number of views in the brackets, as in rotation\[16\]"),
        ("rotation[1.5]", "expected a number of views"),
        ("rotation[-1]", "expected a number of views"),
        ("rotation[0]", r"view rotation\[0\]: an image needs one view or more"),
        ("hflip[2]", r"view hflip\[2\]: the family has 1 of an image, no more"),
        ("posterize[8]", r"view posterize\[8\]: the family has 7 of an image, no more"),
        ("rotation[3][4]", r"no view family 'rotation\[3\]\[4\]'"),
    ],
)
def test_what_cannot_be_read_says_why(view: str, message: str) -> None:
    with pytest.raises(HarnessError, match=message):
        members(view)


def test_seeds_are_fixed_and_differ_by_family_and_image() -> None:
    assert image_seed("simclr", "n01440764/1.png") == 5986473099196930599
    seeds = {image_seed(family, image) for family in ("simclr", "crop") for image in ("a", "b", "ab")}
    assert len(seeds) == 6
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_names_need_no_torch() -> None:
    code = "import sys, harness.transforms as t; t.members('rotation[3]'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    with pytest.raises(AttributeError, match="has no attribute 'Rotation'"):
        __import__("harness.transforms").transforms.Rotation  # noqa: B018
