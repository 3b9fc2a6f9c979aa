"""How well a candidate's views agree: patches are carried over the mesh into other views and correlated there."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from neuraltexgen.doctor.candidate import Candidate, stored_pixels, turned_pixels
from neuraltexgen.doctor.evidence import RADIUS, SIDE, Evidence
from neuraltexgen.doctor.matching import align, correlate
from neuraltexgen.geometry import project, rays_through
from neuraltexgen.scene import Camera, Mesh
from neuraltexgen.sight import widest_cosine
from neuraltexgen.uvmap.hits import FirstHits

GRAZING = 0.2
"""Surfaces seen at a smaller cosine than this are not compared: their patch is a sliver in the photo."""

SCALES = (0.4, 2.5)
"""A patch is compared with views that show it at a size within these factors of its own."""

NEARER = 0.97
"""A patch is hidden from a view if a ray towards it meets the mesh before this share of its distance."""

_SIDE = np.arange(-RADIUS, RADIUS + 1.0)
STEPS = np.stack(np.meshgrid(_SIDE, _SIDE), axis=-1).reshape(-1, 2)
MIDDLE = np.zeros((1, 2))
"""A patch's pixels from its centre, row by row, and the centre alone."""


@dataclass(frozen=True, eq=False)
class Agreement:
    """Per patch: the mean correlation with the views that see the same place, 0 if none does; and their number."""

    scores: Float64[np.ndarray, " k"]
    partners: Int64[np.ndarray, " k"]

    @property
    def score(self) -> float:
        """The mean over all patches, in [-1, 1]; 0 if there are none."""
        return float(self.scores.mean()) if len(self.scores) else 0.0

    @property
    def seen(self) -> float:
        """The share of patches that another view sees."""
        return float((self.partners > 0).mean()) if len(self.partners) else 0.0

    @property
    def likeness(self) -> float:
        """The mean over the patches that another view sees; 0 if there are none."""
        return self.score / self.seen if self.seen > 0 else 0.0


@dataclass(frozen=True, eq=False)
class Surface:
    """Where each patch's rays meet its tangent plane (NaN: nowhere), its normal, and the side of it the camera is on.

    In the local coordinates of `FirstHits`.
    """

    points: Float64[np.ndarray, "k s 3"]
    normals: Float64[np.ndarray, "k 3"]
    facing: Float64[np.ndarray, " k"]


@dataclass(frozen=True, eq=False)
class Pairs:
    """A patch, another view that sees it (its place among those used), and its pixels' places in that shrunk photo."""

    surface: Surface
    patch: Int64[np.ndarray, " m"]
    place: Int64[np.ndarray, " m"]
    pixels: Float32[np.ndarray, "m s 2"]


class Judge:
    """Evidence and a mesh, ready to judge candidates; rays of a lens are computed once."""

    def __init__(self, evidence: Evidence, mesh: Mesh, hits: FirstHits) -> None:
        self.evidence = evidence
        self._mesh = mesh
        self._hits = hits
        self._corners = hits.vertices[mesh.faces]
        self._normals = _smooth_normals(mesh, hits)
        self._rays: dict[tuple[tuple[Camera, ...], int], Float64[np.ndarray, "k s 3"]] = {}
        self._limits: dict[Camera, float] = {}

    def lighter(self, step: int) -> "Judge":
        """The same with every so many patches: quicker, and less sure."""
        return Judge(self.evidence.every(step), self._mesh, self._hits)

    def agreement(self, candidate: Candidate) -> Agreement:
        """Judges a candidate of the whole scene."""
        pairs, e = self.pairs(candidate), self.evidence
        correlations = np.full(len(pairs.patch), np.nan)
        if len(pairs.patch):
            correlate(e.images, e.usable, e.values, pairs.patch, pairs.place, e.sizes, pairs.pixels, correlations)
        good = np.isfinite(correlations)
        count = np.bincount(pairs.patch[good], minlength=len(e.view))
        total = np.bincount(pairs.patch[good], correlations[good], minlength=len(e.view))
        return Agreement(total / np.maximum(count, 1), count)

    def offsets(self, pairs: Pairs) -> Float64[np.ndarray, "m 2"]:
        """How far, in stored pixels, each patch lies from where it was looked up; NaN where it is not found nearby."""
        e, found = self.evidence, np.full((len(pairs.patch), 2), np.nan)
        if len(pairs.patch):
            align(e.images, e.usable, e.values, pairs.patch, pairs.place, e.sizes, pairs.pixels, found)
        return found * e.shrink[pairs.place, None]

    def pairs(self, candidate: Candidate) -> Pairs:
        """Every patch with some other views that see it, if the candidate is right."""
        candidate, e = candidate.subset(self.evidence.views), self.evidence
        surface, similarities = self._surface(candidate), self._cam_from_local(candidate)
        centres = np.linalg.inv(similarities)[:, :3, 3]
        middle = surface.points[:, SIDE**2 // 2]
        inside = np.stack([self._in_view(candidate, similarities, place, middle) for place in range(len(e.views))], 1)
        inside[np.arange(len(e.view)), e.view] = False
        away = middle[:, None] - centres[None]
        with np.errstate(invalid="ignore"):
            cosines = np.einsum("kvi,ki->kv", away, surface.normals) / np.linalg.norm(away, axis=2)
            inside &= cosines * surface.facing[:, None] > GRAZING
        ranked = np.take_along_axis(inside, e.order, axis=1)
        first = ranked & (np.cumsum(ranked, axis=1) <= e.detail.partners)
        patch, rank = np.nonzero(first)
        place = e.order[patch, rank]
        clear = self._unhidden(centres[place], middle[patch])
        patch, place = patch[clear], place[clear]
        pixels = self._look_up(candidate, similarities, place, surface.points[patch])
        good = _similar_in_size(pixels)
        return Pairs(surface, patch[good], place[good], pixels[good].astype(np.float32))

    def moved(self, candidate: Candidate, pairs: Pairs) -> Float64[np.ndarray, "m 2"]:
        """Where the pairs' patches would lie in the other view for another candidate, less where they do; NaN: nowhere.

        In stored pixels, on the same tangent planes. Which view sees which patch is not asked again.
        """
        candidate, e = candidate.subset(self.evidence.views), self.evidence
        similarities = self._cam_from_local(candidate)
        back = np.linalg.inv(similarities)[e.view]
        rays = self._make_rays(candidate, MIDDLE)[:, 0]
        directions = np.einsum("kij,kj->ki", back[:, :3, :3], rays)
        # The planes stay: a ray that starts to meet another thing says nothing about a small shift.
        known = pairs.surface
        to_plane = ((known.points[:, SIDE**2 // 2] - back[:, :3, 3]) * known.normals).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = to_plane / (directions * known.normals).sum(axis=1)
        points = (back[:, :3, 3] + reach[:, None] * directions)[pairs.patch, None]
        pixels = self._look_up(candidate, similarities, pairs.place, points)[:, 0]
        return (pixels - pairs.pixels[:, SIDE**2 // 2]) * e.shrink[pairs.place, None]

    def _surface(self, candidate: Candidate) -> Surface:
        view, rays = self.evidence.view, self._patch_rays(candidate)
        similarities = self._cam_from_local(candidate)
        back = np.linalg.inv(similarities)
        origins = back[view, :3, 3]
        directions = rays @ back[view, :3, :3].swapaxes(1, 2)
        middle = directions[:, SIDE**2 // 2]
        known = np.isfinite(directions).all(axis=(1, 2))
        towards = np.where(known[:, None], middle, (0.0, 0.0, 1.0)).astype(np.float32)
        towards /= np.linalg.norm(towards, axis=1, keepdims=True)
        faces = self._hits.faces(origins.astype(np.float32), towards)
        corner, normal = self._corners[faces], self._normals[faces]
        flat = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = ((corner[:, 0] - origins) * flat).sum(axis=1) / (middle * flat).sum(axis=1)
            centre = origins + reach[:, None] * middle
            depth = ((centre - origins) * normal).sum(axis=1)[:, None] / (directions @ normal[:, :, None])[..., 0]
            cosine = (middle * normal).sum(axis=1) / np.linalg.norm(middle, axis=1)
        surface = origins[:, None] + depth[..., None] * directions
        lost = (faces < 0) | ~known | ~(np.abs(cosine) > GRAZING) | ~(depth > 0).all(axis=1)
        surface[lost] = np.nan
        return Surface(surface, normal, np.sign(cosine))

    def _in_view(
        self, candidate: Candidate, similarities: np.ndarray, place: int, points: Float64[np.ndarray, "k 3"]
    ) -> Bool[np.ndarray, " k"]:
        """Which points (NaN: none) project into a view's photo, well inside its border."""
        camera = candidate.cameras[place]
        if camera not in self._limits:
            self._limits[camera] = widest_cosine(camera)
        local = points @ similarities[place, :3, :3].T + similarities[place, :3, 3]
        with np.errstate(invalid="ignore"):
            ahead = local[:, 2] > self._limits[camera] * np.linalg.norm(local, axis=1)
            pixels = project(camera, np.where(ahead[:, None], local, (0.0, 0.0, 1.0)))
            margin = RADIUS * self.evidence.shrink[place]
            return ahead & ((pixels > margin) & (pixels < np.array((camera.width, camera.height)) - margin)).all(axis=1)

    def _unhidden(self, origins: Float64[np.ndarray, "m 3"], points: Float64[np.ndarray, "m 3"]) -> np.ndarray:
        away = points - origins
        distance = np.linalg.norm(away, axis=1)
        directions = (away / np.maximum(distance, 1e-30)[:, None]).astype(np.float32)
        return self._hits.distances(origins.astype(np.float32), directions) > NEARER * distance

    def _look_up(
        self, candidate: Candidate, similarities: np.ndarray, place: Int64[np.ndarray, " m"], points: np.ndarray
    ) -> Float64[np.ndarray, "m s 2"]:
        """The points of each pair in its view's stored, shrunk photo."""
        e = self.evidence
        local = points @ similarities[place, :3, :3].swapaxes(1, 2) + similarities[place, None, :3, 3]
        result = np.full((*points.shape[:2], 2), np.nan)
        for camera in set(candidate.cameras):
            for stored in set(e.stored):
                mine = np.array([c == camera and s == stored for c, s in zip(candidate.cameras, e.stored)])[place]
                if mine.any():
                    pixels = stored_pixels(project(camera, local[mine].reshape(-1, 3)), stored, candidate.turn)
                    result[mine] = pixels.reshape(-1, points.shape[1], 2)
        return result / e.shrink[place, None, None]

    def _patch_rays(self, candidate: Candidate) -> Float64[np.ndarray, "k s 3"]:
        """Rays in camera axes through every patch's pixels; NaN where the lens has none."""
        key = candidate.cameras, candidate.turn
        if key not in self._rays:
            if len(self._rays) > 2:
                self._rays.clear()
            self._rays[key] = self._make_rays(candidate, STEPS)
        return self._rays[key]

    def _make_rays(self, candidate: Candidate, steps: Float64[np.ndarray, "s 2"]) -> Float64[np.ndarray, "k s 3"]:
        e = self.evidence
        pixels = (e.centre[:, None] + steps) * e.shrink[e.view, None, None]
        rays = np.full((*pixels.shape[:2], 3), np.nan)
        for place, camera in enumerate(candidate.cameras):
            mine = e.view == place
            turned = turned_pixels(pixels[mine].reshape(-1, 2), e.stored[place], candidate.turn)
            rays[mine] = rays_through(camera, turned).reshape(-1, len(steps), 3)
        return rays

    def _cam_from_local(self, candidate: Candidate) -> Float64[np.ndarray, "v 4 4"]:
        mesh_from_local = np.eye(4)
        mesh_from_local[:3, :3] /= self._hits.scale
        mesh_from_local[:3, 3] = self._hits.centre
        return candidate.poses @ candidate.world_from_mesh @ mesh_from_local


def _similar_in_size(pixels: Float64[np.ndarray, "m s 2"]) -> Bool[np.ndarray, " m"]:
    """Which pairs' patches have about their own size in the other view, too."""
    corners = pixels[:, [0, SIDE - 1, SIDE * (SIDE - 1)]]
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    side = np.sqrt(np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])) / (SIDE - 1)
    return (side > SCALES[0]) & (side < SCALES[1])


def _smooth_normals(mesh: Mesh, hits: FirstHits) -> Float64[np.ndarray, "f 3"]:
    """Per face, the mean of its corners' normals, which are those of the faces around: scanned faces are noisy."""
    corners = hits.vertices[mesh.faces]
    flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    around = np.stack(
        [
            sum(np.bincount(mesh.faces[:, corner], flat[:, axis], minlength=len(mesh.vertices)) for corner in range(3))
            for axis in range(3)
        ],
        axis=1,
    )
    around /= np.maximum(np.linalg.norm(around, axis=1, keepdims=True), 1e-30)
    mean = around[mesh.faces].sum(axis=1)
    # Corners whose normals cancel (two-sided sheets): the face's own.
    mean = np.where((mean * flat).sum(axis=1, keepdims=True) > 0, mean, flat)
    return mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-30)
