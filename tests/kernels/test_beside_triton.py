"""The Triton twins of what a fit does beside photos' gradients, by Triton's interpreter: Adam's step with composition,
exposures, sharpness, texels' weights, seams."""

from interpreted import interpreted, needs_triton

ADAM = """
import copy, torch
from neuraltexgen.descent import PyramidDescent
from neuraltexgen.kernels.cuda.adam import Constants, PyramidSteps
from neuraltexgen.kernels.cuda.lookup import roomy
from neuraltexgen.texture import MIDDLE, PyramidTexture, TextureSettings

def normal(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))

def descent(size, levels):
    texture = PyramidTexture(TextureSettings(size, 3, (8.0, 2.0, 0.5)[:levels]))
    for number, level in enumerate(texture.levels):
        level.data.copy_(0.1 * normal(*level.shape, seed=number))
    return PyramidDescent(texture, (0.9, 0.99), 1e-6, 30.0)

for size, levels in (((12, 20), 3), ((1, 3), 1), ((2, 2), 2)):
    ours, theirs = descent(size, levels), descent(size, levels)
    composed, gradient = (roomy(*size, torch.device("cpu")) for _ in range(2))
    steps = PyramidSteps(ours.adam, Constants((0.9, 0.99), 1e-6, ours._decays(), MIDDLE))
    for number in range(3):
        if number == 2:  # a state is taken up as PyTorch keeps it
            ours.adam.load_state_dict(copy.deepcopy(theirs.adam.state_dict()))
            steps.take_state()
        gradient.copy_(normal(*size, 3, seed=number))
        theirs.gradient.copy_(gradient)
        rate = 0.02 / (1 + number)
        steps(rate, gradient, composed)
        theirs.adam.param_groups[0]["lr"] = rate
        theirs.step_definition()
        for one, other in zip(ours.texture.levels, theirs.texture.levels):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=2e-6)
        torch.testing.assert_close(composed, theirs.composed, rtol=1e-5, atol=4e-6)
        assert (gradient == 0).all()
print("they agree")
"""

MEASURES = """
import numpy as np, torch
from neuraltexgen.colour import ORDINARY_VARIANCE, RIDGE, fit_colour
from neuraltexgen.kernels.cuda import exposure, lookup, packed, photometric as cuda
from neuraltexgen.kernels.packed import Places, look_up_definition, pack_uv, scatter_definition, unpack_share
from neuraltexgen.kernels.photometric import Colour, PhotoLosses, Stack, Target, block_means, sharpness_definition
from neuraltexgen.seam_tie import SeamTie

def uniform(*shape, seed):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))

h, w, samples, size = 18, 21, 4, (9, 14)
low, high = zip(*(pack_uv(uniform(h, w, samples, 2, seed=seed)) for seed in (1, 2)))
trust = (uniform(2, h, w, seed=3) * 254 + 1).to(torch.uint8)
trust[uniform(2, h, w, seed=4) < 0.2] = 0
photo = (uniform(2, h, w, 3, seed=5) * 255).to(torch.uint8)
places = Places(torch.stack(low), torch.stack(high), trust)
stack = Stack(places, photo, Colour(torch.ones(2, 3), torch.zeros(2, 3)), torch.ones(2))
texture, shared = uniform(*size, 3, seed=8), (uniform(*size, seed=9) < 0.5).to(torch.uint8)
table, terms = cuda.table_of(stack), cuda.terms_of(stack, PhotoLosses(l2=1.0), (0.05, 1e-3))
priors, chosen = torch.tensor([3.0, 0.5]), torch.tensor([1, 0])
how = exposure.Exposure(shared, 8, RIDGE, ORDINARY_VARIANCE, priors)
exposure.fit_exposures(lookup.padded(texture), table, chosen, terms, how)
field, into = torch.empty(2, h, w, 4), torch.zeros(*size, 4)
losses = torch.empty(2, cuda.strips(table, terms.form))
cuda.add_gradients(lookup.padded(texture), table, chosen, terms, into, losses, field)
sums = torch.zeros(2, exposure.sharpness_parts(table, 4), 2)
exposure.add_sharpness(field, table, chosen, 4, sums)
sharp = sums.sum(dim=1)
for index in range(2):
    one = Places(*(part[index] for part in places))
    image = look_up_definition(texture, one)
    gain, offset = fit_colour(*block_means(image.double(), photo[index], one, shared, 8), prior=float(priors[index]))
    assert (gain - 1).abs().max() > 0.01
    torch.testing.assert_close(terms.gain[index], gain.float(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(terms.offset[index], offset.float(), rtol=1e-5, atol=1e-6)
    shown = Colour(terms.gain[index], terms.offset[index])
    expected = sharpness_definition(image, Target(photo[index], trust[index]), shown, 4)
    assert abs(float(sharp[index, 0] / sharp[index, 1]) / expected - 1) < 1e-5
    found, weight = torch.zeros(*size), torch.zeros(*size, 1)
    packed.scatter_weight(unpack_share(trust[index]), one, found)
    scatter_definition(unpack_share(trust[index])[..., None], one, weight)
    torch.testing.assert_close(found, weight[..., 0], rtol=1e-5, atol=1e-5)

no_weight = how._replace(shared=torch.zeros_like(shared))
exposure.fit_exposures(lookup.padded(texture), table, chosen, terms, no_weight)
assert (terms.gain == 1).all() and (terms.offset == 0).all()

tie = SeamTie(uniform(2, 21, 2, seed=3).numpy())
for step in range(3):
    ours, theirs = lookup.roomy(*size, torch.device("cpu")), torch.zeros(*size, 3)
    packed.tie(texture, tie._tensor, (step % 4, 4), 4 * 0.7, ours)
    tie.add_gradient(texture, theirs, step, 0.7)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
print("they agree")
"""


@needs_triton
def test_adams_step_is_pytorchs() -> None:
    assert interpreted(ADAM) == "they agree"


@needs_triton
def test_what_is_measured_beside_is_the_definition() -> None:
    assert interpreted(MEASURES) == "they agree"
