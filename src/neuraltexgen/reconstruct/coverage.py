"""How well photos cover a scene, as figures and in plain words: good, usable or weak, and what to photograph more."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64

from neuraltexgen.reconstruct.neighbours import ray_angles
from neuraltexgen.reconstruct.sparse import SparseModel

Level = Literal["good", "usable", "weak"]

SHARED = 30
"""Points that two views share when they count as connected."""

MANY_TRACKS = 100_000
"""Points whose angles are looked at, at most, evenly spread: more change nothing."""


@dataclass(frozen=True)
class Coverage:
    """Figures on a sparse model.

    `photos` were given, `registered` have a camera; `pieces` are the photos in each model found, largest first.
    `error`: mean reprojection error, pixels. `track`: by how many views a point was seen, median. `points`: of a view,
    median. `angle`: degrees between the outermost two rays to a point, median over points. `thrice`: share of points
    seen by three views or more. `arc`: degrees of the horizon around the middle of the points from which photos were
    taken, 360 less the largest gap. `poorly_tied`: views that share 30 points with fewer than two others.
    """

    photos: int
    registered: int
    pieces: tuple[int, ...]
    error: float
    track: float
    points: float
    angle: float
    thrice: float
    arc: float
    poorly_tied: tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    """The worst of what was found, in one word; and a sentence for each thing that is not as it should be."""

    level: Level
    sentences: tuple[str, ...]


def measure_coverage(model: SparseModel, photos: int, pieces: Sequence[int]) -> Coverage:
    """The figures of a model that `photos` photos gave. Without any points all figures on points are 0."""
    empty = len(model.points) == 0
    tracks = model.track_lengths
    weights = tracks / max(1, int(tracks.sum()))
    return Coverage(
        photos=photos,
        registered=len(model.views),
        pieces=tuple(pieces),
        error=0.0 if empty else float((model.errors * weights).sum()),
        track=0.0 if empty else float(np.median(tracks)),
        points=float(np.median(model.points_per_view)),
        angle=0.0 if empty else float(np.median(widest_angles(model))),
        thrice=0.0 if empty else float((tracks >= 3).mean()),
        arc=0.0 if empty else horizon_arc(model),
        poorly_tied=_poorly_tied(model),
    )


def judge(coverage: Coverage) -> Verdict:
    """Good, usable or weak by the rules below, and for each that is not met what it means and what helps."""
    rules = (*_rules_on_photos(coverage), *_rules_on_points(coverage))
    failed = [rule for rule in rules if rule.value < rule.good]
    weak = any(rule.value < rule.usable for rule in failed)
    return Verdict("weak" if weak else "usable" if failed else "good", tuple(rule.sentence for rule in failed))


def widest_angles(model: SparseModel) -> Float64[np.ndarray, " k"]:
    """Degrees between the two rays to a point that differ most; of all points, or of 100 000 evenly spread ones.

    Of more than two rays, those are taken whose directions lie farthest from the mean and from each other: exact for
    two, a good lower bound for more.
    """
    step = -(-len(model.points) // MANY_TRACKS)
    order = np.lexsort((model.observations[:, 0], model.observations[:, 1]))
    views, points = model.observations[order].T
    centres = model.centres
    starts = np.searchsorted(points, np.arange(len(model.points) + 1))
    result = []
    for point in range(0, len(model.points), step):
        seen = centres[views[starts[point] : starts[point + 1]]]
        if len(seen) < 2:
            result.append(0.0)
            continue
        rays = model.points[point] - seen
        rays /= np.maximum(np.linalg.norm(rays, axis=1, keepdims=True), 1e-12)
        first = int(np.argmin(rays @ rays.mean(axis=0)))
        second = int(np.argmin(rays @ rays[first]))
        angle = ray_angles(seen[first], seen[second], model.points[point][None])
        result.append(float(angle[0]))
    return np.array(result)


def horizon_arc(model: SparseModel) -> float:
    """Degrees around the middle of the points that the cameras span, seen from above; up is the cameras' mean up."""
    up = -np.mean([view.cam_from_world[1, :3] for view in model.views], axis=0)
    if np.linalg.norm(up) < 1e-6:
        return 0.0
    up /= np.linalg.norm(up)
    away = model.centres - np.median(model.points, axis=0)
    side = np.cross(up, np.eye(3)[int(np.argmin(np.abs(up)))])
    side /= np.linalg.norm(side)
    bearings = np.sort(np.degrees(np.arctan2(away @ np.cross(up, side), away @ side)))
    gaps = np.diff(np.append(bearings, bearings[0] + 360))
    return float(360 - gaps.max())


def coverage_rows(coverage: Coverage, verdict: Verdict) -> list[tuple[str, str]]:
    """Lines for people, as (label, text)."""
    c = coverage
    rows = [
        (
            "photos",
            f"{c.registered} of {c.photos} placed" + (f", in {len(c.pieces)} pieces" if len(c.pieces) > 1 else ""),
        ),
        ("points", f"{c.points:.0f} in a photo, each seen by {c.track:.0f} (medians); {c.error:.2f} pixels off"),
        (
            "angles",
            f"{c.angle:.0f} degrees between a point's outer rays; cameras span {c.arc:.0f} degrees around the scene",
        ),
        ("seen by 3", f"{c.thrice:.0%} of the points"),
        ("verdict", verdict.level),
    ]
    return rows + [("", text) for text in verdict.sentences]


@dataclass(frozen=True)
class _Rule:
    """A figure of which more is better, the least for good and for usable, and what to say below."""

    value: float
    good: float
    usable: float
    sentence: str


def _rules_on_photos(c: Coverage) -> tuple[_Rule, ...]:
    photos, elsewhere = max(1, c.photos), sum(c.pieces[1:])
    missing = f"{c.photos - c.registered} of {c.photos} photos have no place: take more between them and the others"
    sizes = ", ".join(map(str, c.pieces))
    apart = f"the photos fall into {len(c.pieces)} pieces ({sizes} photos) and only the largest is used: take photos "
    few = f"only {c.registered} photos: 20 to 100 let each place be seen from several sides"
    loose = f"{_named(c.poorly_tied)} are tied to fewer than two other photos: take more beside them"
    return (
        _Rule(c.registered / photos, 0.9, 0.6, missing),
        _Rule(-elsewhere / photos, -0.05, -0.3, apart + "that lead from one to the next"),
        _Rule(float(c.registered), 8.0, 3.0, few),
        _Rule(-len(c.poorly_tied) / max(1, c.registered), -0.1, -0.4, loose),
    )


def _rules_on_points(c: Coverage) -> tuple[_Rule, ...]:
    off = f"the points lie {c.error:.1f} pixels off their photos: hold still, keep focus and zoom as they are"
    poor = f"a photo has only {c.points:.0f} points: too little texture, blur, or too little overlap"
    narrow = (
        f"points are seen under {c.angle:.1f} degrees only: step aside between photos, turning alone shows no depth"
    )
    rare = f"only {c.thrice:.0%} of the points are seen by three photos or more: let photos overlap by two thirds"
    return (
        _Rule(-c.error, -1.2, -2.5, off),
        _Rule(c.points, 300.0, 60.0, poor),
        _Rule(c.angle, 4.0, 2.0, narrow),
        _Rule(c.thrice, 0.5, 0.25, rare),
    )


def _poorly_tied(model: SparseModel) -> tuple[str, ...]:
    seen = model.visibility().astype(np.float32)
    shared = seen @ seen.T
    np.fill_diagonal(shared, 0)
    return tuple(view.name for view, row in zip(model.views, shared) if (row >= SHARED).sum() < 2)


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
