"""The renderers of UV maps, their table, and the choice between them. All agree with the ray caster, the definition."""

from collections.abc import Callable
from functools import cached_property
from typing import Protocol, runtime_checkable

from neuraltexgen.errors import ConfigError, RenderError
from neuraltexgen.geometry import pinhole
from neuraltexgen.scene import Camera, Mesh
from neuraltexgen.types import Pose
from neuraltexgen.uvmap.egl import EglRenderer, has_graphics_card
from neuraltexgen.uvmap.maps import UVMap, surface_uvs
from neuraltexgen.uvmap.raster.rasteriser import Rasteriser
from neuraltexgen.uvmap.raycast import RayCaster


@runtime_checkable
class Renderer(Protocol):
    """A mesh ready to be looked at from many cameras."""

    def uv_map(self, camera: Camera, cam_from_world: Pose, samples: int = 1) -> UVMap:
        """The UV map of one view, with samples x samples rays a pixel."""
        ...

    def result_key(self, camera: Camera) -> str:
        """Names what may tell this renderer's maps of a camera from the ray caster's; empty where nothing does."""
        ...


class RasterisedWherePinhole:
    """EGL for lenses without distortion, the rasteriser on the processor for all others.

    That one is made when the first such lens comes. Raises what EglRenderer raises.
    """

    def __init__(self, mesh: Mesh, device: int | None = None) -> None:
        self._mesh = mesh
        self._egl = EglRenderer(mesh, device)

    def uv_map(self, camera: Camera, cam_from_world: Pose, samples: int = 1) -> UVMap:
        """The UV map of one view, with samples x samples rays a pixel."""
        return self._for(camera).uv_map(camera, cam_from_world, samples)

    def result_key(self, camera: Camera) -> str:
        """That of the renderer which takes the camera."""
        return self._for(camera).result_key(camera)

    def _for(self, camera: Camera) -> Renderer:
        return self._rasteriser if pinhole(camera) is None else self._egl

    @cached_property
    def _rasteriser(self) -> Rasteriser:
        return Rasteriser(self._mesh)


def make_renderer(mesh: Mesh, name: str = "auto") -> Renderer:
    """A renderer by name: a row of RENDERERS; `egl:1` is EGL on its device 1.

    Raises ConfigError: no such name. UnwrapError: no uvs. RenderError: EGL was asked for and can't be had.
    """
    kind, colon, number = name.partition(":")
    if kind not in RENDERERS or (colon and not (kind == "egl" and number.isdecimal())):
        raise ConfigError(f"--renderer {name}: no such renderer", fix=f"{', '.join(RENDERERS)}, or egl:1 for a device")
    surface_uvs(mesh)
    return RENDERERS[kind](mesh, int(number) if colon else None)


def _auto(mesh: Mesh, device: int | None) -> Renderer:
    """EGL on a graphics card; on the processor the rasteriser, which is faster than Mesa and than casting rays."""
    if not has_graphics_card():
        return Rasteriser(mesh)
    try:
        return RasterisedWherePinhole(mesh, device)
    except RenderError:  # a mesh beyond the card's limits
        return Rasteriser(mesh)


RENDERERS: dict[str, Callable[[Mesh, int | None], Renderer]] = {
    "auto": _auto,
    "ray": lambda mesh, _: RayCaster(mesh),
    "raster": lambda mesh, _: Rasteriser(mesh),
    "egl": RasterisedWherePinhole,
}
