"""Losses as reweighted squares: which ones the direct solver takes, and the weight that a residual gets.

A loss that is a mean of rho(d) over pixels and channels, d = confidence x (render - photo), has the gradient of
weight(d) x d² with weight(d) = rho'(d) / (2 d) held still. Solving for these weights in turn with taking new ones is
iteratively reweighted least squares (Holland and Welsch 1977); where rho is concave in d² no turn raises the objective.
"""

from collections.abc import Callable, Sequence

from torch import Tensor

from neuraltexgen.kernels.photometric import CHARBONNIER_EPSILON, HUBER_DELTA
from neuraltexgen.losses import parse_losses

L1_FLOOR = 1e-3
"""Residual below which `l1` weighs as if it were quadratic: a quarter of a level of an 8-bit photo."""

Terms = tuple[tuple[float, str], ...]


def direct_terms(losses: Sequence[str]) -> Terms | None:
    """(weight, name) of each loss, or None if one of them has no row in `ROWS`."""
    terms = tuple((term.weight, term.name) for term in parse_losses(losses))
    return terms if all(name in ROWS for _, name in terms) and any(weight > 0 for weight, _ in terms) else None


def is_quadratic(terms: Terms) -> bool:
    """Whether every residual weighs the same."""
    return all(name == "l2" for _, name in terms)


def weights(terms: Terms, size: Tensor) -> Tensor:
    """rho'(d) / (2 d) of residuals, given their absolute values."""
    return sum((weight * ROWS[name](size) for weight, name in terms), start=size.new_zeros(()))


ROWS: dict[str, Callable[[Tensor], Tensor]] = {
    "l2": lambda d: d.new_ones(d.shape),
    "l1": lambda d: 0.5 / d.clamp(min=L1_FLOOR),
    "huber": lambda d: 0.5 / d.clamp(min=HUBER_DELTA),
    "charbonnier": lambda d: 0.5 / (d.square() + CHARBONNIER_EPSILON**2).sqrt(),
}
