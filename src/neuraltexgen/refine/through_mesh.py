"""A match seen through the mesh: the ray of one photo's point meets the surface; the other photo sees that place."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int32

from neuraltexgen.geometry import camera_centre, project, rays_through
from neuraltexgen.refine.lens import lens_derivatives, ray_derivatives
from neuraltexgen.refine.matches import Matches
from neuraltexgen.refine.motion import cross_matrices
from neuraltexgen.scene import Camera, Mesh
from neuraltexgen.sight import widest_cosine
from neuraltexgen.types import Pose
from neuraltexgen.uvmap.hits import FirstHits

GRAZING = 0.17
"""Cosine between ray and normal below which a hit says too little of where it lies: 80 degrees."""

AROUND, EDGE = 2.0, 0.04
"""A hit counts only if the rays so many pixels beside it meet nearly its plane: to this share of its distance."""

BEYOND = 0.05
"""How far outside the target's image a place may lie, as a cosine to its axis."""

BENT = 0.05
"""A ray counts only if it projects back to its point, to so many pixels."""


@dataclass(frozen=True, eq=False)
class Rig:
    """Every view's pose and camera: `cameras[lens[v]]` is the camera of view v. Views of one camera share its lens."""

    poses: tuple[Pose, ...]
    cameras: tuple[Camera, ...]
    lens: tuple[int, ...]

    def camera(self, view: int) -> Camera:
        """The camera of a view."""
        return self.cameras[self.lens[view]]


@dataclass(frozen=True, eq=False)
class Derivatives:
    """Of a residual: by the motion (`motion.moved`) of the source's and of the target's view, by their lenses.

    The lens's columns are the parameters of the view's own camera; they are padded with 0 to the longest list.
    """

    source: Float64[np.ndarray, "n 2 6"]
    target: Float64[np.ndarray, "n 2 6"]
    source_lens: Float64[np.ndarray, "n 2 k"]
    target_lens: Float64[np.ndarray, "n 2 k"]


@dataclass(frozen=True, eq=False)
class Hits:
    """Where rays meet the mesh, in the axes of their camera.

    `faces`: -1 where they don't; nothing else is defined then. `rays`: unit directions; `points`: where they meet their
    face's plane; `normals`: of the faces.
    """

    faces: Int32[np.ndarray, " n"]
    rays: Float64[np.ndarray, "n 3"]
    points: Float64[np.ndarray, "n 3"]
    normals: Float64[np.ndarray, "n 3"]


class ThroughMesh:
    """A mesh that matches are seen through."""

    def __init__(self, mesh: Mesh) -> None:
        self._hits = FirstHits(mesh)
        corners = mesh.vertices[mesh.faces]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        self._normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-300)
        self._corners = np.ascontiguousarray(corners[:, 0])

    def steady(self, rig: Rig, matches: Matches) -> Bool[np.ndarray, " n"]:
        """The matches whose source looks at a surface that goes on around it: no depth edge, no hole, not grazing."""
        return self.steady_at(rig, matches.a, matches.source, np.full(len(matches), AROUND))[1]

    def steady_at(
        self,
        rig: Rig,
        views: Int32[np.ndarray, " n"],
        points: Float64[np.ndarray, "n 2"],
        around: Float64[np.ndarray, " n"],
    ) -> tuple[Hits, Bool[np.ndarray, " n"]]:
        """The hits of image points of views, and whether the surface goes on `around` pixels beside each."""
        centre = self.hits(rig, views, points)
        good = (centre.faces >= 0) & (np.abs((centre.rays * centre.normals).sum(axis=1)) > GRAZING)
        index = np.flatnonzero(good)
        for shift in np.array([(-1.0, 0.0), (1.0, 0.0), (0.0, -1.0), (0.0, 1.0)]):
            beside = self.hits(rig, views[index], points[index] + around[index, None] * shift)
            with np.errstate(invalid="ignore", divide="ignore"):
                off = ((beside.points - centre.points[index]) * centre.normals[index]).sum(axis=1)
                on = (beside.faces >= 0) & (np.abs(off) < EDGE * np.linalg.norm(centre.points[index], axis=1))
            index = index[on]
        good[:] = False
        good[index] = True
        return centre, good

    def hits(self, rig: Rig, views: Int32[np.ndarray, " n"], points: Float64[np.ndarray, "n 2"]) -> Hits:
        """Where the rays through image points of views meet the mesh."""
        rays, defined = _rays(rig, views, points)
        rotations = np.stack([pose[:3, :3] for pose in rig.poses])
        centres = np.stack([camera_centre(pose) for pose in rig.poses])
        directions = np.einsum("nji,nj->ni", rotations[views], rays)
        local = (centres[views] - self._hits.centre) * self._hits.scale
        faces = self._hits.faces(local.astype(np.float32), directions.astype(np.float32))
        normals = np.einsum("nij,nj->ni", rotations[views], self._normals[faces])
        towards = np.einsum("nij,nj->ni", rotations[views], self._corners[faces] - centres[views])
        with np.errstate(invalid="ignore", divide="ignore"):
            length = (normals * towards).sum(axis=1) / (normals * rays).sum(axis=1)
        good = defined & (faces >= 0) & np.isfinite(length) & (length > 0)
        points = np.where(good, length, 1.0)[:, None] * rays
        return Hits(np.where(good, faces, -1).astype(np.int32), rays, points, normals)

    def residuals(
        self, rig: Rig, matches: Matches
    ) -> tuple[Float64[np.ndarray, "n 2"], Hits, Float64[np.ndarray, "n 3"]]:
        """Pixels from where the target's photo shows the match to where it should, NaN where that can't be told.

        Also the hits of the source's rays, and the same places in the target camera's axes, for `derivatives`.
        """
        hits = self.hits(rig, matches.a, matches.source)
        places = _changed_axes(rig, matches, hits.points)
        seen = np.full((len(matches), 2), np.nan)
        for chosen, camera in _by_lens(rig, matches.b):
            # Far outside the image a lens's polynomials mean nothing, and their derivatives grow without bounds.
            ahead = places[chosen, 2] > (widest_cosine(camera) - BEYOND) * np.linalg.norm(places[chosen], axis=1)
            seen[chosen] = np.where(ahead[:, None], project(camera, places[chosen]), np.nan)
        seen[hits.faces < 0] = np.nan
        return seen - matches.target, hits, places

    def derivatives(self, rig: Rig, matches: Matches, hits: Hits, places: Float64[np.ndarray, "n 3"]) -> Derivatives:
        """The residuals' derivatives where the hits' faces stay what they are; NaN where a residual is."""
        rays, normals = hits.rays, hits.normals
        most = max(len(camera.params) for camera in rig.cameras)
        with np.errstate(invalid="ignore", divide="ignore"):
            slope = normals / (normals * rays).sum(axis=1, keepdims=True)
        # A place that is moved off its plane comes back to it along the ray: the projection I - d nᵀ / (n d).
        back = np.eye(3) - rays[:, :, None] * slope[:, None, :]
        turns = _relative(rig, matches) @ back
        source = np.concatenate([turns @ cross_matrices(hits.points), -turns], axis=2)
        target = np.concatenate([-cross_matrices(places), np.broadcast_to(np.eye(3), (len(places), 3, 3))], axis=2)
        lengths = np.linalg.norm(hits.points, axis=1)[:, None, None]
        source_lens, target_lens = np.zeros((len(rays), 3, most)), np.zeros((len(rays), 2, most))
        by_place = np.empty((len(rays), 2, 3))
        for chosen, camera in _by_lens(rig, matches.a):
            turning = ray_derivatives(*lens_derivatives(camera, rays[chosen]))
            source_lens[chosen, :, : len(camera.params)] = turns[chosen] @ (lengths[chosen] * turning)
        for chosen, camera in _by_lens(rig, matches.b):
            by_place[chosen], by_params = lens_derivatives(camera, places[chosen])
            target_lens[chosen, :, : len(camera.params)] = by_params
        return Derivatives(by_place @ source, by_place @ target, by_place @ source_lens, target_lens)


def _rays(rig: Rig, views: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit rays through image points, and whether they are what the lens says."""
    rays, back = np.empty((len(points), 3)), np.empty((len(points), 2))
    for chosen, camera in _by_lens(rig, views):
        found = rays_through(camera, points[chosen])
        rays[chosen] = np.where(np.isfinite(found), found, (0.0, 0.0, 1.0))
        back[chosen] = project(camera, rays[chosen])
    with np.errstate(invalid="ignore"):
        return rays, np.asarray((np.abs(back - points) < BENT).all(axis=1))


def _by_lens(rig: Rig, views: np.ndarray) -> list[tuple[np.ndarray, Camera]]:
    lens = np.array(rig.lens)[views]
    return [(np.flatnonzero(lens == k), camera) for k, camera in enumerate(rig.cameras) if (lens == k).any()]


def _relative(rig: Rig, matches: Matches) -> Float64[np.ndarray, "n 3 3"]:
    """The rotation from the source camera's axes to the target's, per match."""
    rotations = np.stack([pose[:3, :3] for pose in rig.poses])
    return rotations[matches.b] @ rotations[matches.a].swapaxes(1, 2)


def _changed_axes(rig: Rig, matches: Matches, points: np.ndarray) -> np.ndarray:
    """Points in the source cameras' axes in those of the target cameras."""
    moves = np.stack([pose[:3, 3] for pose in rig.poses])
    turned = np.einsum("nij,nj->ni", _relative(rig, matches), points - moves[matches.a])
    return turned + moves[matches.b]
