"""A capture in any format in, the same capture as a COLMAP text model or a transforms.json out."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from neuraltexgen.errors import ConfigError, ExportError
from neuraltexgen.export.capture import paths_below_images, write_capture_mesh, write_upright
from neuraltexgen.export.colmap import write_colmap
from neuraltexgen.export.transforms import check_lenses, write_transforms
from neuraltexgen.files import copy_whole
from neuraltexgen.images import read_photo, turn_pixels, write_png
from neuraltexgen.readers import ReadOptions, read_capture
from neuraltexgen.scene import Scene, View
from neuraltexgen.types import Progress, no_progress
from neuraltexgen.view_cache import hidden_pixels

Target = Literal["auto", "colmap", "transforms"]


def convert_capture(
    capture: Path, out: Path, to: Target = "auto", read: ReadOptions | None = None, progress: Progress = no_progress
) -> Scene:
    """Reads a capture and writes its views into another folder: images/, masks/, the mesh, the cameras; returns it.

    `out` is a folder, or a .json file, which means transforms.json's format; a folder is a COLMAP text model unless
    `to` says otherwise. Photos and masks are copied as they are, except those that their EXIF data turn, which are
    written upright; depth maps are not copied. Cameras come last.
    Raises ConfigError: `out` contradicts `to`, or is not empty; ExportError: names clash, or a lens has no name in the
    format; and what `read_capture` raises.
    """
    check_target(out, to)
    return write_scene(read_capture(capture, read or ReadOptions()), out, to, progress)


def check_target(out: Path, to: Target) -> tuple[Path, Path | None]:
    """The folder that `write_scene` would write to, and its transforms.json, None for a COLMAP model.

    Raises ConfigError: `out` contradicts `to`, or the folder is not empty.
    """
    is_file = out.suffix.lower() == ".json"
    if is_file and to == "colmap":
        raise ConfigError(f"{out} is a .json file, but a COLMAP model is a folder", fix="name a folder")
    folder = out.parent if is_file else out
    if folder.is_dir() and any(folder.iterdir()):
        raise ConfigError(f"{folder} is not empty: a converted capture needs a folder of its own", fix="a new folder")
    return folder, (out if is_file else folder / "transforms.json") if is_file or to == "transforms" else None


def write_scene(scene: Scene, out: Path, to: Target, progress: Progress = no_progress, turn: int = 1) -> Scene:
    """Writes a scene as `convert_capture` does; returns it with the paths of what was written.

    `turn`, an EXIF orientation, turns every photo and its mask besides: to PNG (or EXR), exactly. The scene's cameras
    are those of the turned photos. Raises as `convert_capture`.
    """
    folder, file = check_target(out, to)
    names = converted_names(scene.views, turn)
    if file is not None:
        check_lenses(scene.views)
    jobs = progress(zip(scene.views, names), "copy", len(names))
    views = [
        _turned(view, folder, name, turn) if _turns(view, turn) else _copied(view, folder, name) for view, name in jobs
    ]
    write_capture_mesh(folder, scene.mesh)
    if file is not None:
        masks = [None if v.mask is None else v.mask.relative_to(folder).as_posix() for v in views]
        write_transforms(file, views, [f"images/{name}" for name in names], masks)
    else:
        write_colmap(folder, views, names)
    return replace(scene, views=tuple(views))


def converted_names(views: Sequence[View], turn: int = 1) -> list[str]:
    """The photos' paths below images/: the views' names, with the suffix of the photo's own file.

    A photo that is to be turned becomes a PNG, or stays an EXR. Raises ExportError: two views of one name.
    """
    names = []
    for view, path in zip(views, paths_below_images(views), strict=True):
        suffix = ".png" if _turns(view, turn) and view.photo.suffix.lower() != ".exr" else view.photo.suffix
        bare = path.with_suffix("") if path.suffix.lower() in (view.photo.suffix.lower(), suffix) else path
        names.append(f"{bare}{suffix}")
    if len(set(names)) < len(names):
        raise ExportError(f"{len(names) - len(set(names))} of {len(names)} views share a name", fix="rename photos")
    return names


def _turns(view: View, turn: int) -> bool:
    """Whether the photo is written anew instead of copied."""
    return turn != 1 or view.exif_upright


def _copied(view: View, folder: Path, name: str) -> View:
    """The view with its photo and mask in the folder."""
    photo, mask = folder / "images" / name, None
    copy_whole(view.photo, photo)
    if view.mask is not None:
        mask = folder / "masks" / f"{name}{'' if view.mask.suffix == photo.suffix else view.mask.suffix}"
        copy_whole(view.mask, mask)
    return replace(view, photo=photo, mask=mask)


def _turned(view: View, folder: Path, name: str, turn: int) -> View:
    """The view with its photo turned; what mask or transparency hide becomes a mask, turned as well."""
    photo, mask = folder / "images" / name, None
    write_upright(view, photo, turn)
    hidden = hidden_pixels(view, read_photo(view.photo, upright=view.exif_upright))
    if hidden.any():
        mask = folder / "masks" / f"{name}{'' if photo.suffix == '.png' else '.png'}"
        write_png(mask, turn_pixels(~hidden, turn).astype(np.float32)[..., None])
    return replace(view, photo=photo, mask=mask, exif_upright=False)
