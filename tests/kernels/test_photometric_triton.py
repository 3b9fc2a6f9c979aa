"""The Triton twins of the photometric step against the definition, by Triton's interpreter in its own process."""

from interpreted import interpreted, needs_triton

PROGRAM = """
import torch
from neuraltexgen.kernels.cuda import packed as cuda_packed
from neuraltexgen.kernels.cuda import compare as cuda_compare
from neuraltexgen.kernels.cuda import photometric as cuda
from neuraltexgen.kernels.packed import Places, look_up_definition, pack_uv, scatter_definition
from neuraltexgen.kernels.photometric import *

def uniform(*shape, seed):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))

BENDS = (HUBER_DELTA, CHARBONNIER_EPSILON)
LOSSES = PhotoLosses(l1=10.0, l2=3.0, huber=2.0, charbonnier=1.5, gradient_l1=20.0)
for size, photo, samples, unseen, floats in (
    ((20, 30), (18, 31), 1, 0.3, False), ((20, 30), (5, 16), 4, 0.3, True), ((1, 1), (3, 4), 1, 0.0, False),
    ((1, 9), (2, 33), 1, 0.0, False), ((9, 1), (8, 1), 1, 0.0, False), ((8, 8), (1, 1), 1, 0.0, False),
    ((8, 8), (5, 6), 1, 2.0, False),
):
    low, high = zip(*(pack_uv(uniform(*photo, samples, 2, seed=s)) for s in (1, 2)))
    trust = (uniform(2, *photo, seed=3) * 254 + 1).to(torch.uint8)
    trust[uniform(2, *photo, seed=4) < unseen] = 0
    picture = uniform(2, *photo, 3, seed=5)
    picture = torch.where(trust[..., None] > 0, picture, torch.nan) if floats else (picture * 255).to(torch.uint8)
    places = Places(torch.stack(low), torch.stack(high), trust)
    colour = Colour(0.8 + 0.4 * uniform(2, 3, seed=6), 0.1 * uniform(2, 3, seed=7))
    stack = Stack(places, picture, colour, torch.tensor([1.0, 0.5]))
    texture = uniform(*size, 3, seed=8)
    found, expected = torch.zeros_like(texture), torch.zeros_like(texture)
    known = LOSSES if samples == 1 else PhotoLosses(l2=3.0)  # without neighbours a strip needs none
    loss = cuda.photometric_pass(texture, stack, known, BENDS, found)
    for index in range(2):
        one = Places(*(part[index] for part in places))
        image = look_up_definition(texture, one)
        torch.testing.assert_close(cuda_packed.look_up(texture, one), image, rtol=1e-5, atol=1e-6)
        shown = Colour(*(part[index] for part in colour))
        part = compare_definition(image, Target(picture[index], one.trust), shown, known, float(stack.weight[index]))
        every = cuda.terms_of(stack, known, BENDS)
        alike = cuda.Terms(*(part[index:index + 1] for part in every[:4]), every.form)
        twin_loss, twin = cuda_compare.compare(image, picture[index], one.trust, alike)
        torch.testing.assert_close(twin_loss, part.loss, rtol=1e-5, atol=1e-7)
        torch.testing.assert_close(twin, part.gradient, rtol=1e-4, atol=1e-5 * float(part.gradient.abs().max() + 1e-9))
        torch.testing.assert_close(loss[index], part.loss, rtol=1e-5, atol=1e-7)
        scatter_definition(part.gradient, one, expected)
        alone, apart = torch.zeros_like(texture), torch.zeros_like(texture)
        cuda_packed.scatter(part.gradient, one, alone)
        scatter_definition(part.gradient, one, apart)
        torch.testing.assert_close(alone, apart, rtol=1e-4, atol=1e-5 * float(apart.abs().max() + 1e-9))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max() + 1e-9))
    assert bool((expected != 0).any()) == (unseen < 1)
print("they agree")
"""


@needs_triton
def test_the_triton_twins_are_the_definition() -> None:
    assert interpreted(PROGRAM) == "they agree"
