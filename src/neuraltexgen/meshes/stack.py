"""Several textures, or UDIM's tiles, as pages of one mesh: uvs over a stack of textures, and the stacked texture."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from neuraltexgen.errors import MeshError
from neuraltexgen.images import read_photo
from neuraltexgen.meshes.raw import RawMesh
from neuraltexgen.pages import FIRST_TILE, MOST_PAGES, TILE_COLUMNS

TOKEN = re.compile(r"<udim>", re.IGNORECASE)
"""What stands for the tile's number in a file name."""

OUTSIDE = 1e-4
"""How far a uv may lie outside its page, in pages: other programs write few digits."""

UNTEXTURED = np.full((1, 1, 3), 0.5, dtype=np.float32)
"""The page of faces whose material has no texture, where others have one: grey."""


def stack_textures(path: Path, raw: RawMesh, notes: list[str]) -> RawMesh:
    """The mesh with its textures as pages of one, the uvs over their stack; as it is if it has one texture or none.

    Several textures: a page for each, in the reader's order; faces that lie in another tile than the first are brought
    back, as a texture that repeats shows them. A texture whose name has `<UDIM>`, or UDIM's 1001 beside files for the
    other tiles that faces lie in; or none at all, with each face in one of several tiles: a page for each tile.
    Textures smaller than the largest are padded by their last rows and columns, never resampled. Raises MeshError:
    faces that lie in two tiles, or too many pages. ImageError: a texture that can't be read.
    """
    if raw.uvs is None or raw.uv_faces is None:
        return raw
    corners = raw.uvs[raw.uv_faces]
    tile, inside = _tiles(corners)
    if raw.face_texture is not None:
        _check_inside(path, inside, "several textures")
        return _stacked(path, raw, _within(corners, tile), tile, raw.face_texture, raw.textures, notes)
    pattern = _pattern(raw.texture, tile)
    spread = bool((tile != 0).any() and inside.all() and (tile >= 0).all() and (tile[:, 0] < TILE_COLUMNS).all())
    if pattern is None and not (raw.texture is None and spread):
        return raw
    _check_inside(path, inside, "UDIM tiles")
    numbers, page = np.unique(FIRST_TILE + tile[:, 0] + TILE_COLUMNS * tile[:, 1], return_inverse=True)
    if len(numbers) > MOST_PAGES:
        return raw if pattern is None else _refuse(path, len(numbers))
    if numbers[0] < FIRST_TILE or (tile[:, 0] >= TILE_COLUMNS).any():
        raise MeshError(f"{path}: texture coordinates lie left of, below or past UDIM's ten columns of tiles")
    names = ", ".join(str(n) for n in numbers[:4]) + (" ..." if len(numbers) > 4 else "")
    notes.append(f"the uvs lie in {len(numbers)} UDIM tiles ({names}), read as pages")
    files = [None if pattern is None else Path(TOKEN.sub(str(n), str(pattern))) for n in numbers]
    return _stacked(path, raw, _within(corners, tile), tile, page.reshape(-1).astype(np.int64), files, notes)


def _tiles(corners: Float64[np.ndarray, "f 3 2"]) -> tuple[Int64[np.ndarray, "f 2"], Bool[np.ndarray, " f"]]:
    """Column and row (upwards) of the tile that each face's middle lies in, and whether its corners do."""
    upright = corners * (1, -1) + (0, 1)
    tile = np.floor(upright.mean(axis=1))
    off = upright - tile[:, None]
    inside = ((off >= -OUTSIDE) & (off <= 1 + OUTSIDE)).all(axis=(1, 2))
    return tile.clip(-(2**31), 2**31).astype(np.int64), inside


def _within(corners: np.ndarray, tile: np.ndarray) -> Float64[np.ndarray, "f 3 2"]:
    return (corners - tile[:, None] * (1, -1)).clip(0, 1)


def _check_inside(path: Path, inside: Bool[np.ndarray, " f"], what: str) -> None:
    if not inside.all():
        raise MeshError(
            f"{path}: {int((~inside).sum())} of {len(inside)} faces reach over the border of their texture, which has "
            f"{what}: a texture that repeats can't be a page",
            fix="export with a single texture, or without texture coordinates",
        )


def _refuse(path: Path, count: int) -> RawMesh:
    raise MeshError(f"{path}: {count} pages of texture; at most {MOST_PAGES} are supported")


def _pattern(texture: Path | np.ndarray | None, tile: Int64[np.ndarray, "f 2"]) -> Path | None:
    """The name of a texture in tiles, with TOKEN for the number; None for any other texture."""
    if not isinstance(texture, Path):
        return None
    if TOKEN.search(texture.name):
        return texture
    head, number, tail = texture.name.rpartition(str(FIRST_TILE))
    if not number or not (tile != 0).any():
        return None
    column, row = (int(x) for x in tile[(tile != 0).any(axis=1)][0])
    other = texture.with_name(f"{head}{FIRST_TILE + column + TILE_COLUMNS * row}{tail}")
    return texture.with_name(f"{head}<UDIM>{tail}") if other.is_file() else None


def _stacked(
    path: Path,
    raw: RawMesh,
    corners: Float64[np.ndarray, "f 3 2"],
    tile: Int64[np.ndarray, "f 2"],
    page: Int64[np.ndarray, " f"],
    textures: Sequence[Path | np.ndarray | None],
    notes: list[str],
) -> RawMesh:
    if len(textures) > MOST_PAGES:
        return _refuse(path, len(textures))
    assert raw.uv_faces is not None
    pages = len(textures)
    image, sizes = stack_images(textures, notes)
    if sizes is not None:
        corners = corners * (sizes[:, ::-1] / sizes.max(axis=0)[::-1])[page][:, None]
    # A uv on the border of two tiles, or used with two textures, has two places.
    _, place = np.unique(np.column_stack([page, tile]), axis=0, return_inverse=True)
    key = (raw.uv_faces * (int(place.max()) + 1) + place.reshape(-1, 1)).reshape(-1)
    _, first, index = np.unique(key, return_index=True, return_inverse=True)
    below = np.column_stack([np.zeros(len(first)), page[first // 3]])
    return replace(
        raw,
        uvs=(corners.reshape(-1, 2)[first] + below) / (1, pages),
        uv_faces=index.reshape(-1, 3),
        texture=image,
        face_texture=None,
        textures=(),
        pages=pages,
    )


def stack_images(
    textures: Sequence[Path | np.ndarray | None], notes: list[str]
) -> tuple[Float32[np.ndarray, "h w c"] | None, Int64[np.ndarray, "n 2"] | None]:
    """The textures one above the other, padded to the size of the largest, and each one's size (rows, columns).

    None and None, with a note, where one of them is not there.
    """
    gone = [t.name for t in textures if isinstance(t, Path) and not t.is_file()]
    if gone or any(t is None for t in textures):
        if gone:
            notes.append(f"the mesh names the texture '{gone[0]}', which is not there ({len(gone)} of {len(textures)})")
        return None, None
    read = [read_photo(t).pixels if isinstance(t, Path) else t for t in textures if t is not None]
    sizes = np.array([image.shape[:2] for image in read], dtype=np.int64)
    rows, columns = (int(side) for side in sizes.max(axis=0))
    result = np.empty((rows * len(read), columns, read[0].shape[2]), dtype=np.float32)
    for page, image in enumerate(read):
        pixels = image.astype(np.float32) / np.float32(255) if image.dtype == np.uint8 else image
        padding = ((0, rows - image.shape[0]), (0, columns - image.shape[1]), (0, 0))
        result[page * rows : (page + 1) * rows] = np.pad(pixels, padding, mode="edge")
    if (sizes != sizes[0]).any():
        notes.append(f"textures of different sizes padded to {columns} x {rows} texels, as pages of one")
    return result, sizes
