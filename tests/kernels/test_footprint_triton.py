"""The Triton twins of look-ups with footprints against the definition, by Triton's interpreter in its own process."""

import importlib.util
import os
import subprocess
import sys

import pytest

PROGRAM = """
import torch
from neuraltexgen.kernels.cuda import footprint as cuda
from neuraltexgen.kernels.footprint import *
from neuraltexgen.kernels.mip import fold_chain, mip_chain, mip_sizes

def noise(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))

for size, photo, samples, taps, texels in (
    ((16, 32), (5, 7), 1, 1, 3.0), ((16, 32), (3, 4), 4, 4, 6.0), ((1, 1), (2, 2), 1, 2, 3.0),
    ((6, 20), (3, 3), 1, 4, 90.0),
):
    steps = noise(*photo, samples, 2, 2, seed=1) * texels / torch.tensor([size[1], size[0]])
    valid = noise(*photo, seed=2) < 0.7
    where = Footprints(torch.rand(*photo, samples, 2, generator=torch.Generator().manual_seed(3)), steps, valid)
    where.uv[~valid] = torch.nan
    texture, gradient, sizes = noise(*size, 3, seed=4), noise(*photo, 3, seed=5), mip_sizes(size)
    image = cuda.look_up(mip_chain(texture), sizes, where, taps)
    torch.testing.assert_close(image, look_up_footprints_definition(texture, where, taps), rtol=0, atol=2e-5)
    chain = torch.zeros(sum(h * w for h, w in sizes), 3)
    cuda.scatter(gradient, sizes, where, taps, chain)
    found, expected = torch.zeros_like(texture), torch.zeros_like(texture)
    fold_chain(chain, found)
    scatter_footprints_definition(gradient, where, taps, expected)
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-5 * (1 + float(expected.abs().max())))
    assert bool((expected != 0).any())
print("they agree")
"""


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")
def test_the_triton_twins_are_the_definition() -> None:
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environment, check=False)
    assert done.stdout.strip() == "they agree", done.stderr[-3000:]
