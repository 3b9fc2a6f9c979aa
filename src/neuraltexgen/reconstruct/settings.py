"""What decides a reconstruction: settings whose None means chosen from the data."""

from dataclasses import dataclass

from neuraltexgen.errors import ConfigError


@dataclass(frozen=True)
class FusionSettings:
    """How depth frames are fused; lengths in world units.

    `voxel`: side of a voxel. `truncation`: how many voxels before and behind a surface its distance is kept: more than
    the depth's noise and the poses' errors. `depth_max`: farther depth is not used. `least_views`: how many frames must
    have seen a voxel before it may carry a surface; against floating pieces. `memory`: GiB for the volume. `device`:
    auto, cpu or cuda.
    Raises ConfigError: a number that is not positive.
    """

    voxel: float | None = None
    truncation: float = 5.0
    depth_max: float | None = None
    least_views: int | None = None
    memory: float | None = None
    device: str = "auto"

    def __post_init__(self) -> None:
        for name in ("voxel", "truncation", "depth_max", "least_views", "memory"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise ConfigError(f"--{name.replace('_', '-')} {value}: it must be positive")
        if self.truncation < 1:
            raise ConfigError(f"--truncation {self.truncation}: at least 1 voxel", fix="--truncation 4 or more")


@dataclass(frozen=True)
class MeshSettings:
    """How the fused surface becomes a mesh.

    `faces`: at most so many; None chooses by `edge` and `most_faces`. A piece is removed whose extent is below
    `least_size` voxels, or whose area is below `least_share` of the whole; never the largest. `boundary_weight`: how
    much more a hole's or the outer border counts than the surface when faces are merged.
    Raises ConfigError: less than 4 faces.
    """

    faces: int | None = None
    edge: float = 2.5
    most_faces: int = 200_000
    least_size: float = 20.0
    least_share: float = 1e-4
    boundary_weight: float = 10.0

    def __post_init__(self) -> None:
        if self.faces is not None and self.faces < 4:
            raise ConfigError(f"--faces {self.faces}: a mesh needs at least 4")


@dataclass(frozen=True)
class ReconstructSettings:
    """Both halves of a reconstruction from depth."""

    fusion: FusionSettings = FusionSettings()
    mesh: MeshSettings = MeshSettings()
