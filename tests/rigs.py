"""A made-up room with known cameras, and matches between its views as exact as they are asked for."""

from functools import lru_cache

import numpy as np

from neuraltexgen.geometry import camera_centre, invert_pose
from neuraltexgen.refine import Rig, ThroughMesh
from neuraltexgen.refine.matches import Matches
from neuraltexgen.refine.motion import moved, vector_from_rotation
from neuraltexgen.refine.overlap import choose_pairs, overlaps
from neuraltexgen.scene import Camera, Mesh

VIEWS = 14

CAMERA = Camera("PINHOLE", 320, 240, (251.0, 251.0, 161.0, 119.0))


def boxes() -> Mesh:
    """A room of 5 x 4 x 2.5 units, seen from inside, with three boxes in it that are turned about the upright."""
    sizes = [(2.5, 2.0, 1.25), (0.4, 0.3, 0.5), (0.3, 0.6, 0.35), (0.5, 0.2, 0.8)]
    places = [(0.0, 0.0, 1.25), (1.3, 0.8, 0.5), (-1.4, 0.5, 0.35), (0.2, -1.2, 0.8)]
    unit = np.array([(x, y, z) for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)])
    sides = [(0, 1, 3, 2), (4, 5, 7, 6), (0, 1, 5, 4), (2, 3, 7, 6), (0, 2, 6, 4), (1, 3, 7, 5)]
    faces = np.array([face for a, b, c, d in sides for face in ((a, b, c), (a, c, d))])
    corners, index = [], []
    for k, (size, place) in enumerate(zip(sizes, places)):
        c, s = np.cos(0.4 * k), np.sin(0.4 * k)
        corners.append((unit * size) @ np.array([(c, s, 0), (-s, c, 0), (0, 0, 1)]) + place)
        index.append(faces + 8 * k)
    return Mesh(np.concatenate(corners), np.concatenate(index).astype(np.int32))


@lru_cache(maxsize=1)
def surface() -> ThroughMesh:
    return ThroughMesh(boxes())


@lru_cache(maxsize=1)
def true_rig() -> Rig:
    """Cameras along the walls, which look down across the room at the boxes and the walls on the other side."""
    return Rig(tuple(_looking(2 * np.pi * k / VIEWS) for k in range(VIEWS)), (CAMERA,), (0,) * VIEWS)


def _looking(angle: float) -> np.ndarray:
    place = np.array([1.9 * np.cos(angle), 1.5 * np.sin(angle), 2.0 + 0.2 * np.sin(3 * angle)])
    ahead = np.array([0.3 * np.sin(2 * angle), 0.2, 0.6]) - place
    ahead /= np.linalg.norm(ahead)
    right = np.cross(ahead, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    world_from_cam = np.eye(4)
    world_from_cam[:3] = np.stack([right, np.cross(ahead, right), ahead, place], axis=1)
    return invert_pose(world_from_cam)


def exact_matches(each: int = 25, noise: float = 0.0, seed: int = 0) -> Matches:
    """Places that two views see, where both show them: no occlusion, no edge; `noise` in pixels on the targets."""
    generator, rig = np.random.default_rng(seed), true_rig()
    pairs = choose_pairs(overlaps(surface(), rig, range(VIEWS))).astype(np.int32).repeat(6 * each, axis=0)
    source = generator.uniform((4, 4), (316, 236), (len(pairs), 2))
    tried = Matches(pairs[:, 0].copy(), pairs[:, 1].copy(), source, np.zeros_like(source))
    seen = surface().residuals(rig, tried)[0]  # the target's own place, since the target given is 0
    inside = np.isfinite(seen).all(axis=1) & (seen > 4).all(axis=1) & (seen < (316, 236)).all(axis=1)
    there = Matches(tried.b, tried.a, np.where(inside[:, None], seen, 100.0), source)
    back = np.linalg.norm(surface().residuals(rig, there)[0], axis=1)
    good = inside & (back < 0.01) & surface().steady(rig, tried) & surface().steady(rig, there)
    target = seen + noise * generator.standard_normal(seen.shape)
    return Matches(tried.a, tried.b, source, target).only(good).at_most(each)


def disturbed(rig: Rig, degrees: float, shift: float, focal: float = 1.0, seed: int = 1) -> Rig:
    """The rig with every pose turned and moved by so much in a random direction, and another focal length."""
    generator = np.random.default_rng(seed)

    def directions() -> np.ndarray:
        drawn = generator.standard_normal((len(rig.poses), 3))
        return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)

    twists = np.concatenate([np.radians(degrees) * directions(), shift * directions()], axis=1)
    camera = rig.cameras[0]
    params = (focal * camera.params[0], focal * camera.params[1], *camera.params[2:])
    cameras = (Camera(camera.model, camera.width, camera.height, params),)
    return Rig(tuple(moved(pose, twist) for pose, twist in zip(rig.poses, twists)), cameras, rig.lens)


def errors(rig: Rig, truth: Rig) -> tuple[np.ndarray, np.ndarray]:
    """Degrees and world units by which each pose is off."""
    pairs = list(zip(rig.poses, truth.poses, strict=True))
    turns = [np.linalg.norm(vector_from_rotation(a[:3, :3] @ b[:3, :3].T)) for a, b in pairs]
    return np.degrees(turns), np.array([np.linalg.norm(camera_centre(a) - camera_centre(b)) for a, b in pairs])
