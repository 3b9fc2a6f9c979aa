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
from neuraltexgen.refine.polish import COARSE, DEPTH, SHIFT, STAGES, TURN, PhotoFigures, PolishedRig, polish_rig
from neuraltexgen.refine.pyramids import Pyramid, photo_pyramids
from neuraltexgen.refine.through_mesh import Rig, ThroughMesh
from neuraltexgen.refine.warps import Warp, WarpFigures, Warping, found_warps, mean_warps, with_warp
from neuraltexgen.scene import Camera, Mesh, View
from neuraltexgen.types import Progress, no_progress

EACH = 30
"""Matches of a pair of views that are used: more of them say the same again."""

GATE = 0.2
"""Matches further off than this share of the photo's longer side, as the cameras are given, are taken for wrong."""

FEWEST = 15
"""A view with fewer agreeing matches stays as given."""

MOST = 0.5
"""Share of the views that features must place if the others are to follow them."""


@dataclass(frozen=True, eq=False)
class RefinedRig:
    """The rig as `given`, its lenses able to distort where they may, and as it is in the end.

    `placed`: views that agree with others; those that don't stay as given. `lost`: those of them that are known to be
    wrong there. `matches`: how many features agree in the end, 0 where the photos' brightness alone was enough;
    `before`, `after`: spread of the distances, in pixels, between where a photo shows a match and where it should, NaN
    without matches. `photos`: what the photos' brightness said, None if it was not asked. `warps`: each view's
    coefficients (see `scene.WarpedCamera`), empty where photos are not warped; `warped`: what was found of warps, None
    if they were not looked for.
    """

    given: Rig
    rig: Rig
    placed: Bool[np.ndarray, " v"]
    lost: Bool[np.ndarray, " v"]
    before: float = np.nan
    after: float = np.nan
    matches: int = 0
    photos: PhotoFigures | None = None
    warps: tuple[Warp, ...] = ()
    warped: WarpFigures | None = None


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
        """Names of the views that stay as given: their photos say too little, or are lost."""
        return tuple(self.views[i].name for i, there in zip(self.chosen, self.found.placed, strict=True) if not there)

    @property
    def lost(self) -> tuple[str, ...]:
        """Names of the views that can't be aligned, and are wrong as given."""
        return tuple(self.views[i].name for i, gone in zip(self.chosen, self.found.lost, strict=True) if gone)

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
    views: Sequence[View],
    chosen: Sequence[int],
    mesh: Mesh,
    cache: Path,
    progress: Progress = no_progress,
    warps: Warping = "never",
) -> RefinedCameras:
    """Refines the views of the indices `chosen` by what their photos show; the others are not looked at.

    Photos that are off by a few pixels are aligned by their brightness at once, see `polish`; those that are further
    off, or of which some are lost on that way, by matches of features first. `cache` keeps features. `warps`: whether
    photos are warped besides, see `warps`.

    Raises ImageError: a photo or mask that can't be read; ReconstructError: COLMAP failed.
    """
    own = [views[i] for i in chosen]
    surface, pyramids = ThroughMesh(mesh), photo_pyramids(own, DEPTH, progress)
    found = _refined(own, surface, pyramids, cache, progress)
    if warps != "never":
        each, figures = found_warps(surface, pyramids, found.rig, progress)
        found = replace(found, warps=each if warps == "always" or figures.worth else (), warped=figures)
    return with_rig(views, chosen, found)


def _refined(
    own: Sequence[View], surface: ThroughMesh, pyramids: Sequence[Pyramid], cache: Path, progress: Progress
) -> RefinedRig:
    given = freed_rig(rig_of(own))
    first = polish_rig(surface, pyramids, given, given, STAGES[:1], progress)
    if not first.far:
        rest = polish_rig(surface, pyramids, first.rig, given, STAGES[1:], progress)
        figures = replace(rest.figures, before=first.figures.before, moved=first.figures.moved)
        settled = _settled(given, replace(rest, figures=figures), None)
        if not settled.lost.any():
            return settled
    features = features_of(own, cache, progress)
    matches = match_pairs(features, choose_pairs(overlaps(surface, given, range(len(own)))), progress)
    [found] = [refine_rig(surface, given, matches) for _ in progress(range(1), "refine cameras", 1)]
    known = found.placed.sum() >= MOST * len(own)
    begin, stages = (found.rig, STAGES) if known else (given, COARSE + STAGES)
    last = polish_rig(surface, pyramids, begin, given, stages, progress)
    figures = replace(last.figures, before=first.figures.before)
    return _settled(given, replace(last, figures=figures), found)


def with_rig(views: Sequence[View], chosen: Sequence[int], found: RefinedRig) -> RefinedCameras:
    """The views with the cameras that were found for those of the indices `chosen`.

    Other views of these cameras get what is common to them: the lens, and the mean of its views' warps.
    """
    lenses = dict(zip(rig_of([views[i] for i in chosen]).cameras, found.rig.cameras, strict=True))
    poses = dict(zip(chosen, found.rig.poses, strict=True))
    warps, shared = dict(zip(chosen, found.warps)), mean_warps(found.rig, found.warps)
    better = []
    for i, view in enumerate(views):
        lens = lenses.get(view.camera, view.camera)
        camera = with_warp(lens, warps.get(i, shared.get(lens)))
        better.append(replace(view, camera=camera, cam_from_world=poses.get(i, view.cam_from_world)))
    return RefinedCameras(tuple(better), tuple(chosen), found, tuple(lenses.items()))


def refine_rig(surface: ThroughMesh, given: Rig, matches: Matches) -> RefinedRig:
    """The rig under which matches agree through the mesh: poses, and lenses as far as their views can tell them.

    A camera with FOR_FOCAL placed views gets its focal length fitted, one with FOR_LENS its principal point and
    distortion too; a pinhole becomes OPENCV for that. Wrong matches may be among them.
    """
    given = freed_rig(given)
    views, cameras = np.array(given.lens), given.cameras
    longest = np.array([max(camera.width, camera.height) for camera in cameras])[views]
    with np.errstate(invalid="ignore"):
        near = np.linalg.norm(surface.residuals(given, matches)[0], axis=1) < GATE * longest[matches.b]
    used = matches.only(near).at_most(EACH).both_ways()
    used = used.only(surface.steady(given, used))
    rig, before = given, spread_of(surface.residuals(given, used)[0])
    after, placed = before, _placed(used, len(views))
    prior = Prior(TURN, SHIFT * _distance(surface, given, used))
    for stage in FREED:
        if not placed.any():
            break
        counts = np.bincount(views[placed], minlength=len(cameras))
        params = tuple(
            told_parameters(camera, int(count), stage) for camera, count in zip(cameras, counts, strict=True)
        )
        done = adjust(surface, rig, given, used, Freedom(placed, params), prior)
        rig, after = done.rig, done.spread
        used = used.only(done.agreeing)
        placed &= _placed(used, len(views))
    # One that lost its matches on the way goes back: where it is now, wrong ones may have led it.
    poses = tuple(new if there else old for new, old, there in zip(rig.poses, given.poses, placed))
    return RefinedRig(given, replace(rig, poses=poses), placed, ~placed & placed.any(), before, after, len(used) // 2)


def freed_rig(rig: Rig) -> Rig:
    """The rig with lenses that may distort, as OPENCV, where FOR_LENS views or more share a plain one."""
    counts = np.bincount(rig.lens, minlength=len(rig.cameras))
    cameras = tuple(enriched(c) if count >= FOR_LENS else c for c, count in zip(rig.cameras, counts, strict=True))
    return replace(rig, cameras=cameras)


def rig_of(views: Sequence[View]) -> Rig:
    """The views' poses and cameras; views with equal cameras share one."""
    cameras = tuple(dict.fromkeys(view.camera for view in views))
    number = {camera: k for k, camera in enumerate(cameras)}
    return Rig(tuple(view.cam_from_world for view in views), cameras, tuple(number[view.camera] for view in views))


def _settled(given: Rig, polished: PolishedRig, matched: RefinedRig | None) -> RefinedRig:
    """The outcome: views that are not placed back where they were given. `matched`: what features said, if asked."""
    placed = polished.placed
    lost = ~placed & (np.isfinite(polished.spreads) if matched is None else True) & placed.any()
    poses = tuple(new if there else old for new, old, there in zip(polished.rig.poses, given.poses, placed))
    rig = replace(polished.rig, poses=poses)
    if matched is None:
        return RefinedRig(given, rig, placed, lost, photos=polished.figures)
    return replace(matched, given=given, rig=rig, placed=placed, lost=lost, photos=polished.figures)


def _placed(matches: Matches, views: int) -> Bool[np.ndarray, " v"]:
    return np.bincount(matches.a, minlength=views) + np.bincount(matches.b, minlength=views) >= 2 * FEWEST


def _distance(surface: ThroughMesh, rig: Rig, matches: Matches) -> float:
    """The usual distance from a camera to what it sees."""
    hits = surface.hits(rig, matches.a, matches.source)
    lengths = np.linalg.norm(hits.points[hits.faces >= 0], axis=1)
    return float(np.median(lengths)) if len(lengths) else 1.0


FREED: tuple[tuple[Freed, ...], ...] = (("focal",), ("focal", "centre", "distortion"))
"""What of the lenses is free, in turn: distortion fitted to cameras that are far off would take over their errors."""
