"""Forward passes of images that differ from a clean one within a window: only what that reaches is computed."""

from __future__ import annotations

import copy
import operator
from collections import Counter
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.node import Node, map_aggregate
from torch.nn.utils.fusion import fuse_conv_bn_eval

from harness_tasks.occlusion.patches import Patch
from harness_tasks.occlusion.rules import rule_of


class Incremental:
    """A network in evaluation mode, traced so that it can be run on patches.

    Convolutions, poolings, pointwise operations, sums, and concatenations of channels are computed on the window that
    the patch has grown to; whatever else there is, on whole activations. So the outcome is the network's up to
    rounding: batch normalisation is folded into the convolution before it, and nothing is done in place. The clean
    activations of one image are held.

    Raises whatever `torch.fx` raises for a network that cannot be traced.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = fx.symbolic_trace(copy.deepcopy(module).eval())
        _out_of_place(self.module)
        _fold(self.module)
        self.module.to(memory_format=torch.channels_last)
        self._patched = _Patched(self.module)

    def start(self, image: Tensor) -> Tensor:
        """The network's output for a clean image (1, 3, S, S), to which all patches refer from now on."""
        run = _Recording(self.module)
        out: Tensor = run.run(image)
        self._patched.clean = run.kept
        return out

    def __call__(self, patch: Patch) -> Tensor:
        """The network's output for the B images of a patch of the clean one."""
        out: Patch | Tensor = self._patched.run(patch)
        return out.whole() if isinstance(out, Patch) else out


class _Recording(fx.Interpreter):
    """Runs a graph and keeps what every node gives."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.kept: dict[Node, Any] = {}

    def run_node(self, n: Node) -> Any:
        self.kept[n] = super().run_node(n)
        return self.kept[n]


class _Patched(fx.Interpreter):
    """Runs a graph on patches."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        modules = dict(module.named_modules())
        called = ((n, modules[n.target] if n.op == "call_module" else None) for n in module.graph.nodes)
        self.rules = {n: rule_of(n, target) for n, target in called}
        self.clean: dict[Node, Any] = {}

    def run_node(self, n: Node) -> Any:
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        if n.op in ("placeholder", "get_attr", "output"):
            return getattr(self, n.op)(n.target, args, kwargs)
        rule, clean = self.rules[n], self.clean[n]
        found = rule(args, kwargs, clean) if rule and isinstance(clean, Tensor) and clean.ndim == 4 else None
        return found if found is not None else getattr(self, n.op)(n.target, _dense(args), _dense(kwargs))


def _dense(values: Any) -> Any:
    """The arguments with whole activations for patches."""
    return map_aggregate(values, lambda value: value.whole() if isinstance(value, Patch) else value)


def _out_of_place(traced: fx.GraphModule) -> None:
    """Let no operation write over activations that are still needed."""
    for module in traced.modules():
        if getattr(module, "inplace", False):
            setattr(module, "inplace", False)  # noqa: B010 - which not every module has
    for node in traced.graph.nodes:
        node.target = operator.add if node.target is operator.iadd else node.target
        if "inplace" in node.kwargs:
            node.kwargs = node.kwargs | {"inplace": False}
    traced.recompile()


def _fold(traced: fx.GraphModule) -> None:
    """Fold each batch normalisation into the convolution before it, where it is the only one to see that."""
    modules = dict(traced.named_modules())
    calls = Counter(node.target for node in traced.graph.nodes if node.op == "call_module")
    for node in list(traced.graph.nodes):
        if node.op != "call_module" or not isinstance(modules[node.target], nn.BatchNorm2d):
            continue
        before = node.args[0]
        if before.op != "call_module" or len(before.users) > 1 or calls[before.target] > 1 or calls[node.target] > 1:
            continue
        conv, norm = modules[before.target], modules[node.target]
        if isinstance(conv, nn.Conv2d) and norm.track_running_stats:
            traced.set_submodule(before.target, fuse_conv_bn_eval(conv, norm))
            node.replace_all_uses_with(before)
            traced.graph.erase_node(node)
    traced.recompile()
