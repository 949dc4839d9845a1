"""What every plugin must hold, and what only the author of harness-pcanet can know."""

from importlib.metadata import entry_points

import torch
from harness.evidence import Predictions
from harness.lookup import find_model
from harness.plugins import Host
from harness.testing import conformance

from harness_pcanet import worst_class
from harness_pcanet.network import principal_filters

test_conformance = conformance("harness_pcanet")


def test_plugin_is_installed() -> None:
    assert "harness_pcanet" in [point.value for point in entry_points(group="harness")]


def test_filters_are_orthonormal_and_the_first_explains_most() -> None:
    filters = find_model(Host(), "pcanet-small").load().module.first.weight.flatten(1)
    torch.testing.assert_close(filters @ filters.T, torch.eye(4), atol=1e-4, rtol=0)

    column = torch.tensor([1.0, -1.0]).repeat(16)
    stripes = column.expand(1, 1, 32, 32) + 0.01 * torch.randn(1, 1, 32, 32, generator=torch.manual_seed(0))
    found = principal_filters(stripes, 1)[0, 0].sign()
    assert (found == found[0]).all()  # the same in every row: vertical stripes


def test_worst_class_by_hand() -> None:
    scores = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert worst_class(Predictions(scores, torch.tensor([0, 0, 1, 1]))) == 50.0
