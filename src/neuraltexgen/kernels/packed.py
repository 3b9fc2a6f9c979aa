"""Packed uvs and masks: 20-bit fixed-point coordinates in five bytes a place, masks as bits; what cached views hold.

A coordinate is code / 2^20, which float32 holds exactly: decoding the codes or looking up the unpacked uvs is the same to
the bit. Rounding moves a place by at most 1/2^21, which is 1/128 texel in a texture of 16,384.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, UInt8, UInt16
from torch import Tensor

from neuraltexgen.kernels.cpu import packed as cpu_packed
from neuraltexgen.kernels.sample import render_definition, splat

CODES = 1 << 20


class Places(NamedTuple):
    """Where a photo's pixels look, s places each: codes as `pack_uv` makes them, and the pixels' confidence in 255ths.

    A pixel without confidence is not looked up.
    """

    low: UInt16[Tensor, "h w s 2"]
    high: UInt8[Tensor, "h w s"]
    trust: UInt8[Tensor, "h w"]


def look_up(texture: Float[Tensor, "H W c"], places: Places) -> Float[Tensor, "h w c"]:
    """The mean of a pixel's bilinear lookups, 0 where its confidence is 0: `render` of packed places, not recorded by
    autograd. float32 on the CPU takes the numba twin, everything else the definition.
    """
    if not _on_cpu(texture):
        return look_up_definition(texture, places)
    image = torch.empty(*places.trust.shape, texture.shape[2])
    cpu_packed.look_up(texture.detach().contiguous().numpy(), *(field.numpy() for field in places), image.numpy())
    return image


def look_up_definition(texture: Float[Tensor, "H W c"], places: Places) -> Float[Tensor, "h w c"]:
    """The definition of `look_up`: `render` at the unpacked uvs."""
    return render_definition(texture.detach(), unpack_uv(places.low, places.high), places.trust > 0)


def scatter(gradient: Float[Tensor, "h w c"], places: Places, result: Float[Tensor, "H W c"]) -> None:
    """Adds the adjoint of `look_up`, applied to a gradient of the render, to `result` in place."""
    if not _on_cpu(result):
        scatter_definition(gradient, places, result)
        return
    if not result.is_contiguous():
        raise ValueError("scatter adds in place: its result must be contiguous")
    cpu_packed.scatter(gradient.contiguous().numpy(), *(field.numpy() for field in places), result.numpy())


def scatter_definition(gradient: Float[Tensor, "h w c"], places: Places, result: Float[Tensor, "H W c"]) -> None:
    """The definition of `scatter`: `splat` at the unpacked uvs."""
    splat(gradient, unpack_uv(places.low, places.high), places.trust > 0, result)


def scatter_trust(places: Places, size: tuple[int, int]) -> Float32[Tensor, "H W"]:
    """How much each texel counts in the pixels, each as much as its confidence; size = (H, W)."""
    result = torch.zeros(*size, 1, device=places.trust.device)
    scatter(unpack_share(places.trust)[..., None], places, result)
    return result[..., 0]


def pack_uv(uv: Float32[Tensor, "h w s 2"]) -> tuple[UInt16[Tensor, "h w s 2"], UInt8[Tensor, "h w s"]]:
    """The codes of uvs: the low 16 bits of u and v, and a byte with the upper four bits of u, then those of v.

    uvs outside [0, 1] become the border's, where lookups repeat it, so renders stay the same; NaN becomes 0, since only
    invalid pixels may hold it. 1 becomes the code before it: it too lies beyond the outermost texel centre.
    """
    codes = (uv * CODES).nan_to_num(nan=0.0).round().clamp(0, CODES - 1).to(torch.int32)
    upper = codes >> 16
    return (codes & 0xFFFF).to(torch.uint16), (upper[..., 0] << 4 | upper[..., 1]).to(torch.uint8)


def unpack_uv(low: UInt16[Tensor, "h w s 2"], high: UInt8[Tensor, "h w s"]) -> Float32[Tensor, "h w s 2"]:
    """The uvs of codes that `pack_uv` made: exact, so packing them again gives the same codes."""
    upper = torch.stack((high >> 4, high & 15), dim=-1).to(torch.int32)
    return (low.to(torch.int32) | upper << 16).to(torch.float32) * (1.0 / CODES)


def pack_bits(mask: Bool[Tensor, "..."]) -> UInt8[Tensor, " bytes"]:
    """A mask in row order, eight of its values a byte, the first in the highest bit; filled up with 0."""
    return torch.from_numpy(np.packbits(mask.cpu().numpy().reshape(-1))).to(mask.device)


def unpack_bits(packed: UInt8[Tensor, " bytes"], shape: tuple[int, ...]) -> Bool[Tensor, "..."]:
    """The mask of a shape that `pack_bits` packed."""
    shifts = torch.arange(7, -1, -1, dtype=torch.uint8, device=packed.device)
    bits = (packed[:, None] >> shifts & 1).reshape(-1)
    return bits[: int(np.prod(shape))].reshape(shape).bool()


def pack_share(share: Float32[Tensor, "h w"]) -> UInt8[Tensor, "h w"]:
    """Shares in [0, 1] in steps of 1/255; 0 stays 0, and what is above 0 stays above."""
    codes = (share * 255).round().clamp(0, 255)
    return torch.where((share > 0) & (codes == 0), 1, codes).to(torch.uint8)


def unpack_share(packed: UInt8[Tensor, "h w"]) -> Float32[Tensor, "h w"]:
    """The shares of bytes that `pack_share` made."""
    return packed.to(torch.float32) / 255


def _on_cpu(texture: Tensor) -> bool:
    return texture.device.type == "cpu" and texture.dtype == torch.float32
