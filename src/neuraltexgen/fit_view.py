"""One photo ready to be fitted: its pixels, where they look in the texture, and how much they count."""

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float32, UInt8, UInt16
from torch import Tensor

from neuraltexgen.fall_off import Correction
from neuraltexgen.kernels.packed import (
    Places,
    pack_bits,
    pack_share,
    pack_uv,
    unpack_bits,
    unpack_share,
    unpack_uv,
)
from neuraltexgen.point_spread import SHARP, PointSpread, spread_samples

FIELDS = ("photo", "low", "high", "seen_bits", "trust")
"""The tensors of a FitView, as they are held and cached."""

BRIGHTEST, DOUBTED = 253.5 / 255, 0.1
"""Values from here on may be clipped; what is left of such a pixel's confidence where a photo's bright pixels are
doubted: enough where no other photo looks, and little beside another one."""


@dataclass(frozen=True, eq=False)
class FitView:
    """One photo with s = k x k texture places a pixel, packed; `pack_view` makes it, properties unpack it.

    `photo` is 8 bit, or float in [0, 1]. `low`, `high`: the places, see `kernels.packed`. `seen_bits`: which samples
    meet the mesh, as bits. `trust`: the confidence in 255ths. `footprint`: median side length of the surface patch
    behind a pixel, in uv units (0 if nothing is seen). `taps`: how samples look, see `lookups`; not cached. `stops`:
    the light that the photo took (`images.stops_of`), NaN if nobody said.
    """

    name: str
    photo: UInt8[Tensor, "h w c"] | Float32[Tensor, "h w c"]
    low: UInt16[Tensor, "h w s 2"]
    high: UInt8[Tensor, "h w s"]
    seen_bits: UInt8[Tensor, " bytes"]
    trust: UInt8[Tensor, "h w"]
    footprint: float
    taps: int = 0
    stops: float = math.nan

    @property
    def samples(self) -> int:
        """Texture places a pixel, k x k."""
        return self.high.shape[2]

    @property
    def places(self) -> Places:
        """The packed places and the confidence, as kernels take them."""
        return Places(self.low, self.high, self.trust)

    @property
    def uv(self) -> Float32[Tensor, "h w s 2"]:
        """Where the samples look; anything where `seen` is False."""
        return unpack_uv(self.low, self.high)

    @property
    def seen(self) -> Bool[Tensor, "h w s"]:
        """Which samples meet the mesh; all False where a mask hides the pixel."""
        return unpack_bits(self.seen_bits, tuple(self.high.shape))

    @property
    def confidence(self) -> Float32[Tensor, "h w"]:
        """In [0, 1], and 0 unless every sample of the pixel is seen."""
        return unpack_share(self.trust)

    @property
    def valid(self) -> Bool[Tensor, "h w"]:
        """Pixels that show the mesh with their whole area."""
        return self.seen.all(dim=2)

    def colours(self) -> Float32[Tensor, "h w c"]:
        """The photo as float in [0, 1]."""
        return self.photo.float() / 255 if self.photo.dtype == torch.uint8 else self.photo

    def to(self, device: torch.device) -> "FitView":
        """The same view with its tensors on a device; to CUDA from pinned memory, which the GPU does not wait for."""
        own = [getattr(self, name) for name in FIELDS]
        pinned = [tensor.pin_memory() if device.type == "cuda" else tensor for tensor in own]
        tensors = {name: tensor.to(device, non_blocking=True) for name, tensor in zip(FIELDS, pinned, strict=True)}
        return replace(self, **tensors)

    def without(self, mask: Bool[Tensor, "h w"]) -> "FitView":
        """The view without confidence in masked pixels."""
        return replace(self, trust=torch.where(mask, torch.zeros_like(self.trust), self.trust))

    def corrected(self, correction: Correction) -> "FitView":
        """The view as `Correction` says: its photo as floats where it is straightened or a fall-off is divided out, its
        confidence less, and its samples those which stand for a blur.
        """
        if correction.blur != SHARP:
            return self._blurred(correction.blur, correction.around).corrected(replace(correction, blur=SHARP))
        photo, confidence = self.colours(), self.confidence
        if correction.doubt_bright:
            clipped = (photo > BRIGHTEST).any(dim=2)
            confidence = torch.where(clipped, DOUBTED * confidence, confidence)
        if not (correction.fall_off.coefficients or correction.response.coefficients):
            return replace(self, trust=pack_share(confidence))
        left = correction.fall_off.plane(*self.trust.shape).to(photo)
        # A difference is what it was in the photo, so noise that was divided too does not count more than elsewhere.
        straight = correction.response.straight(photo) / left[..., None]
        return replace(self, photo=straight, trust=pack_share((left * confidence).clamp(max=1)))

    def _blurred(self, blur: PointSpread, around: bool) -> "FitView":
        """The view with less confidence, which, squared, falls with exp(-sigma²), and with pixels that look around."""
        view = self._looking_around(blur) if around else self
        return replace(view, trust=pack_share(math.exp(-0.5 * blur.sigma**2) * view.confidence))

    def _looking_around(self, blur: PointSpread) -> "FitView":
        """The view with pixels that look where a blur has gathered their light; where that is no surface, they have no
        confidence.
        """
        fields = (self.low.numpy(), self.high.numpy(), self.seen.numpy())
        (low, high, seen), inside = spread_samples(fields, blur)
        known = torch.from_numpy(inside & seen.all(axis=2))
        places = {"low": torch.from_numpy(low), "high": torch.from_numpy(high)}
        trust = torch.where(known, self.trust, torch.zeros_like(self.trust))
        return replace(self, **places, seen_bits=pack_bits(torch.from_numpy(seen)), trust=trust)

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return sum(getattr(self, name).nbytes for name in FIELDS)


def pack_view(
    name: str,
    photo: UInt8[Tensor, "h w c"] | Float32[Tensor, "h w c"],
    uv: Float32[Tensor, "h w s 2"],
    seen: Bool[Tensor, "h w s"],
    confidence: Float32[Tensor, "h w"],
    footprint: float,
) -> FitView:
    """The view of a photo, its places, which of them meet the mesh, and its confidence; see FitView's properties."""
    low, high = pack_uv(uv)
    return FitView(name, photo, low, high, pack_bits(seen), pack_share(confidence), footprint)


def enlarge_photo(view: FitView) -> FitView:
    """The view at its UV map's resolution: one sample a pixel, the photo enlarged bicubically, as published."""
    h, w, s = view.high.shape
    k = math.isqrt(s)
    if k == 1:
        return view
    photo = F.interpolate(
        view.colours().permute(2, 0, 1)[None], scale_factor=k, mode="bicubic", align_corners=False
    ).clamp(0, 1)

    def spread(field: Tensor) -> Tensor:
        return field.reshape(h, w, k, k, -1).transpose(1, 2).reshape(h * k, w * k, -1)

    seen = spread(view.seen)
    return replace(
        view,
        photo=photo[0].permute(1, 2, 0).contiguous(),
        low=spread(view.low)[:, :, None].contiguous(),
        high=spread(view.high).contiguous(),
        seen_bits=pack_bits(seen),
        trust=seen[..., 0].to(torch.uint8) * 255,
    )
