"""How good a parametrisation is: charts, used area, stretch, angles, seams, overlaps, flips, spread of density."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from neuraltexgen.pages import face_pages
from neuraltexgen.scene import Mesh
from neuraltexgen.unwrap.mips import clean_level
from neuraltexgen.unwrap.seams import Cuts, find_cuts
from neuraltexgen.uvmap.atlas import Coverage, coverage
from neuraltexgen.uvmap.charts import mesh_uvs

FLAT = 1e-14
"""A face is degenerate below this share of the diameter squared (on the surface) or of the texture's area (in it)."""

PERCENTILES = (5.0, 50.0, 95.0)


@dataclass(frozen=True)
class UnwrapFigures:
    """The quality of a mesh's uvs, for a texture of `resolution` x `resolution` texels, or as many of them as `pages`.

    `degenerate` faces have no area on the surface or in the texture; stretch, angles, density and flips leave them out.
    `charts`: groups of faces that share edges in the texture. `utilisation`: share of the texels that a face covers.
    `stretch_l2`, `stretch_max`: Sander et al. 2001, "Texture Mapping Progressive Meshes", section 3: the root of the
    area-weighted mean square, and the largest, of how far a step in the texture reaches on the surface; both times
    the root of texture area over surface area, so that an isometric map has 1. `conformal`: the area-weighted mean of
    (a/b + b/a)/2 over the two singular values, 1 where angles are kept. `angle_degrees`: the area-weighted mean of
    how far a corner's angle in the texture is from that on the surface.
    `seam_length`: length of the edges where the texture is cut though faces meet, over the diameter, which is the
    diagonal of the bounding box of the faces; `border_length`: the same of edges with one face.
    `overlap`: share of the covered texels whose centre lies inside several faces. `flipped`: faces that are folded
    over against the most part of their chart. `mirrored_charts`: charts that show the surface as in a mirror.
    `density`: texels per world unit, the 5th, 50th and 95th percentile by area. `mip_level`: see `mips.clean_level`.
    `page_charts`, `page_utilisation`: of each page.
    """

    resolution: int
    faces: int
    degenerate: int
    charts: int
    utilisation: float
    stretch_l2: float
    stretch_max: float
    conformal: float
    angle_degrees: float
    seam_length: float
    border_length: float
    overlap: float
    flipped: int
    mirrored_charts: int
    density: tuple[float, float, float]
    mip_level: int
    pages: int = 1
    page_charts: tuple[int, ...] = ()
    page_utilisation: tuple[float, ...] = ()


def measure(mesh: Mesh, resolution: int, found: Coverage | None = None) -> UnwrapFigures:
    """The figures of a mesh with uvs. Where every face is degenerate, figures that average over faces are NaN.

    `found`: the mesh's coverage at that resolution, where the caller has it already. Raises MeshError: no uvs, or a
    resolution below one texel.
    """
    uvs, uv_faces = mesh_uvs(mesh)
    solid, flat = mesh.vertices[mesh.faces], uvs[uv_faces] * (1, mesh.pages)
    used = mesh.vertices[np.unique(mesh.faces)]
    diameter = float(np.linalg.norm(used.max(axis=0) - used.min(axis=0)))
    area, uv_area = _solid_areas(solid), _signed_areas(flat)
    whole = (area > FLAT * diameter**2) & (np.abs(uv_area) > FLAT)
    cuts, found = find_cuts(mesh), found or coverage(mesh, (mesh.pages * resolution, resolution))
    page = face_pages(mesh)
    flipped, mirrored = _folds(cuts, np.where(whole, uv_area, 0.0))
    stretch_l2, stretch_max, conformal = _stretch(solid[whole], flat[whole], area[whole], uv_area[whole])
    density = np.sqrt(np.abs(uv_area[whole]) / area[whole]) * resolution
    return UnwrapFigures(
        resolution=resolution,
        faces=len(mesh.faces),
        degenerate=int(np.count_nonzero(~whole)),
        charts=len(np.unique(cuts.charts[whole])),
        utilisation=found.covered / (mesh.pages * resolution**2),
        stretch_l2=stretch_l2,
        stretch_max=stretch_max,
        conformal=conformal,
        angle_degrees=_angle_error(solid[whole], flat[whole], area[whole]),
        seam_length=cuts.seam / diameter if diameter else 0.0,
        border_length=cuts.border / diameter if diameter else 0.0,
        overlap=found.overlapped / max(found.covered, 1),
        flipped=flipped,
        mirrored_charts=mirrored,
        density=_percentiles(density, area[whole]),
        mip_level=clean_level(mesh, resolution),
        pages=mesh.pages,
        page_charts=tuple(len(np.unique(cuts.charts[whole & (page == k)])) for k in range(mesh.pages)),
        page_utilisation=tuple(count / resolution**2 for count in found.pages),
    )


def _solid_areas(solid: Float64[np.ndarray, "f 3 3"]) -> Float64[np.ndarray, " f"]:
    return 0.5 * np.linalg.norm(np.cross(solid[:, 1] - solid[:, 0], solid[:, 2] - solid[:, 0]), axis=1)


def _signed_areas(flat: Float64[np.ndarray, "f 3 2"]) -> Float64[np.ndarray, " f"]:
    (ux, uy), (vx, vy) = (flat[:, 1] - flat[:, 0]).T, (flat[:, 2] - flat[:, 0]).T
    return 0.5 * (ux * vy - uy * vx)


def _stretch(
    solid: Float64[np.ndarray, "f 3 3"],
    flat: Float64[np.ndarray, "f 3 2"],
    area: Float64[np.ndarray, " f"],
    uv_area: Float64[np.ndarray, " f"],
) -> tuple[float, float, float]:
    """Sander's L2 and L-infinity, normalised, and the conformal figure; NaN without faces."""
    if len(area) == 0:
        return np.nan, np.nan, np.nan
    first, second = solid[:, 1] - solid[:, 0], solid[:, 2] - solid[:, 0]
    (ux, uy), (vx, vy) = (flat[:, 1] - flat[:, 0]).T[..., None], (flat[:, 2] - flat[:, 0]).T[..., None]
    # What one unit of u and one of v become on the surface; their dot products are the first fundamental form.
    along_u, along_v = first * vy - second * uy, second * ux - first * vx
    scale = (2 * uv_area) ** -2
    e, f, g = ((p * q).sum(axis=1) * scale for p, q in ((along_u, along_u), (along_u, along_v), (along_v, along_v)))
    mean_square = (e + g) / 2
    largest = np.sqrt(mean_square + np.hypot((e - g) / 2, f))
    normal = np.sqrt(np.abs(uv_area).sum() / area.sum())
    l2 = np.sqrt(np.average(mean_square, weights=area))
    conformal = np.average(mean_square * np.abs(uv_area) / area, weights=area)
    return float(l2 * normal), float(largest.max() * normal), float(conformal)


def _angle_error(
    solid: Float64[np.ndarray, "f 3 3"], flat: Float64[np.ndarray, "f 3 2"], area: Float64[np.ndarray, " f"]
) -> float:
    if len(area) == 0:
        return np.nan
    off = np.abs(_angles(solid) - _angles(flat)).mean(axis=1)
    return float(np.rad2deg(np.average(off, weights=area)))


def _angles(triangles: Float64[np.ndarray, "f 3 d"]) -> Float64[np.ndarray, "f 3"]:
    ahead, behind = np.roll(triangles, -1, axis=1) - triangles, np.roll(triangles, 1, axis=1) - triangles
    lengths = np.linalg.norm(ahead, axis=2) * np.linalg.norm(behind, axis=2)
    return np.arccos(np.clip((ahead * behind).sum(axis=2) / lengths, -1.0, 1.0))


def _folds(cuts: Cuts, uv_area: Float64[np.ndarray, " f"]) -> tuple[int, int]:
    """How many faces are folded over in their charts, and how many charts are mirrored. Areas of 0 take no side.

    v points down, so a face that is seen from its front as it winds has a negative area.
    """
    sides = np.where(cuts.turned, -uv_area, uv_area)
    most = np.bincount(cuts.charts, weights=sides)[cuts.charts]
    folded = (sides < 0) & (most >= 0) | (sides > 0) & (most < 0)
    return int(np.count_nonzero(folded)), int(np.count_nonzero(np.bincount(cuts.charts, weights=uv_area) > 0))


def _percentiles(values: Float64[np.ndarray, " f"], weights: Float64[np.ndarray, " f"]) -> tuple[float, float, float]:
    if len(values) == 0:
        return np.nan, np.nan, np.nan
    order = np.argsort(values)
    summed = np.cumsum(weights[order])
    at = np.searchsorted(summed, np.array(PERCENTILES) / 100 * summed[-1]).clip(max=len(values) - 1)
    low, middle, high = (float(value) for value in values[order][at])
    return low, middle, high
