"""UV maps as EXR files: NeuralTexGen's layout (R = u, G = v down, background 0, 0), and ours with every field."""

from pathlib import Path

import numpy as np

from neuraltexgen.errors import ImageError
from neuraltexgen.images import read_exr, write_exr
from neuraltexgen.uvmap.maps import UVMap

FIELDS = ("face_id", "distance", "cosine", "footprint")


def write_uv_map(path: Path, uv_map: UVMap, *, half: bool = False, fields: bool = True) -> None:
    """Writes a UV map, whole or not at all: R = u, G = v, B = 1 where the mesh is seen, and the other fields by name.

    One image pixel per sample, so with k x k samples it is k times the photo's size. v points down, as NeuralTexGen's
    training step expects. `half` stores 16 bits (an error of up to 1/4096 in uv, and face ids are then left out);
    `fields=False` writes R, G, B alone.
    """
    channels = {
        "R": uv_map.uv[..., 0],
        "G": uv_map.uv[..., 1],
        "B": uv_map.valid.astype(np.float32),
    }
    if fields:
        if not half:
            channels["face_id"] = uv_map.face_ids.astype(np.float32)
        channels.update({name: getattr(uv_map, name) for name in FIELDS[1:]})
    write_exr(path, channels, half=half)


def read_uv(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """uv (H, W, 2) float32 and valid (H, W) of an EXR file written by us or by NeuralTexGen's renderer.

    Channels R, G (or U, V; or the first two by name). Valid is our B channel where it holds only 0 and 1 and agrees
    with the uvs, else everything but exactly (0, 0): the background of the original. Raises ImageError: fewer than two
    channels.
    """
    channels = read_exr(path)
    upper = {name.upper(): name for name in channels}
    names = [upper[n] for n in ("R", "G") if n in upper] or [upper[n] for n in ("U", "V") if n in upper]
    names = names if len(names) == 2 else sorted(channels)[:2]
    if len(names) < 2:
        raise ImageError(f"{path} has {len(channels)} channel, a UV map needs two (u and v)")
    uv = np.stack([channels[name] for name in names], axis=-1).astype(np.float32)
    finite = np.isfinite(uv).all(axis=-1) & (uv >= 0).all(axis=-1) & (uv <= 1).all(axis=-1)
    valid = finite & (uv != 0).any(axis=-1)
    mark = channels.get(upper.get("B", ""))
    if mark is not None and np.isin(mark, (0.0, 1.0)).all() and not (valid & (mark == 0)).any():
        valid = finite & (mark == 1)
    return np.where(valid[..., None], uv, np.float32(0)), valid
