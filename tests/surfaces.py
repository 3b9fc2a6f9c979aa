"""Small surfaces that unwrappers have trouble with: closed, pierced, one-sided, torn, doubled, turned inside out."""

import numpy as np

from neuraltexgen.scene import Mesh


def ball(rings: int = 12, around: int = 16) -> Mesh:
    """A closed, bumpy ball, far from the origin."""
    up, turn = np.meshgrid(np.linspace(0, np.pi, rings + 1), np.arange(around) * 2 * np.pi / around, indexing="ij")
    radius = 1 + 0.2 * np.sin(3 * turn) * np.sin(up) ** 2
    points = np.stack([np.sin(up) * np.cos(turn), np.sin(up) * np.sin(turn), np.cos(up)], -1) * radius[..., None]
    at = np.arange(rings * around).reshape(rings, around)
    right, below = np.roll(at, -1, axis=1), at + around
    low = np.roll(below, -1, axis=1)
    upper, lower = np.stack([at, below, right], -1)[1:], np.stack([right, below, low], -1)[:-1]
    faces = np.concatenate([upper.reshape(-1, 3), lower.reshape(-1, 3)]).astype(np.int32)
    return Mesh(points.reshape(-1, 3) + 5000, faces)


def torus(around: int = 24, across: int = 12) -> Mesh:
    u, v = np.meshgrid(*(np.arange(n) * 2 * np.pi / n for n in (around, across)), indexing="ij")
    ring = 2 + np.cos(v)
    points = np.stack([ring * np.cos(u), ring * np.sin(u), np.sin(v)], -1).reshape(-1, 3)
    at = np.arange(around * across).reshape(around, across)
    right, below = np.roll(at, -1, axis=0), np.roll(at, -1, axis=1)
    far = np.roll(right, -1, axis=1)
    faces = np.concatenate([np.stack([at, right, far], -1), np.stack([at, far, below], -1)]).reshape(-1, 3)
    return Mesh(points, faces.astype(np.int32))


def tetrahedron() -> Mesh:
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]])
    return Mesh(corners, np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]], dtype=np.int32))


def book() -> Mesh:
    """Four pages on one spine: an edge with four faces."""
    corners = np.array([[0, 0, 0], [0, 0, 1], [1, 0, 0], [-1, 0.2, 0], [0, 1, 0], [0, -1, 0.3]])
    return Mesh(corners, np.array([[0, 1, 2], [0, 1, 3], [1, 0, 4], [0, 1, 5]], dtype=np.int32))


def moebius(count: int = 30) -> Mesh:
    """A strip with one side."""
    turn, width = np.arange(count)[:, None] * 2 * np.pi / count, np.array([-0.4, 0.4])
    ring = 1 + width * np.cos(turn / 2)
    points = np.stack([ring * np.cos(turn), ring * np.sin(turn), width * np.sin(turn / 2)], -1).reshape(-1, 3)
    a, b = 2 * np.arange(count), 2 * np.arange(count) + 1
    c, d = np.append(a[1:], 1), np.append(b[1:], 0)
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([b, d, c], 1)]).astype(np.int32)
    return Mesh(points, faces)


def soup(mesh: Mesh) -> Mesh:
    """Every face with three vertices of its own."""
    faces = np.arange(3 * len(mesh.faces), dtype=np.int32).reshape(-1, 3)
    return Mesh(mesh.vertices[mesh.faces.ravel()], faces)


def with_flat_faces(mesh: Mesh) -> Mesh:
    """Three more faces, without area: two vertices alike, all alike, and three in a line."""
    line = np.vstack([mesh.vertices, mesh.vertices[mesh.faces[0, :2]].mean(axis=0)])
    first, second = mesh.faces[0, :2]
    more = [[first, second, second], [first] * 3, [first, second, len(mesh.vertices)]]
    return Mesh(line, np.vstack([mesh.faces, more]).astype(np.int32))


def two(mesh: Mesh) -> Mesh:
    """The mesh twice, far apart."""
    faces = np.vstack([mesh.faces, mesh.faces + len(mesh.vertices)]).astype(np.int32)
    return Mesh(np.vstack([mesh.vertices, mesh.vertices + 10]), faces)


def turned(mesh: Mesh, share: float = 0.3) -> Mesh:
    """Some of the faces wound the other way round."""
    wrong = np.random.default_rng(0).random(len(mesh.faces)) < share
    return Mesh(mesh.vertices, np.where(wrong[:, None], mesh.faces[:, [0, 2, 1]], mesh.faces))


def crowd(meshes: list[Mesh]) -> Mesh:
    """All of them in one mesh, side by side."""
    vertices, faces, count, right = [], [], 0, 0.0
    for mesh in meshes:
        low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
        vertices.append(mesh.vertices - low + (right, 0, 0))
        faces.append(mesh.faces + count)
        count, right = count + len(mesh.vertices), right + (high - low)[0] + 0.1
    return Mesh(np.vstack(vertices), np.vstack(faces).astype(np.int32))


SURFACES = {
    "ball": ball(),
    "torus": torus(),
    "tetrahedron": tetrahedron(),
    "one face": Mesh(tetrahedron().vertices, tetrahedron().faces[:1]),
    "book": book(),
    "moebius": moebius(),
    "soup": soup(ball()),
    "flat faces": with_flat_faces(ball()),
    "two": two(ball()),
    "turned": turned(torus()),
}
SURFACES["all"] = crowd(list(SURFACES.values()))
