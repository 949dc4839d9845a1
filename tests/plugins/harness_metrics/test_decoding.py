"""R^2 of decoded pixels against scikit-learn."""

from __future__ import annotations

import pytest
import torch
from sklearn.metrics import r2_score

from harness.errors import HarnessError, UndefinedError
from harness.evidence import Decodings
from harness.metrics import score
from harness_metrics.detail import decoding_r2


def decodings() -> Decodings:
    random = torch.Generator().manual_seed(1)
    truth = torch.rand(80, 5, generator=random)
    return Decodings(truth + 0.2 * torch.randn(80, 5, generator=random), truth)


def test_it_is_that_of_scikit_learn_over_all_targets_with_an_interval() -> None:
    d = decodings()
    found = score(decoding_r2, d)
    wanted = r2_score(d.truth.double(), d.values.double(), multioutput="variance_weighted")
    assert found.value == pytest.approx(wanted, rel=1e-9)
    assert found.low < found.value < found.high


def test_a_target_that_varies_in_one_image_only_does_not_decide_it() -> None:
    d = decodings()
    corner = torch.zeros(80, 1)
    corner[0] = 1e-3
    with_corner = Decodings(torch.cat([d.values, corner.flip(0)], 1), torch.cat([d.truth, corner], 1))
    whole, found = score(decoding_r2, d), score(decoding_r2, with_corner)
    assert [found.value, found.low, found.high] == pytest.approx([whole.value, whole.low, whole.high], abs=1e-4)


def test_it_is_undefined_for_images_that_are_all_the_same() -> None:
    with pytest.raises(UndefinedError, match="no target varies"):
        score(decoding_r2, Decodings(torch.rand(4, 3), torch.ones(4, 3)))


def test_values_and_truth_must_match() -> None:
    decodings().check(80, 10)
    with pytest.raises(HarnessError, match=r"must both be \(N, T\), got \(4, 3\) and \(4, 2\)"):
        Decodings(torch.rand(4, 3), torch.rand(4, 2)).check(4, 10)
