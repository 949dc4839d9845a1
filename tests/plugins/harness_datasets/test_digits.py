from __future__ import annotations

import subprocess
import sys

import numpy as np
from sklearn.datasets import load_digits

from harness.testing.datasets import check_dataset
from harness_datasets.digits import Digits


def test_it_conforms() -> None:
    assert [finding for finding in check_dataset(Digits()) if finding.status == "failed"] == []


def test_every_image_is_there_once_with_its_label() -> None:
    source = load_digits()
    for name, n in Digits().card.splits.items():
        split = Digits().checked(name)
        rows = [int(key.removeprefix("digits/")) for key in split.ids]
        assert len(rows) == n
        assert np.array_equal(split.targets, source.target[rows])
        for channel in range(3):
            assert np.array_equal(np.round(np.stack(split.images)[..., channel] * (16 / 255)), source.images[rows])
    assert sum(Digits().card.splits.values()) == 1797


def test_the_split_is_stratified() -> None:
    shares = [np.bincount(Digits().split(name).targets) / n for name, n in Digits().card.splits.items()]
    assert np.abs(shares[0] - shares[1]).max() < 0.005


def test_the_card_imports_no_scikit_learn() -> None:
    script = "import sys, harness_datasets.digits as d; d.Digits().card; assert 'sklearn' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)
