"""Image losses: a table of them, and how a user names them (`l1=10`, `my_module:my_loss=2.0`)."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch

from neuraltexgen.errors import LossError
from neuraltexgen.losses.gradient import gradient_l1
from neuraltexgen.losses.pixel import Images, Scalar, Valid, charbonnier, huber, l1, l2

Loss = Callable[[Images, Images, Valid], Scalar]

LOSSES: dict[str, Loss] = {
    "charbonnier": charbonnier,
    "gradient_l1": gradient_l1,
    "huber": huber,
    "l1": l1,
    "l2": l2,
}


@dataclass(frozen=True)
class LossTerm:
    """One weighted term of the objective; `name` is a row of the table or `module:function`."""

    name: str
    weight: float
    function: Loss

    @property
    def expression(self) -> str:
        """The text that `parse_loss` turns into this term."""
        return f"{self.name}={repr(self.weight).removesuffix('.0')}"


def parse_loss(expression: str) -> LossTerm:
    """The term that `NAME`, `NAME=WEIGHT` or `MODULE:FUNCTION=WEIGHT` names; the weight is 1 if it is left out.

    A user's own function takes (render, photo, valid) with shapes (b c h w), (b c h w), (b 1 h w) and returns a scalar.
    Raises LossError: unknown name, a weight that is no finite number >= 0, a module or function that can't be loaded,
    or one that fails a call on tiny images.
    """
    name, _, weight_text = expression.partition("=")
    name = name.strip()
    try:
        weight = float(weight_text) if weight_text else 1.0
    except ValueError:
        raise LossError(f"loss {expression!r}: {weight_text!r} is no number", fix="--loss NAME=WEIGHT") from None
    if not 0 <= weight < float("inf"):
        raise LossError(f"loss {expression!r}: the weight must be finite and not negative")
    return LossTerm(name, weight, _find(name))


def total(terms: tuple[LossTerm, ...], render: Images, photo: Images, valid: Valid) -> Scalar:
    """The weighted sum of the terms."""
    return torch.stack([term.weight * term.function(render, photo, valid) for term in terms]).sum()


def _find(name: str) -> Loss:
    if name in LOSSES:
        return LOSSES[name]
    if ":" not in name:
        raise LossError(f"unknown loss {name!r}", fix=f"one of {', '.join(LOSSES)}, or your own as MODULE:FUNCTION")
    module_name, _, function_name = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # whatever a user's module does when it is run
        raise LossError(
            f"loss {name!r}: can't import {module_name!r} ({type(error).__name__}: {error})",
            fix="PYTHONPATH=FOLDER neuraltexgen ...",
        ) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise LossError(f"loss {name!r}: {module_name} has no function {function_name!r}")
    loss = cast(Loss, function)
    _try(name, loss)
    return loss


def _try(name: str, function: Loss) -> None:
    """Calls a user's loss once on small images, so that a wrong signature is told before hours of work."""
    render = torch.full((1, 3, 32, 32), 0.25, requires_grad=True)
    photo, valid = torch.full((1, 3, 32, 32), 0.5), torch.ones(1, 1, 32, 32, dtype=torch.bool)
    try:
        value = function(render, photo, valid)
        if value.shape != ():
            raise ValueError(f"it returns shape {tuple(value.shape)}, not a scalar")
        value.backward()
    except Exception as error:
        raise LossError(
            f"loss {name!r} fails on a 32x32 image: {type(error).__name__}: {error}",
            fix="it must take (render, photo, valid) of shapes (b c h w), (b c h w), (b 1 h w) and return a scalar",
        ) from error
