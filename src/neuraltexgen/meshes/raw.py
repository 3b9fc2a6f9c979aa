"""What a mesh file states, before any check: the hand-over from the format files to `repair`; and number parsing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64, Shaped

from neuraltexgen.errors import MeshError


@dataclass(frozen=True, eq=False)
class RawMesh:
    """Triangles as read, indices unchecked. `uvs` are already v-down. `texture` is pixels or the file that has them.

    With several textures, `textures` has them instead, and `face_texture` says which of them each face shows. `pages`:
    see `scene.Mesh`; `stack.stack_textures` makes them.
    """

    vertices: Float64[np.ndarray, "n 3"]
    faces: Int64[np.ndarray, "f 3"]
    uvs: Float64[np.ndarray, "m 2"] | None = None
    uv_faces: Int64[np.ndarray, "f 3"] | None = None
    colours: Float32[np.ndarray, "n 3"] | None = None
    texture: Path | Float32[np.ndarray, "h w 3"] | None = None
    notes: tuple[str, ...] = ()
    textures: tuple[Path | Float32[np.ndarray, "h w 3"], ...] = ()
    face_texture: Int64[np.ndarray, " f"] | None = None
    pages: int = 1


@dataclass(frozen=True, eq=False)
class Fans:
    """Polygons cut into triangles: `corners` indexes the file's flat list of corners; `polygon` is each one's origin.

    A polygon of n corners gives n - 2 triangles around its first corner, as viewers do; fewer than 3 give none.
    """

    corners: Int64[np.ndarray, "f 3"]
    polygon: Int64[np.ndarray, " f"]
    notes: tuple[str, ...]


def cut_polygons(sizes: Int64[np.ndarray, " p"]) -> Fans:
    """Triangles of polygons that have `sizes` corners each, stored one after the other."""
    starts = np.cumsum(sizes) - sizes
    triangles = np.maximum(sizes - 2, 0)
    polygon = np.repeat(np.arange(len(sizes)), triangles)
    step = np.arange(len(polygon)) - np.repeat(np.cumsum(triangles) - triangles, triangles)
    first = starts[polygon]
    notes = []
    if large := int((sizes > 3).sum()):
        notes.append(f"{large} polygons cut into {int(triangles[sizes > 3].sum())} triangles")
    if small := int((sizes < 3).sum()):
        notes.append(f"{small} faces of fewer than 3 corners removed")
    return Fans(np.stack([first, first + step + 1, first + step + 2], axis=1), polygon, tuple(notes))


def numbers(path: Path, tokens: Sequence[bytes] | Iterable[bytes], what: str) -> Float64[np.ndarray, " n"]:
    """Text tokens as float64. Raises MeshError if one is no number."""
    try:
        return np.fromiter(map(float, tokens), np.float64)
    except ValueError as error:
        raise MeshError(f"{path}: the {what} hold something that is no number ({error})") from error


def integers(path: Path, values: Shaped[np.ndarray, "*shape"], what: str) -> Int64[np.ndarray, "*shape"]:
    """Whole numbers as int64. Raises MeshError for fractions, NaN, and what is beyond any index."""
    if values.dtype.kind in "iu":
        return values.astype(np.int64)
    if not (np.abs(values) < 2**53).all() or (values != np.floor(values)).any():
        raise MeshError(f"{path}: the {what} must be whole numbers")
    return values.astype(np.int64)


def unit_colours(colours: Float[np.ndarray, "n c"] | Shaped[np.ndarray, "n c"]) -> Float32[np.ndarray, "n 3"]:
    """The first 3 channels in [0, 1]: integers by their range; floats as they are, over 255 if one exceeds 1."""
    if colours.dtype.kind in "iu":
        scale = float(np.iinfo(colours.dtype).max)
    else:
        scale = 255.0 if (colours[:, :3] > 1).any() else 1.0
    unit = np.clip(colours[:, :3].astype(np.float64) / scale, 0, 1)
    return np.nan_to_num(unit).astype(np.float32)


def flip_v(uvs: Float64[np.ndarray, "m 2"]) -> Float64[np.ndarray, "m 2"]:
    """uvs with v down from v up, or the reverse."""
    return np.stack([uvs[:, 0], 1 - uvs[:, 1]], axis=1)
