"""MVE scenes: `views/*.mve/meta.ini` beside `original.*` or `undistorted.*`.

World to camera, OpenCV axes. The focal length is in units of the longer side (as seen by the pixels' shape), the
principal point in units of its sides. `undistorted.*` is preferred, without a distortion, as MVE's own later steps do.
Source: `CameraInfo::fill_calibration` and the wiki's Math Cookbook, https://github.com/simonfuhrmann/mve.
"""

from configparser import ConfigParser, Error
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from neuraltexgen.errors import ImageError, ReaderError
from neuraltexgen.images import photo_size
from neuraltexgen.readers.drafts import Draft, make_scene
from neuraltexgen.readers.find import PHOTO_SUFFIXES, ReadOptions, find_mesh, is_file, numbers_in, read_text
from neuraltexgen.readers.lenses import Lens, perspective
from neuraltexgen.readers.poses import Repairs, cam_from_world, matrix_of
from neuraltexgen.scene import Scene

VIEWS = "views/*.mve"


@dataclass(frozen=True, eq=False)
class _Meta:
    """The numbers of a view's meta.ini; its photo's name where it states one."""

    focal: float
    aspect: float
    centre: tuple[float, float]
    radial: tuple[float, float]
    pose: Float64[np.ndarray, "4 4"]


def detect(path: Path) -> bool:
    """Whether there is a `views` folder with .mve folders."""
    return path.is_dir() and any(is_file(view / "meta.ini") for view in path.glob(VIEWS))


def read(path: Path, options: ReadOptions) -> Scene:
    """Reads the views in the order of their names. Raises ReaderError: no view remains."""
    repairs = Repairs()
    views = sorted(path.glob(VIEWS))
    drafts = [_draft(view, options, repairs) for view in views]
    return make_scene("mve", path, drafts, options, find_mesh("mve", path, (), options), repairs)


def _draft(view: Path, options: ReadOptions, repairs: Repairs) -> Draft:
    photo, undistorted = _photo(view, options)
    if not is_file(photo):
        return Draft(view.name, photo)
    try:
        meta = _meta(view / "meta.ini")
        lens = _lens(meta, photo_size(photo), undistorted)
        pose = cam_from_world(meta.pose, repairs, camera_to_world=False)
    except (ImageError, ReaderError) as error:
        return Draft(view.name, photo, problem=error.message)
    return Draft(view.name, photo, lens.model, lens.params, lens.size, pose)


def _photo(view: Path, options: ReadOptions) -> tuple[Path, bool]:
    """The photo and whether its distortion was removed. With --images, the photo there of the view's name."""
    if options.images is not None:
        stem, kinds = options.images / view.stem, ("",)
    else:
        stem, kinds = view, ("undistorted", "original")
    for kind in kinds:
        for suffix in PHOTO_SUFFIXES:
            place = stem / f"{kind}{suffix}" if kind else stem.with_name(stem.name + suffix)
            if is_file(place):
                return place, kind == "undistorted"
    return view / "original.jpg", False


def _meta(file: Path) -> _Meta:
    parser = ConfigParser(interpolation=None, strict=False, allow_no_value=True)
    try:
        parser.read_string(read_text(file))
    except Error as error:
        raise ReaderError(f"{file.name} makes no sense ({type(error).__name__})") from error
    if not parser.has_section("camera"):
        raise ReaderError(f"{file.name} has no section [camera]")

    def numbers(key: str, default: str | None = None) -> Float64[np.ndarray, " k"]:
        stated = parser.get("camera", key, fallback=None) or default
        if stated is None:
            raise ReaderError(f"{file.name} does not state '{key}'")
        return np.array(numbers_in(stated))

    values = [numbers("focal_length"), numbers("pixel_aspect", "1"), numbers("principal_point", "0.5 0.5")]
    values += [numbers("radial_distortion", "0 0"), numbers("rotation"), numbers("translation")]
    if [len(value) for value in values] != [1, 1, 2, 2, 9, 3]:
        raise ReaderError(f"{file.name}: a key of [camera] has too few or too many numbers")
    focal, aspect, centre, radial, rotation, translation = values
    if not focal[0] > 0:
        raise ReaderError("it was not registered (focal length 0)")
    if not 1e-3 < aspect[0] < 1e3:
        raise ReaderError(f"its pixel_aspect is {aspect[0]:g}")
    pose = matrix_of(rotation.reshape(3, 3), translation)
    return _Meta(
        float(focal[0]),
        float(aspect[0]),
        (centre[0].item(), centre[1].item()),
        (radial[0].item(), radial[1].item()),
        pose,
    )


def _lens(meta: _Meta, size: tuple[int, int], undistorted: bool) -> Lens:
    width, height = size
    if width / height * meta.aspect < 1:
        fx, fy = meta.focal * height / meta.aspect, meta.focal * height
    else:
        fx, fy = meta.focal * width, meta.focal * width * meta.aspect
    pinhole = (fx, fy, width * meta.centre[0], height * meta.centre[1])
    return perspective(pinhole, size, () if undistorted else meta.radial)
