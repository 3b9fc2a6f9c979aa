"""COLMAP sparse models, text and binary, alone, in a dense workspace, or in a ScanNet++ scene.

World to camera, OpenCV axes, pixel centres at +0.5: exactly our conventions. The files are walked here rather than by
pycolmap, which may end the process or take all memory on a damaged file; of its records only cameras and images are
needed. The poses in `images` are the images' own also where rigs are in use (COLMAP writes them composed).
Source: https://colmap.github.io/format.html.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from neuraltexgen.errors import ReaderError
from neuraltexgen.geometry import model_names, parameter_count
from neuraltexgen.readers.drafts import Draft, find_mask, make_scene
from neuraltexgen.readers.find import ReadOptions, find_mesh, find_photo, is_file, read_text
from neuraltexgen.readers.poses import Repairs, pose_from_quaternion, rigid
from neuraltexgen.scene import Scene

MODEL_FOLDERS = ("", "sparse", "sparse/*", "colmap/sparse/*", "colmap/sparse", "colmap", "dslr/colmap")
MESHES = ("meshed-poisson.ply", "meshed-delaunay.ply", "dense/meshed-poisson.ply", "dense/meshed-delaunay.ply")
MASKS = "masks"
"""Beside images: COLMAP's model can't name masks, and this is where people keep them."""

SCANNETPP_PHOTOS, SCANNETPP_MASKS = "resized_images", "resized_anon_masks"
SCANNETPP_MESHES = ("scans/mesh_aligned_0.05.ply", "../scans/mesh_aligned_0.05.ply")


@dataclass(frozen=True, eq=False)
class _Image:
    """An image record: its pose is not yet checked."""

    name: str
    camera: int
    quaternion: tuple[float, float, float, float]
    translation: tuple[float, float, float]


@dataclass(frozen=True)
class _StatedCamera:
    """A camera record; the numbers are not yet checked."""

    model: str
    size: tuple[int, int]
    params: tuple[float, ...]


def detect(path: Path) -> bool:
    """Whether there is a model at `path`, in `sparse`, in `sparse/0` or the like."""
    return bool(_models(path))


def read(path: Path, options: ReadOptions) -> Scene:
    """Reads the model with the most images. Raises ReaderError: damaged, unknown camera model, no view remains."""
    models = _models(path)
    if not models:
        raise ReaderError(f"colmap: no cameras and images files in {path}, its sparse or sparse/0")
    records = [(_read_model(model), model) for model in models]
    (cameras, images), model = max(records, key=lambda record: len(record[0][1]))
    notes = []
    if len(models) > 1:
        notes.append(f"{len(models)} COLMAP models found, the largest taken: {model.name} with {len(images)} images")
    root = path if path.is_dir() and not _holds_model(path) else _workspace(model)
    folders = _image_folders(root, model, options)
    repairs = Repairs()
    drafts = [_draft(image, cameras, folders, repairs) for image in images]
    for masks in (folder for folder in (model.parent / SCANNETPP_MASKS, root / MASKS) if folder.is_dir()):
        drafts = [replace(draft, mask=draft.mask or find_mask(masks, draft.name, draft.photo)) for draft in drafts]
        used = sum(draft.mask is not None for draft in drafts)
        notes += [f"{used} masks are those of {masks.name}"] if used else []
    return make_scene(
        "colmap", root, drafts, options, find_mesh("colmap", root, MESHES + SCANNETPP_MESHES, options), repairs, notes
    )


def _models(path: Path) -> list[Path]:
    """The folders that hold a model, without doubles; a file stands for its folder."""
    root = path.parent if path.is_file() else path
    return [folder for pattern in MODEL_FOLDERS for folder in _matching(root, pattern) if _holds_model(folder)]


def _matching(root: Path, pattern: str) -> list[Path]:
    return sorted(root.glob(pattern)) if pattern else [root]


def _holds_model(folder: Path) -> bool:
    return any(
        all(is_file(folder / f"{kind}{suffix}") for kind in ("cameras", "images")) for suffix in (".bin", ".txt")
    )


def _workspace(model: Path) -> Path:
    """The folder that a model's own folder belongs to: the first above it with images, else the model's."""
    return next((up for up in (model, *model.parents[:3]) if (up / "images").is_dir()), model)


def _image_folders(root: Path, model: Path, options: ReadOptions) -> list[Path]:
    if options.images is not None:
        return [options.images]
    return [root / "images", model / "images", root / "rgb", model.parent / SCANNETPP_PHOTOS, root]


def _draft(image: _Image, cameras: dict[int, _StatedCamera], folders: list[Path], repairs: Repairs) -> Draft:
    photo = find_photo(folders, image.name)
    camera = cameras.get(image.camera)
    if camera is None:
        return Draft(image.name, photo, problem=f"its camera {image.camera} is not in the cameras file")
    try:
        pose = rigid(pose_from_quaternion(image.quaternion, image.translation), repairs)
    except ReaderError as error:
        return Draft(image.name, photo, problem=error.message)
    return Draft(image.name, photo, camera.model, camera.params, camera.size, pose)


def _read_model(folder: Path) -> tuple[dict[int, _StatedCamera], list[_Image]]:
    """The cameras by id and the images sorted by name; the binary form is preferred, as COLMAP does."""
    try:
        if is_file(folder / "cameras.bin") and is_file(folder / "images.bin"):
            cameras, images = _binary_cameras(folder / "cameras.bin"), _binary_images(folder / "images.bin")
        else:
            cameras, images = _text_cameras(folder / "cameras.txt"), _text_images(folder / "images.txt")
        return dict(cameras), sorted(images, key=lambda image: image.name)
    except (struct.error, OSError) as error:
        raise ReaderError(
            f"colmap: {folder}: a file is cut off or damaged ({error})", fix="copy the model again"
        ) from error


def _binary_cameras(path: Path) -> Iterator[tuple[int, _StatedCamera]]:
    data = path.read_bytes()
    (count,), at = struct.unpack_from("<Q", data), 8
    names = model_names()
    for _ in range(count):
        number, model, width, height = struct.unpack_from("<IiQQ", data, at)
        if model not in names:
            raise ReaderError(f"colmap: {path}: camera {number} has the unknown model {model}: damaged, or too new")
        kind = f"<{parameter_count(names[model])}d"
        yield number, _StatedCamera(names[model], (width, height), struct.unpack_from(kind, data, at + 24))
        at += 24 + struct.calcsize(kind)


def _binary_images(path: Path) -> Iterator[_Image]:
    data = path.read_bytes()
    (count,), at = struct.unpack_from("<Q", data), 8
    for _ in range(count):
        _, w, i, j, k, x, y, z, camera = struct.unpack_from("<I7dI", data, at)
        end = data.index(b"\0", at + 64) if b"\0" in data[at + 64 : at + 64 + 4096] else len(data)
        name = data[at + 64 : end].decode("utf-8", "replace")
        (observations,) = struct.unpack_from("<Q", data, end + 1)
        yield _Image(name, camera, (w, i, j, k), (x, y, z))
        at = end + 9 + 24 * observations
        if at > len(data):
            raise ReaderError(f"colmap: {path}: cut off in image '{name}'", fix="copy the model again")


def _text_cameras(path: Path) -> Iterator[tuple[int, _StatedCamera]]:
    for line in read_text(path).splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        try:
            number, width, height = int(words[0]), int(float(words[2])), int(float(words[3]))
            camera = _StatedCamera(words[1], (width, height), tuple(float(word) for word in words[4:]))
        except (IndexError, ValueError, OverflowError) as error:
            raise _bad_line(path, line) from error
        if camera.model not in model_names().values():
            raise ReaderError(f"colmap: {path}: unknown camera model {camera.model!r}")
        yield number, camera


def _text_images(path: Path) -> Iterator[_Image]:
    lines = iter(read_text(path).split("\n"))
    for line in lines:
        words = line.split(maxsplit=9)
        if not words or words[0].startswith("#"):
            continue
        next(lines, None)  # the image's 2D points, perhaps an empty line
        try:
            w, i, j, k, x, y, z = (float(word) for word in words[1:8])
            yield _Image(words[9].strip(), int(words[8]), (w, i, j, k), (x, y, z))
        except (IndexError, ValueError) as error:
            raise _bad_line(path, line) from error


def _bad_line(path: Path, line: str) -> ReaderError:
    return ReaderError(f"colmap: {path}: a line makes no sense: {line.strip()[:80]!r}", fix="export the model again")
