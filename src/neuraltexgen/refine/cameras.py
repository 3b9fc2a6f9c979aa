"""Better cameras for a capture: poses and lenses under which its photos agree on the mesh they were taken of."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64

from neuraltexgen.geometry import camera_centre
from neuraltexgen.refine.adjust import Freedom, Prior, adjust, spread_of
from neuraltexgen.refine.lens import FOR_LENS, Freed, enriched, told_parameters
from neuraltexgen.refine.matches import Matches, features_of, match_pairs
from neuraltexgen.refine.motion import vector_from_rotation
from neuraltexgen.refine.overlap import choose_pairs, overlaps
from neuraltexgen.refine.through_mesh import Rig, ThroughMesh
from neuraltexgen.scene import Camera, Mesh, View
from neuraltexgen.types import Progress, no_progress

EACH = 30
"""Matches of a pair of views that are used: more of them say the same again."""

GATE = 0.2
"""Matches further off than this share of the photo's longer side, as the cameras are given, are taken for wrong."""

TURN, SHIFT = np.radians(3.0), 0.05
"""How far a camera may be off, as standard deviations: radians; and a share of its distance to the surface. A weak
prior: it decides only what no match does."""

FEWEST = 15
"""A view with fewer agreeing matches stays as given."""


@dataclass(frozen=True, eq=False)
class RefinedRig:
    """The rig as `given`, its lenses able to distort where they may, and as it is in the end.

    `placed`: views that had enough matches; the others stay as given. `before`, `after`: spread of the distances, in
    pixels, between where a photo shows a match and where it should. `matches`: how many agree in the end.
    """

    given: Rig
    rig: Rig
    placed: Bool[np.ndarray, " v"]
    before: float
    after: float
    matches: int


@dataclass(frozen=True, eq=False)
class RefinedCameras:
    """All views with better cameras: those that were not to be refined have their given pose and their camera's lens.

    `chosen`: the indices of those that were; `found` is in their order. `lenses`: each camera before and after.
    """

    views: tuple[View, ...]
    chosen: tuple[int, ...]
    found: RefinedRig
    lenses: tuple[tuple[Camera, Camera], ...]

    @property
    def unplaced(self) -> tuple[str, ...]:
        """Names of the views that stay as given for want of matches."""
        return tuple(self.views[i].name for i, there in zip(self.chosen, self.found.placed, strict=True) if not there)

    def moves(self) -> tuple[Float64[np.ndarray, " r"], Float64[np.ndarray, " r"]]:
        """How far each placed view turned, in degrees, and moved, in world units."""
        pairs = [
            (old, new)
            for old, new, there in zip(self.found.given.poses, self.found.rig.poses, self.found.placed)
            if there
        ]
        turns = [np.linalg.norm(vector_from_rotation(new[:3, :3] @ old[:3, :3].T)) for old, new in pairs]
        shifts = [np.linalg.norm(camera_centre(new) - camera_centre(old)) for old, new in pairs]
        return np.degrees(np.array(turns, np.float64)), np.array(shifts, np.float64)


def refine_cameras(
    views: Sequence[View], chosen: Sequence[int], mesh: Mesh, cache: Path, progress: Progress = no_progress
) -> RefinedCameras:
    """Refines the views of the indices `chosen` by matches among their photos; the others are not looked at.

    `cache` keeps features. Raises ImageError: a photo or mask that can't be read; ReconstructError: COLMAP failed.
    """
    own = [views[i] for i in chosen]
    features = features_of(own, cache, progress)
    surface, given = ThroughMesh(mesh), rig_of(own)
    matches = match_pairs(features, choose_pairs(overlaps(surface, given, range(len(own)))), progress)
    [found] = [refine_rig(surface, given, matches) for _ in progress(range(1), "refine cameras", 1)]
    return with_rig(views, chosen, found)


def with_rig(views: Sequence[View], chosen: Sequence[int], found: RefinedRig) -> RefinedCameras:
    """The views with the cameras that were found for those of the indices `chosen`."""
    lenses = dict(zip(rig_of([views[i] for i in chosen]).cameras, found.rig.cameras, strict=True))
    poses = dict(zip(chosen, found.rig.poses, strict=True))
    better = tuple(
        replace(view, camera=lenses.get(view.camera, view.camera), cam_from_world=poses.get(i, view.cam_from_world))
        for i, view in enumerate(views)
    )
    return RefinedCameras(better, tuple(chosen), found, tuple(lenses.items()))


def refine_rig(surface: ThroughMesh, given: Rig, matches: Matches) -> RefinedRig:
    """The rig under which matches agree through the mesh: poses, and lenses as far as their views can tell them.

    A camera with FOR_FOCAL placed views gets its focal length fitted, one with FOR_LENS its principal point and
    distortion too; a pinhole becomes OPENCV for that. Wrong matches may be among them.
    """
    views = np.array(given.lens)
    counts = np.bincount(views, minlength=len(given.cameras))
    cameras = tuple(enriched(c) if count >= FOR_LENS else c for c, count in zip(given.cameras, counts, strict=True))
    given = replace(given, cameras=cameras)
    longest = np.array([max(camera.width, camera.height) for camera in cameras])[views]
    with np.errstate(invalid="ignore"):
        near = np.linalg.norm(surface.residuals(given, matches)[0], axis=1) < GATE * longest[matches.b]
    used = matches.only(near).at_most(EACH).both_ways()
    used = used.only(surface.steady(given, used))
    rig, before = given, spread_of(surface.residuals(given, used)[0])
    after, placed = before, _placed(used, len(views))
    prior = Prior(TURN, SHIFT * _distance(surface, given, used))
    for stage in STAGES:
        if not placed.any():
            break
        counts = np.bincount(views[placed], minlength=len(cameras))
        params = tuple(told_parameters(camera, int(count), stage) for camera, count in zip(cameras, counts, strict=True))
        done = adjust(surface, rig, given, used, Freedom(placed, params), prior)
        rig, after = done.rig, done.spread
        used = used.only(done.agreeing)
        placed &= _placed(used, len(views))
    # One that lost its matches on the way goes back: where it is now, wrong ones may have led it.
    poses = tuple(new if there else old for new, old, there in zip(rig.poses, given.poses, placed))
    return RefinedRig(given, replace(rig, poses=poses), placed, before, after, len(used) // 2)


def rig_of(views: Sequence[View]) -> Rig:
    """The views' poses and cameras; views with equal cameras share one."""
    cameras = tuple(dict.fromkeys(view.camera for view in views))
    number = {camera: k for k, camera in enumerate(cameras)}
    return Rig(tuple(view.cam_from_world for view in views), cameras, tuple(number[view.camera] for view in views))


def _placed(matches: Matches, views: int) -> Bool[np.ndarray, " v"]:
    return np.bincount(matches.a, minlength=views) + np.bincount(matches.b, minlength=views) >= 2 * FEWEST


def _distance(surface: ThroughMesh, rig: Rig, matches: Matches) -> float:
    """The usual distance from a camera to what it sees."""
    hits = surface.hits(rig, matches.a, matches.source)
    lengths = np.linalg.norm(hits.points[hits.faces >= 0], axis=1)
    return float(np.median(lengths)) if len(lengths) else 1.0


STAGES: tuple[tuple[Freed, ...], ...] = (("focal",), ("focal", "centre", "distortion"))
"""What of the lenses is free, in turn: distortion fitted to cameras that are far off would take over their errors."""
