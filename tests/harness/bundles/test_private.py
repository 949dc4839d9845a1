from __future__ import annotations

from pathlib import Path

import pytest

from harness.bundles.private import Censor

HOME = Path("/home/Ada Lovelace")


@pytest.mark.parametrize(
    ("text", "published"),
    [
        ("ckpt:/home/me/nets/x.pth?arch=tiny", "ckpt:x.pth?arch=tiny"),
        ("knn@folder:/data/private/birds", "knn@folder:birds"),
        ("/mnt/disk/x", "x"),
        ("python train.py --out /home/me/runs/1 --seed 0", "python train.py --out 1 --seed 0"),
        ("cannot read '/home/me/x.pth'", "cannot read 'x.pth'"),
        ("file:///home/me/x.pth", "file:x.pth"),
        ("~/nets/x.pth", "x.pth"),
        ("~me/nets/x.pth", "x.pth"),
        (r"C:\Users\me\x.pth", "x.pth"),
        (r"\\server\share\x.pth", "x.pth"),
        ("/home/Ada Lovelace/my net.pth", "my net.pth"),
        ("/home/Ada Lovelace", "Ada_Lovelace"),
        ("/home/Ada Lovelace: not found", "Ada_Lovelace: not found"),
    ],
)
def test_absolute_paths_keep_their_last_part(text: str, published: str) -> None:
    assert Censor([HOME, Path("/")]).text(text) == published


@pytest.mark.parametrize(
    "text",
    [
        "https://example.org/nets/x.pth", "timm:vit/small", "hf:org/name", "images/s", "8 / 10", "1/2", "data/x.pth",
        "../x.pth", "and/or", "MoCo v2 (800 ep.)", "<b>bold</b>", "arXiv:1512.03385", "a//b", "/", "~5 %", "10:/",
    ],
)  # fmt: skip
def test_what_is_no_path_stays(text: str) -> None:
    assert Censor([HOME]).text(text) == text


def test_values_are_cut_at_any_depth_but_draws_and_units_are_not() -> None:
    value = {"a": ["/x/y", 1, None], "/k/l": {"draws": {"codes": "AA+/bb/cc"}, "metric": {"unit": "images /s"}}}
    found = Censor().value(value)
    assert found == {"a": ["y", 1, None], "l": {"draws": {"codes": "AA+/bb/cc"}, "metric": {"unit": "images /s"}}}
