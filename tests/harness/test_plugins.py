"""Discovery: a broken, misspelt or clashing plugin is reported by name, and everything else works."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from harness.errors import HarnessError
from harness.lookup import find_metrics, find_protocol
from harness.plugins import Host
from harness.registry import Origin

GOOD = """
from harness import hookimpl
@hookimpl
def register_datasets(register): register("{name}", "x.y:Z")
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes an installed distribution: ``install("dist", "1.0", entry="module", module="source")``."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    monkeypatch.delenv("HARNESS_NO_PLUGINS")

    def make(name: str, version: str, entry: str, module: str, source: str | None) -> None:
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[harness]\n{entry} = {module}\n")
        if source is not None:
            (site / f"{module}.py").write_text(dedent(source))
        monkeypatch.delitem(sys.modules, module, raising=False)

    return make


def test_the_built_ins_come_through_the_same_door() -> None:
    host = Host()
    assert not host.failures
    assert {"models", "datasets", "tasks", "metrics"} <= set(host.origins)
    assert {origin.distribution for origin in host.origins.values()} == {"ssl-harness"}
    assert "linear" in host["task"]
    assert "top1" in host["metric"]


def test_an_installed_plugin_is_found_with_its_distribution(install: Callable[..., None]) -> None:
    install("third-party", "2.5", "mine", "third_party_good", GOOD.format(name="theirs"))
    host = Host()
    assert host["dataset"].entry("theirs").origin == Origin("mine", "third-party", "2.5")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_package", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("raise RuntimeError('at import')", "RuntimeError: at import"),
        ("def register(", "SyntaxError"),
        (None, "ModuleNotFoundError"),
        ("from harness import hookimpl\n@hookimpl\ndef register_models(register): 1 / 0", "ZeroDivisionError"),
        ("from harness import hookimpl\n@hookimpl\ndef register_models(registre): pass", "'registre'"),
        ("from harness import hookimpl\n@hookimpl\ndef register_model(register): pass",
         "no hook named 'register_model'; did you mean 'register_models'?"),
        ("from harness import hookimpl\n@hookimpl\ndef cell_done(record): pass", "no hook named 'cell_done'"),
    ],
)  # fmt: skip
def test_a_broken_plugin_is_named_and_the_others_work(
    install: Callable[..., None], source: str | None, reason: str
) -> None:
    install("broken-dist", "0.3", "aaa", "broken_plugin", source)
    install("good-dist", "1.0", "zzz", "good_plugin", GOOD.format(name="fine"))
    host = Host()
    assert "fine" in host["dataset"]
    assert "linear" in host["task"]
    assert "aaa" not in host.origins
    (failure,) = host.failures
    assert str(failure).startswith("plugin 'aaa' (broken-dist 0.3) failed: ")
    assert reason in str(failure)
    assert "\n" not in str(failure)
    assert "Traceback" in failure.traceback
    with pytest.raises(HarnessError, match=r"plugin 'aaa' \(broken-dist 0.3\) failed"):
        Host(strict=True)


def test_a_registration_that_fails_half_way_leaves_nothing(
    write_plugin: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_LOAD_PLUGINS", "none")
    source = """
from harness import hookimpl
told = []
@hookimpl
def register_models(register): register("half", "a.b:c")
@hookimpl
def register_tasks(register):
    register("half-task", "a.b:c")
    raise ValueError("half way")
@hookimpl
def run_started(plan, out): raise AssertionError("still there")
"""
    path = write_plugin("half", source)
    host = Host(plugins=[path])
    assert "half" not in host["model"]
    assert "half-task" not in host["task"]
    assert not host.manager.has_plugin(path)
    host.emit("run_started", plan=None, out=None)
    assert [failure.reason for failure in host.failures] == ["ValueError: half way"]


def test_a_name_of_two_plugins_is_unusable_and_only_it(install: Callable[..., None]) -> None:
    both = GOOD + '@hookimpl\ndef register_models(register): register("shared", "x.y:Z")\n'
    install("dist-one", "1.0", "one", "plugin_one", both.format(name="only-one"))
    install("dist-two", "2.0", "two", "plugin_two", both.format(name="only-two"))
    host = Host()
    assert not host.failures
    assert host["dataset"].entry("only-one").origin.plugin == "one"
    assert host["dataset"].entry("only-two").origin.plugin == "two"
    with pytest.raises(HarnessError, match=r"model 'shared' is given by dist-one 1.0 and dist-two 2.0"):
        host["model"].entry("shared")
    assert len(host["model"].conflicts()) == 1
    with pytest.raises(HarnessError, match=r"given by dist-one 1.0 and dist-two 2.0"):
        Host(strict=True)


def test_two_plugins_of_one_entry_point_name(install: Callable[..., None]) -> None:
    install("dist-one", "1.0", "models", "plugin_models", GOOD.format(name="theirs"))
    host = Host()
    assert "theirs" not in host["dataset"]
    assert "timm:" in host["model"]
    (failure,) = host.failures
    assert "'models' (dist-one 1.0) failed: ssl-harness" in str(failure)
    assert "rename the entry point" in str(failure)


def test_one_module_under_two_names_stays_registered_once(
    install: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_LOAD_PLUGINS", "one,two")
    source = GOOD.format(name="theirs") + "@hookimpl\ndef run_started(plan, out): plan.append(1)\n"
    install("dist-one", "1.0", "one", "shared_module", source)
    install("dist-two", "1.0", "two", "shared_module", None)
    host = Host()
    assert [failure.origin.plugin for failure in host.failures] == ["two"]
    told: list[int] = []
    host.emit("run_started", plan=told, out=None)
    assert told == [1]
    assert host["dataset"].entry("theirs").origin.plugin == "one"


def test_environment_variables_choose_plugins(install: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        install(f"dist-{name}", "1.0", name, f"env_{name}", GOOD.format(name=f"set-{name}"))
    assert {"set-one", "set-two"} <= set(Host()["dataset"].names())
    monkeypatch.setenv("HARNESS_LOAD_PLUGINS", "two, tasks")
    host = Host()
    assert set(host.origins) == {"two", "tasks"}
    assert "set-two" in host["dataset"]
    monkeypatch.delenv("HARNESS_LOAD_PLUGINS")
    monkeypatch.setenv("HARNESS_NO_PLUGINS", "1")
    assert {origin.distribution for origin in Host().origins.values()} == {"ssl-harness"}


def test_a_plugin_file_is_a_module_like_any_other(write_plugin: Callable[..., str]) -> None:
    source = """
from __future__ import annotations
from dataclasses import dataclass
from typing import ClassVar
from harness import hookimpl, task
from harness.evidence import Predictions

@task("filed", evidence=Predictions)
@dataclass(frozen=True)
class Filed:
    limit: ClassVar[int] = 3
    k: int = 5
    def run(self, data): ...

@hookimpl
def register_tasks(register): register(Filed)
"""
    host = Host(plugins=[write_plugin("filed_task", source)])
    assert not host.failures
    assert find_protocol(host, "filed[k=7]").k == 7


def test_a_plugin_file_that_fails_leaves_no_module(write_plugin: Callable[..., str]) -> None:
    host = Host(plugins=[write_plugin("fails", "raise OSError('x')")])
    assert host.failures[0].reason == "OSError: x"
    assert "harness_plugin_fails" not in sys.modules


def test_a_plugin_that_does_not_exist() -> None:
    host = Host(plugins=["no_such_file.py", "no_such_module"])
    assert [str(failure.origin) for failure in host.failures] == ["no_such_file.py", "no_such_module"]
    assert "no plugin file no_such_file.py" in host.failures[0].reason


def test_a_plugin_by_dotted_name(write_plugin: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(write_plugin("dotted_plugin", GOOD.format(name="dotted")))
    monkeypatch.syspath_prepend(path.parent)
    assert "dotted" in Host(plugins=["dotted_plugin"])["dataset"]


RAISING = """
from harness import hookimpl
calls = []
@hookimpl
def run_started(plan, out):
    calls.append("started")
    raise KeyError("reporter")
@hookimpl
def run_finished(summary): calls.append("finished")
"""


def test_a_reporter_that_raises_is_dropped_and_the_others_go_on(
    write_plugin: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_LOAD_PLUGINS", "none")
    raising, calm = write_plugin("raising", RAISING), write_plugin("calm", RAISING.replace("    raise", "    # raise"))
    host = Host(plugins=[raising, calm])
    modules = [host.manager.get_plugin(path) for path in (raising, calm)]
    for _ in range(2):
        host.emit("run_started", plan=None, out=None)
        host.emit("run_finished", summary=None)
    assert modules[0].calls == ["started"]
    assert modules[1].calls == ["started", "finished"] * 2
    (failure,) = host.failures
    assert (failure.origin.plugin, failure.reason) == (raising, "run_started: KeyError: 'reporter'")


BROKEN_METRICS = """
from harness import hookimpl
@hookimpl
def register_metrics(register):
    register("lazy", "no_such_module_of_metrics:f")
    register("undeclared", len)
    register("top1", "a.b:c")
"""


def test_all_metrics_are_those_that_can_be_used(write_plugin: Callable[..., str]) -> None:
    host = Host(plugins=[write_plugin("metrics", BROKEN_METRICS)])
    for _ in range(2):
        names = {metric.name for metric in find_metrics(host, ("all",))}
        assert "top5" in names
        assert not {"lazy", "undeclared", "top1"} & names
    reasons = "\n".join(map(str, host.failures))
    assert len(host.failures) == 3
    assert "no_such_module_of_metrics" in reasons
    assert "'undeclared' of plugin" in reasons
    assert "metric 'top1' is given by ssl-harness" in reasons
    with pytest.raises(HarnessError, match="is given by"):
        find_metrics(host, ("top1",))


def test_a_broken_catalogue_of_a_plugin_is_reported(write_plugin: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("models:\n  x: {}\n")
    source = f"""
from harness import hookimpl
@hookimpl
def register_catalogues(register):
    register("bad", {str(tmp_path / "bad.yaml")!r})
    register("absent", {str(tmp_path / "absent.yaml")!r})
"""
    path = write_plugin("catalogues", source)
    host = Host(plugins=[path])
    assert "quickstart" in host.suites
    absent, bad = host.failures
    assert "no such file" in absent.reason
    assert "bad.yaml:2: models.x.load: field required" in bad.reason
    with pytest.raises(HarnessError, match="no such file"):
        Host(plugins=[path], strict=True)
