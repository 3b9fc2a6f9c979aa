"""A fit's state on disk: written whole, taken up only by the same fit, and never trusted to be intact."""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from neuraltexgen.files import whole_file


def save_state(path: Path, key: str, state: dict[str, Any]) -> None:
    """Writes tensors, numbers and strings under the key of the fit that they belong to. Raises OSError: a full disk."""
    with whole_file(path) as temporary:
        try:
            torch.save({**state, "key": key}, temporary)
        except RuntimeError as error:  # what PyTorch makes of a write that fails
            raise OSError(f"{path} can't be written, the disk may be full: {error}") from error


def load_state(path: Path, key: str, device: torch.device) -> dict[str, Any] | None:
    """What was saved under that key; None if there is nothing, or another fit's, or it is broken."""
    if not path.exists():
        return None
    try:
        with zipfile.ZipFile(path) as parts:
            intact = parts.testzip() is None  # PyTorch does not look at the checksums
        state = torch.load(path, map_location=device, weights_only=True) if intact else None
    except (RuntimeError, OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, pickle.UnpicklingError):
        return None  # a broken checkpoint costs the work it held, nothing else
    return state if isinstance(state, dict) and state.get("key") == key else None
