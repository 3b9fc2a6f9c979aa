"""Packed uvs and masks: 20-bit fixed-point coordinates in five bytes a place, masks as bits; what cached views hold.

A coordinate is code / 2^20, which float32 holds exactly: decoding the codes or looking up the unpacked uvs is the same to
the bit. Rounding moves a place by at most 1/2^21, which is 1/128 texel in a texture of 16,384.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float32, UInt8, UInt16
from torch import Tensor

BITS = 20
CODES = 1 << BITS


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
