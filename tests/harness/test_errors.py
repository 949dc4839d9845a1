"""Errors: one line, that says what to do, across processes."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import CorruptImageError, HarnessError, OutputError, PlanError, nearest, one_line


def test_errors_the_user_can_mend_share_a_base() -> None:
    assert all(issubclass(kind, HarnessError) for kind in (PlanError, OutputError, CorruptImageError))


def test_one_line_names_the_type_unless_the_message_is_written_for_the_user() -> None:
    assert one_line(HarnessError("do this")) == "do this"
    assert one_line(ValueError("a\n  b")) == "ValueError: a b"
    assert one_line(KeyError()) == "KeyError"
    assert one_line(HarnessError()) == "HarnessError"


@given(st.text())
def test_one_line_is_one_line(text: str) -> None:
    assert len(one_line(ValueError(text)).splitlines()) == 1


def test_a_corrupt_image_keeps_its_name_and_reason_through_pickle() -> None:
    error = pickle.loads(pickle.dumps(CorruptImageError("cat.jpg", "truncated")))
    assert (error.name, error.reason, str(error)) == ("cat.jpg", "truncated", "image cat.jpg: truncated")


@pytest.mark.parametrize(
    ("name", "hint"), [("lineer", "; did you mean 'linear'?"), ("zzzz", ""), ("", ""), ("knn", "; did you mean 'knn'?")]
)
def test_nearest(name: str, hint: str) -> None:
    assert nearest(name, ["linear", "knn"]) == hint
