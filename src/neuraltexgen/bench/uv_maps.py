"""How fast UV maps are made: samples a second of ray caster and rasteriser, on a bumpy sheet of 100,352 faces."""

from typing import Any

import numpy as np
import torch

from neuraltexgen.bench.timing import timed
from neuraltexgen.errors import RenderError
from neuraltexgen.scene import Camera, Mesh
from neuraltexgen.uvmap.raster.rasteriser import Rasteriser
from neuraltexgen.uvmap.raycast import RayCaster

GRID = 225
"""Vertices along a side of the sheet: 2 x 224 x 224 faces."""

LEAST_SAME = 0.99
"""Share of samples that must meet the same face by both to be timed: at edges rounding decides, and small pictures have
many of them."""


def bumpy_sheet(side: int) -> Mesh:
    """A sheet of side x side vertices at uneven depths, uvs over all of the texture; it fills a camera's whole view."""
    v, u = np.meshgrid(np.linspace(0, 1, side), np.linspace(0, 1, side), indexing="ij")
    uvs = np.column_stack([u.ravel(), v.ravel()])
    depth = 2 + 0.02 * np.random.default_rng(0).standard_normal(len(uvs))
    corner = (np.arange(side - 1)[:, None] * side + np.arange(side - 1)).reshape(-1, 1)
    a, b, c, d = corner, corner + 1, corner + side + 1, corner + side
    faces = np.concatenate([np.hstack([a, b, c]), np.hstack([a, c, d])]).astype(np.int32)
    return Mesh(np.column_stack([2.4 * (uvs - 0.5), depth]), faces, uvs, faces.copy())


def uv_map_rows(size: tuple[int, int], repeats: int, grid: int = GRID) -> list[dict[str, Any]]:
    """A row per renderer, for photos of `size` (height, width), from poses that differ a little.

    Raises RenderError: the two disagree.
    """
    height, width = size
    mesh = bumpy_sheet(grid)
    camera = Camera("PINHOLE", width, height, (1.1 * width, 1.1 * width, width / 2, height / 2))
    renderers = {"ray caster": RayCaster(mesh), "rasteriser": Rasteriser(mesh)}
    maps = [renderer.uv_map(camera, np.eye(4), 1) for renderer in renderers.values()]
    same = float((maps[0].face_ids == maps[1].face_ids).mean())
    if same < LEAST_SAME:
        raise RenderError(f"bench: the rasteriser and the ray caster agree in {same:.1%} of samples: nothing is timed")
    rows = []
    for name, renderer in renderers.items():
        places = iter(range(repeats + 1))

        def one(renderer: RayCaster | Rasteriser = renderer, places: Any = places) -> None:
            pose = np.eye(4)
            pose[0, 3] = 0.001 * next(places)
            renderer.uv_map(camera, pose, 1)

        found = timed(one, 1, repeats, torch.device("cpu"))
        rate = round(height * width / found["pass_ms"][0] / 1e3, 1)
        rows.append({"kind": name, "faces": len(mesh.faces), **found, "million_samples_per_second": rate})
    return rows
