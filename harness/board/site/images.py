"""What this machine knows of the images that a task's evidence is about: their names, their classes, their pixels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.datasets import DatasetCard, Split, subset
from harness.errors import HarnessError, naming, one_line
from harness.lookup import BoundTask, find_tasks
from harness.planning import fold_indices
from harness.suite import make_suite

if TYPE_CHECKING:
    from harness.plugins import Host


class KnownImages:
    """The test images of a task.

    Attributes:
        fault: why the images cannot be named; empty while they can.
    """

    def __init__(self, host: Host, task: str, facts: Mapping[str, Any]) -> None:
        """`facts` are those of a column of the task: the dataset's revision, and images left out, where known."""
        self.task, self.facts, self.fault = task, facts, ""
        self.bound: BoundTask | None = None
        try:
            with naming(task):
                self.bound = find_tasks(host, [task])[task]
        except HarnessError as error:
            self.fault = f"{one_line(error)}: its classes and images have numbers for names"

    @property
    def card(self) -> DatasetCard | None:
        """The dataset's, where it is known here."""
        return self.bound.dataset.card if self.bound is not None else None

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes; empty where they are not known."""
        return self.card.classes if self.card is not None else ()

    def forget(self) -> None:
        """Let the split go, which may hold its images."""
        self.__dict__.pop("split", None)

    @cached_property
    def split(self) -> Split | None:
        """The test split; None, and a fault, where it is not on this machine or not the one that was measured."""
        if self.bound is None:
            return None
        dataset = self.bound.dataset
        measured = (self.facts.get("dataset") or {}).get("revision", dataset.card.revision)
        if measured != dataset.card.revision:
            self.fault = f"{self.task}: measured on revision {measured}, here is {dataset.card.revision}"
            return None
        try:
            with naming(f"dataset {dataset.card.name}"):
                if dataset.present:
                    return dataset.checked("test")
            self.fault = f"dataset {dataset.card.name} is not on this machine"
        except HarnessError as error:
            self.fault = one_line(error)
        self.fault += ": its images have numbers for names"
        return None

    def rows(self, targets: NDArray[Any], limit: int | None) -> NDArray[np.int64] | None:
        """The rows of the split that evidence with these targets (N,) or (N, C) is about.

        None where that cannot be told: the targets must be those of the images that a run with this limit uses.
        """
        split = self.split
        if split is None or self.bound is None:
            return None
        suite = make_suite({"models": ["any"], "tasks": [self.task], "limit": limit})
        used = subset(len(split), limit)[fold_indices(suite, self.bound)["test"].index]
        left_out = {str(name) for name in self.facts.get("excluded") or ()}
        if left_out:
            used = used[[split.ids[row] not in left_out for row in used]]
        if len(used) != len(targets) or not np.array_equal(np.asarray(split.targets)[used], targets):
            self.fault = f"{self.task}: the stored targets are not those of the dataset's test images here"
            return None
        return used


def called(classes: tuple[str, ...], label: int) -> str:
    """The name of a class, or its number."""
    return classes[label] if label < len(classes) else f"class {label}"


def listed(classes: tuple[str, ...], labels: Iterable[int]) -> str:
    """The names of an image's labels."""
    return ", ".join(called(classes, label) for label in labels) or "none"
