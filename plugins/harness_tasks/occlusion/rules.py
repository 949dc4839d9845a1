"""How operations act on patches. What none of the rules covers is computed on whole activations."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.fx.node import Node

from harness_tasks.occlusion.patches import Patch, Sliding

POINTWISE = (
    nn.BatchNorm2d, nn.Identity, nn.Dropout, nn.Dropout2d, nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU,
    nn.Mish, nn.Hardswish, nn.Hardtanh, nn.Sigmoid, nn.Tanh, nn.Softplus,
)  # fmt: skip
FUNCTIONS = (F.relu, torch.relu, F.relu6, F.leaky_relu, F.gelu, F.silu, F.hardswish, torch.sigmoid, torch.tanh)
Rule = Callable[[tuple[Any, ...], Mapping[str, Any], Tensor], Patch | None]
"""From arguments, some of them patches, and the operation's clean outcome; None where it does not apply after all."""


def rule_of(node: Node, module: nn.Module | None) -> Rule | None:
    """The rule for a node, which calls `module` or a function; None where there is none."""
    if module is not None:
        return partial(_pointwise, module) if isinstance(module, POINTWISE) else _sliding(module)
    if node.op != "call_function":
        return None
    if node.target in FUNCTIONS:
        return partial(_pointwise, node.target)
    return {operator.add: _add, torch.add: _add, torch.cat: _concatenate}.get(node.target)  # type: ignore[arg-type]


def _pointwise(function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], clean: Tensor) -> Patch | None:
    x, *rest = args
    if not isinstance(x, Patch) or any(isinstance(other, Tensor | Patch) for other in rest):
        return None
    return Patch(function(x.values, *rest, **kwargs), x.rows, x.columns, clean)


def _sliding(module: nn.Module) -> Rule | None:
    """Of a convolution or pooling whose padding is the same on all sides, and zero (or, of a maximum, -infinity)."""
    if isinstance(module, nn.Conv2d) and module.padding_mode == "zeros" and not isinstance(module.padding, str):
        of = partial(
            F.conv2d, weight=module.weight, bias=module.bias, stride=module.stride, dilation=module.dilation,
            groups=module.groups,
        )  # fmt: skip
        return partial(_slide, of, _axes(module, module.dilation), 0.0)
    if isinstance(module, nn.MaxPool2d) and not module.return_indices:
        of = partial(F.max_pool2d, kernel_size=module.kernel_size, stride=module.stride, dilation=module.dilation)
        return partial(_slide, of, _axes(module, module.dilation), -torch.inf)
    if isinstance(module, nn.AvgPool2d) and _pair(module.padding) == (0, 0) and not module.ceil_mode:
        of = partial(F.avg_pool2d, kernel_size=module.kernel_size, stride=module.stride)
        return partial(_slide, of, _axes(module, 1), 0.0)
    return None


def _slide(
    of: Callable[[Tensor], Tensor], axes: tuple[Sliding, Sliding], fill: float, args: tuple[Any, ...],
    kwargs: Mapping[str, Any], clean: Tensor,
) -> Patch | None:  # fmt: skip
    x = args[0] if args else None
    if not isinstance(x, Patch):
        return None
    rows, columns = axes[0].outputs(x.rows, clean.shape[2]), axes[1].outputs(x.columns, clean.shape[3])
    return Patch(of(x.crop(axes[0].inputs(rows), axes[1].inputs(columns), fill)), rows, columns, clean)


def _add(args: tuple[Any, ...], kwargs: Mapping[str, Any], clean: Tensor) -> Patch | None:
    """Of two patches, or a patch and a number."""
    one, other = args
    if kwargs or not all(isinstance(x, Patch | int | float) for x in args):
        return None
    if not isinstance(one, Patch) or not isinstance(other, Patch):
        return _pointwise(operator.add, args if isinstance(one, Patch) else (other, one), {}, clean)
    if one.clean.shape != other.clean.shape:
        return None
    rows, columns = one.rows.union(other.rows), one.columns.union(other.columns)
    return Patch(one.crop(rows, columns) + other.crop(rows, columns), rows, columns, clean)


def _concatenate(args: tuple[Any, ...], kwargs: Mapping[str, Any], clean: Tensor) -> Patch | None:
    """Of patches, along the channels."""
    parts, dim = args[0], kwargs.get("dim", args[1] if len(args) > 1 else 0)
    if dim not in (1, -3) or not all(isinstance(part, Patch) for part in parts):
        return None
    rows, columns = parts[0].rows, parts[0].columns
    for part in parts[1:]:
        rows, columns = rows.union(part.rows), columns.union(part.columns)
    return Patch(torch.cat([part.crop(rows, columns) for part in parts], 1), rows, columns, clean)


def _axes(module: Any, dilation: Any) -> tuple[Sliding, Sliding]:
    """Of rows and of columns."""
    settings = module.kernel_size, module.stride, module.padding, dilation
    rows, columns = zip(*map(_pair, settings), strict=True)
    return Sliding(*rows), Sliding(*columns)


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)
