"""A folded sheet with a picture of soft blobs, and photos of it: enough texture for features, and quick."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from neuraltexgen.geometry import invert_pose
from neuraltexgen.images import write_png
from neuraltexgen.kernels.packed import Places, look_up, pack_uv
from neuraltexgen.refine.motion import moved
from neuraltexgen.scene import Camera, Mesh, View
from neuraltexgen.uvmap.render import Renderer, make_renderer

CAMERA = Camera("PINHOLE", 256, 192, (230.0, 230.0, 128.0, 96.0))


@dataclass(frozen=True, eq=False)
class Painted:
    """The sheet, its texture, and views with true cameras whose photos have another exposure than the texture."""

    mesh: Mesh
    texture: np.ndarray
    renderer: Renderer
    views: tuple[View, ...]


def paint(folder: Path, places: Sequence[tuple[float, float, float]]) -> Painted:
    """The sheet photographed from some places, each camera turned a little otherwise."""
    mesh, texture = folded_sheet(), blobs(512, seed=0)
    renderer, views = make_renderer(mesh, "ray"), []
    for i, place in enumerate(places):
        world_from_cam = np.eye(4)
        world_from_cam[:3, 3] = place
        pose = moved(invert_pose(world_from_cam), 0.05 * np.array([np.sin(i), np.cos(2 * i), np.sin(3 * i), 0, 0, 0]))
        uv_map = renderer.uv_map(CAMERA, pose, 2)
        shown = torch.from_numpy(uv_map.by_pixel(uv_map.valid).all(axis=2).astype(np.uint8))
        packed = pack_uv(torch.from_numpy(uv_map.by_pixel(uv_map.uv)))
        photo = folder / f"photo{i}.png"
        write_png(photo, 0.1 + 0.7 * look_up(torch.from_numpy(texture), Places(*packed, shown)).numpy())
        views.append(View(f"photo{i}", CAMERA, pose, photo))
    return Painted(mesh, texture, renderer, tuple(views))


def blobs(size: int, seed: int) -> np.ndarray:
    """Discs of many sizes and greys, one over the other: corners and blobs at every scale."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    image = np.full((size, size), 0.5, np.float32)
    for _ in range(350):
        radius = size * generator.uniform(0.008, 0.06)
        inside = (x - generator.uniform(0, size)) ** 2 + (y - generator.uniform(0, size)) ** 2 < radius**2
        image[inside] = generator.uniform(0, 1)
    return np.repeat(image[..., None], 3, axis=2)


def folded_sheet() -> Mesh:
    """Two planes that meet at 130 degrees, seen from the side they open to; their uvs are the sheet laid flat."""
    vertices = np.array([(x, y, 3 + 0.5 * abs(x)) for x in (-2.0, 0.0, 2.0) for y in (-1.5, 1.5)])
    uvs = np.array([(u, v) for u in (0.01, 0.5, 0.99) for v in (0.01, 0.99)])
    faces = np.array([(0, 2, 1), (1, 2, 3), (2, 4, 3), (3, 4, 5)], np.int32)
    return Mesh(vertices, faces, uvs, faces.copy())
