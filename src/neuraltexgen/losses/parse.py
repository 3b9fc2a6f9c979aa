"""How a user names losses: `l1=10`, `vgg_style=10@relu3_3`, a preset, a plug-in's name, or `my_module:my_loss=2.0`."""

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

import torch

from neuraltexgen.errors import LossError
from neuraltexgen.losses.table import GROUP, LOSSES, PRESETS, Loss
from neuraltexgen.losses.vgg.heads import HEADS, parse_layers


@dataclass(frozen=True)
class LossTerm:
    """One weighted term of the objective.

    `name`: a row of a table, a plug-in or `module:function`. `function` is None for the losses of vgg.HEADS, which look
    at `layers` (empty: their own).
    """

    name: str
    weight: float
    function: Loss | None
    layers: tuple[str, ...] = ()

    @property
    def expression(self) -> str:
        """The text that `parse_loss` turns into this term."""
        where = f"@{'+'.join(self.layers)}" if self.layers else ""
        return f"{self.name}={repr(self.weight).removesuffix('.0')}{where}"


def parse_losses(expressions: Iterable[str]) -> tuple[LossTerm, ...]:
    """The terms of several expressions, presets spelt out; `PRESET=2` doubles each of its weights.

    Raises LossError as `parse_loss` does.
    """
    terms: list[LossTerm] = []
    for expression in expressions:
        name, weight, where = _split(expression)
        if name not in PRESETS:
            terms.append(parse_loss(expression))
            continue
        if where:
            raise LossError(f"loss {expression!r}: a preset takes no layers")
        parts = [parse_loss(part) for part in PRESETS[name][0]]
        terms += [LossTerm(part.name, weight * part.weight, part.function, part.layers) for part in parts]
    return tuple(terms)


def parse_loss(expression: str) -> LossTerm:
    """The term that `NAME`, `NAME=WEIGHT`, `NAME=WEIGHT@LAYER+LAYER` or `MODULE:FUNCTION=WEIGHT` names.

    The weight is 1 if it is left out. A user's own function takes (render, photo, valid) with shapes (b c h w),
    (b c h w), (b 1 h w) and returns a scalar.
    Raises LossError: unknown name or layer, a weight that is no finite number >= 0, a module or function that can't be
    loaded, or one that fails a call on a small image.
    """
    name, weight, where = _split(expression)
    if name in HEADS:
        return LossTerm(name, weight, None, parse_layers(name, where))
    function = _find(name)
    if where:
        raise LossError(f"loss {expression!r}: {name} has no layers", fix=f"--loss {name}={weight:g}")
    return LossTerm(name, weight, function)


def plugins() -> dict[str, EntryPoint]:
    """The losses that installed packages offer, by name; a name of our own tables stays ours."""
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    return {name: found[name] for name in sorted(found) if name not in LOSSES and name not in HEADS}


def _split(expression: str) -> tuple[str, float, str]:
    """Name, weight and what stands behind @."""
    rest, _, where = expression.partition("@")
    name, _, weight_text = rest.partition("=")
    try:
        weight = float(weight_text) if weight_text else 1.0
    except ValueError:
        raise LossError(f"loss {expression!r}: {weight_text!r} is no number", fix="--loss NAME=WEIGHT") from None
    if not 0 <= weight < float("inf"):
        raise LossError(f"loss {expression!r}: the weight must be finite and not negative")
    return name.strip(), weight, where.strip()


def _find(name: str) -> Loss:
    if name in LOSSES:
        return LOSSES[name]
    offered = plugins()
    if name in offered:
        return _loaded(name, f"the plug-in {offered[name].value!r}", offered[name].load)
    if ":" not in name:
        known = ", ".join([*LOSSES, *HEADS, *PRESETS, *offered])
        raise LossError(f"unknown loss {name!r}", fix=f"one of {known}, or your own as MODULE:FUNCTION")
    module_name, _, function_name = name.partition(":")
    module = _loading(name, repr(module_name), lambda: importlib.import_module(module_name))
    function = getattr(module, function_name, None)
    if not callable(function):
        raise LossError(f"loss {name!r}: {module_name} has no function {function_name!r}")
    return _tried(name, cast(Loss, function))


def _loaded(name: str, what: str, load: Callable[[], Any]) -> Loss:
    function = _loading(name, what, load)
    if not callable(function):
        raise LossError(f"loss {name!r}: {what} is no function")
    return _tried(name, cast(Loss, function))


def _loading(name: str, what: str, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except Exception as error:  # whatever a user's module does when it is run
        raise LossError(
            f"loss {name!r}: can't import {what} ({type(error).__name__}: {error})",
            fix="PYTHONPATH=FOLDER neuraltexgen ...",
        ) from error


def _tried(name: str, function: Loss) -> Loss:
    """Calls a user's loss once on small images, so that a wrong signature is told before hours of work."""
    render = torch.full((1, 3, 32, 32), 0.25, requires_grad=True)
    photo, valid = torch.full((1, 3, 32, 32), 0.5), torch.ones(1, 1, 32, 32, dtype=torch.bool)
    try:
        value = function(render, photo, valid)
        if value.shape != ():
            raise ValueError(f"it returns shape {tuple(value.shape)}, not a scalar")
        value.backward()
    except Exception as error:  # a user's function, which may raise anything
        raise LossError(
            f"loss {name!r} fails on a 32x32 image: {type(error).__name__}: {error}",
            fix="it must take (render, photo, valid) of shapes (b c h w), (b c h w), (b 1 h w) and return a scalar",
        ) from error
    return function
