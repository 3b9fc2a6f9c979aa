"""Cameras and poses as a COLMAP text model. Its conventions are ours, and it has a name for every lens."""

from collections.abc import Sequence
from pathlib import Path

import pycolmap

from neuraltexgen.errors import ExportError
from neuraltexgen.files import write_text
from neuraltexgen.scene import Camera, View

MODEL = Path("sparse") / "0"
CAMERAS = MODEL / "cameras.txt"
"""Written last: without it a folder is no capture."""


def write_colmap(folder: Path, views: Sequence[View], names: Sequence[str]) -> tuple[Path, ...]:
    """Writes sparse/0/points3D.txt (empty), images.txt and, last, cameras.txt; returns their paths.

    `names`: of the photos in the folder's images/, one per view. Views with equal cameras share one. Numbers have all
    their digits, so that they come back as they were. Raises ExportError: a name that a line of text can't hold.
    """
    bad = [name for name in names if name != name.strip() or not name.isprintable()]
    if bad:
        raise ExportError(f"{len(bad)} of {len(names)} names can't stand in images.txt (first: {bad[0]!r})")
    numbers: dict[Camera, int] = {}
    images = []
    for i, (view, name) in enumerate(zip(views, names, strict=True), 1):
        camera = numbers.setdefault(view.camera, len(numbers) + 1)
        x, y, z, w = pycolmap.Rotation3d(view.cam_from_world[:3, :3]).quat.tolist()
        pose = " ".join(repr(value) for value in (w, x, y, z, *view.cam_from_world[:3, 3].tolist()))
        images.append(f"{i} {pose} {camera} {name}\n\n")  # the second line is for 2D points: none
    cameras = [
        f"{number} {c.model} {c.width} {c.height} {' '.join(repr(float(value)) for value in c.params)}\n"
        for c, number in numbers.items()
    ]
    texts = {
        "points3D.txt": "# no points\n",
        "images.txt": "# id, qw qx qy qz, tx ty tz, camera, name; 2D points\n" + "".join(images),
        "cameras.txt": "# id, model, width, height, parameters\n" + "".join(cameras),
    }
    for name, text in texts.items():
        write_text(folder / MODEL / name, text)
    return tuple(folder / MODEL / name for name in texts)
