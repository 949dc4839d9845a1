"""YAML with positions, validated by pydantic: every error says file, line, field, and what was expected."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from harness.errors import HarnessError, nearest, one_line

M = TypeVar("M", bound=BaseModel)
Location = tuple[str | int, ...]
Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class YamlFile:
    """A parsed YAML file that remembers the line of every field."""

    def __init__(self, path: Path) -> None:
        """Read and parse. Raises `HarnessError` when the file is absent, unreadable or no YAML."""
        self.path = path
        try:
            text = path.read_text(encoding="utf-8")
            node = yaml.compose(text, Loader=Loader)
            self.data: Any = yaml.load(text, Loader=Loader)
            self.lines = dict(_lines(node)) if node is not None else {}
        except FileNotFoundError:
            raise HarnessError(f"no such file: {path}") from None
        except (OSError, UnicodeDecodeError) as error:
            raise HarnessError(f"{path}: cannot be read: {error}") from None
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 0
            raise HarnessError(f"{path}:{line}: not valid YAML: {error.problem or error.context}") from None
        except RecursionError:
            raise HarnessError(f"{path}: nested too deeply: does an alias stand for itself?") from None
        except (yaml.YAMLError, ValueError) as error:  # ValueError: a date such as 2020-13-45
            raise HarnessError(f"{path}: not valid YAML: {one_line(error)}") from None

    def where(self, location: Location) -> str:
        """``file:line`` of a field, or of its nearest enclosing one."""
        while location and location not in self.lines:
            location = location[:-1]
        return f"{self.path}:{self.lines.get(location, 1)}"

    def validate(self, model: type[M], at: Location = ()) -> M:
        """The part of the file at `at` as a pydantic model. Raises `HarnessError` for the first bad field."""
        data = self.data
        for key in at:
            data = data[key]
        try:
            return model.model_validate(data if data is not None else {})
        except ValidationError as error:
            raise HarnessError(self.explain(error, model, at)) from None

    def explain(self, error: ValidationError, model: type[BaseModel], at: Location) -> str:
        """One line for the first of pydantic's errors, and how many more there are."""
        # a misspelt field is also a missing one: name what was written
        first, *rest = sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
        location = (*at, *first["loc"])
        name = ".".join(str(part) for part in location) or "(top level)"
        message = first["msg"][0].lower() + first["msg"][1:]
        if first["type"] == "extra_forbidden":
            message = f"unknown field{nearest(str(location[-1]), _fields(model, first['loc'][:-1]))}"
        elif first["type"] != "missing":
            message += f", got {first['input']!r:.80}"
        more = f" (and {len(rest)} more)" if rest else ""
        return f"{self.where(location)}: {name}: {message}{more}"


def _fields(model: type[BaseModel], location: Location) -> Iterable[str]:
    """The fields of the model nested at `location`: through its fields, and the values of ``dict[str, Model]``."""
    found: Any = model
    for part in location:
        found = found.model_fields[part].annotation if hasattr(found, "model_fields") else get_args(found)[-1]
    return found.model_fields if hasattr(found, "model_fields") else ()


def _lines(node: yaml.Node, at: Location = ()) -> Iterator[tuple[Location, int]]:
    """Each field's location and line, depth first."""
    yield at, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            name = getattr(key, "value", None)
            if isinstance(name, str):
                yield from _lines(value, (*at, name))
                yield (*at, name), key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _lines(value, (*at, index))
