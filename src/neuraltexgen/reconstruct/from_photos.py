"""From a folder of photos to a capture: cameras, a surface, and a verdict, written where `texture` reads them."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pycolmap

from neuraltexgen.errors import ConfigError, ReconstructError
from neuraltexgen.files import copy_whole
from neuraltexgen.images import read_mask, write_png
from neuraltexgen.meshes import write_mesh
from neuraltexgen.readers.find import MESH_SUFFIXES
from neuraltexgen.reconstruct.coverage import Coverage, Verdict, judge, measure_coverage
from neuraltexgen.reconstruct.dense import DenseCloud, DenseSettings, dense_cloud
from neuraltexgen.reconstruct.features import FeatureSettings
from neuraltexgen.reconstruct.opencv import has_opencv, import_opencv
from neuraltexgen.reconstruct.patch_match import has_patch_match, patch_match_cloud
from neuraltexgen.reconstruct.photos import read_photos
from neuraltexgen.reconstruct.sfm import Motion, find_motion
from neuraltexgen.reconstruct.sparse_cloud import sparse_cloud
from neuraltexgen.reconstruct.surface import SurfaceSettings, make_surface
from neuraltexgen.scene import Mesh, Scene, View
from neuraltexgen.types import Progress, no_progress

Surface = Literal["auto", "cuda", "stereo", "sparse", "none"]

MOST_FACES = 150_000

DETAIL, DENSE_REACH = 2.0, 2.0
"""Size of a dense surface's details in cells of its cloud: finer is noise; and how far it may go beyond its points."""

SPARSE_REACH = 4.0
"""How far a sparse surface may go beyond its points, in their usual distance: it must bridge more than a dense one."""


@dataclass(frozen=True)
class PhotoSettings:
    """What decides a reconstruction from photos.

    `surface`: cuda (COLMAP's PatchMatch), stereo (semi-global matching on the processor), sparse (through the sparse
    points, poor), none, or auto: the first of these that runs here. `masks`: a folder with masks for photos.
    """

    features: FeatureSettings = FeatureSettings()
    dense: DenseSettings = DenseSettings()
    surface: Surface = "auto"
    faces: int = MOST_FACES
    masks: Path | None = None

    def __post_init__(self) -> None:
        if self.faces < 100:
            raise ConfigError(f"--faces {self.faces}: at least 100")


@dataclass(frozen=True, eq=False)
class FromPhotos:
    """What was found. `scene` has the views as written, and the mesh unless none was asked for.

    `method`: what made the surface: cuda, stereo, sparse or none. `covered`: the share of each view with a depth.
    """

    scene: Scene
    coverage: Coverage
    verdict: Verdict
    method: Surface
    covered: tuple[float, ...] = ()

    def figures(self) -> dict[str, Any]:
        """Everything as plain numbers and text, for JSON."""
        return {
            "views": [view.name for view in self.scene.views],
            "left_out": [{"name": view.name, "reason": view.reason} for view in self.scene.left_out],
            "coverage": {**vars(self.coverage), "pieces": list(self.coverage.pieces)},
            "verdict": {"level": self.verdict.level, "sentences": list(self.verdict.sentences)},
            "surface": self.method,
            "faces": 0 if self.scene.mesh is None else len(self.scene.mesh.faces),
            "notes": list(self.scene.notes),
        }


def reconstruct_photos(
    folder: Path,
    out: Path,
    settings: PhotoSettings | None = None,
    cache: Path | None = None,
    progress: Progress = no_progress,
) -> FromPhotos:
    """Finds cameras and a surface, and writes a COLMAP capture: out/images, out/masks, out/sparse/0 and out/mesh.ply.

    Cameras come last: without them `out` is no capture. `cache` (out/.cache if None) keeps each finished stage, so that
    a killed run goes on; out/.cache is removed in the end. World units are arbitrary: photos don't tell a scene's size.
    Raises ReconstructError: too few photos, none of which fit together, or no surface; ConfigError: `out` is inside
    the folder of photos, or holds something else.
    """
    settings = settings or PhotoSettings()
    _check_place(folder, out)
    method = choose_surface(settings.surface)
    own_cache, cache = cache is None, cache or out / ".cache"
    photos = read_photos(folder, progress)
    motion = find_motion(photos, cache, settings.features, settings.masks, progress)
    coverage = measure_coverage(motion.sparse, len(photos.names) + len(photos.left_out), motion.pieces)
    verdict = judge(coverage)
    mesh, covered, note = _surface(motion, folder, cache, method, settings, progress)
    views = _write_photos(motion, out, progress)
    if mesh is not None:
        write_mesh(out / "mesh.ply", mesh)
    _write_model(motion.model, out)
    if own_cache:
        shutil.rmtree(cache, ignore_errors=True)
    notes = (*motion.notes, *note)
    scene = Scene(folder.resolve().name, "photos", views, mesh, motion.left_out, notes)
    return FromPhotos(scene, coverage, verdict, method, covered)


def choose_surface(asked: Surface) -> Surface:
    """What will make the surface. Raises ReconstructError if it was asked for by name and does not run here."""
    if asked == "auto":
        return "cuda" if has_patch_match() else "stereo" if has_opencv() else "sparse"
    if asked == "cuda" and not has_patch_match():
        raise ReconstructError("PatchMatch stereo needs a pycolmap that was built with CUDA", fix="--surface stereo")
    if asked == "stereo":
        import_opencv()
    return asked


def _surface(
    motion: Motion, folder: Path, cache: Path, method: Surface, settings: PhotoSettings, progress: Progress
) -> tuple[Mesh | None, tuple[float, ...], tuple[str, ...]]:
    """The mesh, the share of each view that has depth, and a note on what made it."""
    if method == "none":
        return None, (), ()
    if method == "sparse":
        cloud, cell = sparse_cloud(motion.sparse)
        surface = SurfaceSettings(settings.faces, max(cell, 1e-12), SPARSE_REACH)
        note = f"the surface goes through {len(cloud.points)} sparse points only: a rough guess at the shape"
        if settings.surface == "auto":
            note += " (pip install 'neuraltexgen[stereo]' for a dense one)"
        return make_surface(cloud, surface, progress), (), (note,)
    dense = _dense(motion, folder, cache, method, settings, progress)
    surface = SurfaceSettings(settings.faces, DETAIL * dense.cell, DENSE_REACH)
    mesh = make_surface(dense.cloud, surface, progress)
    empty = sum(share < 0.05 for share in dense.covered)
    notes = [f"{len(dense.cloud.points):,} points by {METHODS[method]}"]
    if empty:
        notes.append(
            f"{empty} of {len(dense.covered)} photos gave no depth: too few others show the same from the side"
        )
    return mesh, dense.covered, tuple(notes)


def _dense(
    motion: Motion, folder: Path, cache: Path, method: Surface, settings: PhotoSettings, progress: Progress
) -> DenseCloud:
    if method == "cuda":
        place, longest = cache / f"cuda-{motion.key}", settings.dense.longest
        return patch_match_cloud(motion.sparse, motion.model, folder, place, longest, progress)
    return dense_cloud(motion.sparse, cache, motion.key, settings.dense, progress)


def _check_place(folder: Path, out: Path) -> None:
    """The photos are read from below `folder`: what is written there would be read again."""
    if out.suffix.lower() in MESH_SUFFIXES:
        raise ConfigError(f"{out}: photos give cameras and a mesh, which need a folder", fix="-o with a folder")
    inside, around = out.resolve(), folder.resolve()
    if inside == around or around in inside.parents:
        raise ConfigError(f"{out} lies in the folder of photos", fix="-o with a folder elsewhere")
    strange = [p.name for p in out.iterdir() if p.name not in OURS] if out.is_dir() else []
    if strange:
        raise ConfigError(f"{out} holds something else ({strange[0]})", fix="-o with a new folder")


def _write_photos(motion: Motion, out: Path, progress: Progress) -> tuple[View, ...]:
    """The registered photos, copied whole to images/, and their masks to masks/, where COLMAP's captures have them."""
    views = []
    for view in progress(motion.sparse.views, "copy", len(motion.sparse.views)):
        photo, mask = out / "images" / view.name, None
        copy_whole(view.photo, photo)
        if view.mask is not None:
            mask = out / "masks" / f"{view.name}.png"
            pixels = np.repeat(read_mask(view.mask)[..., None], 3, axis=2)
            write_png(mask, pixels.astype(np.float32), bits=8)
        views.append(replace(view, photo=photo, mask=mask))
    return tuple(views)


def _write_model(model: pycolmap.Reconstruction, out: Path) -> None:
    """COLMAP's model with its points as sparse/0, in one step."""
    unfinished, finished = out / ".cache-model", out / "sparse" / "0"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    model.write(unfinished)
    finished.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(finished, ignore_errors=True)
    unfinished.rename(finished)


OURS = ("images", "masks", "sparse", "mesh.ply", ".cache", ".cache-model")
"""What this writes: an output folder with nothing else may be written again."""

METHODS: dict[str, str] = {
    "cuda": "PatchMatch stereo (CUDA)",
    "stereo": "semi-global matching on the processor",
}
