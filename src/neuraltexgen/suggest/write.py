"""Suggestions as files: poses as JSON, and the mesh coloured by how much is known of it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64

from neuraltexgen.files import plain, write_json
from neuraltexgen.meshes import write_mesh
from neuraltexgen.scene import Mesh
from neuraltexgen.suggest.choose import Suggestion
from neuraltexgen.suggest.known import Survey

UNSEEN, ONCE, WELL = (0.75, 0.1, 0.15), (0.95, 0.75, 0.2), (0.3, 0.65, 0.9)
"""Colours of no information, of that of one fine look, and of that of WELL_KNOWN; told apart without colour vision."""

WELL_KNOWN = 6.0

CELL = 3.0
"""Side of the cells that colour vertices, over the distance between places."""


def write_suggestions(folder: Path, survey: Survey, suggestions: Sequence[Suggestion]) -> tuple[Path, Path]:
    """Writes suggestions.json and known.ply, the mesh in the colours of what is known; returns their paths."""
    write_json(folder / "suggestions.json", figures(survey, suggestions))
    write_mesh(folder / "known.ply", coloured(survey))
    return folder / "suggestions.json", folder / "known.ply"


def figures(survey: Survey, suggestions: Sequence[Suggestion]) -> dict[str, Any]:
    """All figures as plain JSON values; lengths in world units, poses row by row."""
    return plain(
        {
            "surface": {"unseen": survey.unseen, "seen_once": survey.once, "area": survey.area * len(survey.looks)},
            "photos": [
                {
                    "centre": s.centre.tolist(),
                    "forward": s.forward.tolist(),
                    "cam_from_world": s.cam_from_world.tolist(),
                    "camera": {"model": s.camera.model, "width": s.camera.width, "height": s.camera.height}
                    | {"params": list(s.camera.params)},
                    "fall": s.fall,
                    "unseen_area": s.unseen,
                    "near": s.near,
                    "moved": dict(zip(("right", "down", "forward"), s.moved)),
                    "turned": dict(zip(("right", "up"), s.turned)),
                }
                for s in suggestions
            ],
        }
    )


def coloured(survey: Survey) -> Mesh:
    """The mesh without uvs, its vertices coloured: red where nothing is known, yellow for one fine look, then blue."""
    return replace(survey.mesh, uvs=None, uv_faces=None, pages=1, colours=_colours(_around(survey)))


def _around(survey: Survey) -> Float64[np.ndarray, " n"]:
    """The mean information of the places in each vertex's cell of space; of larger cells where there are none."""
    corner = survey.mesh.vertices.min(axis=0)
    result = np.full(len(survey.mesh.vertices), np.nan)
    side = CELL * np.sqrt(survey.area)
    while (missing := np.isnan(result)).any():
        cells = np.concatenate([survey.places.points, survey.mesh.vertices[missing]]) - corner
        _, own = np.unique(np.floor(cells / side).astype(np.int64), axis=0, return_inverse=True)
        of_places, of_vertices = np.split(own.ravel(), [len(survey.information)])
        count = np.bincount(of_places, minlength=own.max() + 1)
        total = np.bincount(of_places, weights=survey.information, minlength=len(count))
        with np.errstate(invalid="ignore"):
            result[missing] = (total / count)[of_vertices]
        side *= 2
    return result


def _colours(information: Float64[np.ndarray, " n"]) -> Float32[np.ndarray, "n 3"]:
    at = np.array((0.0, 1.0, WELL_KNOWN))
    stops = np.array((UNSEEN, ONCE, WELL))
    return np.stack([np.interp(information, at, channel) for channel in stops.T], axis=1).astype(np.float32)
