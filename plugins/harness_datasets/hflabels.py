"""Labels of a Hugging Face column as class indices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import HarnessError


@dataclass(frozen=True)
class Labels:
    """Class names, and of each split the targets: (N,) class indices, or (N, C) of 0 and 1; int64."""

    classes: tuple[str, ...]
    targets: dict[str, NDArray[np.int64]]
    multi: bool = False


def read_labels(feature: Any, columns: Mapping[str, Sequence[Any]], where: str) -> Labels:
    """The labels of the splits' columns, by the feature they are declared with.

    ``ClassLabel`` gives the names; integers (or booleans) are classes 0 to the highest; strings are numbered in
    alphabetical order over all splits; a list of ``ClassLabel`` makes rows of 0 and 1.

    Raises `HarnessError` for any other feature, a missing label, or a list with a label out of range.
    """
    for split, values in columns.items():
        if None in values:
            raise HarnessError(f"{where}, split {split}: row {values.index(None)} has no label")
    inner, dtype = getattr(feature, "feature", None), str(getattr(feature, "dtype", ""))
    if names := getattr(inner, "names", None):
        rows = {split: _rows(values, len(names), f"{where}, split {split}") for split, values in columns.items()}
        return Labels(tuple(names), rows, multi=True)
    if names := getattr(feature, "names", None):
        return Labels(tuple(names), _numbers(columns))
    if dtype in ("string", "large_string"):
        order = {name: i for i, name in enumerate(sorted(set(chain.from_iterable(columns.values()))))}
        numbers = {split: [order[name] for name in values] for split, values in columns.items()}
        return Labels(tuple(order), _numbers(numbers))
    if dtype == "bool" or dtype.startswith(("int", "uint")):
        highest = max(chain.from_iterable(columns.values()), default=0)
        return Labels(tuple(map(str, range(max(int(highest), 0) + 1))), _numbers(columns))
    raise HarnessError(f"{where}: holds {feature}; labels are ClassLabel, lists of ClassLabel, integers or strings")


def _numbers(columns: Mapping[str, Sequence[int]]) -> dict[str, NDArray[np.int64]]:
    return {split: np.array(values, np.int64) for split, values in columns.items()}


def _rows(values: Sequence[Sequence[int]], classes: int, where: str) -> NDArray[np.int64]:
    """Lists of class indices as rows of 0 and 1, (N, C)."""
    rows = np.zeros((len(values), classes), np.int64)
    for row, labels in enumerate(values):
        for label in labels:
            if label is None or not 0 <= label < classes:
                raise HarnessError(f"{where}: row {row} has label {label}, outside 0..{classes - 1}")
            rows[row, label] = 1
    return rows
