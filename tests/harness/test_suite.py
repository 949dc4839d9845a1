"""Suites: what is written is what is read, and what does not fit is told with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.errors import HarnessError, PlanError
from harness.lookup import find_suite
from harness.plugins import Host
from harness.suite import Suite, make_suite, read_suite

names = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=20)
some = st.lists(names, min_size=1, max_size=4).map(tuple)
suites = st.builds(
    Suite,
    name=names,
    description=names,
    models=some,
    tasks=some,
    metrics=some,
    seeds=st.lists(st.integers(0, 2**31), min_size=1, max_size=3, unique=True).map(tuple),
    limit=st.none() | st.integers(2, 10**6),
    precision=st.sampled_from(["fp32", "tf32", "bf16", "fp16"]),
    decoder=st.sampled_from(["torchvision", "pil"]),
    bad_images=st.sampled_from(["fail", "exclude"]),
    resamples=st.integers(0, 100_000),
)


@given(suites)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_suite_survives_its_file(tmp_path: Path, suite: Suite) -> None:
    path = tmp_path / "suite.yaml"
    path.write_text(yaml.safe_dump(suite.model_dump(mode="json"), allow_unicode=True), encoding="utf-8")
    assert read_suite(path) == suite


def test_a_suite_without_a_name_has_its_files(tmp_path: Path) -> None:
    path = tmp_path / "transfer.yaml"
    path.write_text("models: [a]\ntasks: [b@c]\n")
    assert read_suite(path) == Suite(name="transfer", models=("a",), tasks=("b@c",))
    path.write_text("name: own\nmodels: [a]\ntasks: [b@c]\n")
    assert read_suite(path).name == "own"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("models: [a]", "suite.yaml:1: tasks: field required"),
        ("models: []\ntasks: [b]", "suite.yaml:1: models: "),
        ("models: [a]\ntasks: b", "suite.yaml:2: tasks: input should be a valid tuple"),
        ("models: [a]\ntasks: [b]\nmetric: [c]", "suite.yaml:3: metric: unknown field; did you mean 'metrics'?"),
        ("models: [a]\ntasks: [b]\nprecision: fp8", "suite.yaml:3: precision: input should be 'fp32', 'tf32', 'bf16'"),
        ("models: [a]\ntasks:\n- b\n- 3", "suite.yaml:4: tasks.1: input should be a valid string, got 3"),
        ("models: [a]\ntasks: [b]\nlimit: 1", "suite.yaml:3: limit: input should be greater than or equal to 2, got 1"),
        ("models: [a]\ntasks: [b]\nseeds: []", "suite.yaml:3: seeds: "),
    ],
)
def test_what_does_not_fit(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "suite.yaml"
    path.write_text(text)
    with pytest.raises(HarnessError) as caught:
        read_suite(path)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"models": ["a"], "tasks": ["b"], "limt": 3},
         "suite: limt: Extra inputs are not permitted, got 3; did you mean 'limit'?"),
        ({"models": ["a"], "tasks": ["b"], "limit": "x"}, "suite: limit: Input should be a valid integer"),
        ({"models": ["a"]}, "suite: tasks: Field required"),
    ],
)  # fmt: skip
def test_fields_that_do_not_fit(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(HarnessError) as caught:
        make_suite(fields)
    assert str(caught.value).startswith(message)


def test_a_suite_from_fields() -> None:
    assert make_suite({"models": ["a"], "tasks": ["b@c"]}) == Suite(models=("a",), tasks=("b@c",))


def test_a_suite_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Suite(models=("a",), tasks=("b",)).limit = 3  # type: ignore[misc]


def test_suites_by_name_and_by_path(host: Host, tmp_path: Path) -> None:
    assert find_suite(host, "quickstart").name == "quickstart"
    path = tmp_path / "mine.yml"
    path.write_text("models: [a]\ntasks: [b@c]\n")
    assert find_suite(host, str(path)).name == "mine"
    path.rename(tmp_path / "plain")
    assert find_suite(host, str(tmp_path / "plain")).name == "plain"


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("quikstart", PlanError, "no suite named 'quikstart'; did you mean 'quickstart'?"),
        ("absent.yaml", HarnessError, "no such file: absent.yaml"),
    ],
)
def test_a_suite_that_is_not_there(host: Host, name: str, kind: Any, message: str) -> None:
    with pytest.raises(kind) as caught:
        find_suite(host, name)
    assert message in str(caught.value)


def test_a_seed_counts_once() -> None:
    with pytest.raises(HarnessError, match=r"seeds: .*twice"):
        make_suite({"models": ["a"], "tasks": ["b"], "seeds": [0, 0]})
