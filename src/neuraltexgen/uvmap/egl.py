"""Headless EGL: the same UV maps as the ray caster's for cameras without distortion, made on a graphics card."""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int32

from neuraltexgen.errors import RenderError
from neuraltexgen.geometry import camera_centre, pinhole
from neuraltexgen.scene import Camera, Mesh
from neuraltexgen.types import Faces, Pose
from neuraltexgen.uvmap import glsl
from neuraltexgen.uvmap.maps import UVMap, surface_uvs
from neuraltexgen.uvmap.on_cuda import CudaUVMap, SharedBuffers, cuda_uv_map

PACKAGES = "apt-get install libegl1 libgl1 libgl1-mesa-dri, or --renderer raster"
RESULT_KEY = "egl 1"
"""Part of a cached view's key: count up when the maps change."""

TILE = 2048
"""Samples on a tile's side, where the device takes that many: 100 MiB for its faces and fields."""

FIELD_BYTES = 20
"""Of a sample: uv, distance, cosine and footprint in single precision."""

CARD_FILES = ("dri/renderD*", "nvidia[0-9]*", "dxg")
"""Where Linux shows a graphics card, under /dev."""

SOFTWARE = ("llvmpipe", "softpipe", "swrast", "software")


@dataclass(frozen=True)
class _Target:
    """What tiles of up to a size are rendered into: faces with depth, and the buffers of the finished fields."""

    height: int
    width: int
    framebuffer: Any
    faces: Any
    depth: Any
    face_ids: Any
    fields: Any

    @cached_property
    def shared(self) -> SharedBuffers:
        """`face_ids` and `fields` as CUDA knows them."""
        return SharedBuffers([self.face_ids.glo, self.fields.glo])

    def release(self) -> None:
        if "shared" in self.__dict__:
            self.shared.release()
        for held in (self.framebuffer, self.faces, self.depth, self.face_ids, self.fields):
            held.release()


class EglRenderer:
    """A mesh on a graphics device, ready to be looked at from many cameras without distortion.

    Two passes: a rasteriser finds the face that each sample shows, a compute shader meets that face (or the neighbour
    that it is, see glsl.RESOLVE) with the sample's exact ray in double precision. `device` counts EGL's devices; None
    is the first. `tile` bounds the samples on a side that are rendered at once; the device's own limits do too.
    Raises UnwrapError: no uvs. RenderError: moderngl is missing, no such device, or one without OpenGL 4.3.
    """

    def __init__(self, mesh: Mesh, device: int | None = None, tile: int = TILE) -> None:
        uvs, uv_faces = surface_uvs(mesh)
        self._context = gl = open_context(device)
        self._close = weakref.finalize(self, gl.release)
        corners = np.hstack([mesh.faces, uv_faces, face_neighbours(mesh.faces)]).astype(np.int32)
        limit = gl.info["GL_MAX_SHADER_STORAGE_BLOCK_SIZE"]
        largest = max(corners.nbytes, mesh.vertices.nbytes, uvs.nbytes)
        if largest > limit:
            raise RenderError(
                f"the mesh's {len(mesh.faces):,} faces need a buffer of {largest >> 20} MiB, "
                f"{device_name(gl)} has {limit >> 20}",
                fix="--renderer raster",
            )
        low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
        self._middle, self._radius = (low + high) / 2, float(np.linalg.norm(high - low)) / 2
        limits = (gl.info["GL_MAX_TEXTURE_SIZE"], *gl.info["GL_MAX_VIEWPORT_DIMS"], int((limit / FIELD_BYTES) ** 0.5))
        self._tile, self._largest = min(tile, TILE, *limits), min(limits)
        self._storage = [gl.buffer(np.ascontiguousarray(data)) for data in (mesh.vertices, np.zeros(17), corners, uvs)]
        index = gl.buffer(np.ascontiguousarray(mesh.faces))
        self._draw = gl.program(vertex_shader=glsl.PROJECT, fragment_shader=glsl.FACE)
        self._mesh = gl.vertex_array(self._draw, [], index_buffer=index, index_element_size=4)
        self._blank = gl.vertex_array(gl.program(vertex_shader=glsl.COVER, fragment_shader=glsl.NOTHING), [])
        self._resolve = gl.compute_shader(glsl.RESOLVE)
        self._held: _Target | None = None

    def uv_map(self, camera: Camera, cam_from_world: Pose, samples: int = 1) -> UVMap:
        """The UV map of one view, with samples x samples rays a pixel. Raises RenderError: a lens with distortion."""
        height, width = camera.height * samples, camera.width * samples
        tiles = [
            (row, col, min(self._tile, height - row), min(self._tile, width - col))
            for row in range(0, height, self._tile)
            for col in range(0, width, self._tile)
        ]
        with self._context:
            self._look(camera, cam_from_world, samples)
            if len(tiles) == 1:
                return self._fetch(self._render(*tiles[0]), samples, height, width)
            parts = [self._fetch(self._render(*tile), samples, *tile[2:]) for tile in tiles]
        return _assembled(parts, tiles, (height, width))

    @contextmanager
    def uv_map_on_cuda(self, camera: Camera, cam_from_world: Pose, samples: int = 1) -> Iterator[CudaUVMap]:
        """The same map without a copy, on the card that rendered it; to be read inside the `with` block only.

        Raises RenderError: a lens with distortion, a photo beyond the card's largest target, or a card without CUDA.
        """
        height, width = camera.height * samples, camera.width * samples
        if max(height, width) > self._largest:
            raise RenderError(f"{width} x {height} samples are beyond the card's {self._largest}", fix="fewer samples")
        with self._context:
            self._look(camera, cam_from_world, samples)
            with self._render(0, 0, height, width).shared.mapped() as (face_ids, fields):
                yield cuda_uv_map(face_ids, fields, samples, height, width)

    def result_key(self, camera: Camera) -> str:
        """Here and there a sample on an edge shows another face than the ray caster's (render.Renderer)."""
        return RESULT_KEY

    def _look(self, camera: Camera, cam_from_world: Pose, samples: int) -> None:
        """Hands the view to the shaders."""
        lens = pinhole(camera)
        if lens is None:
            raise RenderError(f"a camera {camera.model} with distortion can't be rasterised", fix="--renderer raster")
        centre = camera_centre(cam_from_world)
        far = 1.001 * (float(np.linalg.norm(centre - self._middle)) + self._radius)
        view = np.concatenate([cam_from_world[:3, :3].reshape(-1), centre, np.multiply(lens, samples), [far]])
        self._storage[1].write(view)
        self._resolve["samples"] = samples
        self._resolve["photo_size"] = (camera.width, camera.height)

    def _render(self, row: int, col: int, height: int, width: int) -> _Target:
        """Renders a tile; its fields stay on the device until they are fetched, or the next tile comes."""
        target = self._rasterise(row, col, height, width)
        target.faces.use(0)
        self._resolve.run(-(-width // 16), -(-height // 16))
        self._context.memory_barrier()
        return target

    def _rasterise(self, row: int, col: int, height: int, width: int) -> _Target:
        """The first pass: the face of each sample of a tile."""
        gl, target = self._context, self._target(height, width)
        for program in (self._draw, self._resolve):
            program["tile_corner"], program["tile_size"] = (col, row), (width, height)
        for place, buffer in enumerate((*self._storage, target.face_ids, target.fields)):
            buffer.bind_to_storage_buffer(place)
        target.framebuffer.viewport = (0, 0, width, height)
        target.framebuffer.use()
        gl.enable_only(gl.DEPTH_TEST)
        # Integers can't be cleared, so a triangle over all of the tile does it.
        gl.depth_func = "1"
        self._blank.render(vertices=3)
        gl.depth_func = "<"
        self._mesh.render()
        return target

    def _fetch(self, target: _Target, samples: int, height: int, width: int) -> UVMap:
        face_ids, fields = np.empty((height, width), np.int32), np.empty((5, height, width), np.float32)
        target.face_ids.read_into(face_ids, face_ids.nbytes)
        target.fields.read_into(fields, fields.nbytes)
        uv = fields[:2].reshape(height, width, 2)
        return UVMap(samples, uv, face_ids, distance=fields[2], cosine=fields[3], footprint=fields[4])

    def _target(self, height: int, width: int) -> _Target:
        """The one that there is, or a larger one in its place."""
        held, gl = self._held, self._context
        if held is not None and held.height >= height and held.width >= width:
            return held
        if held is not None:
            height, width = max(height, held.height), max(width, held.width)
            held.release()
        faces, depth = gl.texture((width, height), 1, dtype="i4"), gl.depth_renderbuffer((width, height))
        face_ids, fields = (gl.buffer(reserve=size * height * width) for size in (4, FIELD_BYTES))
        self._held = _Target(height, width, gl.framebuffer([faces], depth), faces, depth, face_ids, fields)
        return self._held


def open_context(device: int | None = None) -> Any:
    """A moderngl context without a window on one of EGL's devices (None: the first).

    Raises RenderError: moderngl is missing, no EGL, no such device, or one without OpenGL 4.3.
    """
    try:
        import moderngl
    except ImportError as error:
        fix = "pip install 'neuraltexgen[gl]', or --renderer raster"
        raise RenderError(f"the EGL renderer needs a package that is missing ({error})", fix=fix) from error
    # Mesa loads its LLVM for the whole process to see. Triton has one of its own and crashes if it then finds Mesa's,
    # so it must come first; PyTorch's optimisers import it sooner or later.
    with suppress(ImportError):
        import_module("triton")
    options: dict[str, Any] = {"backend": "egl", "require": 430}
    if device is not None:
        options["device_index"] = device
    try:
        return moderngl.create_context(standalone=True, **options)
    except Exception as error:  # moderngl and glcontext raise plain ones
        which = "no EGL device" if device is None else f"EGL device {device}"
        raise RenderError(f"{which} with OpenGL 4.3 could be opened ({error})", fix=PACKAGES) from error


def device_name(context: Any) -> str:
    """What the driver calls a context's device."""
    return str(context.info["GL_RENDERER"])


def has_graphics_card() -> bool:
    """Whether EGL's first device can render and is not the processor."""
    # Without a device file there is no card, and no need to load a driver to hear so.
    if not any(match for pattern in CARD_FILES for match in Path("/dev").glob(pattern)):
        return False
    try:
        context = open_context()
    except RenderError:
        return False
    name = device_name(context).lower()
    context.release()
    return not any(word in name for word in SOFTWARE)


def face_neighbours(faces: Faces) -> Int32[np.ndarray, "f 3"]:
    """For each corner of each face, a face across the opposite edge; -1 where the edge is the surface's border."""
    ends = np.stack([faces[:, [1, 2]], faces[:, [2, 0]], faces[:, [0, 1]]], axis=1).reshape(-1, 2).astype(np.int64)
    key = ends.min(axis=1) << 32 | ends.max(axis=1)
    order = np.argsort(key, kind="stable")
    follows = key[order[1:]] == key[order[:-1]]
    result = np.full(len(key), -1, dtype=np.int32)
    before, after = order[:-1][follows], order[1:][follows]
    result[after] = before // 3
    result[before] = after // 3
    return result.reshape(-1, 3)


def _assembled(parts: list[UVMap], tiles: list[tuple[int, int, int, int]], size: tuple[int, int]) -> UVMap:
    """One map of the maps of tiles (row, column, height, width)."""
    whole = {name: np.empty((*size, *shape), kind) for name, shape, kind in _FIELDS}
    for part, (row, col, height, width) in zip(parts, tiles, strict=True):
        for name, values in whole.items():
            values[row : row + height, col : col + width] = getattr(part, name)
    return UVMap(samples=parts[0].samples, **whole)


_FIELDS = (
    ("uv", (2,), np.float32),
    ("face_ids", (), np.int32),
    ("distance", (), np.float32),
    ("cosine", (), np.float32),
    ("footprint", (), np.float32),
)
