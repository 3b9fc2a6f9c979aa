"""What `neuraltexgen reconstruct` asks and says when all it is given is photos."""

from dataclasses import dataclass
from pathlib import Path

from neuraltexgen.cli.options import Maybe
from neuraltexgen.cli.rows import left_out, notes
from neuraltexgen.cli.talk import Talk
from neuraltexgen.errors import ConfigError
from neuraltexgen.reconstruct.coverage import coverage_rows
from neuraltexgen.reconstruct.dense import DenseSettings
from neuraltexgen.reconstruct.features import FeatureSettings
from neuraltexgen.reconstruct.from_photos import MOST_FACES, FromPhotos, PhotoSettings, Surface, reconstruct_photos


@dataclass(frozen=True)
class Photographs:
    """Only for photos without cameras: how to find the cameras and the surface."""

    surface: Surface = "auto"
    """cuda (PatchMatch), stereo (on the processor, extra stereo), sparse (poor), none; auto: the first that runs."""
    camera_model: str = "auto"
    """COLMAP's name of the lens model; OPENCV for 12 photos of a camera or more, else SIMPLE_RADIAL, if not given."""
    feature_size: int = 1600
    """The longer side, in pixels, of photos when features are looked for."""
    stereo_size: int = 800
    """The longer side, in pixels, of photos when depth is looked for: more is finer, and slower."""
    seed: int = 0
    """Decides the random draws; one seed, one result."""
    cache: Maybe = None
    """A folder that keeps features, cameras and depth maps; beside the result until it is finished if not given."""

    def settings(self, faces: int | None, masks: Path | None) -> PhotoSettings:
        """The library's settings."""
        if min(self.feature_size, self.stereo_size) < 64 or self.seed < 0:
            raise ConfigError("--feature-size and --stereo-size are 64 pixels at least, --seed is not negative")
        return PhotoSettings(
            features=FeatureSettings(self.feature_size, camera_model=self.camera_model, seed=self.seed),
            dense=DenseSettings(self.stereo_size),
            surface=self.surface,
            faces=MOST_FACES if faces is None else faces,
            masks=masks,
        )


def run_photographs(folder: Path, out: Path, settings: PhotoSettings, cache: Path | None, talk: Talk) -> None:
    """Reconstructs, and tells what came of it. Raises what `reconstruct_photos` raises."""
    done = reconstruct_photos(folder, out, settings, cache, talk.progress)
    rows = [*coverage_rows(done.coverage, done.verdict), *_surface_rows(done)]
    rows += [*left_out(done.scene.left_out), *notes(done.scene.notes), *talk.files([out])]
    following = f"neuraltexgen texture {out}" if done.scene.mesh is not None else f"neuraltexgen info {out}"
    talk.rows((*rows, ("next", following)), {**done.figures(), "out": str(out)})


def _surface_rows(done: FromPhotos) -> list[tuple[str, str]]:
    mesh = done.scene.mesh
    return [] if mesh is None else [("mesh", f"{len(mesh.faces):,} faces, {len(mesh.vertices):,} vertices")]
