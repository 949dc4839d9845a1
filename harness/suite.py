"""Suites: what to run, as validated data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from harness.errors import HarnessError, nearest
from harness.yamlfile import YamlFile

Precision = Literal["fp32", "tf32", "bf16", "fp16"]


class Ranking(BaseModel):
    """How a suite's scores become one order of its models; printed on every board.

    Attributes:
        by: ``score`` is the mean of the scores, each on 0 to 100 by its metric's bounds and direction; ``logit`` their
            mean on the logit scale, shown back on 0 to 100; ``rank`` the mean of their ranks in each column.
        over: what the intervals and comparisons speak of: other test ``images`` of these very tasks, or other ``tasks``
            on datasets like these (at least six). ``auto`` takes images where every score has draws, else tasks.
        group: columns of one group are averaged first, so that each group counts the same, or by its weight.
        weights: of groups by name; those not named count 1. Without groups, of columns by name.
        require: patterns of the columns that count: of tasks (``linear*@*``), which mean their primary ones, or of
            names (``knn@* ece``); by default every primary one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    by: Literal["score", "logit", "rank"] = "score"
    over: Literal["auto", "images", "tasks"] = "auto"
    group: Literal["dataset", "protocol", "domain", "collection", "none"] = "dataset"
    weights: dict[str, float] = Field(default_factory=dict)
    require: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.by == "rank" and self.over == "images":
            raise ValueError("ranks can be compared over tasks only: a rank jumps where images change a score little")
        if bad := [name for name, weight in self.weights.items() if not 0 < weight < float("inf")]:
            raise ValueError(f"the weight of {bad[0]} must be a positive number")
        return self


class Suite(BaseModel):
    """Models, tasks and metrics to cross, and how. Every field may stand in a YAML file or be overridden per run.

    Attributes:
        models: catalogue names or URIs; ``group:*`` patterns match catalogue names (``tiny-*``).
        tasks: ``protocol@dataset``.
        metrics: names, or ``all``: the planner pairs them with tasks by evidence type.
        seeds: each cell is computed once a seed.
        limit: use at most this many images of each split (marked on the board).
        precision: of the encoder's forward pass.
        decoder: ``torchvision`` (fast, within one grey level) or ``pil`` (the reference).
        bad_images: a corrupt image fails the cells that need it, or is left out and counted.
        resamples: of the bootstrap behind every interval.
        ranking: how the scores are put together; changes no score.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = "suite"
    description: str = ""
    models: tuple[str, ...] = Field(min_length=1)
    tasks: tuple[str, ...] = Field(min_length=1)
    metrics: tuple[str, ...] = ("all",)
    seeds: tuple[int, ...] = Field((0,), min_length=1)
    limit: int | None = Field(None, ge=2)
    precision: Precision = "fp32"
    decoder: Literal["torchvision", "pil"] = "torchvision"
    bad_images: Literal["fail", "exclude"] = "fail"
    resamples: int = Field(1000, ge=0, le=100_000)
    ranking: Ranking = Ranking()

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) != len(seeds):
            raise ValueError("a seed is given twice")
        return seeds


def make_suite(fields: Mapping[str, Any]) -> Suite:
    """A suite from its fields. Raises `HarnessError` naming the one that does not fit."""
    try:
        return Suite.model_validate(dict(fields))
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        hint = nearest(name, Suite.model_fields) if first["type"] == "extra_forbidden" else ""
        raise HarnessError(f"suite: {name}: {first['msg']}, got {first['input']!r:.80}{hint}") from None


def read_suite(path: Path) -> Suite:
    """A suite from a YAML file. Raises `HarnessError` with file, line and field for anything that does not fit."""
    suite = YamlFile(path).validate(Suite)
    return suite if "name" in suite.model_fields_set else suite.model_copy(update={"name": path.stem})
