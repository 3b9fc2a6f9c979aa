"""Captures from disk: one format per file, and the table of them with detection."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from neuraltexgen.errors import ReaderError
from neuraltexgen.readers import (
    alicevision,
    arkitscenes,
    bundler,
    colmap,
    frames,
    matterport,
    metashape,
    mve,
    neuraltexgen,
    nvm,
    open3d,
    openmvg,
    polycam,
    realityscan,
    record3d,
    scannet,
    sens,
    transforms,
    tum,
)
from neuraltexgen.readers.find import ReadOptions
from neuraltexgen.readers.prepared import read_prepared
from neuraltexgen.scene import Scene

__all__ = ["READERS", "ReadOptions", "Reader", "detect", "formats_table", "read_capture", "read_prepared"]


@dataclass(frozen=True)
class Reader:
    """A capture format: how to tell it and how to read it.

    `title`, `description` (what is looked for) and `mesh` (which mesh is taken) are Markdown: the README's row.
    """

    name: str
    title: str
    description: str
    mesh: str
    detect: Callable[[Path], bool]
    read: Callable[[Path, ReadOptions], Scene]


def read_capture(path: Path, options: ReadOptions = ReadOptions()) -> Scene:  # noqa: B008  (it is frozen)
    """Reads a capture: a folder, or the file that defines it (`transforms.json`, an id list).

    The mesh is None if there is none. Views that can't be used are in `left_out`, what was repaired or assumed is in
    `notes`. Raises ReaderError: nothing there, no known format, no view remains, or with `missing="error"` any view
    that can't be used. Raises MeshError or ImageError for a broken mesh.
    """
    named = [reader for reader in READERS if reader.name == options.format]
    if not named and options.format != "auto":
        names = ", ".join(reader.name for reader in READERS)
        raise ReaderError(f"unknown capture format '{options.format}'", fix=f"--format auto or one of {names}")
    matching = named or _matching(path)
    scene = matching[0].read(path, options)
    if len(matching) == 1:
        return scene
    others = ", ".join(reader.name for reader in matching[1:])
    return replace(scene, notes=(f"read as {scene.format}; it could also be {others} (--format)", *scene.notes))


def detect(path: Path) -> str:
    """The name of the first reader that knows the capture. Raises ReaderError: nothing there, or no known format."""
    return _matching(path)[0].name


def _matching(path: Path) -> list[Reader]:
    if not path.exists():
        raise ReaderError(f"no capture at {path}: no such file or folder")
    matching = [reader for reader in READERS if reader.detect(path)]
    if not matching:
        looked_for = "; ".join(f"{reader.name}: {reader.description}" for reader in READERS).replace("`", "")
        raise ReaderError(
            f"{path} is no capture that can be read. Looked for {looked_for}", fix="--format NAME, see docs"
        )
    return matching


def formats_table() -> str:
    """The README's table of what can be read, as Markdown: a row per reader, in the order of detection."""
    rows = [(r.title, f"`{r.name}`", r.description, r.mesh) for r in READERS]
    rows.append(("NeuralTexGen, prepared", "", "`images/` and `uvs/`, for `neuraltexgen fit`", "`--mesh`, optional"))
    head = ("| Format | `--format` | What is looked for | Mesh |", "|---|---|---|---|")
    return "\n".join((*head, *(f"| {' | '.join(row)} |" for row in rows))) + "\n"


AT_TOP = "a mesh at the top"

READERS: tuple[Reader, ...] = (
    Reader(
        "transforms",
        "nerfstudio, instant-ngp, Blender-NeRF",
        "`transforms.json`, or `transforms_train.json` with `_val` and `_test`; masks and lenses per frame too",
        "a mesh beside it",
        transforms.detect,
        transforms.read,
    ),
    Reader(
        "colmap",
        "COLMAP, ScanNet++",
        "`cameras` and `images`, `.bin` or `.txt`, at the top, in `sparse`, `dslr/colmap` or below; every camera model",
        "`meshed-poisson.ply`, `meshed-delaunay.ply`, or another mesh at the top",
        colmap.detect,
        colmap.read,
    ),
    Reader(
        "frames",
        "7-Scenes, BundleFusion",
        "`frame-*.color.*` with `.pose.txt`, and `camera-intrinsics.txt` or `info.txt`",
        AT_TOP,
        frames.detect,
        frames.read,
    ),
    Reader(
        "neuraltexgen",
        "NeuralTexGen",
        "`camera/ID.txt` and `color/ID.jpg`, an id list, at the top or in `frames/*`",
        "an `.off` beside it",
        neuraltexgen.detect,
        neuraltexgen.read,
    ),
    Reader(
        "tum",
        "TUM RGB-D",
        "`rgb.txt` and `groundtruth.txt`; `calibration.txt`, or `freiburg1` to `3` in the folder's name",
        AT_TOP,
        tum.detect,
        tum.read,
    ),
    Reader(
        "open3d",
        "Open3D trajectories",
        "a `.log` with `camera_intrinsic.json`, or a `.json` trajectory; photos in `color` or the like",
        AT_TOP,
        open3d.detect,
        open3d.read,
    ),
    Reader(
        "bundler",
        "Bundler",
        "`bundle.out` at the top or in `bundle`, and its image list",
        AT_TOP,
        bundler.detect,
        bundler.read,
    ),
    Reader(
        "nvm",
        "VisualSFM",
        "a `.nvm` file (NVM_V3)",
        "a mesh beside it",
        nvm.detect,
        nvm.read,
    ),
    Reader(
        "mve",
        "MVE",
        "`views/*.mve` with `meta.ini` and `undistorted.*` or `original.*`",
        AT_TOP,
        mve.detect,
        mve.read,
    ),
    Reader(
        "openmvg",
        "OpenMVG",
        "`sfm_data.json`",
        "a mesh beside it",
        openmvg.detect,
        openmvg.read,
    ),
    Reader(
        "alicevision",
        "AliceVision, Meshroom",
        "`sfm.json`, `cameras.sfm` or another `.sfm` with poses",
        "a mesh beside it",
        alicevision.detect,
        alicevision.read,
    ),
    Reader(
        "sens",
        "BundleFusion, VoxelHashing, ScanNet",
        "a `.sens` file (version 4)",
        "`*_vh_clean.ply`, or another mesh beside it",
        sens.detect,
        sens.read,
    ),
    Reader(
        "metashape",
        "Agisoft Metashape",
        "an `.xml` of exported cameras; chunk and component transforms",
        "a mesh beside it",
        metashape.detect,
        metashape.read,
    ),
    Reader(
        "realityscan",
        "RealityScan, RealityCapture",
        "an `.xmp` beside each photo, at the top or in `images`",
        AT_TOP,
        realityscan.detect,
        realityscan.read,
    ),
    Reader(
        "polycam",
        "Polycam",
        "the raw export: `keyframes/` with `corrected_cameras`, else `cameras`",
        AT_TOP,
        polycam.detect,
        polycam.read,
    ),
    Reader(
        "record3d",
        "Record3D",
        "`metadata` with `poses` and `K`, photos in `rgb`",
        AT_TOP,
        record3d.detect,
        record3d.read,
    ),
    Reader(
        "arkitscenes",
        "ARKitScenes",
        "`lowres_wide.traj` with `wide`, `vga_wide` or `lowres_wide` and their `_intrinsics`",
        "`*_3dod_mesh.ply`",
        arkitscenes.detect,
        arkitscenes.read,
    ),
    Reader(
        "scannet",
        "ScanNet, exported",
        "`color`, `pose` and `intrinsic/intrinsic_color.txt`, at the top, in `exported` or `frames`",
        "`*_vh_clean.ply`, `*_vh_clean_2.ply`",
        scannet.detect,
        scannet.read,
    ),
    Reader(
        "matterport",
        "Matterport3D",
        "`undistorted_camera_parameters/HOUSE.conf`",
        "`poisson_meshes/*.ply`, `house_segmentations/*.ply`",
        matterport.detect,
        matterport.read,
    ),
)
