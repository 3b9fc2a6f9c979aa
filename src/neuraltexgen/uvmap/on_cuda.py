"""OpenGL's buffers as CUDA tensors, nothing copied: a UV map that was rendered on a card stays on it.

Through the CUDA driver's OpenGL interoperability (CUDA Driver API, section "OpenGL Interoperability").
"""

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float32, Int32
from torch import Tensor

from neuraltexgen.errors import RenderError

READ_ONLY = 1
"""CU_GRAPHICS_REGISTER_FLAGS_READ_ONLY: CUDA only reads the buffers, so OpenGL need not fetch them back."""

FIX = "the renderer's uv_map, which copies; or the EGL device of the CUDA card that PyTorch uses"


@dataclass(frozen=True, eq=False)
class CudaUVMap:
    """A `UVMap` (see there for the fields) whose arrays are CUDA tensors; H, W = photo height, width times samples.

    They are the renderer's own buffers: read them while the context that gave them is open, clone what must stay.
    """

    samples: int
    uv: Float32[Tensor, "H W 2"]
    face_ids: Int32[Tensor, "H W"]
    distance: Float32[Tensor, "H W"]
    cosine: Float32[Tensor, "H W"]
    footprint: Float32[Tensor, "H W"]


class SharedBuffers:
    """OpenGL buffers, by their names in OpenGL, that CUDA knows of. Made and used while their context is current.

    Raises RenderError: no CUDA, or the buffers lie on another device than PyTorch's current one.
    """

    def __init__(self, names: Sequence[int]) -> None:
        if not torch.cuda.is_available():
            raise RenderError("UV maps can't be kept on a CUDA card: PyTorch finds none", fix=FIX)
        torch.cuda.current_stream().synchronize()  # makes PyTorch's CUDA context this thread's
        self._driver = ctypes.CDLL("libcuda.so.1")
        self._resources = (ctypes.c_void_p * len(names))()
        for place, name in enumerate(names):
            slot = ctypes.byref(self._resources, place * ctypes.sizeof(ctypes.c_void_p))
            self._call("cuGraphicsGLRegisterBuffer", slot, ctypes.c_uint(name), ctypes.c_uint(READ_ONLY))

    @contextmanager
    def mapped(self) -> Iterator[list[int]]:
        """The buffers' addresses in CUDA's memory; what OpenGL was told before is done when CUDA reads them."""
        count, stream = ctypes.c_uint(len(self._resources)), ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)
        self._call("cuGraphicsMapResources", count, self._resources, stream)
        try:
            yield [self._address(resource) for resource in self._resources]
        finally:
            self._call("cuGraphicsUnmapResources", count, self._resources, stream)

    def release(self) -> None:
        """Before the buffers themselves are released."""
        for resource in self._resources:
            self._call("cuGraphicsUnregisterResource", ctypes.c_void_p(resource))

    def _address(self, resource: int) -> int:
        address, size = ctypes.c_uint64(), ctypes.c_size_t()
        where = (ctypes.byref(address), ctypes.byref(size), ctypes.c_void_p(resource))
        self._call("cuGraphicsResourceGetMappedPointer_v2", *where)
        return address.value

    def _call(self, function: str, *arguments: Any) -> None:
        code = getattr(self._driver, function)(*arguments)
        if code != 0:
            name = ctypes.c_char_p()
            self._driver.cuGetErrorName(code, ctypes.byref(name))
            why = name.value.decode() if name.value else f"error {code}"
            raise RenderError(f"CUDA can't share OpenGL's buffers: {function} gave {why}", fix=FIX)


def cuda_uv_map(face_ids: int, fields: int, samples: int, height: int, width: int) -> CudaUVMap:
    """The map of a tile that lies at two addresses as glsl.RESOLVE writes it."""
    count = height * width
    planes = _tensor(fields, (5 * count,), "<f4")
    distance, cosine, footprint = planes[2 * count :].view(3, height, width)
    uv = planes[: 2 * count].view(height, width, 2)
    return CudaUVMap(samples, uv, _tensor(face_ids, (height, width), "<i4"), distance, cosine, footprint)


@dataclass(frozen=True)
class _Memory:
    """What PyTorch asks of foreign memory on a card (CUDA array interface, version 3)."""

    __cuda_array_interface__: dict[str, Any]


def _tensor(address: int, shape: tuple[int, ...], kind: str) -> Tensor:
    interface = {"data": (address, False), "shape": shape, "typestr": kind, "strides": None, "version": 3}
    return torch.as_tensor(_Memory(interface), device="cuda")
