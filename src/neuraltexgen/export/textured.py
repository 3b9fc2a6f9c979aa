"""Writes the texture and the meshes that show it: one table row per mesh format, one per texture format."""

import io
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image as PillowImage

from neuraltexgen.errors import ExportError
from neuraltexgen.export.gltf import EmbeddedImage, write_glb
from neuraltexgen.export.obj import write_textured_obj, write_udim_obj
from neuraltexgen.images import write_exr, write_png
from neuraltexgen.pages import tile_number
from neuraltexgen.scene import Mesh
from neuraltexgen.types import Image

EXR_NAMES = {1: ("Y",), 2: ("Y", "A"), 3: ("R", "G", "B"), 4: ("R", "G", "B", "A")}
"""Channel names that viewers know; with more than four, channels are numbered."""

PICTURE_CHANNELS = (1, 3, 4)

ROWS = 256


@dataclass(frozen=True)
class ExportOptions:
    """How to write a textured mesh.

    texture: the texture file's format. PNG clips to [0, 1]; EXR keeps 32-bit floats and any number of channels.
    glb_image: how the GLB holds the texture: PNG without loss, or JPEG (RGB or grey) of the given quality, far smaller.
    """

    texture: Literal["png", "png16", "exr"] = "png"
    glb_image: Literal["png", "jpeg"] = "png"
    jpeg_quality: int = 92


def export_textured_mesh(
    folder: Path, mesh: Mesh, image: Image, options: ExportOptions | None = None
) -> tuple[Path, ...]:
    """Writes `texture.png` or `.exr`, `mesh.obj` with `mesh.mtl`, and `mesh.glb`; returns the files' paths.

    A mesh of several pages gets `texture.1001.png`, `texture.1002.png` ... instead, numbered as UDIM's tiles, a
    material for each in `mesh.obj` and `mesh.glb`, and `mesh_udim.obj`, with one material over all tiles.
    Nothing is resampled or lit: the texture's values are the colours to show (GLB: KHR_materials_unlit, factor 1).
    Every file is written whole or not at all. With EXR and a number of channels that no picture has (2, or more than
    4), the GLB is left out: it can't hold them.

    Raises ExportError: such a number of channels as PNG, or values that are not finite. MeshError: no uvs.
    """
    options = options or ExportOptions()
    channels = image.shape[2]
    if options.texture != "exr" and channels not in PICTURE_CHANNELS:
        raise ExportError(
            f"a texture of {channels} channels can't be written as PNG, which holds 1, 3 or 4",
            fix="write it as EXR: texture exr",
        )
    broken = sum(int(np.count_nonzero(~np.isfinite(rows))) for rows in _blocks(image))
    if broken:
        raise ExportError(f"{broken} of {image.size} values of the texture are not finite")
    if image.shape[0] % mesh.pages:
        raise ExportError(f"a texture of {image.shape[0]} rows can't be cut into {mesh.pages} pages")
    suffix, write_texture = TEXTURES[options.texture]
    pages = np.split(image, mesh.pages)
    numbers = [f".{tile_number(page)}" for page in range(mesh.pages)] if mesh.pages > 1 else [""]
    textures = [folder / f"texture{number}{suffix}" for number in numbers]
    for texture, page in zip(textures, pages, strict=True):
        write_texture(texture, page)
    written = [*textures, *write_textured_obj(folder / "mesh.obj", mesh, [texture.name for texture in textures])]
    if mesh.pages > 1:
        written += write_udim_obj(folder / "mesh_udim.obj", mesh, f"texture.<UDIM>{suffix}")
    if channels in PICTURE_CHANNELS:
        path = folder / "mesh.glb"
        write_glb(path, mesh, [_embedded(*each, options) for each in zip(textures, pages, strict=True)])
        written.append(path)
    return tuple(written)


def _blocks(image: Image) -> list[Image]:
    """A few hundred rows at a time, since what is computed of a whole page may be larger than the page."""
    return [image[top : top + ROWS] for top in range(0, len(image), ROWS)]


def _embedded(texture: Path, image: Image, options: ExportOptions) -> EmbeddedImage:
    """The texture as the bytes of an 8-bit picture."""
    if options.glb_image == "jpeg":
        return EmbeddedImage(_jpeg(image, options.jpeg_quality), "image/jpeg")
    if options.texture == "png":
        return EmbeddedImage(texture.read_bytes(), "image/png")
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "texture.png"
        write_png(path, image)
        return EmbeddedImage(path.read_bytes(), "image/png")


def _jpeg(image: Image, quality: int) -> bytes:
    # JPEG has no alpha. Chroma stays at full resolution (subsampling 0): colour edges are what a texture is for.
    pixels = np.concatenate([np.rint(np.clip(rows[..., :3], 0, 1) * 255).astype(np.uint8) for rows in _blocks(image)])
    picture = PillowImage.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality, subsampling=0, optimize=True)
    return out.getvalue()


def _write_png8(path: Path, image: Image) -> None:
    write_png(path, image, bits=8)


def _write_png16(path: Path, image: Image) -> None:
    write_png(path, image, bits=16)


def _write_exr(path: Path, image: Image) -> None:
    channels = image.shape[2]
    names = EXR_NAMES.get(channels) or tuple(f"channel{c:03d}" for c in range(channels))
    write_exr(path, {name: np.ascontiguousarray(image[..., c]) for c, name in enumerate(names)})


TEXTURES: dict[str, tuple[str, Callable[[Path, Image], None]]] = {
    "png": (".png", _write_png8),
    "png16": (".png", _write_png16),
    "exr": (".exr", _write_exr),
}
