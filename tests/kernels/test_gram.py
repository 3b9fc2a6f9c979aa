"""Gram matrices against a plain statement, in every float type."""

import pytest
import torch

from neuraltexgen.kernels.gram import grams


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 5000, 7), (3, 20, 16), (2, 1, 5), (1, 8192, 4)])
def test_they_are_sums_of_outer_products(shape: tuple[int, int, int], dtype: torch.dtype) -> None:
    features = torch.randn(*shape, generator=torch.Generator().manual_seed(0)).to(dtype)
    plain = torch.einsum("npi,npj->nij", features.double(), features.double())
    found = grams(features)
    assert found.dtype == torch.promote_types(dtype, torch.float32)
    assert (found.double() - plain).norm() <= (1e-13 if dtype == torch.float64 else 1e-5) * plain.norm()


def test_half_precision_features_are_summed_in_single() -> None:
    """1 + 1 + ... would stop at 256 in bfloat16."""
    assert grams(torch.ones(1, 10_000, 1, dtype=torch.bfloat16)).item() == 10_000


def test_no_features_have_an_empty_sum() -> None:
    assert torch.equal(grams(torch.zeros(2, 0, 3)), torch.zeros(2, 3, 3))
