"""Look-ups with a footprint: what a sample covers of the texture, by taps along its longer axis in a mip chain.

A sample's footprint is that of its two uv derivatives, in texels: with J = [W du, H dv] for a step to the right and one
down (2 x 2), its axes are J's singular values a >= b along the left singular vector e of a. Then, with at most `taps`
taps (as EXT_texture_filter_anisotropic, https://registry.khronos.org/OpenGL/extensions/EXT/, but for the level):

    n = clamp(ceil(a / max(b, 1) - 1/100), 1, taps)     taps along e, centres ((i + 0.5) / n - 0.5) a e from uv
    spread = 1 + max(max(b, a / n)^2 - 1, 0) / 3
    lower = floor(log4(spread))
    level = min(lower + (spread / 4^lower - 1) / 3, last level)   each tap: two bilinear look-ups, mixed linearly
    colour = mean over s samples of the mean over n taps

The level makes a tap as wide as the area it stands for, by variance. A look-up on level l is (4^l - 1) / 4 texels^2
wider than one on level 0: (4^l - 1) / 12 for the mean of 2^l x 2^l texels, twice that for the bilinear weights. A
square of side d is (d^2 - 1) / 12 wider than a texel. OpenGL's log2(d) gives three times that: right for a display,
which must not flicker, but a photo's pixel is the mean over its area, and a fit would have to sharpen.

A footprint of at most a texel, and one of zero, is the bilinear look-up of `kernels.sample`, whose border rules hold on
every level. One tap is a trilinear look-up. The 1/100 keeps rounding from choosing n where the axes' ratio is a whole
number.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor

from neuraltexgen.kernels.cpu import footprint as cpu
from neuraltexgen.kernels.cuda import footprint as cuda
from neuraltexgen.kernels.mip import fold_chain, mip_chain, mip_chain_definition, mip_sizes
from neuraltexgen.kernels.packed import on_cuda

SLACK = 0.01


class Footprints(NamedTuple):
    """Where s samples a pixel look, and how far: `steps[..., 0, :]` is how uv changes to the next sample's place on the
    right, `steps[..., 1, :]` to the one below. Of pixels that are not valid nothing is read, so they may hold NaN.
    """

    uv: Float[Tensor, "h w s 2"]
    steps: Float[Tensor, "h w s 2 2"]
    valid: Bool[Tensor, "h w"]


class Taps(NamedTuple):
    """The taps of p samples, in texels of the finest level: their middle, the way between them, how many, level."""

    middle: Float[Tensor, "p 2"]
    pace: Float[Tensor, "p 2"]
    number: Float[Tensor, " p"]
    level: Float[Tensor, " p"]


def look_up_footprints(texture: Float[Tensor, "H W c"], where: Footprints, taps: int) -> Float[Tensor, "h w c"]:
    """The mean of a pixel's s look-ups with footprints, 0 where it is not valid; not recorded by autograd.

    Float32 on the CPU takes the numba twin, on CUDA with 3 channels the Triton twin, everything else the definition.
    """
    texture = texture.detach()
    if _on_cpu(texture):
        image = torch.empty(*where.valid.shape, texture.shape[2])
        size = (texture.shape[0], texture.shape[1])
        cpu.look_up(mip_chain(texture).numpy(), size, _arrays(where), taps, image.numpy())
        return image
    if on_cuda(texture):
        return cuda.look_up(mip_chain(texture), mip_sizes((texture.shape[0], texture.shape[1])), where, taps)
    return look_up_footprints_definition(texture, where, taps)


def look_up_footprints_definition(
    texture: Float[Tensor, "H W c"], where: Footprints, taps: int
) -> Float[Tensor, "h w c"]:
    """The definition of `look_up_footprints` in plain PyTorch: any device, any float type, gradients by autograd."""
    sizes = mip_sizes((texture.shape[0], texture.shape[1]))
    chain = mip_chain_definition(texture)
    uv, steps = (field[where.valid].to(texture.dtype) for field in (where.uv, where.steps))  # p s 2, p s 2 2
    found = find_taps(uv.reshape(-1, 2), steps.reshape(-1, 2, 2), sizes, taps)
    total = texture.new_zeros(len(found.number), texture.shape[2])
    for tap in range(int(found.number.max().item()) if len(found.number) else 0):
        place = found.middle + (tap + 0.5 - found.number / 2)[:, None] * found.pace
        used = (found.number > tap)[:, None]
        total = total + torch.where(used, _trilinear(chain, sizes, place, found.level), 0)
    means = (total / found.number[:, None]).reshape(*uv.shape[:2], texture.shape[2]).mean(dim=1)
    result = texture.new_zeros(*where.valid.shape, texture.shape[2])
    result[where.valid] = means
    return result


def scatter_footprints(
    gradient: Float[Tensor, "h w c"], where: Footprints, taps: int, result: Float[Tensor, "H W c"]
) -> None:
    """Adds the adjoint of `look_up_footprints`, applied to a gradient of the render, to `result` in place.

    Taps are scattered into all levels, and the levels folded into the finest by the adjoint of the halving.
    """
    size = (result.shape[0], result.shape[1])
    if not (_on_cpu(result) or on_cuda(result)):
        scatter_footprints_definition(gradient, where, taps, result)
        return
    sizes = mip_sizes(size)
    chain = torch.zeros(sum(h * w for h, w in sizes), result.shape[2], device=result.device)
    if _on_cpu(result):
        if not result.is_contiguous():
            raise ValueError("scatter_footprints adds in place: its result must be contiguous")
        cpu.scatter(gradient.contiguous().numpy(), size, _arrays(where), taps, chain.numpy())
    else:
        cuda.scatter(gradient, sizes, where, taps, chain)
    fold_chain(chain, result)


def scatter_footprints_definition(
    gradient: Float[Tensor, "h w c"], where: Footprints, taps: int, result: Float[Tensor, "H W c"]
) -> None:
    """The definition of `scatter_footprints`: what autograd does for the definition of the look-up."""
    texture = torch.zeros_like(result, requires_grad=True)
    with torch.enable_grad():
        image = look_up_footprints_definition(texture, where, taps)
    if bool(where.valid.any()):
        gradient = torch.where(where.valid[..., None], gradient, 0)
        result += torch.autograd.grad(image, texture, gradient)[0]


def find_taps(uv: Float[Tensor, "p 2"], steps: Float[Tensor, "p 2 2"], sizes: list[tuple[int, int]], taps: int) -> Taps:
    """The taps that this module's formulas give samples in a texture with levels of these sizes."""
    scale = uv.new_tensor([sizes[0][1], sizes[0][0]])
    (ux, vx), (uy, vy) = ((steps[:, i] * scale).unbind(-1) for i in range(2))
    # J Jᵀ = [[p, q], [q, r]]; its larger eigenvalue is a², along (cos t, sin t) with (cos 2t, sin 2t) ~ (p - r, 2q).
    p, q, r = ux * ux + uy * uy, ux * vx + uy * vy, vx * vx + vy * vy
    apart = torch.hypot((p - r) / 2, q)
    long = ((p + r) / 2 + apart).sqrt()
    short = (ux * vy - vx * uy).abs() / long.clamp(min=1e-30)
    turn = torch.where(apart > 0, (p - r) / 2 / apart.clamp(min=1e-30), 1.0).clamp(-1, 1)
    axis = torch.stack([((1 + turn) / 2).sqrt(), torch.where(q < 0, -1.0, 1.0) * ((1 - turn) / 2).sqrt()], dim=-1)
    count = (long / short.clamp(min=1) - SLACK).ceil().clamp(1, taps)
    spread = 1 + (torch.maximum(short, long / count).square() - 1).clamp(min=0) / 3
    lower = (spread.log2() / 2).floor()
    level = (lower + (spread / 4**lower - 1) / 3).clamp(max=len(sizes) - 1)
    return Taps(uv * scale, (long / count)[:, None] * axis, count, level)


def sample_steps(uv: Float32[Tensor, "h w s 2"], seen: Bool[Tensor, "h w s"]) -> Float32[Tensor, "h w s 2 2"]:
    """The steps of a photo's samples, from their own places: differences to the neighbours in the grid of samples.

    A difference counts if it agrees with the one before or after it on the same line (they differ by at most half the
    longer one): over a chart's border it does not. Of a sample's two sides the mean is taken where they agree, else
    the shorter one that counts; where none does the step is 0. s is k x k, each pixel's samples in rows.
    """
    h, w, s = seen.shape
    k = round(s**0.5)
    grid = uv.reshape(h, w, k, k, 2).transpose(1, 2).reshape(h * k, w * k, 2)
    known = seen.reshape(h, w, k, k).transpose(1, 2).reshape(h * k, w * k)
    across = _line_steps(grid, known)
    down = _line_steps(grid.transpose(0, 1), known.T).transpose(0, 1)
    steps = torch.stack([across, down], dim=2)
    return steps.reshape(h, k, w, k, 2, 2).transpose(1, 2).reshape(h, w, s, 2, 2)


def _line_steps(grid: Float32[Tensor, "H W 2"], known: Bool[Tensor, "H W"]) -> Float32[Tensor, "H W 2"]:
    """The step of each sample along its row."""
    step = grid[:, 1:] - grid[:, :-1]
    there = known[:, 1:] & known[:, :-1]
    length = torch.where(there, torch.linalg.vector_norm(step, dim=2), torch.inf)
    near = torch.linalg.vector_norm(step[:, 1:] - step[:, :-1], dim=2)
    agree = (near <= 0.5 * torch.maximum(length[:, 1:], length[:, :-1])) & there[:, 1:] & there[:, :-1]
    edge = agree.new_zeros(len(grid), 1)
    agree = torch.cat([edge, agree, edge], dim=1)[:, : grid.shape[1]]  # at each sample: the steps of both its sides
    counted = torch.where(agree[:, :-1] | agree[:, 1:], length, torch.inf)
    ends = length.new_full((len(grid), 1), torch.inf)
    left, right = torch.cat([ends, counted], dim=1), torch.cat([counted, ends], dim=1)
    nothing = step.new_zeros(len(grid), 1, 2)
    before, after = torch.cat([nothing, step], dim=1), torch.cat([step, nothing], dim=1)
    chosen = torch.where((left <= right)[..., None], before, after)
    chosen = torch.where(agree[..., None], (before + after) / 2, chosen)
    return torch.where((torch.minimum(left, right) < torch.inf)[..., None], chosen, 0)


def _trilinear(chain: Tensor, sizes: list[tuple[int, int]], place: Tensor, level: Tensor) -> Tensor:
    """Look-ups at places in texels of the finest level, between the two levels around `level`."""
    lower = level.floor().clamp(max=max(len(sizes) - 2, 0))
    share = (level - lower)[:, None]
    fine = _bilinear(chain, sizes, place, lower.long())
    coarse = _bilinear(chain, sizes, place, (lower.long() + 1).clamp(max=len(sizes) - 1))
    return fine + share * (coarse - fine)


def _bilinear(chain: Tensor, sizes: list[tuple[int, int]], place: Tensor, level: Tensor) -> Tensor:
    heights, widths = (torch.tensor(sides, device=place.device) for sides in zip(*sizes))
    starts = torch.cumsum(heights * widths, dim=0) - heights * widths
    height, width, start = heights[level], widths[level], starts[level]
    half = 0.5 ** level.to(place.dtype)
    x, y = (
        torch.minimum((place[:, i] * half - 0.5).clamp(min=0), (side - 1).to(place.dtype))
        for i, side in enumerate((width, height))
    )
    x0, y0 = (torch.minimum(p.floor().long(), (side - 2).clamp(min=0)) for p, side in ((x, width), (y, height)))
    fx, fy = (x - x0)[:, None], (y - y0)[:, None]
    x1, y1 = torch.minimum(x0 + 1, width - 1), torch.minimum(y0 + 1, height - 1)
    top = (1 - fx) * chain[start + y0 * width + x0] + fx * chain[start + y0 * width + x1]
    bottom = (1 - fx) * chain[start + y1 * width + x0] + fx * chain[start + y1 * width + x1]
    return (1 - fy) * top + fy * bottom


def _arrays(where: Footprints) -> cpu.Where:
    """As the numba twin takes them."""
    uv, steps = (field.to(torch.float32).contiguous().numpy() for field in (where.uv, where.steps))
    return uv, steps, where.valid.contiguous().numpy()


def _on_cpu(texture: Tensor) -> bool:
    return texture.device.type == "cpu" and texture.dtype == torch.float32
