"""NeuralTexGen's prepared folder, both ways: UV maps and photos written for it, and a texture fitted from it."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neuraltexgen.errors import ConfigError
from neuraltexgen.export import export_textured_mesh
from neuraltexgen.export.capture import write_upright
from neuraltexgen.files import copy_whole, plain, write_json
from neuraltexgen.fill import fill_texture
from neuraltexgen.fill.gutters import spread_nearest
from neuraltexgen.images import read_photo, write_png
from neuraltexgen.meshes import read_mesh, write_mesh
from neuraltexgen.pipeline import FILL_WEIGHT
from neuraltexgen.readers import read_prepared
from neuraltexgen.scene import Mesh, Scene, View
from neuraltexgen.training import Clock, Trained, train_and_score
from neuraltexgen.training_settings import TrainSettings
from neuraltexgen.types import Image, Progress, no_progress
from neuraltexgen.uvmap.exr import write_uv_map
from neuraltexgen.uvmap.render import make_renderer
from neuraltexgen.view_cache import hidden_pixels, prepare_folder


@dataclass(frozen=True)
class UVMapSettings:
    """`scale`: size of a UV map over that of its photo. `half`: 16-bit floats. `fields`: also face id, distance, ...

    `renderer`: a name for `make_renderer`.
    """

    scale: int = 2
    half: bool = False
    fields: bool = True
    renderer: str = "auto"

    def __post_init__(self) -> None:
        if self.scale < 1:
            raise ConfigError(f"uvmap: scale {self.scale} must be at least 1")


@dataclass(frozen=True, eq=False)
class FittedFolder:
    """The texture fitted from a prepared folder, its scores, and the files written."""

    texture: Image
    trained: Trained
    seconds: dict[str, float]
    files: tuple[Path, ...]

    def figures(self) -> dict[str, Any]:
        """What metrics.json holds."""
        trained = self.trained
        figures = {
            "views": {"train": len(trained.train), "held_out": len(trained.held)},
            "texture": {"size": list(self.texture.shape[:2])},
            "held_out": {
                "mean": asdict(trained.mean) if trained.scores else None,
                "views": [{"name": s.name, **asdict(s.score)} for s in trained.scores],
            },
            "seconds": self.seconds,
        }
        return plain(figures)


def write_uv_maps(
    scene: Scene, mesh: Mesh, out: Path, settings: UVMapSettings, progress: Progress = no_progress
) -> tuple[Path, ...]:
    """Writes `uvs/ID.exr`, `images/ID.*` (the photos, copied) and `mesh.off` (STOFF) into `out`; returns the UV maps.

    ID is the view's number where its name is one, as the original needs it, else its name without folder and suffix.
    Raises ConfigError if two views would get one ID, or the mesh has several pages, which such a folder can't say.
    """
    if mesh.pages > 1:
        raise ConfigError(
            f"uvmap: the mesh has {mesh.pages} pages, and a prepared folder holds uvs of one", fix="--unwrap fast"
        )
    ids = [Path(view.name).stem for view in scene.views]
    if len(set(ids)) < len(ids):
        ids = [view.name.replace("/", "_").rsplit(".", 1)[0] for view in scene.views]
    if len(set(ids)) < len(ids):
        raise ConfigError(f"{len(ids) - len(set(ids))} of {len(ids)} views share a name", fix="rename the photos")
    write_mesh(out / "mesh.off", mesh)
    renderer = make_renderer(mesh, settings.renderer)
    files = []
    for name, view in progress(zip(ids, scene.views, strict=True), "UV maps", len(ids)):
        loaded = read_photo(view.photo, upright=view.exif_upright)
        uv_map = renderer.uv_map(view.camera, view.cam_from_world, settings.scale)
        uv_map = uv_map.without(hidden_pixels(view, loaded))
        files.append(out / "uvs" / f"{name}.exr")
        write_uv_map(files[-1], uv_map, half=settings.half, fields=settings.fields)
        _copy_photo(view, out / "images", name)
    return tuple(files)


def _copy_photo(view: View, folder: Path, name: str) -> None:
    """The photo's file as it is; a photo that its EXIF data turn is written upright, as a PNG, like its UV map."""
    if view.exif_upright:
        write_upright(view, folder / f"{name}.png")
    else:
        copy_whole(view.photo, folder / f"{name}{view.photo.suffix.lower()}")


def fit_prepared(
    folder: Path,
    out: Path,
    settings: TrainSettings,
    mesh: Path | None = None,
    cache: Path | None = None,
    progress: Progress = no_progress,
) -> FittedFolder:
    """Fits a texture to a folder of `images/` and `uvs/`; writes it and metrics.json, with a mesh also OBJ and GLB.

    `mesh`: the one whose uvs the UV maps show. Without it unseen texels take their nearest seen neighbour's colour.
    """
    cache = cache or out / ".cache"
    clock = Clock()
    loaded = read_mesh(mesh) if mesh is not None else None
    prepared = read_prepared(folder)
    with clock.stage("UV maps"):
        paths = prepare_folder(prepared, cache / "views", progress)
    names, shown = [view.name for view in prepared], loaded.mesh if loaded is not None and loaded.mesh.has_uvs else None
    trained = train_and_score(paths, names, settings, cache, shown, progress, clock)
    image, known = np.clip(trained.result.texture, 0, 1), trained.result.weight > FILL_WEIGHT
    with clock.stage("fill"):
        if loaded is not None:
            image = fill_texture(image, known, loaded.mesh).image
        else:
            spread_nearest(image, known, ~known, None)
    with clock.stage("export"):
        if loaded is not None:
            files = export_textured_mesh(out, loaded.mesh, image)
        else:
            files = (out / "texture.png",)
            write_png(files[0], image)
    result = FittedFolder(image, trained, clock.seconds, (*files, out / "metrics.json"))
    write_json(out / "metrics.json", result.figures())
    return result
