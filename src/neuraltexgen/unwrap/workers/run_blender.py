"""Runs in a process of its own: `run_blender.py JOB ANSWER` gives a mesh uvs by Blender, as bpy or as a program."""

import json
import sys
from importlib import import_module

import numpy as np

SLIM = (4, 3, 0)
"""The first version of Blender that unwraps for least stretch."""


def main(job: str, answer: str) -> None:
    bpy = import_module("bpy")
    with np.load(job, allow_pickle=False) as data:
        vertices, faces = data["vertices"], data["faces"]
        options = json.loads(str(data["options"]))
    kind, margin = options["kind"], options["margin"]
    if kind == "stretch" and bpy.app.version < SLIM:
        sys.exit(f"Blender {bpy.app.version_string} has no unwrapping for least stretch, 4.3 and newer have")
    # Reading an empty scene instead would leave a script in Blender itself without the window that operators ask for.
    for thing in list(bpy.data.objects):
        bpy.data.objects.remove(thing)
    mesh = bpy.data.meshes.new("surface")
    mesh.from_pydata(vertices.tolist(), [], faces.tolist())
    mesh.uv_layers.new(name="uv")
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
    mesh.uv_layers.active.data.foreach_get("uv", uvs)
    corners = np.empty(faces.size, np.int32)
    mesh.loops.foreach_get("vertex_index", corners)
    if not np.array_equal(corners.reshape(-1, 3), faces):
        sys.exit("Blender has changed the order of faces")
    np.savez(answer, uvs=uvs.reshape(-1, 3, 2))


if __name__ == "__main__":
    main(*sys.argv[-2:])
