from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from rich.console import Console

from harness.board import Board, build
from harness.board.terminal import table
from harness.records import Record

Make = Callable[..., Record]


@pytest.fixture
def board(make: Make) -> Board:
    """Ten models by six columns with long names, one cell failed."""
    tasks = [
        "linear@digits",
        "knn@digits",
        "linear@scenes[shape]",
        "knn@scenes[shape]",
        "linear@scenes[colour]",
        "knn@dtd",
    ]
    records = [
        make(f"tiny-model-{i}", t, 80.0 + i + j / 10, card={"paradigm": "non-contrastive"})
        for i in range(10)
        for j, t in enumerate(tasks)
        if (i, j) != (3, 3)
    ]
    return build([*records, make("tiny-model-3", tasks[3], reason="NaN")], title="quickstart")


def printed(board: Board, width: int, color: bool = False) -> str:
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=color, color_system="truecolor" if color else None)
    console.print(table(board, width))
    return file.getvalue()


def test_six_tasks_with_intervals_fit_in_100_columns(board: Board) -> None:
    lines = printed(board, 100).splitlines()
    row = next(line.split() for line in lines if line.strip().startswith("tiny-model-9"))
    assert row[:3] == ["tiny-model-9", "(1)", "89.3"]
    assert row[3::2] == ["89.1", "89.0", "89.5", "89.4", "89.3", "89.2"]
    assert row[4::2] == ["±1.0"] * 6
    assert sum("tiny-model" in line and "±" in line for line in lines) == 10, "one line a model"


def test_a_wide_terminal_shows_paradigms_and_a_narrow_one_less(board: Board) -> None:
    assert "non-contrastive" in printed(board, 140)
    assert "non-contrastive" not in printed(board, 100)
    narrow = printed(board, 80)
    assert "tiny-model-9" in narrow
    assert max(map(len, narrow.splitlines())) <= 80


def test_a_board_too_wide_is_cut_without_loss(board: Board) -> None:
    text = printed(board, 50)
    assert text.count("tiny-model-9") > 1
    rows = [line.split() for line in text.splitlines() if "tiny-model-9" in line]
    assert rows[0][1:3] == ["(1)", "89.3"], "its rank and score, once"
    numbers = [word for row in [rows[0][3:], *rows[1:]] for word in row if word.startswith("89.")]
    assert sorted(numbers) == ["89.0", "89.1", "89.2", "89.3", "89.4", "89.5"]


def test_every_column_too_wide_stands_alone(make: Make) -> None:
    board = build(make("m" * 60, f"t{i}@d", 50.0 + i) for i in range(3))
    text = printed(board, 20)
    assert all(f"5{i}.0" in text for i in range(3))


def test_the_best_is_bold_green_and_the_second_underlined(make: Make) -> None:
    text = printed(build(make(m, "linear@digits", v) for m, v in (("a", 93.0), ("b", 90.0))), 100, color=True)
    assert "\x1b[1;32m93.0" in text
    assert "\x1b[4m90.0" in text


def test_failures_and_footnotes_show(board: Board) -> None:
    text = printed(board, 100)
    assert "failed" in next(line for line in text.splitlines() if "tiny-model-3" in line)
    assert "tiny-model-3 failed in knn@scenes[shape] top1: NaN" in " ".join(text.split())


def test_names_are_no_markup(make: Make) -> None:
    board = build([make("[red]x[/red]\x1b[2J", "linear@[bold]d", 90.0)], title="[blink]t")
    text = printed(board, 100)
    assert "[red]x[/red]" in text
    assert "[blink]t" in text
    assert "\x1b" not in text


def test_an_empty_board_prints() -> None:
    assert "quickstart" in printed(build([], title="quickstart"), 100)
