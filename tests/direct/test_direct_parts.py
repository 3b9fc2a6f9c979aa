"""Parts of the direct solver: conjugate gradients, the system's penalty, reweighted losses, means over scales."""

import numpy as np
import pytest
import torch
from torch import Tensor

from neuraltexgen.direct.conjugate import conjugate_gradients
from neuraltexgen.direct.system import System
from neuraltexgen.direct.terms import ROWS, direct_terms, is_quadratic, weights
from neuraltexgen.kernels.normal import SLOTS
from neuraltexgen.losses import LOSSES
from neuraltexgen.photos_mean import spread
from neuraltexgen.seam_tie import SeamTie

pytestmark = pytest.mark.usefixtures("one_thread")


def test_conjugate_gradients_solve_a_dense_system() -> None:
    generator = torch.Generator().manual_seed(0)
    half = torch.randn(12, 12, generator=generator)
    matrix = half @ half.T + 3 * torch.eye(12)
    right, x = torch.randn(2, 3, 4, generator=generator), torch.randn(2, 3, 4, generator=generator)

    def product(a: Tensor, b: Tensor) -> None:
        b.copy_((a.reshape(2, 12) @ matrix).reshape(b.shape))

    conjugate_gradients(product, matrix.diagonal().reshape(3, 4).clone(), right.clone(), x, (40, 1e-6))
    expected = torch.linalg.solve(matrix, right.reshape(2, 12).T).T.reshape(2, 3, 4)
    torch.testing.assert_close(x, expected, rtol=1e-3, atol=1e-4)


def test_nothing_to_solve_moves_nothing() -> None:
    """A channel without a right-hand side, and a texel without a diagonal, stay as they are."""
    x = torch.zeros(2, 2, 2)
    right = torch.tensor([[[1.0, 0], [2, 3]], [[0, 0], [0, 0]]])
    diagonal = torch.tensor([[2.0, 0.0], [4.0, 1.0]])

    def product(a: Tensor, b: Tensor) -> None:
        b.copy_(diagonal * a)

    conjugate_gradients(product, diagonal.clone(), right, x, (5, 1e-6))
    torch.testing.assert_close(x[0], torch.tensor([[0.5, 0], [0.5, 3]]))
    assert (x[1] == 0).all()


def seamed(prior: float) -> System:
    """A system of nothing but its penalties, on 8 x 10 texels with a few ties."""
    uv = np.random.default_rng(0).random((2, 5, 2)).astype(np.float32)
    return System.gathered(torch.zeros(8, 10, SLOTS), prior, SeamTie(uv), 0.7)


def test_the_penalty_is_the_product_of_a_system_without_photos() -> None:
    system = seamed(0.3)
    x = torch.rand(3, 8, 10, generator=torch.Generator().manual_seed(1))
    product, taken = torch.empty_like(x), torch.zeros_like(x)
    system.product(x, product)
    system.subtract_penalty(x, taken)
    torch.testing.assert_close(taken, -product, rtol=1e-4, atol=1e-5)


def test_the_penalty_is_the_gradient_of_differences_and_seams() -> None:
    system = seamed(0.3)
    x = torch.rand(1, 8, 10, generator=torch.Generator().manual_seed(1), requires_grad=True)
    assert system.seams is not None
    uv = torch.from_numpy(system.seams.uv)
    grid = 2 * uv[:, None] - 1  # 2 1 n 2, with v down and the border repeated, as grid_sample has it
    one, other = (
        torch.nn.functional.grid_sample(x[None], side[None], padding_mode="border", align_corners=False)
        for side in grid
    )
    rows, cols = x.diff(dim=1), x.diff(dim=2)
    objective = 0.3 * (rows.square().sum() + cols.square().sum()) + 0.7 * (one - other).square().sum()
    objective.backward()
    assert x.grad is not None
    product = torch.empty(1, 8, 10)
    system.product(x.detach(), product)
    torch.testing.assert_close(product, x.grad / 2, rtol=1e-4, atol=1e-5)


def test_the_diagonal_is_that_of_the_matrix() -> None:
    system = seamed(0.3)
    unit = torch.eye(80).reshape(80, 8, 10)
    image = torch.empty_like(unit)
    system.product(unit, image)
    torch.testing.assert_close(image.reshape(80, 80).diagonal().reshape(8, 10), system.diagonal())


@pytest.mark.parametrize("name", ROWS)
def test_a_reweighted_loss_has_the_slope_of_the_loss(name: str) -> None:
    """2 d weight(d) is the slope of the loss in the table; residuals below l1's floor aside."""
    terms = direct_terms((f"{name}=0.7",))
    assert terms is not None
    d = torch.linspace(0.002, 0.5, 40, dtype=torch.float64, requires_grad=True)
    loss = 0.7 * LOSSES[name](d[None, None, None], torch.zeros_like(d)[None, None, None], (d > 0)[None, None, None])
    loss.backward()
    assert d.grad is not None
    torch.testing.assert_close(2 * d.detach() * weights(terms, d.detach()) / len(d), d.grad)
    falling = weights(terms, d.detach()).diff()
    assert (falling <= 1e-12).all()  # rho is concave in d², so a reweighted step never raises the loss


def test_which_losses_are_taken() -> None:
    assert is_quadratic(direct_terms(("l2=3", "l2=1")) or ())
    assert direct_terms(("l1", "huber=2")) == ((1.0, "l1"), (2.0, "huber"))
    assert direct_terms(("l2", "gradient_l1")) is None
    assert direct_terms(("l2=0",)) is None


def test_means_over_scales() -> None:
    """Where there is weight the mean itself, nearly; elsewhere within the range of what is near; one colour stays."""
    weight = torch.zeros(24, 16)
    weight[3:9, 4:7] = 50.0
    colour = torch.rand(2, 24, 16, generator=torch.Generator().manual_seed(0))
    found = spread(colour * weight, weight)
    torch.testing.assert_close(found[:, 3:9, 4:7], colour[:, 3:9, 4:7], rtol=0, atol=3e-3)
    assert found.min() >= colour.min()
    assert found.max() <= colour.max()
    torch.testing.assert_close(spread(0.3 * weight[None], weight), torch.full((1, 24, 16), 0.3))
