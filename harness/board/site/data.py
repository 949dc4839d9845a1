"""The board as the JSON that the site's scripts read: ``data/board.js``."""

from __future__ import annotations

import base64
import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.board.numbers import decimals_of
from harness.board.site.texts import filled, flat, name, paragraphs, plain, public, rounded
from harness.board.table import Board, Column, Cost, Entry, Row, Standing
from harness.datasets import DatasetCard
from harness.draws import paired
from harness.plots.style import COLOURS, PARADIGMS, paradigm_style

FORMAT = 2
EXACT = 17
"""Significant digits that tell a number exactly: what a page rounds to show is then what the command line shows."""
MOST_EXACT = 20_000
"""Cells of a board whose numbers are exact; larger ones have five digits, and intervals in whole steps."""
HUES = (*COLOURS, PARADIGMS["none"].colour, PARADIGMS["unknown"].colour)
"""The colours of paradigms in figures; a page's classes ``hue0``, ``hue1``, … are of the same."""
MOST_CORRELATED = 300_000
"""Bytes of all correlations together; more are left out."""
LETTERS = {"failed": "f", "missing": "m", "skipped": "k", "measured": "d", "reported": "r", "submitted": "s"}
TEXTS = ("title", "method", "paradigm", "architecture", "data", "licence", "url", "citation")
OWN_FACTS = ("weights", "fingerprint", "architecture", "preprocess")
NOT_ENVIRONMENT = ("seconds", "peak_memory", "cost", "traceback", "reported")


def tasks_of(board: Board) -> list[str]:
    """The tasks of the board's columns, in order."""
    return list(dict.fromkeys(column.task for column in board.columns))


def board_data(board: Board, title: str, tasks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """All of the board but evidence; lists of a column are over models in the order of the rows.

    Args:
        tasks: from `task_facts`.
    """
    columns = list(zip(*(row.entries for row in board.rows), strict=True)) or [()] * len(board.columns)
    environments: dict[str, int] = {}
    told: list[dict[str, Any]] = []
    return {
        "format": FORMAT,
        "title": name(title),
        "date": board.date,
        "summary": board.summary,
        "footnotes": [public(note) for note in board.footnotes],
        "rule": public(board.rule.text),
        "by": board.rule.by,
        "over": board.rule.over,
        "counts": dict(board.counts),
        "hues": hues(row.paradigm for row in board.rows),
        "models": [_model(row, environments, told) for row in board.rows],
        "environments": told,
        "standing": _standing(board.rows),
        "ties": [list(tie) for tie in board.ties],
        "cost": {field: [rounded(getattr(row.cost, field)) for row in board.rows] for field in Cost._fields},
        **_scores(board.columns, columns),
        "sd": [
            [rounded(e.sd, 3) for e in entries] if any(e.sd is not None for e in entries) else None
            for entries in columns
        ],
        "n": [_shared([e.n for e in entries]) for entries in columns],
        "status": ["".join(map(_letter, entries)) for entries in columns],
        "overlap": _where(columns, lambda e: e.overlap),
        "caveats": _where(columns, lambda e: "†" in e.mark),
        "notes": _notes(columns),
        "correlation": correlations([entries[: len(board.ranked)] for entries in columns]),
        "tasks": list(tasks),
    }


def hues(paradigms: Iterable[str]) -> dict[str, int]:
    """The number of each paradigm's colour, which is that of the figures."""
    styles = paradigm_style(paradigms)
    return {public(paradigm): HUES.index(style.colour) for paradigm, style in styles.items() if paradigm}


def _scores(columns: Sequence[Column], cells: Sequence[Sequence[Entry]]) -> dict[str, Any]:
    """Columns, values and the ends of intervals; of a large board the distances to these, in steps of the column."""
    described = [_column(column, entries) for column, entries in zip(columns, cells, strict=True)]
    if sum(map(len, cells)) <= MOST_EXACT:
        ends = {
            field: [[rounded(getattr(e, field), EXACT) for e in entries] for entries in cells]
            for field in ("value", "low", "high")
        }
        return {"columns": described, "values": ends["value"], "low": ends["low"], "high": ends["high"]}
    steps = [1 if column["decimals"] is None else float(f"1e-{column['decimals'] + 1}") for column in described]
    each = list(zip(cells, steps, strict=True))
    return {
        "columns": [{**column, "step": step} for column, step in zip(described, steps, strict=True)],
        "values": [[rounded(e.value) for e in entries] for entries in cells],
        "down": [[_steps(e.value, e.low, step) for e in entries] for entries, step in each],
        "up": [[_steps(e.high, e.value, step) for e in entries] for entries, step in each],
    }


def _notes(columns: Sequence[Sequence[Entry]]) -> dict[str, Any]:
    """What there is to say of scores: the distinct texts, and for each column that has any the number of each model's,
    0 for none."""
    texts: dict[str, int] = {"": 0}
    at = [[texts.setdefault(public(e.note), len(texts)) for e in entries] for entries in columns]
    return {"texts": list(texts), "at": [places if any(places) else None for places in at]}


def _where(columns: Iterable[Sequence[Entry]], told: Callable[[Entry], bool]) -> list[list[int]]:
    return [[i for i, e in enumerate(entries) if told(e)] for entries in columns]


def _steps(high: float | None, low: float | None, step: float) -> float | None:
    """A distance in steps: whole ones, as the column's numbers show no finer; to three digits where they may."""
    if high is None or low is None or not math.isfinite(high - low):
        return None
    return rounded(high - low, 3) if step == 1 else round((high - low) / step)


def _shared(numbers: list[int]) -> list[int] | int:
    """One number where all that there are agree (0 where there are none)."""
    known = {n for n in numbers if n}
    return numbers if len(known) > 1 else next(iter(known), 0)


def _letter(entry: Entry) -> str:
    return LETTERS[entry.kind if entry.status == "done" else entry.status]


def _column(column: Column, entries: Sequence[Entry]) -> dict[str, Any]:
    values = [e.value for e in entries if e.value is not None]
    ends = [end for e in entries for end in (e.value, e.low, e.high) if end is not None]
    card = column.dataset_card
    texts = ("name", "task", "protocol", "dataset", "metric", "variant", "measure", "heading", "unit")
    return {
        **{text: name(getattr(column, text)) for text in texts},
        "title": public(card.get("title") or ""),
        "domain": plain(column.domain),
        "collection": plain(column.collection),
        "near": column.near,
        "classes": card.get("classes"),
        "note": public(column.note),
        "description": public(column.description),
        "sample": "episodes" if "episode" in column.metric else "images",
        "limit": column.limit,
        "ranked": column.ranked,
        "better": {True: 1, False: -1, None: 0}[column.higher_is_better],
        "decimals": decimals(values, column.unit),
        "bounds": [rounded(bound) for bound in column.bounds],
        "range": [rounded(min(ends)), rounded(max(ends))] if ends else [None, None],
        "facts": column_facts(column),
    }


def column_facts(column: Column) -> dict[str, Any]:
    """How the column's numbers are made, in flat terms: versions, parameters, revision, precision, decoder."""
    known = {key: column.facts.get(key) or {} for key in ("task", "dataset", "metric")}
    parts = {
        "task version": known["task"].get("version"),
        "parameters": known["task"].get("parameters"),
        "dataset revision": known["dataset"].get("revision"),
        "metric version": known["metric"].get("version"),
        "precision": column.facts.get("precision"),
        "decoder": column.facts.get("decoder"),
    }
    return flat({key: value for key, value in parts.items() if value is not None})


def decimals(values: Sequence[float], unit: str) -> int | None:
    """Digits after the point that suit a column's values; None where they take an exponent."""
    sizes = [abs(value) for value in values if value]
    return decimals_of(statistics.median_low(sizes), unit) if sizes else decimals_of(0.0, unit)


def _model(row: Row, environments: dict[str, int], told: list[dict[str, Any]]) -> dict[str, Any]:
    """A model's card and provenance; what its environment shares with others goes to `told`, once."""
    card = {**row.card, "paradigm": row.paradigm}
    found: dict[str, Any] = {"name": name(row.model)}
    found |= {key: public(card[key]) for key in TEXTS if card.get(key) not in (None, "")}
    numbers = {"parameters": card.get("parameters") or row.cost.parameters, "epochs": card.get("epochs")}
    found |= {key: number for key, value in numbers.items() if (number := _number(value)) is not None}
    rest = flat({key: value for key, value in card.items() if key not in (*TEXTS, *numbers, "name")})
    own = flat({key: row.facts[key] for key in OWN_FACTS if key in row.facts})
    found |= filled({"card": rest, "provenance": own})
    if around := environment(row.provenance):
        found["environment"] = environments.setdefault(repr(around), len(told))
        if found["environment"] == len(told):
            told.append(around)
    return found


def _number(value: Any) -> float | None:
    return rounded(value, 6) if isinstance(value, int | float) and not isinstance(value, bool) else None


def environment(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """What a record says of where it was made, without what it cost."""
    facts = {key: value for key, value in provenance.items() if key not in NOT_ENVIRONMENT}
    if isinstance(plugins := facts.get("plugins"), Mapping):
        facts["plugins"] = sorted(set(map(str, plugins.values())))
    return flat(facts)


def _standing(rows: Sequence[Row]) -> dict[str, list[float | None]]:
    """By field, over all models; None for the unranked. `rank` is the average rank."""

    def field(get: Callable[[Standing], float | None]) -> list[float | None]:
        return [None if row.standing is None else rounded(get(row.standing), EXACT) for row in rows]

    return {
        "score": field(lambda s: s.score),
        "low": field(lambda s: s.low),
        "high": field(lambda s: s.high),
        "rank": [rounded(row.average_rank) for row in rows],
        "best": field(lambda s: s.best),
        "worst": field(lambda s: s.worst),
    }


def correlations(columns: Sequence[Sequence[Entry]]) -> list[str | None] | None:
    """Of each column, how the paired draws of every two ranked models correlate, for the interval of a difference.

    ``round(127 * r)`` as int8, the upper triangle row by row, in base64; -128 where a model has no draws. None for a
    column without draws, and altogether where they would be too large.
    """
    models = max(map(len, columns), default=0)
    drawn = sum(any(e.draws is not None for e in entries) for entries in columns)
    if models < 2 or not drawn or drawn * models * (models - 1) // 2 * 4 / 3 > MOST_CORRELATED:
        return None
    return [_correlation(entries) for entries in columns]


def _correlation(entries: Sequence[Entry]) -> str | None:
    having = [i for i, e in enumerate(entries) if e.draws is not None]
    draws = paired(entries[i].draws for i in having) if len(having) > 1 else None
    if draws is None:
        return None
    whole: NDArray[np.float64] = np.full((len(entries), len(entries)), -128 / 127)
    centred = draws - draws.mean(0)
    size = np.sqrt((centred**2).sum(0))
    unit = np.divide(centred, size, out=np.zeros_like(centred), where=size > 0)
    whole[np.ix_(having, having)] = (unit.T @ unit).clip(-1, 1)
    codes = np.rint(127 * whole[np.triu_indices(len(entries), 1)]).astype(np.int8)
    return base64.b64encode(codes.tobytes()).decode()


def task_facts(board: Board, task: str, doc: str | None, card: DatasetCard | None, detail: bool) -> dict[str, Any]:
    """What a task's page says of it.

    Args:
        doc: its protocol's docstring, where installed.
        card: its dataset's `DatasetCard`, where known here; else what records say of the dataset.
    """
    places = [j for j, column in enumerate(board.columns) if column.task == task]
    column = board.columns[places[0]]
    facts = dict(column.dataset_card)
    return {
        "name": name(task),
        "protocol": name(column.protocol),
        "dataset": name(column.dataset),
        "title": plain(card.title if card else facts.get("title") or ""),
        "domain": plain(column.domain),
        "kind": plain(card.kind if card else facts.get("kind") or ""),
        "classes": card.num_classes if card else facts.get("classes"),
        "licence": plain(card.licence if card else ""),
        "url": plain(card.url if card else ""),
        "citation": plain(card.citation if card else ""),
        "description": [text.replace("`", "") for text in paragraphs(doc)],
        "columns": places,
        "detail": detail,
    }
