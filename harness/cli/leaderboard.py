"""``harness leaderboard``: the board of one or several run folders."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

import typer

from harness.cli.common import make_console, make_host, split_names, warn

if TYPE_CHECKING:
    from harness import api
    from harness.board import Board
    from harness.board.grouping import By
    from harness.planning import Plan
    from harness.suite import Ranking

SELECTIONS = ("primary", "first", "all")
SCREEN = "terminal"


def leaderboard(
    context: typer.Context,
    runs: list[Path] = typer.Argument(help="Run folders; several are merged."),
    suite: str = typer.Option(None, help="Exactly this suite's cells, the missing ones too, ranked by its rule."),
    models: list[str] = typer.Option(None, help="Only these models; * stands for anything: 'tiny-*'."),
    tasks: list[str] = typer.Option(None, help="Only these tasks: 'linear*@cifar10'."),
    columns: list[str] = typer.Option(
        None, help="primary (default): a metric a task; first: every metric; all: all of its scores; or patterns."
    ),
    group_by: str = typer.Option(None, help="A column for each domain, protocol, dataset or collection: mean scores."),
    sort: str = typer.Option("score", help="score, rank, model, average_rank, parameters, seconds… or a column."),
    reverse: bool = typer.Option(False, "--reverse", help="The other way round."),
    rank_by: str = typer.Option(None, help="score: mean score; logit: mean logit; rank: mean rank."),
    over: str = typer.Option(None, help="Compare models over images, tasks, or auto: what the records allow."),
    kind: str = typer.Option("both", help="both: all records; or only measured, submitted or reported ones."),
    cost: bool = typer.Option(False, "--cost", help="Add time, peak memory, images/s, parameters and FLOPs."),
    format: str = typer.Option(
        None, help="terminal, text, markdown, csv, json, latex, html, parquet, model-index; by default as --out ends."
    ),
    out: Path = typer.Option(None, help="Write to this file."),
) -> None:
    """Rank the models of finished records."""
    from harness import api
    from harness.board.grouping import GROUPS, grouped
    from harness.board.views import ordered, pick, with_costs

    _one_of("kind", kind, get_args(api.Kind))
    _one_of("group-by", group_by, GROUPS)
    style = _style(format, out)
    named = split_names(columns)
    wanted = split_names(models) or (), split_names(tasks) or ()
    plan = _planned(context, suite, *wanted) if suite else None
    among = ((), ()) if plan else wanted
    board = api.leaderboard(
        *runs,
        plan=plan,
        columns=_selection(named, plan),
        kind=cast("api.Kind", kind),
        models=among[0],
        tasks=among[1],
        ranking=asked_ranking(runs, plan, rank_by, over),
        warn=warn,
    )
    if named and named[0] not in SELECTIONS:
        board = pick(board, named)
    if group_by:
        board = grouped(board, cast("By", group_by))
    board = ordered(board, sort, reverse)
    _emit(with_costs(board) if cost and _tabular(style) else board, style, out)


def _one_of(option: str, given: str | None, known: Sequence[str]) -> None:
    from harness.errors import HarnessError, nearest

    if given is not None and given not in known:
        raise HarnessError(f"--{option} {given!r}: one of {', '.join(known)}{nearest(given, known)}")


def _style(format: str | None, out: Path | None) -> str:
    """The format asked for, else that of the file's ending, else the screen's."""
    from harness.board.formats import FORMATS
    from harness.errors import HarnessError

    _one_of("format", format, (SCREEN, *FORMATS))
    if out is None:
        return format or SCREEN
    endings = {f".{made.extension}": name for name, made in FORMATS.items()}
    found = format or endings.get(out.suffix)
    if found is None or found == SCREEN:
        raise HarnessError(f"--out {out}: name a --format that is for files, or end it in {', '.join(endings)}")
    return found


def _selection(named: Sequence[str] | None, plan: Plan | None) -> api.Selection:
    """The columns that the board is made with; patterns choose from all of them."""
    from harness import api
    from harness.errors import HarnessError

    if not named:
        return api.selection(plan.suite) if plan else "primary"
    if len(named) > 1 and (words := set(named) & set(SELECTIONS)):
        raise HarnessError(f"--columns {','.join(named)}: {words.pop()} stands alone, or give patterns only")
    return cast("api.Selection", named[0]) if named[0] in SELECTIONS else "all"


def _planned(context: typer.Context, suite: str, models: Sequence[str], tasks: Sequence[str]) -> Plan:
    """The suite's plan, with only the models and tasks that fit the patterns, if there are any."""
    from harness import api

    host = make_host(context)
    whole = api.plan(api.load_suite(suite, host), host)
    kept = _fitting("model", whole.models, models), _fitting("task", whole.tasks, tasks)
    return replace(
        whole,
        models={name: whole.models[name] for name in kept[0]},
        tasks={name: whole.tasks[name] for name in kept[1]},
        pairs={name: whole.pairs[name] for name in kept[1]},
        skips=tuple(skip for skip in whole.skips if skip.task in kept[1]),
    )


def _fitting(noun: str, names: Iterable[str], patterns: Sequence[str]) -> list[str]:
    """The names that fit one of the patterns, a bracket being part of a name; all without patterns."""
    from harness.errors import HarnessError, nearest

    names, kept = list(names), set[str]()
    for pattern in patterns or ("*",):
        fitting = {name for name in names if fnmatchcase(name, pattern.replace("[", "[[]"))}
        if not fitting:
            raise HarnessError(f"the suite has no {noun} {pattern!r}{nearest(pattern, names)}")
        kept |= fitting
    return [name for name in names if name in kept]


def asked_ranking(runs: Sequence[Path], plan: Plan | None, by: str | None, over: str | None) -> Ranking | None:
    """The rule of the suite or the runs with what was asked for instead; None where that is nothing."""
    from pydantic import ValidationError

    from harness import api
    from harness.errors import HarnessError, first_problem
    from harness.suite import Ranking

    fields = Ranking.model_fields
    _one_of("rank-by", by, get_args(fields["by"].annotation))
    _one_of("over", over, get_args(fields["over"].annotation))
    if by is None and over is None:
        return None
    known = plan.suite.ranking if plan else api.ranking_of(runs)
    asked = {"by": by or known.by, "over": over or ("auto" if by else known.over)}
    try:
        return Ranking.model_validate(known.model_dump() | asked)
    except ValidationError as error:
        raise HarnessError(f"--rank-by {asked['by']} --over {asked['over']}: {first_problem(error)}") from None


def _tabular(style: str) -> bool:
    from harness.board.formats import FORMATS

    return style == SCREEN or FORMATS[style].table


def _emit(board: Board, style: str, out: Path | None) -> None:
    """Print the board, or write it."""
    from harness.board.formats import encode
    from harness.board.terminal import table
    from harness.records import write_atomically

    if out is not None:
        write_atomically(out, encode(board, style))
        typer.echo(f"{style} in {out}", err=True)
    elif style == SCREEN:
        console = make_console()
        console.print(table(board, console.width))
    else:
        print(board.render(style), end="")
