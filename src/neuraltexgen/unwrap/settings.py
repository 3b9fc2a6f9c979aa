"""What decides an unwrapping: the method, the texture it is for, and how long it may take."""

from dataclasses import dataclass
from typing import Literal

from neuraltexgen.errors import UnwrapError
from neuraltexgen.pages import MOST_PAGES
from neuraltexgen.unwrap.mips import gap_for

MethodName = Literal[
    "auto",
    "keep",
    "fast",
    "xatlas",
    "uvatlas",
    "blender",
    "blender:lscm",
    "blender:stretch",
    "meshlab",
    "meshlab:voronoi",
    "meshlab:plane",
    "per-triangle",
    "per-triangle:equal",
]
"""The rows of `unwrap.METHODS`, spelled out for types and help, and auto."""


@dataclass(frozen=True)
class UnwrapSettings:
    """`method`: a row of METHODS, or auto: the mesh's own uvs where it has them, else fast.

    `resolution` and `gutter`, in texels: charts keep `gutter` texels apart on a texture of that size, and as many more
    as `mip_levels` takes: lookups at mip levels 0 to that one then keep to their charts; None: to no level in
    particular. `partitions`: pieces that uvatlas works on at the same time. `time_limit`: seconds that a back end in a
    process of its own gets. `pages`: how many textures of that size the charts are spread over; None: one, or as many
    as are needed where `texels_per_unit` is given, which fixes the scale (the root of texels over surface); `pages` is
    then a limit. Raises UnwrapError: a number that can't be.
    """

    method: MethodName = "auto"
    resolution: int = 2048
    gutter: int = 4
    partitions: int = 1
    time_limit: float = 1800.0
    mip_levels: int | None = None
    pages: int | None = None
    texels_per_unit: float | None = None

    def __post_init__(self) -> None:
        if self.resolution < 16 or self.gutter < 0:
            raise UnwrapError(
                f"unwrap: resolution {self.resolution} must be at least 16, gutter {self.gutter} at least 0"
            )
        if self.partitions < 1 or not self.time_limit > 0:
            raise UnwrapError(
                f"unwrap: partitions {self.partitions} must be at least 1, the time limit {self.time_limit:g} s above 0"
            )
        coarsest = self.resolution.bit_length() - 1
        if self.mip_levels is not None and not 0 <= self.mip_levels <= coarsest:
            raise UnwrapError(
                f"unwrap: a texture of {self.resolution} texels has mip levels 0 to {coarsest}, not {self.mip_levels}"
            )
        if self.pages is not None and not 1 <= self.pages <= MOST_PAGES:
            raise UnwrapError(f"unwrap: {self.pages} pages, 1 to {MOST_PAGES} are possible", fix="--pages 4")
        if self.texels_per_unit is not None and not 0 < self.texels_per_unit < float("inf"):
            raise UnwrapError(f"unwrap: {self.texels_per_unit:g} texels a unit must be positive and finite")

    @property
    def gap(self) -> int:
        """Texels between charts: the gutter, or what the mip levels take if that is more."""
        return self.gutter if self.mip_levels is None else max(self.gutter, gap_for(self.mip_levels))

    @property
    def paged(self) -> bool:
        """Whether there may be several pages, or the scale is given."""
        return self.texels_per_unit is not None or (self.pages or 1) > 1
