"""From what a file states to a valid `Mesh`: what can't be meant is removed and counted, the rest is an error."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from neuraltexgen.errors import MeshError
from neuraltexgen.geometry import face_areas
from neuraltexgen.images import read_photo
from neuraltexgen.meshes.raw import RawMesh
from neuraltexgen.meshes.stack import stack_textures
from neuraltexgen.meshes.topology import count_edges_by_faces
from neuraltexgen.scene import Mesh

LARGEST = 1e30
"""Beyond it a coordinate is damage, and its square would leave float32."""


@dataclass(frozen=True, eq=False)
class LoadedMesh:
    """A mesh, the repairs that were made (each a sentence with a count), and its texture where there is one.

    The texture's colours are in [0, 1] in the file's own encoding, row 0 at the top; pages one above the other.
    """

    mesh: Mesh
    notes: tuple[str, ...]
    texture: Float32[np.ndarray, "h w 3"] | None


def repair(path: Path, raw: RawMesh) -> LoadedMesh:
    """Removes degenerate and duplicated faces and unused vertices that are not finite; counts non-manifold edges.

    Of faces on the same three vertices the first stays, whichever way they wind: a ray could not tell them apart.
    uvs that cover no area are dropped. Several textures, and UDIM's tiles, become pages (`stack_textures`). Raises
    MeshError: an index out of range, a used vertex or uv that is not finite, no face left, or a face that reaches over
    its page. Raises ImageError: a texture can't be read.
    """
    _check_indices(path, raw.faces, len(raw.vertices), "vertices")
    if raw.uvs is not None and raw.uv_faces is not None:
        _check_indices(path, raw.uv_faces, len(raw.uvs), "texture coordinates")
    notes = list(raw.notes)
    raw = _drop_not_finite(path, raw, notes)
    raw = _drop_faces(raw, ~_has_area(raw), "degenerate faces removed", notes)
    raw = _drop_faces(raw, _is_repeated(raw.faces), "duplicated faces removed", notes)
    if len(raw.faces) == 0:
        said = f" ({'; '.join(notes)})" if notes else ""
        raise MeshError(
            f"{path}: no face to put a texture on: {len(raw.vertices)} vertices, no usable face{said}",
            fix="give a surface mesh, not a point cloud: --mesh M",
        )
    if edges := sum(n for faces, n in count_edges_by_faces(raw.faces).items() if faces > 2):
        notes.append(f"{edges} non-manifold edges kept (more than two faces meet there)")
    raw = stack_textures(path, _drop_flat_uvs(raw, notes), notes)
    texture = read_texture(raw.texture, notes) if raw.uvs is not None else None
    return LoadedMesh(_as_mesh(raw), tuple(notes), texture)


def read_texture(source: Path | np.ndarray | None, notes: list[str]) -> Float32[np.ndarray, "h w 3"] | None:
    """The texture's pixels; None, with a note, if the file that the mesh names is not there."""
    if source is None or isinstance(source, np.ndarray):
        return source
    if not source.is_file():
        notes.append(f"the mesh names the texture '{source.name}', which is not there")
        return None
    pixels = read_photo(source).pixels
    return pixels if pixels.dtype == np.float32 else pixels.astype(np.float32) / np.float32(255)


def split_seams(mesh: Mesh) -> Mesh:
    """The same surface with one uv a vertex (`uv_faces` equals `faces`): vertices with several uvs are doubled.

    New vertices come in the order in which the faces first use them. A mesh that needs no split, or has no uvs, comes
    back as it is.
    """
    if mesh.uvs is None or mesh.uv_faces is None:
        return mesh
    if len(mesh.uvs) == len(mesh.vertices) and np.array_equal(mesh.faces, mesh.uv_faces):
        return mesh
    pairs = mesh.faces.astype(np.int64).ravel() * len(mesh.uvs) + mesh.uv_faces.ravel()
    _, first, inverse = np.unique(pairs, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    corner = first[order]
    vertex, uv = mesh.faces.ravel()[corner], mesh.uv_faces.ravel()[corner]
    faces = rank[inverse.ravel()].reshape(-1, 3).astype(np.int32)
    colours = None if mesh.colours is None else mesh.colours[vertex]
    return Mesh(mesh.vertices[vertex], faces, mesh.uvs[uv], faces, colours, mesh.pages)


def _check_indices(path: Path, faces: Int64[np.ndarray, "f 3"], count: int, what: str) -> None:
    bad = ((faces < 0) | (faces >= count)).any(axis=1)
    if bad.any():
        first = int(bad.argmax())
        raise MeshError(
            f"{path}: {int(bad.sum())} of {len(faces)} faces with an index out of range "
            f"(face {first} names {faces[first].tolist()}, there are {count} {what})",
            fix="export the mesh again; the file is cut off or damaged",
        )


def _drop_not_finite(path: Path, raw: RawMesh, notes: list[str]) -> RawMesh:
    keep, faces = _finite_rows(path, raw.vertices, raw.faces, "vertices")
    if not keep.all():
        notes.append(f"{int((~keep).sum())} unused vertices that are not finite removed")
        colours = None if raw.colours is None else raw.colours[keep]
        raw = replace(raw, vertices=raw.vertices[keep], faces=faces, colours=colours)
    if raw.uvs is None or raw.uv_faces is None:
        return raw
    keep, uv_faces = _finite_rows(path, raw.uvs, raw.uv_faces, "texture coordinates")
    return replace(raw, uvs=raw.uvs[keep], uv_faces=uv_faces)


def _finite_rows(
    path: Path, values: Float64[np.ndarray, "n d"], faces: Int64[np.ndarray, "f 3"], what: str
) -> tuple[Bool[np.ndarray, " n"], Int64[np.ndarray, "f 3"]]:
    """Which rows are finite, and the faces renumbered to those rows alone."""
    finite = np.all(np.abs(values) < LARGEST, axis=1)
    if finite.all():
        return finite, faces
    bad = ~finite[faces].all(axis=1)
    if bad.any():
        raise MeshError(
            f"{path}: {int(bad.sum())} of {len(faces)} faces use {what} that are NaN, infinite or beyond {LARGEST:g}"
        )
    return finite, (np.cumsum(finite) - 1)[faces]


def _has_area(raw: RawMesh) -> Bool[np.ndarray, " f"]:
    return face_areas(raw.vertices, raw.faces) > 0


def _is_repeated(faces: Int64[np.ndarray, "f 3"]) -> Bool[np.ndarray, " f"]:
    corners = np.sort(faces, axis=1)
    order = np.lexsort(corners.T)
    same = np.zeros(len(faces), bool)
    # lexsort is stable, so within a run of equal faces the first in the file comes first.
    same[order[1:]] = (corners[order[1:]] == corners[order[:-1]]).all(axis=1)
    return same


def _drop_faces(raw: RawMesh, drop: Bool[np.ndarray, " f"], what: str, notes: list[str]) -> RawMesh:
    if not drop.any():
        return raw
    notes.append(f"{int(drop.sum())} {what}")
    uv_faces = None if raw.uv_faces is None else raw.uv_faces[~drop]
    face_texture = None if raw.face_texture is None else raw.face_texture[~drop]
    return replace(raw, faces=raw.faces[~drop], uv_faces=uv_faces, face_texture=face_texture)


def _drop_flat_uvs(raw: RawMesh, notes: list[str]) -> RawMesh:
    if raw.uvs is None or raw.uv_faces is None:
        return raw
    if face_areas(raw.uvs, raw.uv_faces).any():
        return raw
    notes.append("the texture coordinates cover no area and are ignored")
    return replace(raw, uvs=None, uv_faces=None, face_texture=None)


def _as_mesh(raw: RawMesh) -> Mesh:
    arrays: Iterable[np.ndarray | None] = (raw.vertices, raw.faces, raw.uvs, raw.uv_faces, raw.colours)
    vertices, faces, uvs, uv_faces, colours = (None if a is None else np.ascontiguousarray(a) for a in arrays)
    assert vertices is not None
    assert faces is not None
    return Mesh(
        vertices,
        faces.astype(np.int32),
        uvs,
        None if uv_faces is None else uv_faces.astype(np.int32),
        colours,
        raw.pages,
    )
