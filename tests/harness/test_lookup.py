"""From names to objects: every wrong name, argument or plugin object gets one line."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.errors import HarnessError, PlanError
from harness.evidence import Predictions
from harness.lookup import find_dataset, find_metrics, find_model, find_protocol, find_tasks, match_models
from harness.plugins import Host
from harness.registry import Entry, Origin
from harness.tasks import TaskData, task

ODD = """
from harness import hookimpl, task, metric
from harness.evidence import Predictions

class Undeclared:
    def run(self, data): ...

@task("picky", evidence=Predictions)
class Picky:
    k: int = 1
    def __post_init__(self):
        if self.k > 5: raise ValueError("k is at most 5")
    def run(self, data): ...

def raises(): raise OSError("no such\\ncheckpoint")
class Broken:
    def __init__(self, path="x"): raise KeyError(path)

@hookimpl
def register_models(register):
    register("raises", raises)
    register("number", lambda: 3)
    register("wants", lambda size: 3)
    register("three", 3)
@hookimpl
def register_datasets(register):
    register("broken", Broken)
    register("number", lambda: 3)
    register("builtin", dict)
@hookimpl
def register_tasks(register):
    register(Picky)
    register("undeclared", Undeclared)
@hookimpl
def register_metrics(register): register("plain", len)
"""


@pytest.fixture
def odd(write_plugin: Callable[..., str]) -> Host:
    host = Host(plugins=[write_plugin("odd", ODD)])
    assert not host.failures
    return host


def test_models_by_name_and_uri(host: Host) -> None:
    assert find_model(host, "toy1").identity == {"loader": "toy", "seed": 1}
    model = find_model(host, "toy:net?seed=7")
    assert (model.name, model.card.name, model.identity["seed"]) == ("toy:net?seed=7", "toy:net?seed=7", 7)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("toy9", "no model named 'toy9'; did you mean 'toy"),
        ("toyz:net", "no model scheme 'toyz:'"),
        ("toy:nett", "model 'toy:nett': ValueError: no toy 'nett', only 'net'"),
        ("toy:net?sead=1", "got an unexpected keyword argument 'sead' (arguments: source, seed)"),
    ],
)
def test_a_wrong_model(host: Host, name: str, message: str) -> None:
    with pytest.raises(HarnessError) as caught:
        find_model(host, name)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("raises", "model 'raises': OSError: no such checkpoint"),
        ("number", "is a int, not a harness Model"),
        ("wants", "model 'wants': missing a required argument: 'size' (arguments: size)"),
        ("three", "model 'three': 3 is not a callable object"),
    ],
)
def test_a_model_plugin_that_does_wrong(odd: Host, name: str, message: str) -> None:
    with pytest.raises(HarnessError) as caught:
        find_model(odd, name)
    assert message in str(caught.value)


def test_patterns_match_catalogue_names_once(host: Host) -> None:
    assert match_models(host, ("toy?",)) == ["toy0", "toy1", "toy2"]
    assert match_models(host, ("toy2", "toy*", "toy:net?seed=1", "toy0")) == ["toy2", "toy0", "toy1", "toy:net?seed=1"]
    with pytest.raises(PlanError, match=r"no model matches 'tooy\*'; did you mean 'toy"):
        match_models(host, ("tooy*",))


def test_datasets_take_arguments(host: Host) -> None:
    assert find_dataset(host, "toy").card.splits == {"train": 40, "test": 24}
    assert find_dataset(host, "toy[2, train=30]").card.source == "toy@2"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tooy", "no dataset named 'tooy'; did you mean 'toy'?"),
        ("toy[size=3]", "dataset 'toy[size=3]': got an unexpected keyword argument 'size' (arguments: revision, train"),
        ("toy[1, 2, 3, 4, 5, 6]", "too many positional arguments"),
        ("toy[1, revision=2]", "multiple values for argument 'revision'"),
        ("toy[classes=0]", "dataset 'toy[classes=0]': "),
        ("toy[", "cannot read the name"),
    ],
)
def test_a_wrong_dataset(host: Host, name: str, message: str) -> None:
    with pytest.raises(HarnessError) as caught:
        find_dataset(host, name)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("broken[y]", "dataset 'broken[y]': KeyError: 'y'"),
        ("number", "dataset 'number' of plugin"),
        ("builtin[a=1]", "is no harness Dataset"),
    ],
)
def test_a_dataset_plugin_that_does_wrong(odd: Host, name: str, message: str) -> None:
    with pytest.raises(HarnessError) as caught:
        find_dataset(odd, name)
    assert message in str(caught.value)


def test_protocols_take_parameters_by_position_and_name(host: Host) -> None:
    assert find_protocol(host, "centroid").scale == 1.0
    found = find_protocol(host, "centroid[2, layer=stem]")
    assert (found.scale, found.noise, found.layer) == (2.0, 0.0, "stem")
    assert find_protocol(host, "centroid[scale=1e-3]").scale == 0.001
    assert find_protocol(host, "knn[k=1|5]").k == (1, 5)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("centriod", "no task named 'centriod'; did you mean 'centroid'?"),
        ("centroid[scal=2]", "no parameter 'scal'; did you mean 'scale'? (has: scale, noise, layer)"),
        ("centroid[1, 2, 3, 4]", "takes at most 3 arguments (scale, noise, layer)"),
        ("centroid[scale=big]", "task centroid[scale=big]: scale: Input should be a valid number"),
        ("centroid[2, scale=3]", "parameter 'scale' is given twice"),
        ("features[1]", "takes at most 0 arguments (none)"),
        ("features[k=1]", "no parameter 'k' (has: none)"),
    ],
)
def test_a_wrong_protocol(host: Host, name: str, message: str) -> None:
    with pytest.raises(HarnessError) as caught:
        find_protocol(host, name)
    assert message in str(caught.value)


def test_a_task_plugin_that_does_wrong(odd: Host) -> None:
    with pytest.raises(HarnessError, match=r"task 'undeclared' of plugin .* is not declared with @task"):
        find_protocol(odd, "undeclared")
    with pytest.raises(PlanError, match="k is at most 5"):
        find_protocol(odd, "picky[7]")
    assert find_protocol(odd, "picky[5]").k == 5


def test_tasks_on_one_dataset_share_it(host: Host) -> None:
    tasks = find_tasks(host, ["centroid@toy", "features@toy", "centroid@toy[revision=2]"])
    a, b, c = tasks.values()
    assert a.dataset is b.dataset
    assert c.dataset is not a.dataset
    assert list(tasks) == ["centroid@toy", "features@toy", "centroid@toy[revision=2]"]
    assert a.primary.name == "top1"


def test_metrics_by_name_once_and_all(host: Host) -> None:
    assert [m.name for m in find_metrics(host, ("toy-hits", "nll", "toy-hits"))] == ["toy-hits", "nll"]
    assert {m.name for m in find_metrics(host, ("all",))} == set(host["metric"].names())
    with pytest.raises(HarnessError, match="no metric named 'top2'; did you mean 'top"):
        find_metrics(host, ("top2",))


def test_a_metric_that_is_not_declared(odd: Host) -> None:
    with pytest.raises(HarnessError, match=r"metric 'plain' of plugin .* is not declared with @metric"):
        find_metrics(odd, ("plain",))


def test_the_primary_metric_of_a_dataset(host: Host) -> None:
    assert find_tasks(host, ("knn@toy-labels",))["knn@toy-labels"].primary.name == "map"


def test_a_protocol_may_have_a_primary_metric_of_its_own(host: Host) -> None:
    @task("other", evidence=Predictions, primary="nll")
    class Other:
        def run(self, data: TaskData) -> Predictions: ...

    host["task"].add(Entry("other", Other, Origin("test")))
    assert find_tasks(host, ("other@toy-labels",))["other@toy-labels"].primary.name == "nll"
