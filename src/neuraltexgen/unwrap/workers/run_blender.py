"""Runs in a process of its own: `run_blender.py JOB ANSWER` gives a mesh uvs by Blender, as bpy or as a program."""

import json
import sys
from importlib import import_module

import numpy as np


def main(job: str, answer: str) -> None:
    bpy = import_module("bpy")
    with np.load(job, allow_pickle=False) as data:
        vertices, faces = data["vertices"], data["faces"]
        options = json.loads(str(data["options"]))
    kind, margin = options["kind"], options["margin"]
    bpy.ops.wm.read_factory_settings(use_empty=True)
    mesh = make_mesh(bpy, vertices, faces)
    scene_object = bpy.data.objects.new("surface", mesh)
    bpy.context.collection.objects.link(scene_object)
    bpy.context.view_layer.objects.active = scene_object
    scene_object.select_set(True)
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_all(action="SELECT")
    bpy.ops.uv.smart_project(angle_limit=options["angle"], margin_method="FRACTION", island_margin=margin)
    if kind != "smart":
        # The projected charts say where to cut; each is flattened anew, and packed by its size on the surface.
        bpy.ops.uv.select_all(action="SELECT")
        bpy.ops.uv.seams_from_islands()
        method = {"lscm": "CONFORMAL", "stretch": "MINIMUM_STRETCH"}[kind]
        more = {"iterations": options["iterations"]} if kind == "stretch" else {}
        bpy.ops.uv.unwrap(method=method, fill_holes=False, margin_method="FRACTION", margin=margin, **more)
    bpy.ops.object.mode_set(mode="OBJECT")
    uvs = np.empty(2 * faces.size, np.float32)
    mesh.uv_layers.active.uv.foreach_get("vector", uvs)
    corners = np.empty(faces.size, np.int32)
    mesh.loops.foreach_get("vertex_index", corners)
    if not np.array_equal(corners.reshape(-1, 3), faces):
        sys.exit("Blender has changed the order of faces")
    np.savez(answer, uvs=uvs.reshape(-1, 3, 2))


def make_mesh(bpy, vertices, faces):
    """A Blender mesh with these arrays; `from_pydata` would take a Python list for each face."""
    mesh = bpy.data.meshes.new("surface")
    mesh.vertices.add(len(vertices))
    mesh.vertices.foreach_set("co", vertices.astype(np.float32).ravel())
    mesh.loops.add(faces.size)
    mesh.loops.foreach_set("vertex_index", faces.astype(np.int32).ravel())
    mesh.polygons.add(len(faces))
    mesh.polygons.foreach_set("loop_start", np.arange(0, faces.size, 3, dtype=np.int32))
    mesh.update(calc_edges=True)
    mesh.uv_layers.new(name="uv")
    return mesh


if __name__ == "__main__":
    main(*sys.argv[-2:])
