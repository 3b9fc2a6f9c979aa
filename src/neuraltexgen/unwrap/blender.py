"""Blender's parametrisations, by the package bpy, or by an installed Blender where there is no bpy for this Python."""

import shutil
import sys
from importlib.util import find_spec

import numpy as np

from neuraltexgen.errors import UnwrapError
from neuraltexgen.scene import Mesh
from neuraltexgen.unwrap.manifold import make_manifold, with_corner_uvs
from neuraltexgen.unwrap.settings import UnwrapSettings
from neuraltexgen.unwrap.worker import FOLDER, run_command

ANGLE = np.deg2rad(66.0)
"""How far normals in one projection may differ: Blender's own default."""

ITERATIONS = 20
"""Of the solver for least stretch."""


def unwrap_blender(mesh: Mesh, settings: UnwrapSettings) -> Mesh:
    """The mesh with new uvs in [0, 1], its faces in their order, charts `settings.gap` texels apart.

    `blender` projects groups of faces of like normals flat. `blender:lscm` and `blender:stretch` cut the surface
    where these groups end, and flatten each anew. Raises UnwrapError: there is no Blender, it fails or takes too long.
    """
    program = str(FOLDER / "run_blender.py")
    if find_spec("bpy") is not None:
        command = [sys.executable, program]
    elif found := shutil.which("blender"):
        command = [found, "--background", "--factory-startup", "--python-exit-code", "1", "--python", program, "--"]
    else:
        raise UnwrapError(
            f"unwrap {settings.method}: neither the package bpy nor the command blender is there",
            fix="pip install 'neuraltexgen[blender]' (Python 3.11), or install Blender",
        )
    manifold = make_manifold(mesh)
    options = {
        "kind": settings.method.partition(":")[2] or "smart",
        # Blender keeps its margin around every chart, so two of them lie between charts.
        "margin": settings.gap / 2 / settings.resolution,
        "angle": ANGLE,
        "iterations": ITERATIONS,
    }
    uvs = run_command(settings.method, command, manifold, options, settings.time_limit)
    return with_corner_uvs(mesh, manifold, uvs)
