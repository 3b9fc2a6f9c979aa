"""Super-resolution and restoration models from files, through spandrel, which knows their architectures.

A file is read as plain tensors and nothing else: no code in it is run.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from neuraltexgen.errors import EnhanceError
from neuraltexgen.files import file_sha256

INSTALL = "pip install 'neuraltexgen[superres]'"
TORCH_SUFFIXES = (".pth", ".pt", ".ckpt")
SUFFIXES = (*TORCH_SUFFIXES, ".safetensors")
PURPOSES = ("SR", "Restoration")
"""What a model may be made for. Models for faces or for filling holes are made for other input than whole photos."""


@dataclass(frozen=True, eq=False)
class Upscaler:
    """A model on its device. `scale`: 2 for a model that doubles the photo's sides, 1 for one that only restores.

    `tiles`: whether the model takes no harm from seeing a photo in parts.
    """

    file: Path
    sha256: str
    architecture: str
    scale: int
    tiles: bool
    device: torch.device
    descriptor: Any

    def __call__(self, tile: Float[Tensor, "3 h w"]) -> Float[Tensor, "3 H W"]:
        """The tile enlarged, in [0, 1]; in half precision on CUDA where the model can, in single precision else.

        bfloat16 is not used: its 8 bits are coarser than an 8-bit photo. Raises EnhanceError: values that are not
        finite, in single precision too.
        """
        out = self.descriptor(tile[None].to(self.device, self.descriptor.dtype)).float()
        if not out.isfinite().all() and self.descriptor.dtype != torch.float32:
            self.descriptor.float()  # beyond half precision's range: from here on in single precision
            out = self.descriptor(tile[None].to(self.device)).float()
        if not out.isfinite().all():
            raise EnhanceError(f"{self.file}: the model gives values that are not finite", fix="use another model")
        return out[0].to(tile.device)


def load_upscaler(file: Path, device: torch.device) -> Upscaler:
    """Reads a model. Raises EnhanceError: no such file, damaged, an unknown architecture, not from one RGB photo to one
    RGB photo, or spandrel is not installed.
    """
    if file.suffix.lower() not in SUFFIXES:
        raise EnhanceError(f"{file}: not a model's suffix", fix=f"a file with {', '.join(SUFFIXES)}")
    if not file.is_file():
        raise EnhanceError(f"{file}: no such file", fix="--super-resolution FILE with an existing model")
    spandrel = import_spandrel()
    try:
        state = _read(file)
        if not isinstance(state, dict):
            raise TypeError(f"it holds a {type(state).__name__}")
        descriptor = spandrel.ModelLoader().load_from_state_dict(spandrel.canonicalize_state_dict(state))
    except spandrel.UnsupportedModelError as error:
        raise EnhanceError(
            f"{file}: spandrel {spandrel.__version__} knows no architecture with these weights",
            fix="a model of an architecture that spandrel lists, or a newer spandrel",
        ) from error
    except Exception as error:  # torch, pickle, zip and safetensors raise anything for a damaged file
        reason = str(error).split("\n", 1)[0][:200]
        raise EnhanceError(
            f"{file}: not a file of plain weights, or damaged ({type(error).__name__}: {reason})",
            fix="download it again; a file that holds more than weights has to be saved again as a state dict",
        ) from error
    _check(spandrel, file, descriptor)
    if device.type == "cuda" and descriptor.supports_half:
        descriptor.half()
    descriptor.to(device).eval()
    tiles = descriptor.tiling == spandrel.ModelTiling.SUPPORTED
    return Upscaler(
        file, file_sha256(file), descriptor.architecture.name, int(descriptor.scale), tiles, device, descriptor
    )


def import_spandrel() -> Any:
    """The package, imported when first needed. Raises EnhanceError, with the command that installs it, if it is not."""
    try:
        with _torchvision_or_stand_in():
            import spandrel
    except ImportError as error:
        raise EnhanceError(f"super-resolution needs a package that is missing ({error})", fix=INSTALL) from error
    return spandrel


def _check(spandrel: ModuleType, file: Path, descriptor: Any) -> None:
    kind = f"{file}: a model of architecture {descriptor.architecture.name}"
    if not isinstance(descriptor, spandrel.ImageModelDescriptor) or descriptor.purpose not in PURPOSES:
        raise EnhanceError(
            f"{kind} is made for {descriptor.purpose}, not to enlarge or restore whole photos",
            fix="a model for super-resolution or restoration of single photos",
        )
    channels = (descriptor.input_channels, descriptor.output_channels)
    if channels != (3, 3):
        raise EnhanceError(
            f"{kind} takes {channels[0]} channels and gives {channels[1]}; photos have 3", fix="a model for RGB photos"
        )


def _read(file: Path) -> Any:
    if file.suffix.lower() in TORCH_SUFFIXES:
        return torch.load(file, map_location="cpu", weights_only=True)
    from safetensors.torch import load_file

    return load_file(file, device="cpu")


@contextmanager
def _torchvision_or_stand_in() -> Iterator[None]:
    """spandrel imports torchvision for two of its architectures, LaMa and RestoreFormer, neither for whole photos.

    Where torchvision is missing, or was built for another torch and fails to load, empty modules take its place for the
    time of the import. What those two architectures took from them raises an error if it is ever used.
    """
    try:
        import torchvision  # pyright: ignore[reportMissingImports]  # noqa: F401
    except (ImportError, RuntimeError, OSError):
        pass
    else:
        yield
        return
    names = ("torchvision", "torchvision.transforms", "torchvision.transforms.functional")
    before: dict[str, Any] = {name: sys.modules.get(name, _ABSENT) for name in names}
    sys.modules.update({name: _StandIn(name) for name in names})
    try:
        yield
    finally:
        for name, module in before.items():
            if module is _ABSENT:
                del sys.modules[name]
            else:
                sys.modules[name] = module


class _StandIn(ModuleType):
    """A module in which every name is there, and none can be used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Missing(f"{self.__name__}.{name}")


class _Missing:
    """Something of torchvision that is not there."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        raise ModuleNotFoundError(f"{self._name} is needed, but torchvision can't be imported")

    def __call__(self, *args: object, **kwargs: object) -> Any:
        raise ModuleNotFoundError(f"{self._name} is needed, but torchvision can't be imported")


_ABSENT: Any = object()
