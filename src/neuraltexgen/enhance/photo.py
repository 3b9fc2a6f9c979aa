"""One photo through the steps, and into a file without loss."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import interpolate

from neuraltexgen.enhance.balance import CLIPPED, Gains, light_colour
from neuraltexgen.enhance.denoise import denoise, noise_level
from neuraltexgen.enhance.light import Shown, decode, encode, linear_light, show
from neuraltexgen.enhance.model import Upscaler
from neuraltexgen.enhance.settings import EnhanceSettings
from neuraltexgen.enhance.sharpen import sharpen
from neuraltexgen.enhance.tiles import run_in_tiles, tile_side
from neuraltexgen.errors import ImageError
from neuraltexgen.images import read_photo, write_exr, write_png
from neuraltexgen.scene import View
from neuraltexgen.view_cache import hidden_pixels

Picture = Float[Tensor, "3 h w"]


@dataclass(frozen=True, eq=False)
class Tools:
    """What the steps share over a capture. `need`: the model's bytes per pixel; `budget`: bytes to keep within."""

    settings: EnhanceSettings
    model: Upscaler | None
    need: int
    gains: Gains | None
    device: torch.device
    budget: int


@dataclass(frozen=True, eq=False)
class Opened:
    """A photo upright as its camera means it. `suffix`: .png, or .exr for one in linear light; `bits`: of a PNG."""

    shown: Shown
    visible: Bool[Tensor, "h w"]
    suffix: str
    bits: int


@dataclass(frozen=True)
class Change:
    """What was done to one photo. `noise`: what was found, None if it was not looked for."""

    noise: float | None
    changed: bool


def open_photo(view: View) -> Opened:
    """Reads a view's photo with its mask and transparency. Raises ImageError: unreadable, or not its camera's size."""
    loaded = read_photo(view.photo, upright=view.exif_upright)
    height, width = loaded.pixels.shape[:2]
    if (width, height) != (view.camera.width, view.camera.height):
        raise ImageError(f"{view.photo} is {width}x{height}, its camera {view.camera.width}x{view.camera.height}")
    visible = torch.from_numpy(~hidden_pixels(view, loaded))
    bits = 8 if loaded.pixels.dtype == np.uint8 else 16
    pixels = torch.from_numpy(loaded.pixels).permute(2, 0, 1).float().contiguous()
    if written_suffix(view) == ".exr":
        return Opened(show(pixels), visible, ".exr", 32)
    return Opened(Shown(pixels / 255 if bits == 8 else pixels.clamp(0, 1)), visible, ".png", bits)


def written_suffix(view: View) -> str:
    """Of the enhanced photo: .exr for EXR, which is linear and may be brighter than white; .png for all else."""
    return ".exr" if view.photo.suffix.lower() == ".exr" else ".png"


def colour_of_light(view: View) -> Float[Tensor, "3"] | None:
    """What a view's photo says about the light, for `balance.balancing_gains`."""
    opened = open_photo(view)
    usable = opened.visible & (opened.shown.picture.amax(dim=0) < CLIPPED)
    return light_colour(decode(opened.shown.picture), usable)


def enhance_photo(view: View, tools: Tools, path: Path) -> Change:
    """Writes the view's photo, enhanced, to `path`; its mask and transparency become the file's transparency.

    Order: noise out, enlarged or restored by the model, sharpened, balanced. Raises ImageError as `open_photo` does.
    """
    opened = open_photo(view)
    before = opened.shown.picture
    noise = noise_level(before) if tools.settings.denoise else None
    picture = denoise(before, tools.settings.denoise * (noise or 0), tools.device)
    if tools.model is not None:
        height, width = picture.shape[1:]
        side = tile_side(tools.model, tools.need, (height, width), tools.budget)
        picture = run_in_tiles(tools.model, picture, tools.model.scale, side)
    picture = sharpen(picture, tools.settings.sharpen)
    after = _balanced(replace(opened.shown, picture=picture), tools.gains)
    visible = _enlarged_mask(opened.visible, picture)
    _write(path, after, visible, opened)
    return Change(noise, _differs(before, picture, opened.bits) or tools.gains not in (None, (1, 1, 1)))


def _balanced(shown: Shown, gains: Gains | None) -> Picture:
    """The pixels to write: linear light for a linear photo, sRGB for any other."""
    if shown.beyond is not None:
        linear = linear_light(shown)
        return linear if gains is None else linear * torch.tensor(gains)[:, None, None]
    if gains is None:
        return shown.picture
    return encode((decode(shown.picture) * torch.tensor(gains)[:, None, None]).clamp(0, 1))


def _enlarged_mask(visible: Bool[Tensor, "h w"], picture: Float[Tensor, "3 H W"]) -> Bool[Tensor, "H W"]:
    """Each pixel of the enlarged mask is the one that it lies in."""
    return interpolate(visible[None, None].to(torch.uint8), picture.shape[1:], mode="nearest-exact")[0, 0].bool()


def _differs(before: Picture, after: Float[Tensor, "3 H W"], bits: int) -> bool:
    """Whether any pixel of the written file is another."""
    if before.shape != after.shape:
        return True
    return bool(((before - after).abs() > 0.5 / (2 ** min(bits, 16) - 1)).any())


def _write(path: Path, picture: Picture, visible: Bool[Tensor, "h w"], opened: Opened) -> None:
    pixels = picture.permute(1, 2, 0).numpy()
    if opened.suffix == ".exr":
        channels = {name: np.ascontiguousarray(pixels[..., i]) for i, name in enumerate("RGB")}
        if not visible.all():
            channels["A"] = visible.numpy().astype(np.float32)
        write_exr(path, channels)
    elif visible.all():
        write_png(path, pixels, bits=opened.bits)
    else:
        alpha = visible.numpy().astype(np.float32)[..., None]
        write_png(path, np.concatenate([pixels, alpha], axis=2), bits=opened.bits)
