"""Parametrisation: a mesh without uvs in, the same faces with uvs out. One back end per file, and the table of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from neuraltexgen.errors import UnwrapError
from neuraltexgen.scene import Mesh
from neuraltexgen.unwrap.keep import keep
from neuraltexgen.unwrap.xatlas import unwrap_xatlas

__all__ = ["METHODS", "UnwrapSettings", "unwrap"]


@dataclass(frozen=True)
class UnwrapSettings:
    """`method`: a row of METHODS, or auto: the mesh's own uvs where it has them, else xatlas.

    `resolution` and `gutter`, in texels: charts keep `gutter` texels apart on a texture of that size.
    """

    method: Literal["auto", "keep", "xatlas"] = "auto"
    resolution: int = 2048
    gutter: int = 4

    def __post_init__(self) -> None:
        if self.resolution < 16 or self.gutter < 0:
            raise UnwrapError(
                f"unwrap: resolution {self.resolution} must be at least 16, gutter {self.gutter} at least 0"
            )


def unwrap(mesh: Mesh, settings: UnwrapSettings) -> tuple[Mesh, str]:
    """The mesh with uvs, its vertices and faces untouched, and the name of the method that was used.

    Raises UnwrapError: `keep` on a mesh without uvs, or a back end that fails.
    """
    method = settings.method
    if method == "auto":
        method = "keep" if mesh.has_uvs else "xatlas"
    return METHODS[method](mesh, settings.resolution, settings.gutter), method


METHODS: dict[str, Callable[[Mesh, int, int], Mesh]] = {
    "keep": keep,
    "xatlas": unwrap_xatlas,
}
