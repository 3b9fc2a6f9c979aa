"""Refined cameras on disk: what a later run with the same photos, cameras and mesh takes instead of refining again."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np

from neuraltexgen.files import content_key, plain, write_json
from neuraltexgen.refine.cameras import RefinedCameras, RefinedRig, refine_cameras, with_rig
from neuraltexgen.refine.features import LONGEST, MOST
from neuraltexgen.refine.polish import PhotoFigures
from neuraltexgen.refine.through_mesh import Rig
from neuraltexgen.refine.warps import WarpFigures, Warping
from neuraltexgen.scene import Camera, Mesh, View
from neuraltexgen.types import Progress, no_progress

VERSION = 5
"""Part of the key: raise it when cameras come out otherwise."""


def cached_cameras(
    views: Sequence[View],
    chosen: Sequence[int],
    mesh: Mesh,
    cache: Path,
    progress: Progress = no_progress,
    warps: Warping = "never",
) -> RefinedCameras:
    """`refine_cameras`, or what it found before: kept in `cache` under a key of all that decides it.

    Features are kept there one by one, so that a killed run goes on. Raises what `refine_cameras` raises.
    """
    path = cache / f"cameras-{_key([views[i] for i in chosen], mesh, warps)}.json"
    # What can't be read costs the work that it held, nothing else.
    with suppress(OSError, ValueError, KeyError, TypeError):
        return with_rig(views, chosen, _read(json.loads(path.read_text(encoding="utf-8"))))
    found = refine_cameras(views, chosen, mesh, cache, progress, warps)
    write_json(path, plain(asdict(found.found)))
    return found


def _key(views: Sequence[View], mesh: Mesh, warps: Warping) -> str:
    stated = [(view.name, asdict(view.camera), view.cam_from_world, view.exif_upright) for view in views]
    pixels = [(view.photo.read_bytes(), view.mask.read_bytes() if view.mask else None) for view in views]
    return content_key(VERSION, LONGEST, MOST, warps, stated, pixels, mesh.vertices, mesh.faces)


def _read(stored: dict) -> RefinedRig:
    given, rig = (
        Rig(
            tuple(np.array(pose, np.float64) for pose in side["poses"]),
            tuple(Camera(**{**camera, "params": tuple(camera["params"])}) for camera in side["cameras"]),
            tuple(side["lens"]),
        )
        for side in (stored["given"], stored["rig"])
    )
    before, after = (np.nan if stored[name] is None else float(stored[name]) for name in ("before", "after"))
    masks = np.array(stored["placed"], bool), np.array(stored["lost"], bool)
    photos = stored["photos"] and PhotoFigures(**stored["photos"])
    warps = tuple(tuple(tuple((float(x), float(y)) for x, y in row) for row in warp) for warp in stored["warps"])
    warped = stored["warped"] and WarpFigures(**stored["warped"])
    return RefinedRig(given, rig, *masks, before, after, int(stored["matches"]), photos, warps, warped)
