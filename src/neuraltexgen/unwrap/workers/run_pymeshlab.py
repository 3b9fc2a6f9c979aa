"""Runs in a process of its own: `run_pymeshlab.py JOB ANSWER` gives a mesh uvs by one of MeshLab's filters."""

import json
import sys
from importlib import import_module

import numpy as np


def main(job: str, answer: str) -> None:
    pymeshlab = import_module("pymeshlab")
    with np.load(job, allow_pickle=False) as data:
        vertices, faces = data["vertices"], data["faces"]
        options = json.loads(str(data["options"]))
    kind = options["kind"]
    meshes = pymeshlab.MeshSet(verbose=False)
    meshes.add_mesh(pymeshlab.Mesh(vertices, faces))
    if kind == "trivial":
        meshes.compute_texcoord_parametrization_triangle_trivial_per_wedge(
            sidedim=0, textdim=options["size"], border=options["gutter"], method="Space-optimizing"
        )
    elif kind == "voronoi":
        meshes.generate_voronoi_atlas_parametrization(regionnum=options["regions"], overlapflag=False)
    else:
        normals = np.cross(vertices[faces[:, 1]] - vertices[faces[:, 0]], vertices[faces[:, 2]] - vertices[faces[:, 0]])
        plane = ("YZ", "XZ", "XY")[int(np.abs(normals).sum(axis=0).argmax())]
        meshes.compute_texcoord_parametrization_flat_plane_per_wedge(projectionplane=plane, aspectratio=True)
    # The Voronoi atlas is a mesh of its own, the last one; the other filters work in place.
    done = meshes.mesh(meshes.mesh_number() - 1)
    uvs = done.wedge_tex_coord_matrix().reshape(-1, 3, 2)
    if kind == "voronoi":
        uvs = in_order(vertices, faces, done.vertex_matrix(), done.face_matrix(), uvs)
    np.savez(answer, uvs=uvs)


def in_order(vertices, faces, new_vertices, new_faces, uvs):
    """The uvs per corner of `faces`, from those of the same faces in another order, found by their positions."""
    # The atlas was computed in single precision.
    both = np.concatenate([vertices, new_vertices]).astype(np.float32)
    _, place = np.unique(both, axis=0, return_inverse=True)
    place = place.reshape(-1)
    old, new = place[: len(vertices)][faces], place[len(vertices) :][new_faces]
    old_turn, new_turn = np.argsort(old, axis=1), np.argsort(new, axis=1)
    old_order = np.lexsort(np.take_along_axis(old, old_turn, axis=1).T)
    new_order = np.lexsort(np.take_along_axis(new, new_turn, axis=1).T)
    sorted_old = np.take_along_axis(old, old_turn, axis=1)[old_order]
    if len(old) != len(new) or not np.array_equal(sorted_old, np.take_along_axis(new, new_turn, axis=1)[new_order]):
        sys.exit(f"MeshLab has changed faces: {len(old)} went in, {len(new)} came back")
    result = np.empty_like(uvs)
    result[old_order[:, None], old_turn[old_order]] = uvs[new_order[:, None], new_turn[new_order]]
    return result


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
