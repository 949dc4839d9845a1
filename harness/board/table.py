"""The board as plain data: what every renderer and analysis reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from harness.draws import Draws
from harness.records import Kind

if TYPE_CHECKING:
    from harness.evidence import Evidence

Status = Literal["done", "failed", "missing", "skipped"]
Selection = Literal["primary", "first", "all"]


@dataclass(frozen=True)
class Column:
    """One task × metric × variant.

    Attributes:
        ranked: whether the average rank counts this column.
        bounds: the metric's least and greatest value; None where it has none.
        higher_is_better: None where neither is, and nobody ranked.
        limit: images a split that every score of the column was made with (``--limit``); None for all of them.
        note: what a reader must know to compare the column's scores, such as that some were made with a limit.
        description: what the column measures, where the plan told.
        dataset_card: of the dataset, as records hold it: title, domain, near, collection, kind, classes, within.
        facts: what its newest record says of how the number is made: task, dataset, metric, precision, decoder.
    """

    task: str
    metric: str
    variant: str = ""
    unit: str = ""
    higher_is_better: bool | None = True
    ranked: bool = True
    bounds: tuple[float | None, float | None] = (None, None)
    limit: int | None = None
    note: str = ""
    description: str = ""
    dataset_card: Mapping[str, Any] = field(default_factory=dict, hash=False)
    facts: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def protocol(self) -> str:
        return self.task.partition("@")[0]

    @property
    def dataset(self) -> str:
        return self.task.partition("@")[2]

    @property
    def domain(self) -> str:
        """The dataset's, from its card; ``unknown`` where that does not tell."""
        return str(self.dataset_card.get("domain") or "unknown")

    @property
    def near(self) -> bool | None:
        """Whether the dataset resembles ImageNet's photographs; None where its card does not tell."""
        near = self.dataset_card.get("near")
        return None if near is None else bool(near)

    @property
    def collection(self) -> str:
        """The published set of datasets that it belongs to; empty for none."""
        return str(self.dataset_card.get("collection") or "")

    @property
    def measure(self) -> str:
        """Metric and variant, ``top1[k=20]``."""
        return f"{self.metric}[{self.variant}]" if self.variant else self.metric

    @property
    def name(self) -> str:
        """``linear@digits top1``; no two columns of a board share it."""
        return f"{self.task} {self.measure}"

    @property
    def heading(self) -> str:
        """Metric, unit and the direction that is better, if one is: ``top1 % ↑``."""
        arrow = {True: "↑", False: "↓", None: ""}[self.higher_is_better]
        return " ".join(filter(None, (self.measure, self.unit, arrow)))


@dataclass(frozen=True)
class Entry:
    """What stands at a model's row and a column.

    Attributes:
        value, low, high: the score and its 95 % interval; over several seeds each is the seeds' mean. None unless done.
        sd: sample standard deviation over seeds, from two seeds on.
        n: test images behind the score.
        place: 1 for the best of the column, 2 for the second best; ties share.
        rank: fractional rank among the ranked models; see `Board`.
        mark: ``‡`` for a reported score, ``§`` for a submitted one, ``◊`` for a model trained on the dataset, ``†`` for
            a caveat, spelled out in `note` and the footnotes.
        note: why it failed or was skipped, how it was aggregated, what else there is.
        overlap: whether the model was trained on images of the dataset, as their cards say.
        draws: of the bootstrap, where the column's metric is a dataset's primary one; over several seeds their mean.
    """

    status: Status
    value: float | None = None
    low: float | None = None
    high: float | None = None
    sd: float | None = None
    n: int = 0
    seeds: int = 0
    kind: Kind = "measured"
    limit: int | None = None
    place: int | None = None
    rank: float | None = None
    mark: str = ""
    note: str = ""
    overlap: bool = False
    draws: Draws | None = field(default=None, repr=False, compare=False)

    @property
    def half(self) -> float | None:
        """Half the width of the interval."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


class Standing(NamedTuple):
    """Where a ranked model stands.

    Attributes:
        score: what the order is by: 0 to 100, or the average rank; with its 95 % interval, where one can be given.
        rank: its position, 1 for the first.
        best, worst: the 95 % interval of its rank, of all models together; None where nothing can be told.
    """

    score: float
    low: float | None
    high: float | None
    rank: int
    best: int | None
    worst: int | None


class Cost(NamedTuple):
    """What a model costs; None where no record tells.

    Attributes:
        seconds: of all its measured cells: passes, tasks and metrics.
        images_per_second: of the encoder's pass.
        peak_memory: bytes, of the accelerator where there is one, else of the process.
        parameters, flops: of the encoder; floating-point operations of one image's forward pass.
    """

    seconds: float | None = None
    images_per_second: float | None = None
    peak_memory: int | None = None
    parameters: int | None = None
    flops: int | None = None


UNKNOWN = Cost()


@dataclass(frozen=True)
class Row:
    """One model: its entries in the order of the columns, and its standing if it has a score in all that count.

    Attributes:
        average_rank: the mean of its fractional ranks in the columns that count (ties share the mean of the places),
            weighed as the board's rule says.
        card, facts, provenance: of the model and its newest record.
    """

    model: str
    paradigm: str
    average_rank: float | None
    entries: tuple[Entry, ...]
    card: Mapping[str, Any] = field(default_factory=dict)
    standing: Standing | None = None
    cost: Cost = UNKNOWN
    facts: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)


class Pair(NamedTuple):
    """One score of two models' evidence."""

    model: str
    partner: str
    task: str
    metric: str
    variant: str
    value: float
    low: float | None
    high: float | None
    seed: int


class Rule(NamedTuple):
    """How the rows were ordered and compared.

    Attributes:
        by: ``score``, ``logit`` or ``rank``; see `harness.suite.Ranking`.
        over: ``images`` or ``tasks``; empty where neither can be had, so that nothing is said of uncertainty.
        text: for people, in a line.
        weights: of the columns that count, by name; they sum to 1.
    """

    by: str
    over: str
    text: str
    weights: Mapping[str, float] = {}


UNRULED = Rule("score", "", "")


@dataclass(frozen=True)
class Board:
    """Records as a ranked table.

    Rows are in the order of their standing, which `rule` spells out. A model that lacks a score in a ranked column has
    none, takes no place from others, and stands below those that have one.

    Attributes:
        columns: grouped by dataset.
        rows: by standing, then name; those without one by name.
        rule: how they were ordered.
        ties: runs (first, last) of ranked rows that the evidence does not tell apart, each as long as can be.
        footnotes: caveats, failures with their reasons, what the marks mean.
        counts: models, ranked, columns, done, failed, missing, skipped, reported, pairs.
        date: UTC time of the newest record, ISO 8601; empty without records.
        pairs: the scores of pairs of models, which are no part of the table.
        selection: ``primary`` when only the datasets' primary metrics are shown, ``first`` when only the first
            variant of each metric is.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    footnotes: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    date: str = ""
    selection: Selection = "primary"
    pairs: tuple[Pair, ...] = ()
    rule: Rule = UNRULED
    ties: tuple[tuple[int, int], ...] = ()
    stored: Callable[[str, str], Mapping[str, Evidence] | None] | None = field(default=None, repr=False, compare=False)

    def evidence(self, model: str, task: str) -> Mapping[str, Evidence] | None:
        """The stored evidence of a model's task by variant, of its first seed; None where it is not on this machine."""
        return self.stored(model, task) if self.stored is not None else None

    @property
    def ranked(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.standing is not None)

    @property
    def unranked(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.standing is None)

    @property
    def summary(self) -> str:
        """The counts as a line: ``10 models · 6 columns · 58 scores · 1 failed``."""
        told = {"models": "model", "columns": "column", "done": "score"} | {
            kind: kind for kind in ("submitted", "reported", "failed", "missing", "skipped")
        }
        many = ((self.counts.get(k, 0), word, "s" * (word != k)) for k, word in told.items())
        return " · ".join(f"{n} {word}{s if n > 1 else ''}" for n, word, s in many if n)

    def entry(self, model: str, column: str) -> Entry:
        """The entry of a model at a column by `Column.name`. Raises `KeyError` for a name that is not on the board."""
        rows = {row.model: row for row in self.rows}
        places = {c.name: i for i, c in enumerate(self.columns)}
        return rows[model].entries[places[column]]

    def to_dict(self) -> dict[str, Any]:
        """All of the table as JSON values."""
        rows = tuple(
            replace(row, entries=tuple(replace(e, draws=None) if e.draws is not None else e for e in row.entries))
            for row in self.rows
        )
        found = asdict(replace(self, rows=rows, stored=None, pairs=()))
        found["rule"] = self.rule._asdict() | {"weights": dict(self.rule.weights)}
        for row, made in zip(rows, found["rows"], strict=True):
            made["standing"], made["cost"] = row.standing and row.standing._asdict(), row.cost._asdict()
            made["entries"] = [{name: e[name] for name in e if name != "draws"} for e in made["entries"]]
        return {name: value for name, value in found.items() if name not in ("stored", "pairs")}

    def render(self, format: str) -> str:
        """The board in one of `harness.board.formats.FORMATS`. Raises `HarnessError` for an unknown format."""
        from harness.board.formats import render

        return render(self, format)

    def __str__(self) -> str:
        return self.render("text")
