"""RealityScan's and RealityCapture's cameras: an `.xmp` beside each photo (Alignment > Export > Metadata (XMP)).

`Rotation` is that of world to camera, row by row, OpenCV axes; `Position` the camera's centre. `FocalLength35mm` counts
on a sensor of 36 mm along the photo's longer side, `PrincipalPointU`, `V` from the photo's middle in longer sides;
`AspectRatio` is fy over fx. Distortion: k1 k2 k3 k4 t1 t2 of Brown's polynomial. A fourth radial term, the division
model and skew no COLMAP model has. No source says whether t1, t2 are OpenCV's p1, p2 or p2, p1: they are taken as
p1, p2, with a note. Sources: the writer of such files in Epic Games' MetaHuman calibration (DHInputOutput.cpp), and
AliceVision's importKnownPoses.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from neuraltexgen.errors import ImageError, ReaderError
from neuraltexgen.images import photo_size
from neuraltexgen.readers.drafts import Draft, make_scene
from neuraltexgen.readers.find import (
    ReadOptions,
    files_like,
    find_mesh,
    is_file,
    natural,
    numbers_in,
    read_xml,
    with_suffix_of,
)
from neuraltexgen.readers.lenses import Lens, perspective
from neuraltexgen.readers.poses import Repairs, cam_from_world, matrix_of
from neuraltexgen.scene import Scene

FILES = ("*.xmp", "images/*.xmp")
NAMESPACE = "http://www.capturingreality.com/ns/xcr/1.1#"
DESCRIPTION = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description"

SENSOR = 36.0
"""Millimetres of a 35 mm film's longer side."""

BROWN = ("brown3", "brown4", "brown3t2", "brown4t2", "perspective")


def detect(path: Path) -> bool:
    """Whether `path` is a folder with such files, at the top or in `images`. One of them alone is no capture."""
    return path.is_dir() and bool(files_like(path, FILES, (NAMESPACE,)))


def read(path: Path, options: ReadOptions) -> Scene:
    """Reads the photos that have an `.xmp`. Raises ReaderError: none is there, or no view remains."""
    files = sorted(files_like(path, FILES, (NAMESPACE,)), key=lambda file: natural(file.name))
    if not files:
        raise ReaderError(f"realityscan: no .xmp of RealityScan's beside the photos in {path}")
    repairs = Repairs()
    drafts = [_draft(file, options.images or file.parent, repairs) for file in files]
    return make_scene("realityscan", path, drafts, options, find_mesh("realityscan", path, (), options), repairs)


def _draft(file: Path, photos: Path, repairs: Repairs) -> Draft:
    photo = with_suffix_of(photos / file.stem)
    try:
        if not is_file(photo):
            raise ReaderError(f"no photo '{file.stem}.*' in {photos}")
        stated = _fields(file)
        if "Position" not in stated or "Rotation" not in stated:
            raise ReaderError(f"it was not aligned: {file.name} holds no pose")
        rotation = _numbers(stated, "Rotation", 9).reshape(3, 3)
        with np.errstate(invalid="ignore", over="ignore"):  # a lost pose, sorted out next
            matrix = matrix_of(rotation, -rotation @ _numbers(stated, "Position", 3))
        pose = cam_from_world(matrix, repairs, camera_to_world=False)
        lens = _lens(stated, photo_size(photo), repairs)
    except (ReaderError, ImageError) as error:
        return Draft(photo.name, photo, problem=error.message)
    return Draft(photo.name, photo, lens.model, lens.params, lens.size, pose)


def _fields(file: Path) -> dict[str, str]:
    """RealityScan's fields, which stand as attributes or as elements, without their namespace."""
    description = next(read_xml("realityscan", file).iter(DESCRIPTION), None)
    if description is None:
        raise ReaderError(f"{file.name} has no rdf:Description")
    mark = "{" + NAMESPACE + "}"
    stated = [*description.attrib.items(), *((child.tag, child.text or "") for child in description)]
    return {key.removeprefix(mark): value for key, value in stated if key.startswith(mark)}


def _lens(stated: dict[str, str], size: tuple[int, int], repairs: Repairs) -> Lens:
    """Raises ReaderError: no focal length, or what no COLMAP model has."""
    longer = max(size)
    f = float(_numbers(stated, "FocalLength35mm", 1)[0]) / SENSOR * longer
    aspect, skew, u, v = (
        float(_numbers({key: default} | stated, key, 1)[0])
        for key, default in (("AspectRatio", "1"), ("Skew", "0"), ("PrincipalPointU", "0"), ("PrincipalPointV", "0"))
    )
    k1, k2, k3, k4, t1, t2 = _distortion(stated)
    model = stated.get("DistortionModel", "perspective").lower()
    refused = [f"a skew of {skew:g}"] if abs(skew) > 1e-9 else []
    refused += [f"k4 = {k4:g}"] if k4 else []
    refused += [f"the distortion model '{model}'"] if model not in BROWN and any((k1, k2, k3, k4, t1, t2)) else []
    if refused:
        raise ReaderError(f"no COLMAP model has {', '.join(refused)}: align with Brown3, or export undistorted photos")
    if t1 or t2:
        repairs.add("{n} photos have tangential terms t1, t2, taken as p1, p2 (unconfirmed; neuraltexgen doctor tells)")
    pinhole = (f, f * aspect, size[0] / 2 + u * longer, size[1] / 2 + v * longer)
    return perspective(pinhole, size, (k1, k2, k3), (t1, t2))


def _distortion(stated: dict[str, str]) -> Sequence[float]:
    """k1 k2 k3 k4 t1 t2; the Brown models without t2 also write three or four numbers."""
    terms = numbers_in(stated.get("DistortionCoeficients", ""))
    if len(terms) > 6:
        raise ReaderError(f"'DistortionCoeficients' holds {len(terms)} numbers, not 6")
    return (*terms, *[0.0] * (6 - len(terms)))


def _numbers(stated: dict[str, str], key: str, count: int) -> Float64[np.ndarray, " k"]:
    values = np.array(numbers_in(stated.get(key, "")))
    if len(values) != count:
        raise ReaderError(f"'{key}' holds {len(values)} numbers, not {count}")
    return values
