"""Runs in a process of its own: `run_open3d.py JOB ANSWER` gives a mesh the uvs of Microsoft's UVAtlas, by Open3D."""

import json
import sys
from importlib import import_module

import numpy as np


def main(job: str, answer: str) -> None:
    o3d = import_module("open3d")
    with np.load(job, allow_pickle=False) as data:
        vertices, faces = data["vertices"].astype(np.float32), data["faces"].astype(np.int64)
        options = json.loads(str(data["options"]))
    mesh = o3d.t.geometry.TriangleMesh(o3d.core.Tensor(vertices), o3d.core.Tensor(faces))
    mesh.compute_uvatlas(**options)
    np.savez(answer, uvs=mesh.triangle["texture_uvs"].numpy())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
