"""The photometric step: look a view up, compare it with its photo, scatter the gradient; its definition in PyTorch.

The losses are those of single values and of neighbours' differences; where all of a fit's losses are among them, a step
needs no autograd.
"""

from dataclasses import dataclass, fields
from math import nan
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Float32, Int64, UInt8
from torch import Tensor

from neuraltexgen.kernels.cpu import packed as cpu_packed
from neuraltexgen.kernels.cpu import photometric as cpu
from neuraltexgen.kernels.cuda import compare as cuda_compare
from neuraltexgen.kernels.cuda import photometric as cuda
from neuraltexgen.kernels.packed import Places, Scratch, look_up, on_cuda, scatter, unpack_share, unpack_uv

HUBER_DELTA = 0.05
"""Where `huber` turns from quadratic to linear, in units of colour: about the noise of an 8-bit photo's pixel."""
CHARBONNIER_EPSILON = 1e-3

Photo = UInt8[Tensor, "h w c"] | Float32[Tensor, "h w c"]


@dataclass(frozen=True)
class PhotoLosses:
    """Weights of the losses that a step knows; they mean what the losses of the same names do."""

    l1: float = 0.0
    l2: float = 0.0
    huber: float = 0.0
    charbonnier: float = 0.0
    gradient_l1: float = 0.0


KNOWN = tuple(field.name for field in fields(PhotoLosses))


class Colour(NamedTuple):
    """What a view shows of a texture: gain x texture + offset, per channel."""

    gain: Float[Tensor, " c"]
    offset: Float[Tensor, " c"]


class Compared(NamedTuple):
    """A loss, its gradient in the render, and the render's sharpness over the photo's (NaN if not measured)."""

    loss: Float[Tensor, ""]
    gradient: Float[Tensor, "h w c"]
    sharpness: float = nan


class Target(NamedTuple):
    """What a render is compared with: the photo, 8 bit or float in [0, 1], and the confidence in 255ths."""

    photo: Photo
    trust: UInt8[Tensor, "h w"]


class Stack(NamedTuple):
    """Several views of one size, one behind the other: v before each field's own axes.

    `weight`: how much each view's gradient counts. `counts`: what `cuda.photometric.count_pairs` gives, if it is known.
    """

    places: Places
    photo: Tensor
    colour: Colour
    weight: Float[Tensor, " v"]
    counts: Float[Tensor, "v 3"] | None = None


def photometric_pass(
    texture: Float[Tensor, "H W c"], stack: Stack, losses: PhotoLosses, result: Float[Tensor, "H W c"]
) -> Float[Tensor, " v"]:
    """Adds the gradients of several views' losses to `result`, each times its weight; returns the losses.

    On CUDA with float32 and 3 channels it is a few launches for all views, by the Triton twin; else a step a view.
    """
    if on_cuda(texture):
        return cuda.photometric_pass(texture, stack, losses, (HUBER_DELTA, CHARBONNIER_EPSILON), result)
    found, scratch = [], Scratch()
    for index, weight in enumerate(stack.weight.tolist()):
        places = Places(*(field[index] for field in stack.places))
        colour = Colour(*(field[index] for field in stack.colour))
        image = look_up(texture, places, scratch)
        compared = compare(image, Target(stack.photo[index], places.trust), colour, losses, weight, scratch=scratch)
        scatter(compared.gradient, places, result)
        found.append(compared.loss)
    return torch.stack(found)


def compare(
    image: Float[Tensor, "h w c"],
    target: Target,
    colour: Colour,
    losses: PhotoLosses,
    weight: float = 1.0,
    sharpness_every: int = 0,
    scratch: Scratch | None = None,
) -> Compared:
    """The loss of a render, and weight x its gradient; sharpness over every so many rows, or not at all for 0.

    Where a pixel has no confidence, neither render nor photo is read. float32 on the CPU takes the numba twin, the
    gradient into `scratch` if it is given; on CUDA with 3 channels the Triton twin; everything else the definition.
    """
    if image.device.type == "cpu" and image.dtype == torch.float32:
        return _compare_on_cpu(image, target, (colour, weight), losses, sharpness_every, scratch or Scratch())
    if on_cuda(image):
        return _compare_on_cuda(image, target, (colour, weight), losses, sharpness_every)
    return compare_definition(image, target, colour, losses, weight, sharpness_every)


def compare_definition(
    image: Float[Tensor, "h w c"],
    target: Target,
    colour: Colour,
    losses: PhotoLosses,
    weight: float = 1.0,
    sharpness_every: int = 0,
) -> Compared:
    """The definition of `compare` in plain PyTorch: any device, any float type, the gradient by autograd."""
    with torch.enable_grad():
        leaf = image.detach().clone().requires_grad_()
        loss = loss_definition(leaf, target, colour, losses)
        gradient = torch.autograd.grad(weight * loss, leaf)[0]
    measured = sharpness_definition(image, target, colour, sharpness_every) if sharpness_every > 0 else nan
    return Compared(loss.detach(), gradient, measured)


def loss_definition(
    image: Float[Tensor, "h w c"], target: Target, colour: Colour, losses: PhotoLosses
) -> Float[Tensor, ""]:
    """Σ weight x loss of d = confidence x (gain x render + offset - photo), as a function of the render.

    Losses of single values are means over pixels with confidence and channels; that of neighbours' differences is the
    mean over pairs across plus the mean over pairs down, both ends with confidence. 0 where there is none.
    """
    share, photo = unpack_share(target.trust).to(image.dtype), _colours(target.photo).to(image.dtype)
    known = target.trust > 0
    zero = torch.zeros((), dtype=image.dtype, device=image.device)
    shown = torch.where(known[..., None], colour.gain * image + colour.offset, zero)
    d = share[..., None] * (shown - torch.where(known[..., None], photo, zero))
    size = d.abs()
    near = size.clamp(max=HUBER_DELTA)
    values = losses.l1 * size + losses.l2 * d.square()
    values = values + losses.huber * (0.5 * near.square() / HUBER_DELTA + size - near)
    if losses.charbonnier > 0:
        values = values + losses.charbonnier * ((d.square() + CHARBONNIER_EPSILON**2).sqrt() - CHARBONNIER_EPSILON)
    across = _mean((d[:, 1:] - d[:, :-1]).abs(), known[:, 1:] & known[:, :-1])
    down = _mean((d[1:] - d[:-1]).abs(), known[1:] & known[:-1])
    return _mean(values, known) + losses.gradient_l1 * (across + down)


def sharpness_definition(image: Float[Tensor, "h w c"], target: Target, colour: Colour, every: int) -> float:
    """Mean gradient magnitude of the render over that of the photo, at every so many rows' pixels whose right and lower
    neighbours have confidence too; NaN where there is none, or where the photo is flat. See `metrics.sharpness`.
    """
    known = target.trust > 0
    inner = (known[:-1, :-1] & known[1:, :-1] & known[:-1, 1:])[::every]
    sums = []
    for picture in (colour.gain * image + colour.offset, _colours(target.photo)):
        grey = torch.where(known, picture.mean(dim=2), 0)
        across, down = (grey[:-1, 1:] - grey[:-1, :-1])[::every], (grey[1:, :-1] - grey[:-1, :-1])[::every]
        sums.append(float((across.square() + down.square()).sqrt()[inner].double().sum()))
    return sums[0] / sums[1] if sums[1] > 0 else nan


def block_means(
    image: Float[Tensor, "h w c"], photo: Photo, places: Places, shared: UInt8[Tensor, "H W"], block: int
) -> tuple[Float[Tensor, "rows cols c"], Float[Tensor, "rows cols c"], Float[Tensor, "rows cols"]]:
    """Weighted means of render and photo over blocks of block x block pixels, and each block's mean weight.

    A pixel's weight is its confidence x the share of its samples whose nearest texel is `shared` (1, else 0). Means of
    blocks without weight are 0; blocks at the right and lower edge may be smaller. Float32 on the CPU takes the numba
    twin, everything else the definition.
    """
    if image.device.type == "cpu" and image.dtype == torch.float32:
        sums = _block_sums_on_cpu(image, photo, places, shared, block)
    else:
        sums = block_sums_definition(image, photo, places, shared, block)
    channels = image.shape[2]
    means = sums[..., 1:] / sums[..., :1].clamp(min=1e-12)
    height, width = (_sides(side, block) for side in image.shape[:2])
    area = (height[:, None] * width).to(sums)
    return means[..., :channels], means[..., channels:], sums[..., 0] / area


def block_sums_definition(
    image: Float[Tensor, "h w c"], photo: Photo, places: Places, shared: UInt8[Tensor, "H W"], block: int
) -> Float[Tensor, "rows cols n"]:
    """Sums over blocks of weight, weight x render and weight x photo (n = 1 + 2c), see `block_means`."""
    height, width = shared.shape
    uv = unpack_uv(places.low, places.high)
    x, y = (uv[..., 0] * width).long().clamp(max=width - 1), (uv[..., 1] * height).long().clamp(max=height - 1)
    weight = unpack_share(places.trust) * shared.view(-1)[y * width + x].float().mean(dim=2)
    pictures = torch.where(weight[..., None] > 0, torch.cat((image, _colours(photo)), dim=2), 0)
    planes = (torch.cat((torch.ones_like(weight)[..., None], pictures), dim=2) * weight[..., None]).permute(2, 0, 1)
    rows, cols = (-(-side // block) * block for side in weight.shape)
    padded = F.pad(planes, (0, cols - weight.shape[1], 0, rows - weight.shape[0]))
    return (F.avg_pool2d(padded[None], block)[0] * block**2).permute(1, 2, 0)


def _sides(side: int, block: int) -> Int64[Tensor, " blocks"]:
    """How many pixels of a side the blocks along it have."""
    starts = torch.arange(0, side, block)
    return (side - starts).clamp(max=block)


def _mean(values: Float[Tensor, "h w c"], known: Bool[Tensor, "h w"]) -> Float[Tensor, ""]:
    kept = torch.where(known[..., None], values, torch.zeros((), dtype=values.dtype, device=values.device))
    return kept.sum() / (known.sum() * values.shape[2]).clamp(min=1)


def _colours(photo: Photo) -> Float[Tensor, "h w c"]:
    return photo.float() / 255 if photo.dtype == torch.uint8 else photo


def _compare_on_cuda(
    image: Tensor, target: Target, look: tuple[Colour, float], losses: PhotoLosses, every: int
) -> Compared:
    """The residuals by PyTorch, their slopes by the Triton twin; sharpness by the definition."""
    colour, weight = look
    weights, counts = torch.full((1,), weight, device=image.device), cuda.count_pairs(target.trust[None])
    form = cuda.form_of(losses, (HUBER_DELTA, CHARBONNIER_EPSILON))
    terms = cuda.Terms(colour.gain[None], colour.offset[None], weights, cuda.shares(losses, counts), form)
    loss, gradient = cuda_compare.compare(image, target.photo, target.trust, terms)
    measured = sharpness_definition(image, target, colour, every) if every > 0 else nan
    return Compared(loss, gradient, measured)


def _compare_on_cpu(
    image: Tensor, target: Target, look: tuple[Colour, float], losses: PhotoLosses, every: int, scratch: Scratch
) -> Compared:
    height, width, channels = image.shape
    colour, weight = look
    photo, trust = target.photo.reshape(height, -1).numpy(), target.trust.numpy()
    gradient = scratch.image("gradient", (height, width, channels))
    sums = np.empty((-(-height // cpu.COMPARED), 5))
    pixels, across, down = (1.0 / max(1, count * channels) for count in cpu.count_pairs(trust))
    single = (losses.l1, losses.l2, losses.huber, losses.charbonnier)
    weights = (*(w * pixels for w in single), losses.gradient_l1 * across, losses.gradient_l1 * down)
    scale = 1 / 255 if target.photo.dtype == torch.uint8 else 1.0
    gain, offset = colour.gain.to(torch.float32), colour.offset.to(torch.float32)
    per_channel = torch.stack((torch.full_like(gain, scale), gain, offset, weight * gain))
    cpu.compare(
        image.contiguous().view(height, -1).numpy(),
        photo,
        trust,
        per_channel.repeat(1, width).numpy(),
        tuple(np.float32(w) for w in weights),
        (np.float32(HUBER_DELTA), np.float32(CHARBONNIER_EPSILON)),
        every,
        gradient.view(height, -1).numpy(),
        sums,
    )
    total = sums.sum(axis=0)
    sharp = total[cpu.SHARP_RENDER] / total[cpu.SHARP_PHOTO] if total[cpu.SHARP_PHOTO] > 0 else nan
    return Compared(torch.tensor(total[: cpu.DOWN + 1].sum(), dtype=torch.float32), gradient, float(sharp))


def _block_sums_on_cpu(image: Tensor, photo: Photo, places: Places, shared: Tensor, block: int) -> Tensor:
    height, width, channels = image.shape
    if block % cpu_packed.STRIP:
        raise ValueError(f"blocks of {block} pixels: a multiple of {cpu_packed.STRIP} is needed")
    strips, per_block = -(-height // cpu_packed.STRIP), block // cpu_packed.STRIP
    sums = np.zeros((-(-strips // per_block) * per_block, -(-width // block), 1 + 2 * channels), np.float32)
    low, high, trust = (field.numpy() for field in places)
    cpu.block_sums(image.contiguous().numpy(), photo.numpy(), low, high, trust, shared.numpy(), block, sums)
    total = sums.reshape(-1, per_block, *sums.shape[1:]).sum(axis=1)
    total /= 255 * places.high.shape[2]
    if photo.dtype == torch.uint8:
        total[..., 1 + channels :] /= 255
    return torch.from_numpy(total)
