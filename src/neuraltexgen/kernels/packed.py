"""Packed uvs and masks: 20-bit fixed-point coordinates in five bytes a place, masks as bits; what cached views hold.

A coordinate is code / 2^20, which float32 holds exactly: decoding the codes or looking up the unpacked uvs is the
same to the bit. Rounding moves a place by at most 1/2^21, which is 1/128 texel in a texture of 16,384.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, UInt8, UInt16
from torch import Tensor

from neuraltexgen.kernels.cpu import packed as cpu_packed
from neuraltexgen.kernels.cuda import packed as cuda
from neuraltexgen.kernels.cuda.lookup import READY
from neuraltexgen.kernels.sample import render_definition, splat

CODES = 1 << 20


class Places(NamedTuple):
    """Where a photo's pixels look, s places each: codes as `pack_uv` makes them, and the pixels' confidence in 255ths.

    A pixel without confidence is not looked up.
    """

    low: UInt16[Tensor, "h w s 2"]
    high: UInt8[Tensor, "h w s"]
    trust: UInt8[Tensor, "h w"]


class Scratch:
    """Memory for images that one step after the other fills anew: asking the system for it again costs as much as a
    step. Each name's image is valid until the next one of the same name.
    """

    def __init__(self) -> None:
        self._held: dict[str, Tensor] = {}

    def image(self, name: str, shape: tuple[int, ...]) -> Float32[Tensor, "h w c"]:
        """An image in the CPU's memory that holds anything."""
        if name not in self._held or self._held[name].shape != shape:
            self._held[name] = torch.from_numpy(np.empty(shape, np.float32))  # in huge pages where there are any
        return self._held[name]


def look_up(texture: Float[Tensor, "H W c"], places: Places, scratch: Scratch | None = None) -> Float[Tensor, "h w c"]:
    """The mean of a pixel's bilinear lookups, 0 where its confidence is 0: `render` of packed places, not recorded by
    autograd. float32 on the CPU takes the numba twin, into `scratch` if it is given; on CUDA with 3 channels the
    Triton twin; everything else the definition.
    """
    if on_cuda(texture):
        return cuda.look_up(texture, places)
    if not _on_cpu(texture):
        return look_up_definition(texture, places)
    image = (scratch or Scratch()).image("render", (*places.trust.shape, texture.shape[2]))
    low, high, trust = (field.numpy() for field in places)
    cpu_packed.look_up(texture.detach().contiguous().numpy(), low, high, trust, image.numpy())
    return image


def look_up_definition(texture: Float[Tensor, "H W c"], places: Places) -> Float[Tensor, "h w c"]:
    """The definition of `look_up`: `render` at the unpacked uvs."""
    return render_definition(texture.detach(), unpack_uv(places.low, places.high), places.trust > 0)


def scatter(gradient: Float[Tensor, "h w c"], places: Places, result: Float[Tensor, "H W c"]) -> None:
    """Adds the adjoint of `look_up`, applied to a gradient of the render, to `result` in place."""
    if on_cuda(result):
        cuda.scatter(gradient, places, result)
        return
    one = result.dtype == torch.float32 and result.shape[2] == 1 and result.is_contiguous()
    if READY and one and result.device.type == "cuda":
        cuda.scatter_weight(gradient[..., 0], places, result[..., 0])
        return
    if not _on_cpu(result):
        scatter_definition(gradient, places, result)
        return
    if not result.is_contiguous():
        raise ValueError("scatter adds in place: its result must be contiguous")
    low, high, trust = (field.numpy() for field in places)
    cpu_packed.scatter(gradient.contiguous().numpy(), low, high, trust, result.numpy())


def scatter_definition(gradient: Float[Tensor, "h w c"], places: Places, result: Float[Tensor, "H W c"]) -> None:
    """The definition of `scatter`: `splat` at the unpacked uvs."""
    splat(gradient, unpack_uv(places.low, places.high), places.trust > 0, result)


def scatter_weight(weight: Float32[Tensor, "h w"], places: Places, size: tuple[int, int]) -> Float32[Tensor, "H W"]:
    """How much each texel counts in the weighted pixels that have confidence; size = (H, W)."""
    result = torch.zeros(*size, 1, device=weight.device)
    scatter(weight[..., None], places, result)
    return result[..., 0]


def scatter_trust(places: Places, size: tuple[int, int]) -> Float32[Tensor, "H W"]:
    """The same, each pixel as much as its confidence."""
    return scatter_weight(unpack_share(places.trust), places, size)


def pack_uv(uv: Float32[Tensor, "h w s 2"]) -> tuple[UInt16[Tensor, "h w s 2"], UInt8[Tensor, "h w s"]]:
    """The codes of uvs: the low 16 bits of u and v, and a byte with the upper four bits of u, then those of v.

    uvs outside [0, 1] become the border's, where lookups repeat it, so renders stay the same; NaN becomes 0, since only
    invalid pixels may hold it. 1 becomes the code before it: it too lies beyond the outermost texel centre. On the CPU
    the numba twin does it, on the calling thread alone.
    """
    if uv.device.type != "cpu":
        return pack_uv_definition(uv)
    low, high = torch.empty(uv.shape, dtype=torch.uint16), torch.empty(uv.shape[:-1], dtype=torch.uint8)
    cpu_packed.pack_uv(uv.contiguous().numpy().reshape(-1, 2), low.numpy().reshape(-1, 2), high.numpy().reshape(-1))
    return low, high


def pack_uv_definition(uv: Float32[Tensor, "h w s 2"]) -> tuple[UInt16[Tensor, "h w s 2"], UInt8[Tensor, "h w s"]]:
    """The definition of `pack_uv` in plain PyTorch."""
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
    if packed.device.type == "cpu":
        return torch.from_numpy(np.unpackbits(packed.numpy(), count=int(np.prod(shape))).view(np.bool_)).reshape(shape)
    shifts = torch.arange(7, -1, -1, dtype=torch.uint8, device=packed.device)
    bits = (packed[:, None] >> shifts & 1).reshape(-1)
    return bits[: int(np.prod(shape))].reshape(shape).bool()


def pack_share(share: Float32[Tensor, "h w"]) -> UInt8[Tensor, "h w"]:
    """Shares in [0, 1] in steps of 1/255; 0 stays 0, and what is above 0 stays above. On the CPU as `pack_uv`."""
    if share.device.type != "cpu":
        return pack_share_definition(share)
    packed = torch.empty(share.shape, dtype=torch.uint8)
    cpu_packed.pack_share(share.contiguous().numpy().reshape(-1), packed.numpy().reshape(-1))
    return packed


def pack_share_definition(share: Float32[Tensor, "h w"]) -> UInt8[Tensor, "h w"]:
    """The definition of `pack_share` in plain PyTorch."""
    codes = (share * 255).round().clamp(0, 255)
    return torch.where((share > 0) & (codes == 0), 1, codes).to(torch.uint8)


def unpack_share(packed: UInt8[Tensor, "h w"]) -> Float32[Tensor, "h w"]:
    """The shares of bytes that `pack_share` made."""
    return packed.to(torch.float32) / 255


def on_cuda(texture: Tensor) -> bool:
    """Whether the Triton twins take a texture: on CUDA, float32, 3 channels, and Triton is there."""
    return READY and texture.device.type == "cuda" and texture.dtype == torch.float32 and texture.shape[2] == 3


def _on_cpu(texture: Tensor) -> bool:
    return texture.device.type == "cpu" and texture.dtype == torch.float32
