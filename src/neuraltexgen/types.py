"""Array aliases that many modules share. Letters: n points, f faces, b batch, c channels, h w rows and columns."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, UInt8

Points = Float64[np.ndarray, "n 3"]
UVs = Float64[np.ndarray, "m 2"]
Faces = Int32[np.ndarray, "f 3"]
Pose = Float64[np.ndarray, "4 4"]

Photo = UInt8[np.ndarray, "h w 3"] | Float32[np.ndarray, "h w 3"]
Image = Float32[np.ndarray, "h w c"]
Mask = Bool[np.ndarray, "h w"]

T = TypeVar("T")
Progress = Callable[[Iterable[T], str, int], Iterable[T]]
"""`progress(items, what, total)` yields the items unchanged and may draw a bar; the CLI gives one, the library none."""


def no_progress(items: Iterable[Any], what: str, total: int) -> Iterable[Any]:
    """The silent `Progress`: hands the items on."""
    return items
