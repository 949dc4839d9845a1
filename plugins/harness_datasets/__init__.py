"""First-party datasets: embedded ones, published ones, and anyone's images. Importing this imports no torch."""

from __future__ import annotations

from harness.registry import Register
from harness.spec import hookimpl

EMBEDDED = {
    "digits": ("digits:Digits", "1,797 real handwritten digits of 8x8 pixels"),
    "scenes": ("scenes.dataset:Scenes", "rendered solids; scenes[colour] and scenes[shapes] are its other targets"),
}
OFFICIAL = {
    "aircraft": ("listed:aircraft", "FGVC Aircraft, 100 variants"),
    "caltech101": ("caltech:caltech101", "Caltech-101 by the draw of Ericsson et al.; caltech101[repeats=true]"),
    "cars": ("listed:cars", "Stanford Cars, 196 models"),
    "chestx": ("pools:chestx", "NIH ChestX-ray14, single findings of seven classes"),
    "cifar10": ("records:cifar10", "CIFAR-10"),
    "cifar100": ("records:cifar100", "CIFAR-100"),
    "cropdiseases": ("pools:cropdiseases", "Plant diseases, 38 classes"),
    "dtd": ("listed:dtd", "Describable Textures, partition 1"),
    "eurosat": ("pools:eurosat", "EuroSAT, RGB"),
    "fashionmnist": ("listed:fashionmnist", "Fashion-MNIST"),
    "flowers": ("listed:flowers", "Oxford 102 Flowers"),
    "food101": ("listed:food101", "Food-101"),
    "gtsrb": ("files:gtsrb", "German Traffic Signs"),
    "imagenet": ("files:imagenet", "ImageNet-1k; its validation images are the test split"),
    "isic2018": ("pools:isic2018", "ISIC 2018 task 3, seven skin lesions"),
    "mnist": ("listed:mnist", "MNIST"),
    "pcam": ("records:pcam", "PatchCamelyon"),
    "pets": ("files:pets", "Oxford-IIIT Pets"),
    "resisc45": ("pools:resisc45", "NWPU-RESISC45, aerial scenes"),
    "stl10": ("records:stl10", "STL-10, labelled part"),
    "sun397": ("files:sun397", "SUN397, partition 01"),
    "svhn": ("listed:svhn", "Street View House Numbers, cropped"),
    "voc2007": ("files:voc2007", "PASCAL VOC 2007, 20 classes, several an image"),
}
SCHEMES = {
    "arrays:": ("arrays:Arrays", "an .npz file with x_train, y_train, x_test, y_test"),
    "folder:": ("folder:Folder", "class folders, or train/val/test folders of them"),
    "hfds:": ("hfds:HuggingFace", "a Hugging Face dataset: a saved folder, or a repository OWNER/NAME"),
    "webdataset:": ("webdataset:WebDataset", "a folder of tar shards of the WebDataset format"),
}


@hookimpl
def register_datasets(register: Register) -> None:
    for package, datasets in (("", EMBEDDED | SCHEMES), ("official.", OFFICIAL)):
        for name, (target, summary) in datasets.items():
            register(name, f"{__name__}.{package}{target}", summary=summary)
