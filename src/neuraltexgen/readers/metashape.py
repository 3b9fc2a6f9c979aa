"""Agisoft Metashape's cameras as XML (File > Export > Export Cameras).

`camera/transform` is camera to world, row by row, OpenCV axes, in the chunk's own frame; the transform of the camera's
component, or of the chunk, takes it to the exported mesh's. The principal point counts from the photo's middle, and
p1, p2 are OpenCV's p2, p1. b1 makes the pixels' shape; b2 (skew), and k4 of a frame camera, no COLMAP model has.
Sources: the official scripts, https://github.com/agisoft-llc/metashape-scripts, and the appendix "Camera models" of
Metashape's manual.
"""

from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np
from jaxtyping import Float64

from neuraltexgen.errors import ReaderError
from neuraltexgen.readers.drafts import Draft, make_scene
from neuraltexgen.readers.find import ReadOptions, files_like, find_mesh, find_photo, numbers_in, pixel_size, read_xml
from neuraltexgen.readers.lenses import Lens, perspective
from neuraltexgen.readers.poses import Repairs, cam_from_world, matrix_of
from neuraltexgen.scene import Scene

FILES = ("cameras.xml", "*.xml")
MARKS = ("<document", "<chunk")
FISHEYES = ("fisheye", "equidistant_fisheye")


@dataclass(frozen=True, eq=False)
class _Chunk:
    """A chunk's cameras, its sensors by id, and what takes each component's frame to the world."""

    cameras: list[Element]
    sensors: dict[str, Element]
    world_from: dict[str, Float64[np.ndarray, "4 4"]]
    whole: Float64[np.ndarray, "4 4"]
    folders: list[Path]
    repairs: Repairs


def detect(path: Path) -> bool:
    """Whether `path` is such a file, or a folder with one."""
    return bool(files_like(path, FILES, MARKS))


def read(path: Path, options: ReadOptions) -> Scene:
    """Reads the cameras of the first chunk that has any. Raises ReaderError: no XML, no cameras, no view remains."""
    files = files_like(path, FILES, MARKS) or files_like(path, FILES)
    if not files:
        raise ReaderError(f"metashape: no XML file of cameras in {path}")
    file = files[0]
    root = file.parent
    folders = [options.images] if options.images is not None else [root, root / "images"]
    chunk, notes = _chunk(read_xml("metashape", file), file, folders)
    drafts = [_draft(camera, chunk) for camera in chunk.cameras]
    mesh = find_mesh("metashape", root, (), options)
    return make_scene("metashape", root, drafts, options, mesh, chunk.repairs, notes)


def _chunk(root: Element, file: Path, folders: list[Path]) -> tuple[_Chunk, list[str]]:
    chunks = [chunk for chunk in root.iter("chunk") if chunk.find("cameras") is not None]
    if not chunks:
        raise ReaderError(f"metashape: {file} has no chunk with cameras")
    notes = [f"{len(chunks)} chunks found, the first with cameras taken"] if len(chunks) > 1 else []
    chunk = chunks[0]
    if (chunk.findtext("reference") or "").strip().startswith(("GEOGCS", "PROJCS", "COMPD_CS")):
        notes.append("the chunk has geographic coordinates: a mesh must be exported in geocentric or local ones to fit")
    components = {c.get("id", ""): _similarity(c.find("transform")) for c in chunk.iterfind("components/component")}
    cameras = [camera for listed in chunk.iterfind("cameras") for camera in listed.iter("camera")]
    sensors = {sensor.get("id", ""): sensor for sensor in chunk.iterfind("sensors/sensor")}
    return _Chunk(cameras, sensors, components, _similarity(chunk.find("transform")), folders, Repairs()), notes


def _similarity(stated: Element | None) -> Float64[np.ndarray, "4 4"]:
    """The 4x4 matrix of a transform: rotation, translation and scale, or 16 numbers; the identity if there is none.

    Raises ReaderError: another number of numbers.
    """
    if stated is None:
        return np.eye(4)
    if len(stated) == 0:
        return _numbers(stated.text, 16, "transform").reshape(4, 4) if (stated.text or "").strip() else np.eye(4)
    parts = {"rotation": "1 0 0 0 1 0 0 0 1", "translation": "0 0 0", "scale": "1"}
    parts |= {child.tag: child.text or "" for child in stated if child.tag in parts}
    rotation = _numbers(parts["rotation"], 9, "rotation").reshape(3, 3)
    scale = _numbers(parts["scale"], 1, "scale")
    return matrix_of(rotation * scale, _numbers(parts["translation"], 3, "translation"))


def _numbers(text: str | None, count: int, what: str) -> Float64[np.ndarray, " k"]:
    values = np.array(numbers_in(text or ""))
    if len(values) != count:
        raise ReaderError(f"'{what}' holds {len(values)} numbers, not {count}")
    return values


def _draft(camera: Element, chunk: _Chunk) -> Draft:
    name = camera.get("label") or f"camera {camera.get('id')}"
    photo = find_photo(chunk.folders, name)
    stated = camera.find("transform")
    if stated is None:
        reason = "it hangs on a rig's master camera, which is not supported" if camera.get("master_id") else "no pose"
        return Draft(name, photo, problem=f"it was not aligned: {reason}" if reason == "no pose" else reason)
    try:
        sensor = chunk.sensors.get(camera.get("sensor_id", ""))
        if sensor is None:
            raise ReaderError(f"its sensor {camera.get('sensor_id')} is not in the file")
        lens = _lens(sensor)
        world_from = chunk.world_from.get(camera.get("component_id", ""), chunk.whole)
        with np.errstate(invalid="ignore", over="ignore"):  # a lost pose, sorted out next
            matrix = world_from @ _numbers(stated.text, 16, "transform").reshape(4, 4)
        pose = _unscaled(matrix, world_from, chunk.repairs)
    except ReaderError as error:
        return Draft(name, photo, problem=error.message)
    return Draft(name, photo, lens.model, lens.params, lens.size, pose)


def _unscaled(
    matrix: Float64[np.ndarray, "4 4"], world_from: Float64[np.ndarray, "4 4"], repairs: Repairs
) -> Float64[np.ndarray, "4 4"]:
    """Our pose; the component's scale belongs to the world, and only stretches the camera's own axes besides."""
    scale = float(np.cbrt(np.linalg.det(world_from[:3, :3])))
    if not 1e-12 < scale < 1e12:
        raise ReaderError(f"its component's scale is {scale:g}")
    result = matrix.copy()
    result[:3, :3] /= scale
    return cam_from_world(result, repairs, camera_to_world=True)


def _lens(sensor: Element) -> Lens:
    """From the adjusted calibration. Raises ReaderError: none, or what no COLMAP model has."""
    found = sensor.findall("calibration")
    calibration = next((c for c in found if c.get("class") == "adjusted"), found[0] if found else None)
    kind = (sensor.get("type") or "frame").lower()
    resolution = sensor.find("resolution") if calibration is None else calibration.find("resolution")
    resolution = sensor.find("resolution") if resolution is None else resolution
    if resolution is None:
        raise ReaderError("its sensor states no resolution")
    width, height = (float(_numbers(resolution.get(side), 1, side)[0]) for side in ("width", "height"))
    size = pixel_size(width, height)
    if kind == "spherical":
        return Lens("EQUIRECTANGULAR", (float(size[0]), float(size[1])), size)
    if calibration is None:
        raise ReaderError("its sensor has no calibration")
    terms = {key: _term(calibration, key) for key in ("f", "cx", "cy", "b1", "b2", "k1", "k2", "k3", "k4", "p1", "p2")}
    more = [key for key in ("p3", "p4") if _term(calibration, key)]
    f, cx, cy, b1, b2, k1, k2, k3, k4, p1, p2 = terms.values()
    refused = [f"b2 = {b2:g} (skew)"] if b2 else []
    refused += [f"k4 = {k4:g}"] if k4 and kind == "frame" else []
    if refused or more or kind not in ("frame", *FISHEYES):
        what = ", ".join((*refused, *more)) or f"the sensor type '{kind}'"
        raise ReaderError(f"no COLMAP model has {what}: export undistorted photos, or align without it")
    pinhole = (f + b1, f, size[0] / 2 + cx, size[1] / 2 + cy)
    if kind == "frame":
        return perspective(pinhole, size, (k1, k2, k3), (p2, p1))
    if p1 or p2:
        return Lens("THIN_PRISM_FISHEYE", (*pinhole, k1, k2, p2, p1, k3, k4, 0.0, 0.0), size)
    return Lens("OPENCV_FISHEYE", (*pinhole, k1, k2, k3, k4), size)


def _term(calibration: Element, key: str) -> float:
    text = calibration.findtext(key)
    return 0.0 if text is None else float(_numbers(text, 1, key)[0])
