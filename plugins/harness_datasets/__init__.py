"""First-party datasets: two embedded ones, and anyone's folders and arrays. Importing this imports no torch."""

from __future__ import annotations

from harness.registry import Register
from harness.spec import hookimpl


@hookimpl
def register_datasets(register: Register) -> None:
    register("digits", "harness_datasets.digits:Digits", summary="1,797 real handwritten digits of 8x8 pixels")
    register(
        "scenes",
        "harness_datasets.scenes.dataset:Scenes",
        summary="rendered solids; scenes[colour] and scenes[shapes] are its other targets",
    )
    register("folder:", "harness_datasets.folder:Folder", summary="class folders, or train/val/test folders of them")
    register("arrays:", "harness_datasets.arrays:Arrays", summary="an .npz file with x_train, y_train, x_test, y_test")
