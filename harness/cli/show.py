"""``harness show``: the card of a model, dataset, task, metric or suite."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import typer
import yaml

from harness.cli.common import make_host

if TYPE_CHECKING:
    from harness.models import Model
    from harness.plugins import Host


def show(
    context: typer.Context, name: str = typer.Argument(help="Any name or URI; a suite; or PROTOCOL@DATASET.")
) -> None:
    """Print all that is known of a name."""
    from harness.errors import HarnessError, nearest
    from harness.names import parse, split_scheme

    host = make_host(context)
    plain = parse(name.partition("@")[0]).name
    scheme = (split_scheme(plain) or ("",))[0]
    found = [kind for kind in CARDS if plain in host[kind] or scheme in host[kind]]
    if plain in host.suites:
        _print({"suite": name, **host.suites[plain].model_dump(mode="json")})
    if not found and plain not in host.suites:
        known = [entry for kind in CARDS for entry in host[kind].names()] + list(host.suites)
        raise HarnessError(f"nothing is named {name!r}{nearest(plain, known)} ('harness list' shows all names)")
    for kind in found:
        _print({kind: name, "from": str(host[kind].entry(plain).origin), **CARDS[kind](host, name)})


class Readable(yaml.SafeDumper):
    """YAML with texts of several lines as such."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


Readable.add_representer(str, _text)


def _print(card: dict[str, Any]) -> None:
    print(yaml.dump(card, Dumper=Readable, sort_keys=False, allow_unicode=True, width=110))


def _model(host: Host, name: str) -> dict[str, Any]:
    from harness.lookup import find_model

    model = find_model(host, name)
    return {**model.card.model_dump(mode="json", exclude_defaults=True), "weights": _weights(model),
            "preprocess": model.preprocess.model_dump(mode="json"), "identity": dict(model.identity)}  # fmt: skip


def _weights(model: Model) -> str:
    """Where a model's weights are. Those in a library's cache have no file of their own."""
    import shlex

    if model.weights is not None:
        return str(model.weights)
    if obtain := (model.card.model_extra or {}).get("obtain"):
        return f"not here, and to be had by hand: {obtain}"
    if model.fetch is not None:
        return f"no file known here: 'harness models fetch {shlex.quote(model.name)}' gets it or says where it is"
    return "initialised on load"


def _dataset(host: Host, name: str) -> dict[str, Any]:
    from harness.lookup import find_dataset

    return find_dataset(host, name).card.model_dump(mode="json", exclude_defaults=True)


def _task(host: Host, name: str) -> dict[str, Any]:
    import inspect

    from harness.lookup import find_protocol
    from harness.tasks import parameters

    task = find_protocol(host, name.partition("@")[0])
    needs = task.needs
    values = {key: list(v) if isinstance(v, tuple) else v for key, v in parameters(task).items()}
    return {"version": task.version, "evidence": task.evidence.name, "parameters": values,
            "needs": "the encoder and its pixels" if needs.encoder else f"features of {', '.join(needs.layers or ())}",
            "about": inspect.getdoc(type(task)) or ""}  # fmt: skip


def _metric(host: Host, name: str) -> dict[str, Any]:
    from harness.lookup import find_metrics

    metric = find_metrics(host, (name,))[0]
    return {**metric.describe(), "accepts": metric.accepts.name, "about": metric.__doc__ or ""}


def _analysis(host: Host, name: str) -> dict[str, Any]:
    return {"about": host["analysis"].entry(name).resolve().__doc__ or ""}


CARDS: dict[str, Callable[[Host, str], dict[str, Any]]] = {
    "model": _model, "dataset": _dataset, "task": _task, "metric": _metric, "analysis": _analysis,
}  # fmt: skip
