"""A capture in, a capture of enhanced photos out, as a COLMAP text model with its photos and mesh."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from neuraltexgen.enhance.photo import written_suffix
from neuraltexgen.enhance.scene import Enhanced, enhance_scene
from neuraltexgen.enhance.settings import EnhanceSettings
from neuraltexgen.errors import ConfigError, EnhanceError
from neuraltexgen.export.capture import paths_below_images, write_capture_mesh
from neuraltexgen.export.colmap import CAMERAS, write_colmap
from neuraltexgen.files import write_json
from neuraltexgen.readers import ReadOptions, read_capture
from neuraltexgen.readers.find import PHOTO_SUFFIXES
from neuraltexgen.scene import View
from neuraltexgen.types import Progress, no_progress

RECORD = "enhanced.json"
CACHE = Path(".cache") / "photos"


def enhance_capture(
    capture: Path,
    out: Path,
    settings: EnhanceSettings,
    read: ReadOptions | None = None,
    device: str = "auto",
    memory: float | None = None,
    progress: Progress = no_progress,
) -> Enhanced:
    """Writes the capture with its photos enhanced into `out`: images/, sparse/0/*.txt, the mesh, and enhanced.json.

    Photos keep their names and folders, with the suffix .png (or .exr). The cameras come last, so that a folder that
    was cut short is not taken for a capture; the same call then goes on. Depth maps are not copied.
    Raises ConfigError: nothing to do; EnhanceError: `out` holds something else, or views share a name; and what
    `read_capture` and `enhance_scene` raise.
    """
    if not settings.on:
        raise ConfigError("nothing to do to the photos", fix="--denoise 1, --sharpen 0.5, --white-balance or a model")
    scene = read_capture(capture, read or ReadOptions())
    _check_free(out, scene.views)
    names = written_names(scene.views)
    done = enhance_scene(scene, settings, out / CACHE, device, memory, progress)
    (out / CAMERAS).unlink(missing_ok=True)
    views = []
    for view, name in zip(done.scene.views, names, strict=True):
        photo = out / "images" / name
        photo.parent.mkdir(parents=True, exist_ok=True)
        views.append(replace(view, photo=view.photo.replace(photo)))
    write_capture_mesh(out, scene.mesh)
    done = replace(done, scene=replace(done.scene, views=tuple(views)))
    write_json(out / RECORD, done.figures())
    write_colmap(out, views, names)
    shutil.rmtree(out / CACHE.parent, ignore_errors=True)
    return done


def written_names(views: Sequence[View]) -> list[str]:
    """The enhanced photos' paths below images/: the views' names with the suffix of the new file.

    A folder images/ that all names begin with is dropped. Where two photos differ in the suffix alone, all keep theirs
    before the new one. Raises EnhanceError: two views of one name.
    """
    paths = paths_below_images(views)
    bare = [path.with_suffix("") if path.suffix.lower() in PHOTO_SUFFIXES else path for path in paths]
    chosen = bare if len(set(bare)) == len(bare) else paths
    if len(set(chosen)) < len(chosen):
        raise EnhanceError(f"{len(chosen) - len(set(chosen))} of {len(chosen)} views share a name", fix="rename photos")
    return [f"{path}{written_suffix(view)}" for path, view in zip(chosen, views, strict=True)]


def _check_free(out: Path, views: Sequence[View]) -> None:
    """`out` must be new, empty, or made here before: nothing else is ever written over."""
    place = out.resolve()
    inside = sum(place in view.photo.resolve().parents for view in views)
    ours = (out / RECORD).is_file() or (out / CACHE).is_dir()
    if not inside and (ours or not out.is_dir() or not any(out.iterdir())):
        return
    what = f"{inside} of the capture's photos" if inside else "something else"
    raise EnhanceError(f"{out} holds {what}: enhanced photos need a folder of their own", fix="-o with a new folder")
