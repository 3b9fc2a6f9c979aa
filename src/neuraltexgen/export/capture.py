"""What every written capture shares: names that stay inside its folder, and its mesh."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from neuraltexgen.images import read_photo, turn_pixels, write_exr, write_png
from neuraltexgen.meshes import write_mesh
from neuraltexgen.scene import Mesh, View

SEAMED, PLAIN = "mesh.obj", "mesh.ply"
"""OBJ keeps seams; PLY is smaller and quicker."""


def paths_below_images(views: Sequence[View]) -> list[PurePosixPath]:
    """The views' names as paths below images/: none leads out of it; a folder images/ that all share is dropped."""
    paths = [PurePosixPath(*_parts(view.name)) for view in views]
    if all(len(path.parts) > 1 and path.parts[0] == "images" for path in paths):
        return [path.relative_to("images") for path in paths]
    return paths


def write_capture_mesh(folder: Path, mesh: Mesh | None) -> Path | None:
    """The mesh with its uvs; returns its path. A mesh that an earlier run left is removed."""
    name = None if mesh is None else SEAMED if mesh.has_uvs else PLAIN
    if mesh is not None and name is not None:
        write_mesh(folder / name, mesh)
    for other in {SEAMED, PLAIN} - {name}:
        (folder / other).unlink(missing_ok=True)
    return None if name is None else folder / name


def write_upright(view: View, photo: Path, turn: int = 1) -> None:
    """The photo turned as its EXIF data say where the view means that, then by another EXIF orientation `turn`.

    As PNG of 8 or 16 bits, or EXR by the suffix; what is transparent becomes black. Raises ImageError.
    """
    pixels = turn_pixels(read_photo(view.photo, upright=view.exif_upright).pixels, turn)
    if photo.suffix == ".exr":
        write_exr(photo, {channel: np.ascontiguousarray(pixels[..., i]) for i, channel in enumerate("RGB")})
    else:
        bits = 8 if pixels.dtype == np.uint8 else 16
        write_png(photo, pixels.astype(np.float32) / 255 if bits == 8 else pixels, bits=bits)


def _parts(name: str) -> list[str]:
    """The folders and the file of a name, without what would lead out of a folder."""
    return [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")] or ["photo"]
