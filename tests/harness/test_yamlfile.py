"""YAML errors say file, line, field, what was expected and the nearest valid name."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict

from harness.errors import HarnessError
from harness.yamlfile import YamlFile


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    colour: Literal["red", "green"] = "red"
    size: int = 1


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    limit: int | None = None
    inner: Inner = Inner()
    named: dict[str, Inner] = {}
    listed: list[Inner] = []


@pytest.fixture
def fails(tmp_path: Path):
    def complain(text: str, at: tuple[str, ...] = ()) -> str:
        path = tmp_path / "suite.yaml"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(HarnessError) as caught:
            YamlFile(path).validate(Outer, at)
        assert "\n" not in str(caught.value)
        return str(caught.value).replace(str(tmp_path) + "/", "")

    return complain


def test_a_valid_file(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("name: é\nnamed:\n  x: {size: 2}\n", encoding="utf-8")
    assert YamlFile(path).validate(Outer) == Outer(name="é", named={"x": Inner(size=2)})
    assert YamlFile(path).validate(Inner, ("named", "x")) == Inner(size=2)


def test_lines_of_fields_and_of_their_nearest_parents(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("\nname: a\nlisted:\n  - size: 1\n  -\n    size: 2\n")
    file = YamlFile(path)
    assert file.where(("name",)) == f"{path}:2"
    assert file.where(("listed", 1, "size")) == f"{path}:6"
    assert file.where(("listed", 0, "colour")) == f"{path}:4"
    assert file.where(("absent",)) == file.where(("absent", 0)) == f"{path}:2"


def test_a_syntax_error(fails) -> None:
    message = fails("name: a\nlimit: [1, 2\nother: 3\n")
    assert message.startswith("suite.yaml:3: not valid YAML")
    assert fails("name: a\n\tlimit: 1").startswith("suite.yaml:2: not valid YAML")


@pytest.mark.parametrize("text", ["name: \x01", "name: 2020-13-45", "name: !!python/object:os.system x", "? [a]\n: b"])
def test_what_yaml_cannot_hold(fails, text: str) -> None:
    assert "not valid YAML" in fails(text)


def test_a_wrong_type_says_what_was_expected_and_found(fails) -> None:
    assert fails("name: a\nlimit: many\n") == (
        "suite.yaml:2: limit: input should be a valid integer, unable to parse string as an integer, got 'many'"
    )
    assert "inner.colour: input should be 'red' or 'green', got 'blue'" in fails("name: a\ninner:\n  colour: blue\n")


def test_an_unknown_field_gets_the_nearest_of_its_own_level(fails) -> None:
    assert fails("name: a\nlimt: 3\n") == "suite.yaml:2: limt: unknown field; did you mean 'limit'?"
    assert fails("name: a\ninner:\n  sise: 3\n") == "suite.yaml:3: inner.sise: unknown field; did you mean 'size'?"
    text = "name: a\nnamed:\n  x:\n    color: red\n"
    assert fails(text) == "suite.yaml:4: named.x.color: unknown field; did you mean 'colour'?"
    assert "did you mean 'colour'?" in fails("name: a\nlisted:\n- {colr: red}\n")
    assert fails("name: a\nzzz:\n  x: 3\n") == "suite.yaml:2: zzz: unknown field"
    assert fails("name: a\nzzz: 3\n") == "suite.yaml:2: zzz: unknown field"


def test_a_missing_field(fails) -> None:
    assert fails("limit: 3\n") == "suite.yaml:1: name: field required"
    assert fails("") == "suite.yaml:1: name: field required"


def test_further_errors_are_counted(fails) -> None:
    assert fails("limit: x\ninner: 3\n").endswith("(and 2 more)")


def test_a_list_is_no_mapping(fails) -> None:
    assert fails("- a\n").startswith("suite.yaml:1: (top level): input should be a valid dictionary")


def test_errors_below_the_top_keep_their_place(fails) -> None:
    text = "suites:\n  mine:\n    limt: 3\n    name: a\n"
    assert fails(text, ("suites", "mine")) == "suite.yaml:3: suites.mine.limt: unknown field; did you mean 'limit'?"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="no such file"):
        YamlFile(tmp_path / "absent.yaml")
    with pytest.raises(HarnessError, match="cannot be read"):
        YamlFile(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"name: \xe9\n")
    with pytest.raises(HarnessError, match="cannot be read"):
        YamlFile(tmp_path / "latin.yaml")


def test_an_alias_of_itself(fails) -> None:
    assert "nested too deeply: does an alias stand for itself" in fails("name: &x [*x]\n")
