"""What --refine cameras did, in figures and words: for metrics.json, the report, and cameras.json."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from neuraltexgen.files import plain
from neuraltexgen.geometry import focal_and_centre
from neuraltexgen.refine.cameras import RefinedCameras, RefinedRig
from neuraltexgen.refine.heldout import AlignedScores
from neuraltexgen.refine.lens import parameter_names
from neuraltexgen.refine.warps import Warp, WarpFigures, warp_size
from neuraltexgen.report import Table
from neuraltexgen.scene import Camera, View, WarpedCamera

FORM = 1
"""Of cameras.json."""


def camera_figures(refined: RefinedCameras | None, aligned: AlignedScores | None) -> dict[str, Any]:
    """What --refine cameras adds to a run's figures: nothing where it was not asked for."""
    result: dict[str, Any] = {} if refined is None else {"refined_cameras": _refined_figures(refined)}
    if aligned is not None:
        result["held_out_aligned"] = {
            "mean": asdict(aligned.mean),
            "not_aligned": list(aligned.aligned.unaligned),
            "views": [
                {"name": s.name, "matches": found.matches, "difference": found.spread, **asdict(s.score)}
                for s, found in zip(aligned.scores, aligned.aligned.found, strict=True)
            ],
        }
    return result


def camera_rows(refined: RefinedCameras | None, aligned: AlignedScores | None) -> list[tuple[str, str]]:
    """The same as (label, value)."""
    rows = [] if refined is None else _refined_rows(refined)
    if aligned is not None:
        mean = aligned.mean
        text = f"{mean.psnr_fitted:.2f} dB, SSIM {mean.ssim_fitted:.3f}, sharpness {mean.sharpness:.2f}"
        rows.append(("aligned", f"the same held-out views where the texture has them: {text}, after the colour fit"))
    return rows


def aligned_note(aligned: AlignedScores) -> str:
    """What a table of the aligned views' scores says below itself."""
    lost = aligned.aligned.unaligned
    stay = f" As given, for want of matches: {', '.join(lost)}." if lost else ""
    return f"The same views, their cameras aligned to the finished texture.{stay}"


def refined_table(refined: RefinedCameras) -> Table:
    """How far each view moved."""
    turns, shifts = (iter(values) for values in refined.moves())
    rows = tuple(
        (refined.views[i].name, float(next(turns)), float(next(shifts)))
        if there
        else (refined.views[i].name, *(("left out",) * 2 if gone else ("as given",) * 2))
        for i, there, gone in zip(refined.chosen, refined.found.placed, refined.found.lost, strict=True)
    )
    note = " ".join(f"{label.capitalize()}: {text}." for label, text in _evidence(refined.found))
    return Table("Refined cameras", ("view", "turn, degrees", "shift, world units"), rows, note)


def cameras_json(refined: RefinedCameras, aligned: AlignedScores | None) -> dict[str, Any]:
    """Every view's lens and pose after the run, and how it came by them; what docs/cameras.md says of cameras.json."""
    moved = {} if aligned is None else {view.name: view for view in aligned.aligned.views}
    lost = () if aligned is None else aligned.aligned.unaligned
    states = dict(zip(refined.chosen, zip(refined.found.placed, refined.found.lost), strict=True))
    views = []
    for i, view in enumerate(refined.views):
        placed, gone = states.get(i, (False, False))
        there = view.name in moved and view.name not in lost
        how = "refined" if placed else "left out" if gone else "aligned" if there else "given"
        pose = moved.get(view.name, view).cam_from_world
        told = {"name": view.name, "how": how, "camera": _camera(view.camera), "cam_from_world": pose}
        views.append(told | ({"warp": view.camera.warp} if isinstance(view.camera, WarpedCamera) else {}))
    return plain({"form": FORM, "views": views, "refinement": _refined_figures(refined)})


def final_views(refined: RefinedCameras, aligned: AlignedScores | None) -> tuple[View, ...]:
    """The views with their cameras after the run; those that are left out are not among them.

    Lenses have no warps there: no format has a word for them.
    """
    moved = {} if aligned is None else {view.name: view for view in aligned.aligned.views}
    kept = [moved.get(view.name, view) for view in refined.views if view.name not in refined.lost]
    return tuple(replace(v, camera=v.camera.lens()) if isinstance(v.camera, WarpedCamera) else v for v in kept)


def photo_names(views: Sequence[View]) -> list[str]:
    """Each photo's file name, or the view's where photos in several folders are called alike."""
    files = [view.photo.name for view in views]
    return files if len(set(files)) == len(files) else [view.name for view in views]


def _refined_figures(refined: RefinedCameras) -> dict[str, Any]:
    """Moves are medians over the views that were placed, shifts in world units."""
    turns, shifts = refined.moves()
    found = refined.found
    return {
        "views": len(refined.chosen),
        "as_given": [name for name in refined.unplaced if name not in refined.lost],
        "left_out": list(refined.lost),
        "matches": found.matches,
        "residual_before": found.before,
        "residual_after": found.after,
        "photos": None if found.photos is None else asdict(found.photos),
        "warps_pixels": warp_size(found.warps),
        "warps_held_out": None if found.warped is None else asdict(found.warped),
        "turn_degrees": float(np.median(turns)) if len(turns) else None,
        "shift": float(np.median(shifts)) if len(shifts) else None,
        "cameras": [{"before": _camera(before), "after": _camera(after)} for before, after in refined.lenses],
    }


def _refined_rows(refined: RefinedCameras) -> list[tuple[str, str]]:
    turns, shifts = refined.moves()
    if len(turns) == 0:
        return [("cameras", f"as given: the {len(refined.chosen)} photos say too little")]
    rows = [
        (
            "cameras",
            f"{len(turns)} of {len(refined.chosen)} refined: median turn {np.median(turns):.3g} degrees, "
            f"shift {np.median(shifts):.3g} units",
        ),
        *_evidence(refined.found),
    ]
    if refined.found.warped is not None:
        rows.append(("warps", _warps(refined.found.warps, refined.found.warped)))
    if len(refined.lenses) == 1:
        (before, after), *_ = refined.lenses
        rows.append(("focal length", f"{_focal(before)} pixels before, {_focal(after)} after"))
    return rows


def _warps(warps: Sequence[Warp], figures: WarpFigures) -> str:
    size, before, after = warp_size(warps), 255 * figures.before, 255 * figures.after
    what = "left out" if size is None else f"photos moved by {size:.2f} pixels (root mean square)"
    return f"{what}: {before:.2f} of 255 apart before, {after:.2f} after, at places that they were not fitted to"


def _evidence(found: RefinedRig) -> list[tuple[str, str]]:
    """What the cameras rest on, as (label, sentence)."""
    rows = []
    if found.matches:
        off = f"{found.before:.2f} pixels off before, {found.after:.2f} after"
        rows.append(("matches", f"{found.matches:,} features, {off}"))
    if found.photos is not None:
        before, after = 255 * found.photos.before, 255 * found.photos.after
        rows.append(("photos", f"{before:.1f} of 255 apart where they show one place before, {after:.1f} after"))
    return rows


def _camera(camera: Camera) -> dict[str, Any]:
    names = parameter_names(camera)
    return {
        "model": camera.model,
        "width": camera.width,
        "height": camera.height,
        "params": dict(zip(names, camera.params, strict=True)),
    }


def _focal(camera: Camera) -> str:
    focal, _ = focal_and_centre(camera)
    return ", ".join(f"{value:.1f}" for value in focal) or "no"
