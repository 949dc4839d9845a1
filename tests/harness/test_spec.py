"""The contract: every hook is documented, every hook is called, and using it imports nothing heavy."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from harness import hookimpl, metric, spec
from harness.api import plan, run
from harness.errors import UndefinedError
from harness.evidence import Predictions
from harness.models import Model
from harness.plugins import KINDS, Host
from harness.registry import Entry, Origin, plural
from harness.suite import Suite

HOOKS = {name: hook for name, hook in vars(spec).items() if hasattr(hook, f"{spec.GROUP}_spec")}
REGISTER = {f"register_{plural(kind)}": kind for kind in KINDS}
CELL = {"cell_finished", "cell_skipped", "cell_failed"}
EVENTS = {"run_started", "pass_progress", "task_progress", *CELL, "run_finished"}
TARGETS = {"catalogue": str(Path(__file__).parents[2] / "registry.yaml")}


def test_the_hooks_are_those_of_the_page() -> None:
    assert set(HOOKS) == set(REGISTER) | EVENTS


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_typed_and_documented(hook: str) -> None:
    signature = inspect.signature(HOOKS[hook])
    assert (inspect.getdoc(HOOKS[hook]) or "").endswith((".", ")"))
    assert all(p.annotation is not inspect.Parameter.empty for p in signature.parameters.values())
    assert signature.return_annotation == "None"


@pytest.mark.parametrize(("hook", "kind"), REGISTER.items())
def test_every_registration_hook_fills_its_registry(hook: str, kind: str, write_plugin: Callable[..., str]) -> None:
    target = TARGETS.get(kind, "a.b:c")
    source = f"from harness import hookimpl\n@hookimpl\ndef {hook}(register): register('mine', {target!r})\n"
    host = Host(plugins=[write_plugin("offers", source)])
    assert not host.failures
    assert [entry.name for entry in host[kind] if entry.origin.plugin.endswith("offers.py")] == ["mine"]


def test_every_event_is_told_in_order_with_what_it_declares(host: Host, toys: ModuleType, tmp_path: Path) -> None:
    reporter = toys.Reporter()
    host.manager.register(reporter, name="reporter")

    def broken() -> None:
        raise RuntimeError("no weights")

    given = toys.toy_model(0)
    failing = Model("failing", given.card, broken, given.preprocess)  # type: ignore[arg-type]

    @metric("nowhere", accepts=Predictions)
    def nowhere(p: Predictions) -> float:
        raise UndefinedError("nowhere is undefined")

    host["metric"].add(Entry("nowhere", nowhere, Origin("test")))
    suite = Suite(models=("toy0", "failing"), tasks=("centroid@toy",), metrics=("toy-hits", "nowhere"), resamples=0)
    planned = plan(suite, host, {"failing": failing})
    summary = run(planned, tmp_path, host)
    assert {name for name, _ in reporter.events} == EVENTS
    assert reporter.events[0] == ("run_started", (planned, tmp_path))
    assert reporter.events[-1] == ("run_finished", summary)
    assert [r.model for r in reporter.of("cell_finished")] == ["toy0"]
    assert [(r.model, r.reason) for r in reporter.of("cell_skipped")] == [("toy0", "nowhere is undefined")]
    assert [(r.model, r.reason) for r in reporter.of("cell_failed")] == [("failing", "RuntimeError: no weights")] * 2
    assert sum(name in CELL for name, _ in reporter.events) == len(planned)
    last = reporter.of("pass_progress")[-1]
    assert (last.model, last.source, last.done, last.total) == ("toy0", "toy@1", 24, 24)
    steps = reporter.of("task_progress")[-1]
    assert (steps.model, steps.task, steps.done, steps.total) == ("toy0", "centroid@toy", 1, 1)
    for event in EVENTS:
        assert inspect.signature(HOOKS[event]).parameters.keys() <= {"plan", "out", "progress", "record", "summary"}


def test_a_reporter_may_take_fewer_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_LOAD_PLUGINS", "none")
    host, seen = Host(), []

    class Reporter:
        @hookimpl
        def run_started(self) -> None:
            seen.append("started")

    host.manager.register(Reporter())
    host.emit("run_started", plan=None, out=None)
    assert seen == ["started"]
    assert not host.failures


@pytest.mark.parametrize(
    "statement",
    [
        "import harness",
        "import harness.plugins; harness.plugins.Host()",
        "from harness.plugins import Host; h = Host(); [list(h[kind]) for kind in h.registries]",
        "from harness.api import plan; print(len(plan('quickstart')), end='')",
    ],
)
def test_nothing_before_a_run_imports_torch_or_scikit_learn(statement: str, python: Callable[[str], str]) -> None:
    heavy = python(f"import sys\n{statement}\nprint('|', sorted({{'torch', 'sklearn', 'timm'}} & set(sys.modules)))")
    assert heavy.split("|")[1].strip() == "[]"


def test_the_public_names_exist_and_are_listed() -> None:
    import harness

    assert set(harness.__all__) <= set(dir(harness))
    assert all(getattr(harness, name) is not None for name in harness.__all__)
    with pytest.raises(AttributeError, match="no attribute 'evaluat'"):
        _ = harness.evaluat  # type: ignore[attr-defined]
