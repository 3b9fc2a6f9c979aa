"""Triton twins of `kernels.photometric`, for many views of one size at once, float32 and 3 channels.

A minibatch is one launch: a program walks down a strip of a photo, and holds the residuals of a row and of the rows
above and below. Views are read where they lie.
"""

from __future__ import annotations  # tl is a name only where Triton is; its interpreter wants no quotes

from typing import TYPE_CHECKING, Any, NamedTuple, no_type_check

import torch
from torch import Tensor

from neuraltexgen.kernels.cuda.lookup import BYTE, add, blocks, jit, look, own_padded, padded

if TYPE_CHECKING:
    from neuraltexgen.kernels.photometric import PhotoLosses, Stack

try:
    import triton.language as tl  # pyright: ignore[reportMissingImports]
except ImportError:  # no CUDA build of PyTorch: the twins are never called
    tl: Any = None

COLS = 32
"""Pixels side by side of a strip, one a thread; where losses look at neighbours, the outer two are only looked up."""

ROWS = 32
"""Rows of a strip in photos of LARGE pixels and more, half as many in smaller ones."""

LARGE = 1 << 20


class Table(NamedTuple):
    """Views of one size, wherever they lie: `addresses` (v 4) of their low, high, trust and photo, which the caller
    keeps alive, and what is the same for all of them; `floats`: photos are floats, not bytes.
    """

    addresses: Tensor
    height: int
    width: int
    samples: int
    floats: bool


class Form(NamedTuple):
    """Huber's delta, Charbonnier's epsilon; is either of the two among the losses, and do any look at neighbours."""

    delta: float
    epsilon: float
    robust: bool
    pairs: bool


class Terms(NamedTuple):
    """What views' losses and their gradients are made with.

    gain, offset (v 3); weight (v): of a view's gradient; losses (v 6): what a pixel counts in l1, l2, huber and
    charbonnier, and a pair of neighbours across and down.
    """

    gain: Tensor
    offset: Tensor
    weight: Tensor
    losses: Tensor
    form: Form


def photometric_pass(
    texture: Tensor, stack: Stack, losses: PhotoLosses, bends: tuple[float, float], result: Tensor
) -> Tensor:
    """Adds the gradients of all views' losses to `result`; returns the losses. bends: Huber's delta, Charbonnier's
    epsilon."""
    table, terms = table_of(stack), terms_of(stack, losses, bends)
    own = own_padded(result)
    into = torch.zeros(*result.shape[:2], 4, device=result.device) if own is None else own
    every = torch.arange(len(stack.weight), device=result.device)
    sums = torch.empty(len(every), strips(table, terms.form), device=result.device)
    add_gradients(padded(texture), table, every, terms, into, sums)
    if own is None:
        result += into[..., :3]
    return sums.sum(dim=1)


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
    form = form_of(losses, bends)
    return Terms(
        colour.gain.contiguous(), colour.offset.contiguous(), stack.weight, shares(losses, counts), form
    )  # fmt: skip


def form_of(losses: PhotoLosses, bends: tuple[float, float]) -> Form:
    """What kernels are compiled for."""
    return Form(*bends, losses.huber > 0 or losses.charbonnier > 0, losses.gradient_l1 > 0)


def shares(losses: PhotoLosses, counts: Tensor) -> Tensor:
    """(v 3) of pixels and pairs -> (v 6): what one of them counts in each loss."""
    single = torch.tensor([losses.l1, losses.l2, losses.huber, losses.charbonnier], device=counts.device)
    return torch.cat((single / (3 * counts[:, :1]), losses.gradient_l1 / (3 * counts[:, 1:])), dim=1).contiguous()


def count_pairs(trust: Tensor) -> Tensor:
    """(v h w) -> (v 3): how many pixels have confidence, and pairs across and down of which both do; at least 1."""
    known = trust > 0
    across, down = known[:, :, 1:] & known[:, :, :-1], known[:, 1:] & known[:, :-1]
    return torch.stack([mask.sum(dim=(1, 2)) for mask in (known, across, down)], dim=1).clamp(min=1).float()


def add_gradients(
    texture: Tensor,
    table: Table,
    chosen: Tensor,
    terms: Terms,
    result: Tensor,
    sums: Tensor,
    field: Tensor | None = None,
) -> None:
    """Adds the gradients of b views of a table to `result`; textures are (H W 4).

    Their losses, in as many parts as a view has strips, are written into their rows of `sums` (v n); their residuals,
    confidence x (gain x render + offset - photo), into `field` (b h w 4) if it is given.
    """
    form = terms.form
    grid = (*_strips(table, form), len(chosen))
    _strip[grid](
        texture, table.addresses, chosen, terms.gain, terms.offset, terms.weight, terms.losses, result, sums,
        result if field is None else field, texture.shape[1], texture.shape[0], table.width, table.height, _rows(table),
        sums.stride(0), form.delta, form.epsilon, form.robust, form.pairs, table.samples, table.floats,
        field is not None, COLS, num_warps=1,
    )  # fmt: skip


def strips(table: Table, form: Form) -> int:
    """How many strips a view has."""
    across, down = _strips(table, form)
    return across * down


def _strips(table: Table, form: Form) -> tuple[int, int]:
    return blocks(table.width, COLS - 2 if form.pairs else COLS), blocks(table.height, _rows(table))


def _rows(table: Table) -> int:
    return ROWS if table.height * table.width >= LARGE else ROWS // 2


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
    texture, low, high, trust, photo, at, inside, gain, offset, texture_width, texture_height,
    SAMPLES: tl.constexpr, FLOATS: tl.constexpr, COLS: tl.constexpr,
):  # fmt: skip
    """Confidences of pixels (n) and confidence x (gain x render + offset - photo) (n 4), 0 without confidence."""
    channel = tl.arange(0, 4)[None, :]
    share = tl.load(trust + at, mask=inside, other=0).to(tl.float32) * BYTE
    known = share > 0
    image = look(texture, low, high, at, known, texture_width, texture_height, SAMPLES, COLS)
    there = known[:, None] & (channel < 3)
    picture = tl.load(photo + at[:, None] * 3 + channel, mask=there, other=0).to(tl.float32)
    if not FLOATS:
        picture = picture * BYTE
    return share, tl.where(there, share[:, None] * (gain * image + offset - picture), 0.0)


@jit
@no_type_check
def _strip(
    texture, table, chosen, gains, offsets, weights, losses, result, sums, field, texture_width, texture_height,
    width, height, rows, parts, delta, epsilon, ROBUST: tl.constexpr, PAIRS: tl.constexpr, SAMPLES: tl.constexpr,
    FLOATS: tl.constexpr, KEPT: tl.constexpr, COLS: tl.constexpr,
):  # fmt: skip
    number = tl.program_id(2)
    view = tl.load(chosen + number)
    low, high = address(table, view, 0, FLOATS), address(table, view, 1, FLOATS)
    trust, photo = address(table, view, 2, FLOATS), address(table, view, 3, FLOATS)
    lane, channel = tl.arange(0, COLS), tl.arange(0, 4)[None, :]
    HALO: tl.constexpr = 1 if PAIRS else 0
    col = tl.program_id(0) * (COLS - 2 * HALO) - HALO + lane
    inside = (col >= 0) & (col < width)
    core = inside & (lane >= HALO) & (lane < COLS - HALO)
    gain = tl.load(gains + view * 3 + channel, mask=channel < 3, other=0.0)
    offset = tl.load(offsets + view * 3 + channel, mask=channel < 3, other=0.0)
    scale, own = gain * tl.load(weights + view), losses + view * 6
    right, left = tl.minimum(lane + 1, COLS - 1), tl.maximum(lane - 1, 0)
    right_four, left_four = right[:, None] + 0 * channel, left[:, None] + 0 * channel
    across, down = tl.load(own + 4), tl.load(own + 5)
    share, above_share = tl.zeros((COLS,), tl.float32), tl.zeros((COLS,), tl.float32)
    # Each of its own: of two names for one tensor Triton carries one through the loop.
    total, here = tl.zeros((COLS, 4), tl.float32), tl.zeros((COLS, 4), tl.float32)
    above = tl.zeros((COLS, 4), tl.float32)
    first = tl.program_id(1) * rows
    # One place in the code looks up, a row ahead where neighbours are needed: it is the most of what is compiled.
    for row in range(first - 2 * HALO, tl.minimum(first + rows, height)):
        ahead = row + HALO
        ahead_in = inside & (col < tl.where((ahead >= 0) & (ahead < height), width, 0))
        below_share, below = _residual(
            texture, low, high, trust, photo, ahead * width + col, ahead_in, gain, offset, texture_width,
            texture_height, SAMPLES, FLOATS, COLS,
        )  # fmt: skip
        if not PAIRS:
            share, here = below_share, below
        at, own_row = row * width + col, core & (col < tl.where(row >= first, width, 0))
        known = own_row & (share > 0)
        value, slope = single(here, own, delta, epsilon, ROBUST)
        total += tl.where(own_row[:, None], value, 0.0)
        if PAIRS:
            beside = (known & (tl.gather(share, right, 0) > 0))[:, None]
            apart = tl.where(beside, tl.gather(here, right_four, 0) - here, 0.0)
            beside = (known & (tl.gather(share, left, 0) > 0))[:, None]
            back = tl.where(beside, tl.gather(here, left_four, 0) - here, 0.0)
            under = tl.where((known & (below_share > 0))[:, None], below - here, 0.0)
            over = tl.where((known & (above_share > 0))[:, None], above - here, 0.0)
            slope -= across * (sign_of(apart) + sign_of(back)) + down * (sign_of(under) + sign_of(over))
            total += across * tl.abs(apart) + down * tl.abs(under)
            above_share, above = share, here
        if KEPT:
            to = field + (number.to(tl.int64) * height * width + at)[:, None] * 4 + channel
            tl.store(to, here, mask=own_row[:, None])
        slope = slope * share[:, None] * scale
        add(slope, low, high, at, known, result, texture_width, texture_height, SAMPLES)
        share, here = below_share, below
    part = tl.program_id(1) * tl.num_programs(0) + tl.program_id(0)
    tl.store(sums + view * parts + part, tl.sum(tl.sum(total, axis=1), axis=0))


@jit
@no_type_check
def sign_of(value):
    """Of values that are 0 or no smaller than 1e-30; one instruction for each of three operations."""
    return tl.minimum(tl.maximum(value * 1e30, -1.0), 1.0)


@jit
@no_type_check
def single(here, losses, delta, epsilon, ROBUST: tl.constexpr):
    """What single residuals (n 4) cost, and the slopes of that."""
    l1, l2 = tl.load(losses), tl.load(losses + 1)
    size, sign = tl.abs(here), sign_of(here)
    value = l1 * size + l2 * here * here
    slope = l1 * sign + 2.0 * l2 * here
    if ROBUST:
        huber, charbonnier = tl.load(losses + 2), tl.load(losses + 3)
        near = tl.minimum(size, delta)
        root = tl.sqrt(here * here + epsilon * epsilon)
        value += huber * (0.5 * near * near / delta + size - near) + charbonnier * (root - epsilon)
        slope += huber * near / delta * sign + charbonnier / root * here
    return value, slope
