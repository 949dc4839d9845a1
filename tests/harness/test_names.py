"""Names with arguments: what is written is what is read."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from harness.errors import PlanError
from harness.names import Ref, parse, parse_task, scalar, split_query, split_scheme

words = st.from_regex(r"[a-z][a-z0-9_-]{0,12}", fullmatch=True)
numbers = st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6, allow_nan=False).filter(lambda x: "e" not in repr(x))
simple = numbers | st.booleans()


def written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@given(words, st.lists(simple, max_size=4), st.dictionaries(words, simple, max_size=4))
def test_what_is_printed_is_parsed_back(name: str, args: list[Any], options: dict[str, Any]) -> None:
    inside = [*map(written, args), *(f"{key}={written(value)}" for key, value in options.items())]
    text = f"{name}[{', '.join(inside)}]" if inside else name
    ref = parse(text)
    assert (ref.name, ref.args, ref.options) == (name, tuple(args), options)
    assert str(ref) == text
    assert parse(str(ref)) == ref


@given(st.text(max_size=30))
def test_any_text_is_a_name_or_a_plan_error(text: str) -> None:
    with suppress(PlanError):
        assert parse(text).name


@given(st.text(max_size=20))
def test_any_text_is_a_scalar(text: str) -> None:
    assert isinstance(scalar(text), int | float | bool | str | tuple)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("8", 8), ("0.1", 0.1), ("true", True), ("shape", "shape"), (" a b ", "a b"), ("", ""), ("5w20s", "5w20s"),
        ("1|10|20", (1, 10, 20)), ("a|0.5", ("a", 0.5)), ("[1, 2]", "[1, 2]"), ("~", "~"), ("{a: 1}", "{a: 1}"),
        ("2020-13-45", "2020-13-45"), ("2020-01-02", "2020-01-02"), ("0x_", "0x_"), ("[", "["), ("'8'", "8"),
    ],
)  # fmt: skip
def test_scalars(text: str, value: Any) -> None:
    found = scalar(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", ["", "  ", "a[", "a]", "a[1]b", "[1]", "a[1", "a@b"])
def test_what_cannot_be_read_is_named(text: str) -> None:
    with pytest.raises(PlanError, match="cannot read the name"):
        parse(text)


def test_a_positional_value_after_a_named_one_is_an_error() -> None:
    with pytest.raises(PlanError, match="positional value '3' stands after a named one"):
        parse("knn[k=1, 3]")


def test_empty_brackets_are_no_arguments() -> None:
    assert parse("knn[]") == parse("knn") == Ref("knn")


@pytest.mark.parametrize("uri", ["timm:vit?pretrained=0", "folder:/a/b c", "arrays:x@y.npz", "ckpt:C:/x.pth?arch=a"])
def test_a_uri_keeps_its_rest_whole(uri: str) -> None:
    assert parse(uri) == Ref(uri)
    assert str(parse(uri)) == uri


def test_a_uri_may_have_brackets_at_its_end() -> None:
    assert parse("folder:/a/b[val=0.1]") == Ref("folder:/a/b", (), {"val": 0.1})


@given(words, words)
def test_a_task_is_a_protocol_at_a_dataset(protocol: str, dataset: str) -> None:
    assert parse_task(f"{protocol}[k=1]@{dataset}[2]") == (Ref(protocol, (), {"k": 1}), Ref(dataset, (2,)))


def test_a_task_on_a_uri() -> None:
    assert parse_task("linear@folder:/data/my@set") == (Ref("linear"), Ref("folder:/data/my@set"))


@pytest.mark.parametrize("text", ["linear", "@digits", "linear@", " @ ", ""])
def test_a_task_needs_both_sides(text: str) -> None:
    with pytest.raises(PlanError, match="expected PROTOCOL@DATASET"):
        parse_task(text)


def test_schemes() -> None:
    assert split_scheme("timm:resnet50") == ("timm:", "resnet50")
    assert split_scheme("py:a.b:c") == ("py:", "a.b:c")
    assert split_scheme("resnet50") is None
    assert split_scheme("timm:") is None


@given(words, st.dictionaries(words, numbers | words, max_size=3))
def test_queries(path: str, options: dict[str, Any]) -> None:
    assume(all(scalar(str(value)) == value for value in options.values()))
    text = path + ("?" + "&".join(f"{key}={value}" for key, value in options.items()) if options else "")
    assert split_query(text) == (path, options)
