"""The truth beside a made-up capture: what is right about its cameras and photos, written and read back."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64

from neuraltexgen.errors import ReaderError
from neuraltexgen.files import write_json
from neuraltexgen.images import write_png
from neuraltexgen.scene import Camera
from neuraltexgen.synthetic.blur import Blur
from neuraltexgen.synthetic.photograph import person_mask
from neuraltexgen.synthetic.scene import SyntheticScene


@dataclass(frozen=True, eq=False)
class Truth:
    """What a fit should find, views in the capture's order: `photos` are their names there.

    `camera` took all photos, from `poses` (cam_from_world). A photo is render * fall-off * `gains` + `offsets` per
    channel; `fall_off(camera, vignetting)` has the fall-off. `masks`: files whose white pixels show someone who is not
    in the mesh, None for photos without. `blurs`: None for sharp photos.
    """

    photos: tuple[str, ...]
    camera: Camera
    poses: Float64[np.ndarray, "v 4 4"]
    gains: Float32[np.ndarray, "v 3"]
    offsets: Float32[np.ndarray, "v 3"]
    vignetting: float
    masks: tuple[Path | None, ...]
    blurs: tuple[Blur | None, ...]


def read_truth(capture: Path) -> Truth:
    """The truth of a capture that `write_capture` has written. Raises ReaderError: there is none, or it is damaged."""
    file = capture / "truth" / "truth.json"
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        camera, views = told["camera"], told["views"]
        return Truth(
            photos=tuple(str(view["photo"]) for view in views),
            camera=Camera(camera["model"], camera["width"], camera["height"], tuple(map(float, camera["params"]))),
            poses=np.array([view["cam_from_world"] for view in views], np.float64).reshape(-1, 4, 4),
            gains=np.array([view["gain"] for view in views], np.float32).reshape(-1, 3),
            offsets=np.array([view["offset"] for view in views], np.float32).reshape(-1, 3),
            vignetting=float(told["settings"]["planted"]["vignetting"]),
            masks=tuple(view["person"] and file.parent / view["person"] for view in views),
            blurs=tuple(view["blur"] and Blur(**view["blur"]) for view in views),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReaderError(
            f"{file}: no truth of a made-up capture ({error})", fix="a capture that `neuraltexgen demo` has made"
        ) from None


def write_truth(scene: SyntheticScene, photos: tuple[str, ...], capture: Path) -> None:
    """Writes truth/: the albedo images, exact, masks of people, truth.json: settings, camera, surfaces, views."""
    folder = capture / "truth"
    masks = _write_masks(scene, photos, folder)
    told = {
        "settings": asdict(scene.settings),
        "camera": asdict(scene.camera),
        "surfaces": _write_surfaces(scene, folder),
        "views": [
            {
                "photo": name,
                "cam_from_world": scene.poses[i].tolist(),
                "gain": scene.gains[i].tolist(),
                "offset": scene.offsets[i].tolist(),
                "person": masks[i],
                "blur": blur and asdict(blur),
            }
            for i, (name, blur) in enumerate(zip(photos, scene.blurs))
        ],
    }
    write_json(folder / "truth.json", told)


def _write_masks(scene: SyntheticScene, photos: tuple[str, ...], folder: Path) -> list[str | None]:
    """A mask for each photo that someone walks through, named as the photo; returns the names."""
    names: list[str | None] = []
    for index, photo in enumerate(photos):
        name = None if scene.people[index] is None else f"masks/{Path(photo).name}"
        if name is not None:
            write_png(folder / name, person_mask(scene, index).astype(np.float32)[..., None])
        names.append(name)
    return names


def _write_surfaces(scene: SyntheticScene, folder: Path) -> list[dict[str, Any]]:
    surfaces = []
    faces = np.bincount(scene.face_surfaces, minlength=len(scene.surfaces.rectangles))
    for index, rectangle in enumerate(scene.surfaces.rectangles):
        albedo = f"albedo/{index:02d}_{rectangle.thing}_{rectangle.side}.png".replace(" ", "_")
        write_png(folder / albedo, scene.surfaces.albedo(index).astype(np.float32) / 255)
        surfaces.append(
            {
                "albedo": albedo,
                "origin": rectangle.origin.tolist(),
                "right": rectangle.right.tolist(),
                "down": rectangle.down.tolist(),
                "first_face": int(faces[:index].sum()),
                "faces": int(faces[index]),
            }
        )
    return surfaces
