"""`.sens` of VoxelHashing, BundleFusion and ScanNet (version 4): header, then frames of a pose and two blobs.

Camera to world, row by row, OpenCV axes; a lost frame's pose holds infinities. The file is walked once by seeking, and
only colour blobs of frames with a pose are copied out, one at a time, so that no more than one frame is in memory. JPEG
and PNG blobs become files as they are, raw ones PNG. Depth stays in the file: a view says where, and one depth map is
read at a time. The principal point is taken as counted from the top-left pixel's corner, as for the frame folder.
Source: SensReader, https://github.com/ScanNet/ScanNet.
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Float64
from PIL import Image as Pillow

from neuraltexgen.errors import ReaderError
from neuraltexgen.files import whole_file
from neuraltexgen.readers.depths import LARGEST_SIDE, DepthSensor, depth_sensor
from neuraltexgen.readers.drafts import Draft, make_scene
from neuraltexgen.readers.find import ReadOptions, find_mesh, is_file
from neuraltexgen.readers.lenses import perspective
from neuraltexgen.readers.poses import Repairs, cam_from_world, pinhole_of
from neuraltexgen.scene import Blob, DepthMap, Scene

VERSION = 4
RAW, PNG, JPEG = 0, 1, 2
RAW_DEPTH, ZLIB_DEPTH, NO_DEPTH = 0, 1, -1
MATRICES = struct.Struct("<64f")
SIZES = struct.Struct("<iiIIIIfQ")
FRAME = struct.Struct("<16fQQQQ")
SIGNATURES = {b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg"}
MESHES = ("*_vh_clean.ply", "*_vh_clean_2.ply")


@dataclass(frozen=True, eq=False)
class _Header:
    """What holds for all frames, and where the first begins."""

    intrinsics: Float64[np.ndarray, "4 4"]
    extrinsics: Float64[np.ndarray, "4 4"]
    compression: int
    size: tuple[int, int]
    depth_compression: int
    depth_size: tuple[int, int]
    depth: DepthSensor
    frames: int
    start: int


@dataclass(frozen=True, eq=False)
class _Frame:
    """A frame's pose and where its colour lies in the file; its depth lies behind it."""

    number: int
    world_from_cam: Float64[np.ndarray, "4 4"]
    at: int
    length: int
    depth_length: int


def detect(path: Path) -> bool:
    """Whether `path` is a .sens file of version 4, or a folder with one."""
    return any(_version(file) == VERSION for file in _candidates(path))


def read(path: Path, options: ReadOptions) -> Scene:
    """Extracts the colour of all frames with a pose, or finds it extracted, and reads them as views.

    Raises ReaderError: no .sens of version 4, a damaged header, nowhere to extract to, no view remains.
    """
    files = [file for file in _candidates(path) if _version(file) == VERSION]
    if not files:
        raise ReaderError(f"sens: no .sens file of version {VERSION} in {path}")
    file = files[0]
    notes = [f"{len(files)} .sens files found, '{file.name}' taken"] if len(files) > 1 else []
    folder = options.images or options.extract or file.with_name(f"{file.stem}_photos")
    repairs = Repairs()
    try:
        header, drafts, sight = _extract(file, folder, options.images is None, repairs)
    except OSError as error:
        raise ReaderError(
            f"sens: the photos of {file} can't be written to {folder} ({error.strerror})", fix="--extract DIR"
        ) from error
    notes += sight
    if len(drafts) < header.frames:
        reason = f"the file ends early: {header.frames - len(drafts)} of {header.frames} frames are missing"
        drafts.append(Draft(f"frame-{len(drafts):06d} and later", folder, problem=reason))
    notes.append(f"photos of {file.name} lie in {folder}")
    mesh = find_mesh("sens", file.parent, MESHES, options)
    return make_scene("sens", file.parent, drafts, options, mesh, repairs, notes)


def _extract(file: Path, folder: Path, write: bool, repairs: Repairs) -> tuple[_Header, list[Draft], list[str]]:
    """The header, a draft for each whole frame with its photo written to `folder` if need be, and notes."""
    drafts = []
    with file.open("rb") as opened:
        stat = os.fstat(opened.fileno())
        header = _header(opened, file, stat.st_size)
        lens = perspective(pinhole_of(header.intrinsics[:3, :3]), header.size)
        for frame in _frames(opened, header, stat.st_size):
            name = f"frame-{frame.number:06d}"
            try:
                pose = header.depth.photo_pose(cam_from_world(frame.world_from_cam, repairs, camera_to_world=True))
                photo = _photo(opened, header, frame, folder / name, stat.st_mtime if write else None)
                depth = _depth(file, header, frame)
                drafts.append(Draft(photo.name, photo, lens.model, lens.params, lens.size, pose, depth=depth))
            except ReaderError as error:
                drafts.append(Draft(name, folder / name, problem=error.message))
    notes = list(header.depth.notes)
    if not np.allclose(header.extrinsics, np.eye(4), atol=1e-5):
        notes.append("the colour camera's extrinsics are not the identity; they are not used")
    if header.depth_compression not in (RAW_DEPTH, ZLIB_DEPTH):
        notes.append(f"the depth has the compression {header.depth_compression}, which can't be read: it is not used")
    return header, drafts, notes


def _candidates(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.glob("*.sens") if is_file(file))
    return [path] if path.suffix.lower() == ".sens" and is_file(path) else []


def _version(file: Path) -> int:
    with file.open("rb") as opened:
        return int.from_bytes(opened.read(4), "little")


def _header(opened: BinaryIO, file: Path, end: int) -> _Header:
    """Reads no more than the file has, whatever lengths it states."""
    opened.seek(4)
    length = int.from_bytes(opened.read(8), "little")
    fixed = MATRICES.size + SIZES.size
    if 12 + length + fixed > end:
        raise ReaderError(f"sens: {file} is cut off in its header, or damaged", fix="copy it again")
    opened.seek(12 + length)
    data = opened.read(fixed)
    matrices = np.array(MATRICES.unpack_from(data), np.float64).reshape(4, 4, 4)
    compression, packing, width, height, *depth_size, shift, frames = SIZES.unpack_from(data, MATRICES.size)
    if compression not in (RAW, PNG, JPEG):
        raise ReaderError(f"sens: {file} has the unknown colour compression {compression}")
    if not (0 < width < 2**31 and 0 < height < 2**31):
        raise ReaderError(f"sens: {file} states photos of {width}x{height} pixels: damaged")
    depth_width, depth_height = depth_size
    if not (0 < depth_width <= LARGEST_SIDE and 0 < depth_height <= LARGEST_SIDE and 0 < shift < 1e9):
        packing, depth_width, depth_height, shift = NO_DEPTH, 1, 1, 1.0
    sensor = depth_sensor(shift, matrices[2], (depth_width, depth_height), matrices[3])
    sizes = (width, height), packing, (depth_width, depth_height)
    return _Header(matrices[0], matrices[1], compression, *sizes, sensor, frames, 12 + length + fixed)


def _frames(opened: BinaryIO, header: _Header, end: int) -> Iterator[_Frame]:
    """The frames that lie wholly in the file, without their blobs."""
    at = header.start
    for number in range(min(header.frames, (end - at) // FRAME.size)):
        opened.seek(at)
        data = opened.read(FRAME.size)
        if len(data) < FRAME.size:
            return
        *matrix, _, _, colour, depth = FRAME.unpack(data)
        at += FRAME.size
        if at + colour + depth > end:
            return
        yield _Frame(number, np.array(matrix, np.float64).reshape(4, 4), at, colour, depth)
        at += colour + depth


def _depth(file: Path, header: _Header, frame: _Frame) -> DepthMap | None:
    """Where the frame's depth lies; None if it has none, or one that can't be unpacked."""
    if frame.depth_length == 0 or header.depth_compression not in (RAW_DEPTH, ZLIB_DEPTH):
        return None
    packed = header.depth_compression == ZLIB_DEPTH
    return header.depth.depth_map(file, Blob(frame.at + frame.length, frame.depth_length, *header.depth_size, packed))


def _photo(opened: BinaryIO, header: _Header, frame: _Frame, stem: Path, newest: float | None) -> Path:
    """The frame's photo as a file, written unless a newer one than the .sens is there; with `newest` None, never.

    Raises ReaderError: no colour, or colour of another kind; OSError if the folder can't be written.
    """
    if header.compression == RAW:
        suffix = ".png"
    else:
        opened.seek(frame.at)
        signature = opened.read(min(4, frame.length))
        suffix = next((end for start, end in SIGNATURES.items() if signature.startswith(start)), "")
        if not suffix:
            raise ReaderError(f"its colour ({frame.length} bytes) is neither JPEG nor PNG")
    photo = stem.with_name(stem.name + suffix)
    if newest is None or _is_extracted(photo, frame, header.compression == RAW, newest):
        return photo
    opened.seek(frame.at)
    blob = opened.read(frame.length)
    with whole_file(photo) as temporary:
        if header.compression == RAW:
            _write_raw(temporary, blob, header.size)
        else:
            temporary.write_bytes(blob)
    return photo


def _is_extracted(photo: Path, frame: _Frame, raw: bool, newest: float) -> bool:
    if not is_file(photo):
        return False
    stat = photo.stat()
    return stat.st_mtime >= newest and (raw or stat.st_size == frame.length)


def _write_raw(path: Path, blob: bytes, size: tuple[int, int]) -> None:
    """RGB, 8 bit, row by row. Raises ReaderError: another number of bytes."""
    width, height = size
    if len(blob) != 3 * width * height:
        raise ReaderError(f"its raw colour has {len(blob)} bytes, not {3 * width * height}")
    Pillow.fromarray(np.frombuffer(blob, np.uint8).reshape(height, width, 3)).save(path, compress_level=1)
