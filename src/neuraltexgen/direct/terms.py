"""Losses as reweighted squares: which ones the direct solver takes, their value, and the weight that a residual gets.

A loss that is a mean of rho(d) over pixels and channels, d = confidence x (render - photo), has the gradient of
weight(d) x d² with weight(d) = rho'(d) / (2 d) held still. Solving for these weights in turn with taking new ones is
iteratively reweighted least squares (Holland and Welsch 1977); where rho is concave in d² no turn raises the objective.
"""

from collections.abc import Callable, Sequence

from torch import Tensor

from neuraltexgen.losses import parse_losses
from neuraltexgen.losses.pixel import CHARBONNIER_EPSILON, HUBER_DELTA

L1_FLOOR = 1e-3
"""Residual below which `l1` counts as quadratic: a quarter of a level of an 8-bit photo."""

Row = tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]
Terms = tuple[tuple[float, str], ...]


def direct_terms(losses: Sequence[str]) -> Terms | None:
    """(weight, name) of each loss, or None if one of them has no row in `ROWS`."""
    terms = tuple((term.weight, term.name) for term in parse_losses(losses))
    return terms if all(name in ROWS for _, name in terms) and any(weight > 0 for weight, _ in terms) else None


def is_quadratic(terms: Terms) -> bool:
    """Whether every residual weighs the same."""
    return all(name == "l2" for _, name in terms)


def values(terms: Terms, size: Tensor) -> Tensor:
    """The objective of residuals, given their absolute values."""
    return sum((weight * ROWS[name][0](size) for weight, name in terms), start=size.new_zeros(()))


def weights(terms: Terms, size: Tensor) -> Tensor:
    """rho'(d) / (2 d) of residuals, given their absolute values."""
    return sum((weight * ROWS[name][1](size) for weight, name in terms), start=size.new_zeros(()))


def _huber(size: Tensor) -> Tensor:
    quadratic = size.clamp(max=HUBER_DELTA)
    return (0.5 * quadratic.square() + HUBER_DELTA * (size - quadratic)) / HUBER_DELTA


ROWS: dict[str, Row] = {
    "l2": (lambda d: d.square(), lambda d: d.new_ones(d.shape)),
    "l1": (lambda d: d, lambda d: 0.5 / d.clamp(min=L1_FLOOR)),
    "huber": (_huber, lambda d: 0.5 / d.clamp(min=HUBER_DELTA)),
    "charbonnier": (
        lambda d: (d.square() + CHARBONNIER_EPSILON**2).sqrt() - CHARBONNIER_EPSILON,
        lambda d: 0.5 / (d.square() + CHARBONNIER_EPSILON**2).sqrt(),
    ),
}
