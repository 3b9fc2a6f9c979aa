"""The network's weights: a file that the user names, else torch.hub's cache, else its address with the hash checked."""

from pathlib import Path

import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor

from neuraltexgen.errors import LossError
from neuraltexgen.files import file_sha256
from neuraltexgen.losses.vgg.network import CONVOLUTIONS

VGG_URL = "https://download.pytorch.org/models/vgg16-397923af.pth"
VGG_HASH = "397923af"
"""The first digits of the file's SHA-256, as its name gives them."""

LPIPS_URL = "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/master/lpips/weights/v0.1/vgg.pth"

FEATURE_INDICES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
"""Where torchvision's `features` has the convolutions, in the order of CONVOLUTIONS."""


def vgg_weights(file: Path | None) -> list[tuple[Tensor, Tensor]]:
    """Filter (o i 3 3) and bias (o) of each convolution, float32, from a torchvision VGG-16 state dict.

    `file`: .pth or .safetensors, with keys `features.0.weight` or `0.weight`; None: torch.hub's file, downloaded once.
    Raises LossError: no such file, unreadable, not VGG-16's, a wrong hash, or no network.
    """
    path = file or _hub_file()
    state = read_tensors(path, "--vgg-weights")
    found = []
    for (name, inputs, outputs), index in zip(CONVOLUTIONS, FEATURE_INDICES, strict=True):
        prefix = "features." if f"features.{index}.weight" in state else ""
        weight, bias = state.get(f"{prefix}{index}.weight"), state.get(f"{prefix}{index}.bias")
        if weight is None or bias is None or weight.shape != (outputs, inputs, 3, 3) or bias.shape != (outputs,):
            shapes = ["missing" if tensor is None else f"{tuple(tensor.shape)}" for tensor in (weight, bias)]
            raise LossError(
                f"{path}: not a VGG-16 state dict: features.{index} ({name}) has weight {shapes[0]}, bias {shapes[1]}; "
                f"({outputs}, {inputs}, 3, 3) and ({outputs},) are needed",
                fix="torchvision's vgg16 without batch normalisation: torch.save(model.state_dict(), FILE)",
            )
        found.append((weight.float(), bias.float()))
    return found


def lpips_weights(file: Path | None, channels: tuple[int, ...]) -> list[Float[Tensor, " c"]]:
    """The weight of each channel of LPIPS's five layers, from the linear heads' state dict (`lin0.model.1.weight`...).

    Raises LossError: no file given, unreadable, or other shapes.
    """
    if file is None:
        raise LossError(
            "lpips needs the weights of its linear heads", fix=f"curl -LO {LPIPS_URL}, then --lpips-weights vgg.pth"
        )
    state = read_tensors(file, "--lpips-weights")
    found = []
    for index, count in enumerate(channels):
        keys = (f"lin{index}.model.1.weight", f"lins.{index}.model.1.weight")
        weight = next((state[key] for key in keys if key in state), None)
        if weight is None or weight.numel() != count:
            raise LossError(f"{file}: no LPIPS heads for VGG-16: {keys[0]} of shape (1, {count}, 1, 1) is needed")
        found.append(weight.float().flatten())
    return found


def read_tensors(path: Path, option: str) -> dict[str, Tensor]:
    """The tensors of a state dict by name; nothing is unpickled but tensors. Raises LossError."""
    if not path.is_file():
        raise LossError(f"{path}: no such file", fix=f"{option} FILE")
    try:
        if path.suffix.lower() == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file makes the unpickler and zipfile raise anything
        reason = str(error).splitlines()[0] if str(error) else ""
        raise LossError(
            f"{path}: can't be read as weights ({type(error).__name__}: {reason})", fix="download it again"
        ) from error
    if not isinstance(state, dict):
        raise LossError(f"{path}: holds a {type(state).__name__}, not a state dict")
    return {name: value for name, value in state.items() if isinstance(name, str) and isinstance(value, Tensor)}


def _hub_file() -> Path:
    """torch.hub's copy of VGG-16, downloaded if it is not there; its hash is checked either way."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(VGG_URL).name
    fetch = f"curl -L --create-dirs -o {path} {VGG_URL}"
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(VGG_URL, str(path), hash_prefix=VGG_HASH, progress=False)
        except (OSError, RuntimeError) as error:
            raise LossError(
                f"VGG-16's weights are not in {path} and can't be downloaded ({error})",
                fix=f"{fetch} (on a machine with a network), or --vgg-weights FILE",
            ) from error
    if not file_sha256(path).startswith(VGG_HASH):
        raise LossError(f"{path}: its SHA-256 does not begin with {VGG_HASH}: damaged, or another file", fix=fetch)
    return path
