"""Meshes that renderers are compared on, and what it means that two UV maps agree."""

import numpy as np

from neuraltexgen.scene import Camera, Mesh
from neuraltexgen.uvmap.maps import UVMap
from planes import Plane

PLANE = Plane(np.array([-1.6, 1.2, 4.5]), np.array([3.0, 0.2, -0.5]), np.array([0.1, -2.2, 0.7]))
FINE = Camera("PINHOLE", 320, 240, (304.0, 296.0, 168.0, 116.0))


def sheet(count: int = 25, rough: float = 0.05, seed: int = 0) -> Mesh:
    """A bumpy sheet of 2 (count - 1)² faces over PLANE, one chart."""
    v, u = np.meshgrid(np.linspace(0, 1, count), np.linspace(0, 1, count), indexing="ij")
    uvs = np.column_stack([u.ravel(), v.ravel()])
    vertices = PLANE.corner + uvs @ np.stack([PLANE.along_u, PLANE.along_v])
    vertices[:, 2] += rough * np.random.default_rng(seed).standard_normal(len(vertices))
    corner = (np.arange(count - 1)[:, None] * count + np.arange(count - 1)).reshape(-1, 1)
    a, b, c, d = corner, corner + 1, corner + count + 1, corner + count
    faces = np.concatenate([np.hstack([a, b, c]), np.hstack([a, c, d])]).astype(np.int32)
    return Mesh(vertices, faces, uvs, faces.copy())


def box(low: float, high: float) -> Mesh:
    """A box from `low` to `high` in all axes, each face with uvs of its own."""
    corners = np.array([[x, y, z] for x in (low, high) for y in (low, high) for z in (low, high)])
    quads = [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]]
    faces = np.array([[q[i] for i in half] for q in quads for half in ((0, 1, 2), (0, 2, 3))], dtype=np.int32)
    uvs = np.random.default_rng(0).random((3 * len(faces), 2))
    return Mesh(corners, faces, uvs, np.arange(len(uvs), dtype=np.int32).reshape(-1, 3))


def together(*meshes: Mesh) -> Mesh:
    parts = [(m.vertices, m.faces, m.uvs, m.uv_faces) for m in meshes]
    points = np.cumsum([0] + [len(part[0]) for part in parts])
    texels = np.cumsum([0] + [len(part[2]) for part in parts if part[2] is not None])
    return Mesh(
        np.concatenate([part[0] for part in parts]),
        np.concatenate([part[1] + n for part, n in zip(parts, points)]).astype(np.int32),
        np.concatenate([part[2] for part in parts if part[2] is not None]),
        np.concatenate([part[3] + n for part, n in zip(parts, texels) if part[3] is not None]).astype(np.int32),
    )


def agree(expected: UVMap, found: UVMap, share: float = 0.999) -> None:
    """The same faces but for `share`, and where the face is the same, all fields."""
    assert found.samples == expected.samples
    assert found.uv.shape == expected.uv.shape
    same = expected.face_ids == found.face_ids
    assert same.mean() >= share
    np.testing.assert_allclose(found.uv[same], expected.uv[same], atol=1e-6)  # 0.004 texel of a 4096 texture
    np.testing.assert_allclose(found.distance[same], expected.distance[same], rtol=2e-6)
    np.testing.assert_allclose(found.cosine[same], expected.cosine[same], atol=2e-6)
    np.testing.assert_allclose(found.footprint[same], expected.footprint[same], rtol=2e-4)
