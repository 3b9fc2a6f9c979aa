"""Each face by itself: half of a square cell of whole texels, corners on texel centres, no texel shared."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float64, Int64

from neuraltexgen.errors import UnwrapError
from neuraltexgen.geometry import face_areas
from neuraltexgen.scene import Mesh
from neuraltexgen.unwrap.settings import UnwrapSettings

RIM = 3
"""A cell of s texels a side holds two right-angled triangles with legs of s - 3, from opposite corners. Lookups between
texel centres then read texels (i, j) of it with i + j <= s - 2 for one triangle, i + j >= s for the other."""

SMALLEST = 4
"""The least cell: legs of one texel, a colour for each corner."""

BASES = (4, 5, 6, 7)
"""Cells that sizes are powers of two of: legs of 1, 5, 13 or of 4, 11, 25 suit faces that 5, 13, 29 don't."""

STEPS = 60
"""Bisections of the density, in which it is found to the last digits."""


def unwrap_per_triangle(mesh: Mesh, settings: UnwrapSettings) -> Mesh:
    """The mesh with three uvs of its own for every face, none mirrored, its longest edge along the cell's diagonal.

    Cells are b, 2 b, 4 b, ... texels wide, so that texels a world unit are at least as many for every face as a number
    that is as large as the texture allows; of b = 4, 5, 6, 7 the one is taken with which a texel reaches least far on
    the surface (L2). With `per-triangle:equal` all cells are of one size. A bilinear lookup on
    one face reads no texel that one on another reads, so the gutter is not needed and not heeded. Raises UnwrapError:
    more faces than fit.
    """
    count, side = len(mesh.faces), settings.resolution
    largest = 2 * (side // SMALLEST) ** 2
    if count > largest:
        raise UnwrapError(
            f"unwrap per-triangle: {count} faces don't fit into {side} x {side} texels, {largest} do",
            fix=f"--resolution {_least_resolution(count)}, or --simplify {largest}",
        )
    if settings.method == "per-triangle:equal":
        sizes = np.full(count, _equal_size(count, side))
        cells = _grid(int(sizes[0]), side)[: -(-count // 2)]
        order = np.arange(count)
    else:
        sizes = _sizes(face_areas(mesh.vertices, mesh.faces), side)
        order = np.argsort(-sizes, kind="stable")
        cells = _cells(sizes, side)
    corners = np.empty((count, 3, 2))
    corners[order] = _triangles(sizes[order], cells)
    uvs = np.empty((count, 3, 2))
    np.put_along_axis(uvs, _right_angle_first(mesh)[..., None], (corners + 0.5) / side, axis=1)
    return replace(mesh, uvs=uvs.reshape(-1, 2), uv_faces=np.arange(3 * count, dtype=np.int32).reshape(-1, 3))


def unwrap_per_triangle_pages(mesh: Mesh, settings: UnwrapSettings) -> Mesh:
    """The same over `settings.pages` pages: faces are dealt out by size, so that pages are alike.

    Raises UnwrapError: fewer faces than pages, more than fit, or a scale, which cells of whole texels don't keep.
    """
    count = settings.pages or 1
    if settings.texels_per_unit is not None:
        raise UnwrapError(
            f"unwrap {settings.method}: its cells are whole texels, so it keeps no scale of "
            f"{settings.texels_per_unit:g} texels a unit",
            fix="--pages N, or --unwrap fast",
        )
    if len(mesh.faces) < count:
        raise UnwrapError(f"unwrap {settings.method}: {len(mesh.faces)} faces for {count} pages", fix="--pages 1")
    order = np.argsort(-face_areas(mesh.vertices, mesh.faces), kind="stable")
    uvs = np.empty((len(mesh.faces), 3, 2))
    for page in range(count):
        mine = np.sort(order[page::count])
        part = unwrap_per_triangle(replace(mesh, faces=mesh.faces[mine], uvs=None, uv_faces=None), settings)
        assert part.uvs is not None
        uvs[mine] = (part.uvs.reshape(-1, 3, 2) + np.array([0, page])) / (1, count)
    index = np.arange(uvs.size // 2, dtype=np.int32).reshape(-1, 3)
    return replace(mesh, uvs=uvs.reshape(-1, 2), uv_faces=index, pages=count)


def _least_resolution(count: int) -> int:
    return SMALLEST * int(np.ceil(np.sqrt(-(-count // 2))))


def _right_angle_first(mesh: Mesh) -> Int64[np.ndarray, "f 3"]:
    """Per face its three corners in their sense of rotation, from the one opposite to the longest edge."""
    corners = mesh.vertices[mesh.faces]
    opposite = np.linalg.norm(np.roll(corners, -1, axis=1) - np.roll(corners, 1, axis=1), axis=2)
    return (opposite.argmax(axis=1)[:, None] + np.arange(3)) % 3


def _equal_size(count: int, side: int) -> int:
    """The widest cell of which enough fit."""
    return side // int(np.ceil(np.sqrt(-(-count // 2))))


def _sizes(areas: Float64[np.ndarray, " f"], side: int) -> Int64[np.ndarray, " f"]:
    """The cell of each face: of the bases for which all faces fit, the one whose legs come nearest to the faces'."""
    fitting = [base for base in BASES if len(areas) <= 2 * (side // base) ** 2]
    return min((_densest(areas, base, side) for base in fitting), key=lambda sizes: _reach(areas, sizes))


def _reach(areas: Float64[np.ndarray, " f"], sizes: Int64[np.ndarray, " f"]) -> float:
    """How far a texel reaches on the surface, squared and summed by area, up to a factor."""
    return float((areas**2 / (sizes - RIM) ** 2).sum())


def _densest(areas: Float64[np.ndarray, " f"], base: int, side: int) -> Int64[np.ndarray, " f"]:
    """The cell of each face among base, 2 base, 4 base, ... for the highest density that fits."""
    classes = base * 2 ** np.arange(int(np.log2(side // base)) + 1)
    legs = np.sqrt(2 * areas)
    ordered = np.sort(legs)
    low, high = 0.0, side / max(float(ordered[-1]), np.finfo(float).tiny)
    for _ in range(STEPS):
        density = (low + high) / 2
        # Faces by their class: as many as have legs between the longest of the class below and that of the class.
        counts = np.diff(np.searchsorted(ordered, (classes - RIM) / max(density, 1e-300), side="right"), prepend=0)
        fits = counts.sum() == len(areas) and _fit(classes, counts, side)
        low, high = (density, high) if fits else (low, density)
    return classes[np.searchsorted((classes - RIM) / max(low, 1e-300), legs)]


def _fit(classes: np.ndarray, faces: np.ndarray, side: int) -> bool:
    """Whether cells for so many faces of each class fit: what larger ones leave is quartered for the next."""
    left = 0
    for size, count in zip(classes[::-1].tolist(), faces[::-1].tolist(), strict=True):
        left = 4 * left + (side // size) ** 2 - 4 * (side // (2 * size)) ** 2 - -(-count // 2)
        if left < 0:
            return False
    return True


def _cells(sizes: Int64[np.ndarray, " f"], side: int) -> Int64[np.ndarray, "c 2"]:
    """First texels (column, row) of one cell for every two faces of a class, the largest cells first."""
    smallest, size = int(sizes.min()), int(sizes.max())
    free, taken = _grid(size, side), []
    while True:
        count = -(-int(np.count_nonzero(sizes == size)) // 2)
        taken.append(free[:count])
        if size == smallest:
            return np.concatenate(taken)
        # What is left, in quarters, and the strip at the far sides where no cell of this size fits.
        reach, size = side // size * size, size // 2
        quarters = (free[count:, None] + size * np.array([[0, 0], [1, 0], [0, 1], [1, 1]])).reshape(-1, 2)
        grid = _grid(size, side)
        free = np.concatenate([quarters, grid[(grid >= reach).any(axis=1)]])


def _grid(size: int, side: int) -> Int64[np.ndarray, "c 2"]:
    """First texels of all cells of a size, row by row."""
    row, column = np.divmod(np.arange((side // size) ** 2), side // size)
    return size * np.stack([column, row], axis=1)


def _triangles(sizes: Int64[np.ndarray, " f"], cells: Int64[np.ndarray, "c 2"]) -> Float64[np.ndarray, "f 3 2"]:
    """Texels (column, row) of three corners a face, right angle first; faces come two to a cell, class by class."""
    starts = np.flatnonzero(np.append(True, sizes[1:] != sizes[:-1]))
    runs = np.diff(np.append(starts, len(sizes)))
    within = np.arange(len(sizes)) - np.repeat(starts, runs)
    cell = np.repeat(np.cumsum(-(-runs // 2)) - -(-runs // 2), runs) + within // 2
    legs = (sizes - RIM)[:, None, None] * np.array([[0, 0], [0, 1], [1, 0]])
    far = cells[cell][:, None] + (sizes[:, None, None] - 1) - legs
    return np.where((within % 2 == 0)[:, None, None], cells[cell][:, None] + legs, far).astype(np.float64)
