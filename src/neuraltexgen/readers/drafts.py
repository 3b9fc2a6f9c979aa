"""From the views as a capture's files state them to a scene: each is paired with its photo and mask, or left out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from neuraltexgen.errors import CameraError, ImageError, ReaderError
from neuraltexgen.geometry import check_camera, resize_camera, same_shape
from neuraltexgen.images import photo_size
from neuraltexgen.readers.find import PHOTO_SUFFIXES, ReadOptions, is_file
from neuraltexgen.readers.poses import Repairs
from neuraltexgen.scene import Camera, DepthMap, LeftOut, Mesh, Scene, View


@dataclass(frozen=True, eq=False)
class Draft:
    """A view as the capture's files state it, before its photo is opened.

    `size` is (width, height) where the capture states it, else None and the photo's own is taken. `problem` says why
    the view can't be used, where the reader knows already. A `depth` whose file is missing counts as none.
    """

    name: str
    photo: Path
    model: str = ""
    params: tuple[float, ...] = ()
    size: tuple[int, int] | None = None
    cam_from_world: Float64[np.ndarray, "4 4"] | None = None
    mask: Path | None = None
    depth: DepthMap | None = None
    problem: str | None = None


def make_scene(
    reader: str,
    root: Path,
    drafts: Sequence[Draft],
    options: ReadOptions,
    meshes: tuple[Mesh | None, tuple[str, ...]],
    repairs: Repairs,
    notes: Iterable[str] = (),
) -> Scene:
    """Opens each draft's photo header, settles its size and mask, and counts what is left out.

    `repairs` holds what the reader itself has repaired so far; `meshes` is what `find_mesh` gave.
    Raises ReaderError: no view at all remains; or any was left out and `missing` is "error".
    """
    views: list[View] = []
    left_out: list[LeftOut] = []
    for draft in drafts:
        try:
            views.append(_view(draft, options, repairs))
        except (ReaderError, ImageError, CameraError) as error:
            left_out.append(LeftOut(draft.name, error.message))
    if options.missing == "error" and left_out:
        raise ReaderError(
            f"{reader}: view '{left_out[0].name}': {left_out[0].reason} ({len(left_out)} of {len(drafts)} views)",
            fix="--images DIR, or --missing skip",
        )
    if not views:
        raise _nothing_left(reader, root, left_out)
    if options.masks is not None:
        _check_masks(reader, options.masks, views, repairs)
    mesh, mesh_notes = meshes
    all_notes = (*notes, *repairs.notes(), *mesh_notes)
    return Scene(root.resolve().name, reader, tuple(views), mesh, tuple(left_out), all_notes)


def _view(draft: Draft, options: ReadOptions, repairs: Repairs) -> View:
    if draft.problem is not None:
        raise ReaderError(draft.problem)
    if not is_file(draft.photo):
        raise ReaderError(f"the photo '{draft.photo.name}' is not in {draft.photo.parent}")
    if draft.cam_from_world is None:
        raise ReaderError("no pose")
    stored = photo_size(draft.photo)
    camera = Camera(draft.model, *(draft.size or stored), draft.params)
    check_camera(camera)
    camera, upright = _fit_camera(camera, draft.photo, stored, repairs)
    mask = draft.mask
    if options.masks is not None:
        mask = find_mask(options.masks, draft.name, draft.photo)
    if mask is not None:
        _check_mask(mask, (camera.width, camera.height), stored)
    return View(draft.name, camera, draft.cam_from_world, draft.photo, mask, _depth(draft.depth), upright)


def _depth(stated: DepthMap | None) -> DepthMap | None:
    """The depth map if its file is there, with its mask if that is."""
    if stated is None or not is_file(stated.path):
        return None
    return stated if stated.mask is None or is_file(stated.mask) else replace(stated, mask=None)


def _fit_camera(camera: Camera, photo: Path, stored: tuple[int, int], repairs: Repairs) -> tuple[Camera, bool]:
    """The camera at the photo's own size, and whether it belongs to the photo turned upright."""
    stated = (camera.width, camera.height)
    if stored == stated:
        return camera, False
    if same_shape(stated, stored):
        repairs.add("{n} photos differ in size from their intrinsics: intrinsics scaled to the photo")
        return resize_camera(camera, *stored), False
    turned = photo_size(photo, upright=True)
    if turned != stored and same_shape(stated, turned):
        repairs.add("{n} photos are turned by their EXIF orientation to match their intrinsics")
        return (camera if turned == stated else resize_camera(camera, *turned)), True
    raise ReaderError(
        f"the photo is {stored[0]}x{stored[1]} but its intrinsics are for {stated[0]}x{stated[1]}: another shape"
    )


def find_mask(folder: Path, view: str, photo: Path) -> Path | None:
    """`folder/` the view's or photo's name, .png after it or in place of its suffix; with or without its folders."""
    for name in dict.fromkeys((view, photo.name)):
        relative = Path(name)
        stems = (relative, Path(f"{name}.png"), *(relative.with_suffix(s) for s in PHOTO_SUFFIXES if relative.name))
        for candidate in stems:
            if is_file(folder / candidate):
                return folder / candidate
    return None


def _check_mask(mask: Path, size: tuple[int, int], stored: tuple[int, int]) -> None:
    found = photo_size(mask)
    if found not in (size, stored):
        raise ReaderError(f"the mask '{mask.name}' is {found[0]}x{found[1]}, the photo {stored[0]}x{stored[1]}")


def _check_masks(reader: str, folder: Path, views: list[View], repairs: Repairs) -> None:
    without = sum(view.mask is None for view in views)
    if without == len(views):
        raise ReaderError(
            f"{reader}: none of the {without} photos has a mask in {folder}",
            fix="name masks as the photos, with .png: 0001.jpg -> 0001.png or 0001.jpg.png",
        )
    for _ in range(without):
        repairs.add("{n} photos have no mask: all their pixels are used")


def _nothing_left(reader: str, root: Path, left_out: list[LeftOut]) -> ReaderError:
    if not left_out:
        return ReaderError(f"{reader}: {root} names no views")
    first = f"the first, '{left_out[0].name}': {left_out[0].reason}"
    return ReaderError(
        f"{reader}: none of the {len(left_out)} views of {root} can be used ({first})",
        fix="--images DIR if the photos are elsewhere",
    )
