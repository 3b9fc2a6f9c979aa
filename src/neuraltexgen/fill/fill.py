"""The two steps that finish a texture: unseen texels on the surface, then everything that is not surface."""

from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from numba import njit, prange

from neuraltexgen.errors import FitError
from neuraltexgen.fill.blocks import LEVELS, block_charts, keep_to_charts
from neuraltexgen.fill.diffuse import diffuse_colours
from neuraltexgen.fill.gutters import copy_sources, nearest_sources
from neuraltexgen.fill.membrane import stretch_membrane
from neuraltexgen.scene import Mesh
from neuraltexgen.types import Image, Mask
from neuraltexgen.uvmap.atlas import Atlas, rasterise_atlas
from neuraltexgen.uvmap.charts import face_charts


@dataclass(frozen=True, eq=False)
class FilledTexture:
    """A texture without holes; how many unseen texels on the surface were filled, and how many off it were set."""

    image: Image
    filled_surface: int
    gutter_texels: int


def fill_texture(image: Image, seen: Mask, mesh: Mesh, gutter: int | None = None) -> FilledTexture:
    """Gives every unseen texel a colour; seen texels keep theirs to the bit, also those that lie just off the surface.

    On the surface, colours spread from seen texels along the mesh, so across seams but never across the atlas, and
    meet the seen ones without a step; a part of the mesh that nobody saw takes the mean of all that was seen. Off
    the surface, a texel takes the colour of the nearest covered texel, at most `gutter` texels away (None: the whole
    image), or of the nearest one of the chart whose mip-mapped lookups read it (see `blocks`). Texels that a bilinear
    lookup on the surface reads count as surface of their nearest face.

    Raises FitError: no texel on the surface is seen, or a seen texel is not finite. MeshError: no uvs.
    """
    atlas = rasterise_atlas(mesh, image.shape[:2], rim=True)
    known = seen & atlas.covered
    check_finite(image, seen)
    if not known.any():
        raise nothing_seen(int(np.count_nonzero(atlas.covered)), int(np.count_nonzero(seen)), known.size)
    sums, weights = corner_sums(image, known, atlas, mesh)
    colours = diffuse_colours(mesh, sums, weights)
    reach = 2.0 * edge_length(int(np.count_nonzero(atlas.covered)), mesh)
    return fill_around(image, seen, mesh, atlas, colours, reach, gutter)


def fill_around(
    image: Image, seen: Mask, mesh: Mesh, atlas: Atlas, colours: np.ndarray, reach: float, gutter: int | None
) -> FilledTexture:
    """The filling itself, of a whole texture or of some of its rows, once the vertices' colours are known.

    `mesh`, `atlas`: of these rows. `reach`: how far, in texels, what is seen holds beside the vertices' colours.
    """
    known = seen & atlas.covered
    result = np.array(image, dtype=np.float32, order="C")
    on_surface = atlas.face_ids >= 0
    face_chart = face_charts(mesh)
    charts = np.where(on_surface & (known | ~seen), face_chart[atlas.face_ids], np.int32(-1))
    _shift(result, charts, atlas.face_ids, atlas.barycentrics, colours, mesh.faces, -1.0)
    stretch_membrane(result, known, charts, reach=reach)
    _shift(result, charts, atlas.face_ids, atlas.barycentrics, colours, mesh.faces, 1.0)
    # Subtracting and adding the base colours rounds: what was seen is put back as it came.
    np.copyto(result, image, where=seen[..., None])
    _copy_to_rim(result, atlas.covered, charts)
    nearest = nearest_sources(_sources(atlas, face_chart), ~on_surface & ~seen, gutter)
    own = np.where(on_surface, face_chart[atlas.face_ids], np.int32(-1))
    keep_to_charts(nearest, block_charts(mesh, face_chart, own), own, 2 << LEVELS)
    spread = copy_sources(result, nearest)
    filled = int(np.count_nonzero(atlas.covered & ~seen))
    rim = int(np.count_nonzero(on_surface & ~atlas.covered & ~seen))
    return FilledTexture(result, filled_surface=filled, gutter_texels=spread + rim)


def nothing_seen(covered: int, seen: int, texels: int) -> FitError:
    """What to say where no texel on the surface was seen."""
    return FitError(
        f"no texel on the surface is seen: {covered} of {texels} texels are surface, {seen} are seen",
        fix="check that the cameras look at the mesh: neuraltexgen info",
    )


def check_finite(image: Image, seen: Mask) -> None:
    """Raises FitError: a seen texel is not finite."""
    broken = int(np.count_nonzero(~np.isfinite(image).all(axis=2) & seen))
    if broken:
        raise FitError(f"{broken} of {np.count_nonzero(seen)} seen texels are not finite")


def corner_sums(image: Image, known: Mask, atlas: Atlas, mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """Per vertex, the known texels' colours around it, summed with weights that favour the nearest, and the weights."""
    sums = np.zeros((len(mesh.vertices), image.shape[2]))
    weights = np.zeros(len(mesh.vertices))
    _gather(image, known, atlas.face_ids, atlas.barycentrics, mesh.faces, sums, weights)
    return sums, weights


def edge_length(covered: int, mesh: Mesh) -> float:
    """About the length of a triangle's edge in the texture, in texels: how far apart the vertices' colours are."""
    return float(np.sqrt(2.0 * covered / len(mesh.faces)))


def _sources(atlas: Atlas, face_chart: np.ndarray) -> Mask:
    """Texels that gutters copy: covered ones, and the rim of charts too thin to cover any texel's centre."""
    thick = np.zeros(int(face_chart.max()) + 1, dtype=np.bool_)
    thick[face_chart[atlas.face_ids[atlas.covered]]] = True
    thin_faces = ~thick[face_chart]
    if not thin_faces.any():
        return atlas.covered
    return atlas.covered | ((atlas.face_ids >= 0) & thin_faces[atlas.face_ids])


@njit(cache=True)
@no_type_check
def _gather(image, known, face_ids, barycentrics, faces, sums, weights):
    height, width, channels = image.shape
    for i in range(height):
        for j in range(width):
            if known[i, j]:
                for k in range(3):
                    # A high power: where only one side of a vertex is seen, the mean's place stays near the vertex.
                    vertex, weight = faces[face_ids[i, j], k], barycentrics[i, j, k] ** 4
                    weights[vertex] += weight
                    for c in range(channels):
                        sums[vertex, c] += weight * image[i, j, c]


@njit(cache=True, parallel=True)
@no_type_check
def _shift(image, charts, face_ids, barycentrics, colours, faces, sign):
    """Adds (sign 1) or takes away (-1) the colours that the vertices give to each texel of a chart."""
    height, width, channels = image.shape
    for i in prange(height):
        for j in range(width):
            if charts[i, j] >= 0:
                for k in range(3):
                    vertex, weight = faces[face_ids[i, j], k], barycentrics[i, j, k]
                    for c in range(channels):
                        image[i, j, c] += np.float32(sign * weight) * colours[vertex, c]


@njit(cache=True, parallel=True)
@no_type_check
def _copy_to_rim(image, covered, charts):
    """Unseen rim texels take the mean of the nearest covered texels of their own chart, if some are 2 or less away.

    A vertex on a seam mixes both sides; this keeps the far side's colour out of the rim.
    """
    height, width, channels = image.shape
    for i in prange(height):
        total = np.empty(channels, dtype=np.float32)
        for j in range(width):
            if charts[i, j] < 0 or covered[i, j]:
                continue
            best, count = 9, 0
            for y in range(max(i - 2, 0), min(i + 3, height)):
                for x in range(max(j - 2, 0), min(j + 3, width)):
                    squared = (y - i) ** 2 + (x - j) ** 2
                    if covered[y, x] and charts[y, x] == charts[i, j] and squared <= best:
                        if squared < best:
                            best, count = squared, 0
                            total[:] = 0.0
                        count += 1
                        for c in range(channels):
                            total[c] += image[y, x, c]
            for c in range(channels if count > 0 else 0):
                image[i, j, c] = total[c] / np.float32(count)
