"""Triton twins of `kernels.photometric`, for many views of one size at once, float32 and 3 channels.

A minibatch is two launches: residuals, then their slopes scattered into the texture. Views are read where they lie.
"""

from __future__ import annotations  # tl is a name only where Triton is; its interpreter wants no quotes

from typing import TYPE_CHECKING, Any, NamedTuple, no_type_check

import torch
import torch.nn.functional as F
from torch import Tensor

from neuraltexgen.kernels.cuda.lookup import BLOCK, add, blocks, jit, look, own_padded, padded

if TYPE_CHECKING:
    from neuraltexgen.kernels.packed import Places
    from neuraltexgen.kernels.photometric import Colour, PhotoLosses, Stack

try:
    import triton.language as tl  # pyright: ignore[reportMissingImports]
except ImportError:  # no CUDA build of PyTorch: the twins are never called
    tl: Any = None

LAUNCH_PIXELS = 1 << 22
"""Of so many pixels the residuals are held at a time: they stay in the device's cache until their slopes are taken."""


class Table(NamedTuple):
    """Views of one size, wherever they lie: `addresses` (v 4) of their low, high, trust and photo, which the caller
    keeps alive, and what is the same for all of them; `floats`: photos are floats, not bytes.
    """

    addresses: Tensor
    height: int
    width: int
    samples: int
    floats: bool


class Terms(NamedTuple):
    """What a view's losses and their gradient are made with, v before each field's own axes: see `terms_of`.

    gain, offset (v 3); weight (v): of its gradient; `losses` (v 6): of a pixel by l1, l2, huber and charbonnier, of a pair
    across and down. `bends`: Huber's delta and Charbonnier's epsilon.
    """

    gain: Tensor
    offset: Tensor
    weight: Tensor
    losses: Tensor
    bends: tuple[float, float]


def photometric_pass(
    texture: Tensor, stack: Stack, losses: PhotoLosses, bends: tuple[float, float], result: Tensor
) -> Tensor:
    """Adds the gradients of all views' losses to `result`; returns the losses. bends: Huber's delta, Charbonnier's
    epsilon."""
    table, terms = table_of(stack), terms_of(stack, losses, bends)
    own = own_padded(result)
    into = torch.zeros(*result.shape[:2], 4, device=result.device) if own is None else own
    every, shown = torch.arange(len(stack.weight), device=result.device), padded(texture)
    loss = torch.empty_like(stack.weight)
    for chosen in every.split(views_per_launch(table)):
        field = residuals(shown, table, chosen, terms)
        loss[chosen] = slopes(field, table, chosen, terms, into)
    if own is None:
        result += into[..., :3]
    return loss


def views_per_launch(table: Table) -> int:
    """How many views' residuals are held at a time, 1 at the least."""
    return max(1, LAUNCH_PIXELS // (table.height * table.width))


def table_of(stack: Stack) -> Table:
    """The table of views that lie one behind the other."""
    count, height, width, samples = stack.places.high.shape
    fields = (stack.places.low, stack.places.high, stack.places.trust, stack.photo)
    if not all(field.is_contiguous() for field in fields):
        raise ValueError("stacked views must be contiguous")
    numbers = torch.arange(count, device=stack.photo.device)
    addresses = [field.data_ptr() + numbers * (field.stride(0) * field.element_size()) for field in fields]
    return Table(torch.stack(addresses, dim=1), height, width, samples, stack.photo.dtype == torch.float32)


def terms_of(stack: Stack, losses: PhotoLosses, bends: tuple[float, float]) -> Terms:
    """What views that lie one behind the other are compared by."""
    counts = stack.counts if stack.counts is not None else count_pairs(stack.places.trust)
    colour = stack.colour
    return Terms(
        colour.gain.contiguous(), colour.offset.contiguous(), stack.weight, shares(losses, counts), bends
    )  # fmt: skip


def shares(losses: PhotoLosses, counts: Tensor) -> Tensor:
    """(v 3) of pixels and pairs -> (v 6): what one of them counts in each loss."""
    single = torch.tensor([losses.l1, losses.l2, losses.huber, losses.charbonnier], device=counts.device)
    return torch.cat((single / (3 * counts[:, :1]), losses.gradient_l1 / (3 * counts[:, 1:])), dim=1).contiguous()


def count_pairs(trust: Tensor) -> Tensor:
    """(v h w) -> (v 3): how many pixels have confidence, and pairs across and down of which both do; at least 1."""
    known = trust > 0
    across, down = known[:, :, 1:] & known[:, :, :-1], known[:, 1:] & known[:, :-1]
    return torch.stack([mask.sum(dim=(1, 2)) for mask in (known, across, down)], dim=1).clamp(min=1).float()


def residuals(texture: Tensor, table: Table, chosen: Tensor, terms: Terms) -> Tensor:
    """(b h w 4): confidence x (gain x render + offset - photo) of b views of a table; 0 without confidence.

    texture: (H W 4).
    """
    pixels = table.height * table.width
    field = torch.empty(len(chosen), table.height, table.width, 4, device=texture.device)
    _residual[(blocks(pixels), len(chosen))](
        texture, table.addresses, chosen, terms.gain, terms.offset, field, texture.shape[1], texture.shape[0], pixels,
        table.samples, table.floats, BLOCK,
    )  # fmt: skip
    return field


def slopes(field: Tensor, table: Table, chosen: Tensor, terms: Terms, result: Tensor) -> Tensor:
    """The losses (b) of residuals; their gradients are scattered into a texture (H W 4)."""
    pixels = table.height * table.width
    sums = torch.empty(len(chosen), blocks(pixels), device=field.device)
    _slopes[(blocks(pixels), len(chosen))](
        field, table.addresses, chosen, terms.gain, terms.weight, terms.losses, result, sums, result.shape[1],
        result.shape[0], table.width, pixels, *terms.bends, table.samples, BLOCK,
    )  # fmt: skip
    return sums.sum(dim=1)


def compare(image: Tensor, photo: Tensor, trust: Tensor, terms: Terms) -> tuple[Tensor, Tensor]:
    """One view's loss, and weight x its gradient in the render (h w 3). The terms are of this view alone."""
    height, width, _ = image.shape
    share = trust.float()[..., None] / 255
    shown = terms.gain[0] * image + terms.offset[0] - (photo.float() / 255 if photo.dtype == torch.uint8 else photo)
    field = F.pad(torch.where(share > 0, share * shown, 0), (0, 1))
    gradient, sums = torch.empty_like(field), torch.empty(blocks(height * width), device=field.device)
    _compare[(len(sums),)](
        field, trust.contiguous(), terms.gain, terms.weight, terms.losses, gradient, sums, width, height * width,
        *terms.bends, BLOCK,
    )  # fmt: skip
    return sums.sum(), gradient[..., :3]


def look_up(texture: Tensor, places: Places) -> Tensor:
    """(H W 3), packed places (h w ...) -> (h w 3)."""
    height, width, samples = places.high.shape
    image = torch.empty(height, width, 4, device=texture.device)
    _look_up[(blocks(height * width),)](
        padded(texture), codes(places), places.high, places.trust, image, texture.shape[1], texture.shape[0],
        height * width, samples, BLOCK,
    )  # fmt: skip
    return image[..., :3].contiguous()


def scatter(gradient: Tensor, places: Places, result: Tensor) -> None:
    """Adds the adjoint of `look_up` applied to `gradient` (h w 3) to `result` (H W 3)."""
    own = own_padded(result)
    into = torch.zeros(*result.shape[:2], 4, device=result.device) if own is None else own
    height, width, samples = places.high.shape
    _scatter[(blocks(height * width),)](
        F.pad(gradient, (0, 1)), codes(places), places.high, places.trust, into,
        result.shape[1], result.shape[0], height * width, samples, BLOCK,
    )  # fmt: skip
    if own is None:
        result += into[..., :3]


def codes(places: Places) -> Tensor:
    """The lower 16 bits of u, and above them those of v, as one number."""
    return places.low.contiguous().view(torch.int32)


@jit
@no_type_check
def address(table, view, FIELD: tl.constexpr, floats: tl.constexpr):
    """Where a field of a view begins: codes, upper bits, trust, photo."""
    start = tl.load(table + view * 4 + FIELD)
    if FIELD == 0:
        return start.to(tl.pointer_type(tl.int32))
    elif FIELD == 3 and floats:
        return start.to(tl.pointer_type(tl.float32))
    else:
        return start.to(tl.pointer_type(tl.uint8))


@jit
@no_type_check
def _residual(
    texture, table, chosen, gains, offsets, field, texture_width, texture_height, pixels,
    SAMPLES: tl.constexpr, FLOATS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    number = tl.program_id(1)
    view = tl.load(chosen + number)
    low, high = address(table, view, 0, FLOATS), address(table, view, 1, FLOATS)
    trust, photo = address(table, view, 2, FLOATS), address(table, view, 3, FLOATS)
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = place < pixels
    share = tl.load(trust + place, mask=inside, other=0).to(tl.float32) / 255
    known = share > 0
    channel = tl.arange(0, 4)[None, :]
    image = look(texture, low, high, place, known, texture_width, texture_height, SAMPLES, BLOCK)
    there = known[:, None] & (channel < 3)
    gain = tl.load(gains + view * 3 + channel, mask=channel < 3, other=0.0)
    offset = tl.load(offsets + view * 3 + channel, mask=channel < 3, other=0.0)
    picture = tl.load(photo + place[:, None] * 3 + channel, mask=there, other=0).to(tl.float32)
    if not FLOATS:
        picture = picture / 255
    image = tl.where(there, share[:, None] * (gain * image + offset - picture), 0.0)
    tl.store(field + (number.to(tl.int64) * pixels + place)[:, None] * 4 + channel, image, mask=inside[:, None])


@jit
@no_type_check
def _sign(value):
    return (value > 0).to(tl.float32) - (value < 0).to(tl.float32)


@jit
@no_type_check
def _slope(field, trust, weights, place, width, pixels, delta, epsilon):
    """What pixels' residuals cost (n 4), and the slope of that in each of them, and the pixels' confidence."""
    channel = tl.arange(0, 4)[None, :]
    inside = place < pixels
    bits = tl.load(trust + place, mask=inside, other=0)
    known = bits > 0
    here = tl.load(field + place[:, None] * 4 + channel, mask=inside[:, None], other=0.0)
    l1, l2, huber = tl.load(weights), tl.load(weights + 1), tl.load(weights + 2)
    charbonnier, across, down = tl.load(weights + 3), tl.load(weights + 4), tl.load(weights + 5)
    size = tl.abs(here)
    near = tl.minimum(size, delta)
    root = tl.sqrt(here * here + epsilon * epsilon)
    value = l1 * size + l2 * here * here + huber * (0.5 * near * near / delta + size - near)
    value += charbonnier * (root - epsilon)
    slope = (l1 + huber * near / delta) * _sign(here) + (2.0 * l2 + charbonnier / root) * here
    col = place % width
    for side in tl.static_range(4):  # right, left, below, above
        step = 1 if side == 0 else (-1 if side == 1 else (width if side == 2 else -width))
        if side == 0:
            there = known & (col + 1 < width)
        elif side == 1:
            there = known & (col > 0)
        elif side == 2:
            there = known & (place + width < pixels)
        else:
            there = known & (place >= width)
        both = there & (tl.load(trust + place + step, mask=there, other=0) > 0)
        other = tl.load(field + (place + step)[:, None] * 4 + channel, mask=both[:, None], other=0.0)
        apart = tl.where(both[:, None], other - here, 0.0)
        weight = across if side < 2 else down
        slope -= weight * _sign(apart)
        if side % 2 == 0:
            value += weight * tl.abs(apart)
    return value, slope, bits.to(tl.float32) / 255


@jit
@no_type_check
def _slopes(
    field, table, chosen, gains, weight, losses, result, sums, texture_width, texture_height, width, pixels, delta, epsilon,
    SAMPLES: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    number = tl.program_id(1)
    view = tl.load(chosen + number)
    low, high, trust = address(table, view, 0, False), address(table, view, 1, False), address(table, view, 2, False)
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    own = field + number.to(tl.int64) * pixels * 4
    value, slope, share = _slope(own, trust, losses + view * 6, place, width, pixels, delta, epsilon)
    tl.store(sums + number * tl.num_programs(0) + tl.program_id(0), tl.sum(tl.sum(value, axis=1), axis=0))
    channel = tl.arange(0, 4)[None, :]
    gain = tl.load(gains + view * 3 + channel, mask=channel < 3, other=0.0) * tl.load(weight + view)
    add(slope * share[:, None] * gain, low, high, place, share > 0, result, texture_width, texture_height, SAMPLES)


@jit
@no_type_check
def _compare(
    field, trust, gains, weight, losses, result, sums, width, pixels, delta, epsilon, BLOCK: tl.constexpr
):  # fmt: skip
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    value, slope, share = _slope(field, trust, losses, place, width, pixels, delta, epsilon)
    tl.store(sums + tl.program_id(0), tl.sum(tl.sum(value, axis=1), axis=0))
    channel = tl.arange(0, 4)[None, :]
    gain = tl.load(gains + channel, mask=channel < 3, other=0.0) * tl.load(weight)
    tl.store(result + place[:, None] * 4 + channel, slope * share[:, None] * gain, mask=(place < pixels)[:, None])


@jit
@no_type_check
def _look_up(
    texture, low, high, trust, image, width, height, pixels, SAMPLES: tl.constexpr, BLOCK: tl.constexpr
):  # fmt: skip
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = place < pixels
    known = tl.load(trust + place, mask=inside, other=0) > 0
    found = look(texture, low, high, place, known, width, height, SAMPLES, BLOCK)
    tl.store(image + place[:, None] * 4 + tl.arange(0, 4)[None, :], found, mask=inside[:, None])


@jit
@no_type_check
def _scatter(
    gradient, low, high, trust, result, width, height, pixels, SAMPLES: tl.constexpr, BLOCK: tl.constexpr
):  # fmt: skip
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    known = tl.load(trust + at, mask=at < pixels, other=0) > 0
    slope = tl.load(gradient + at[:, None] * 4 + tl.arange(0, 4)[None, :], mask=known[:, None], other=0.0)
    add(slope, low, high, at, known, result, width, height, SAMPLES)
