"""Is a texture that many photos are fitted to finer than any one of them? A wall whose colours are known, in close-up.

python -m benchmarks.native_superres [--picture FILE.jpg]
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numba
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from benchmarks.common import RESULTS, provenance
from neuraltexgen.evaluate import scored_pixels
from neuraltexgen.fit import fit
from neuraltexgen.geometry import resize_camera
from neuraltexgen.images import write_png
from neuraltexgen.kernels.sample import render, splat_weight
from neuraltexgen.metrics import psnr, sharpness
from neuraltexgen.recipes import PUBLISHED, FitSettings
from neuraltexgen.scene import Camera, Mesh, View
from neuraltexgen.synthetic import SyntheticScene, SyntheticSettings, make_scene
from neuraltexgen.synthetic import render as see
from neuraltexgen.synthetic.surfaces import mean_colours
from neuraltexgen.texture import TextureSettings
from neuraltexgen.uvmap.raycast import RayCaster
from neuraltexgen.view_cache import ViewSettings, prepare_views
from neuraltexgen.views import Views

WALL, LEFT, TOP, SIDE = "west", 1.9, 0.4, 1.1
"""A square piece of a wall, in metres from the wall's top left corner: a printed test chart on brick."""

TEXELS, DISTANCE, PHOTO = 320, 1.2, (176, 160)
"""Texels along the square's side; metres to the cameras; a photo's width and height. A pixel is two texels wide."""

COUNTS, FEW, MANY = (1, 2, 4, 8, 16, 32, 64), 8, 64
ALIKE, HELD = 4, 8
"""Scored is what each of the first 4 photos sees, so that it is the same for all counts; 8 photos are held out."""

PASSES, STEPS = 10, 320
"""Each fit takes at least so many passes over its photos, and so many steps."""

CROP = (slice(80, 280), slice(130, 298))
"""What of the first held-out photo, at twice the size, the picture shows."""


@dataclass(frozen=True)
class Case:
    """One fit: of how many photos, what is done with them, and what is wrong with them.

    `texels`: along the square's side; if fewer than TEXELS, the texture is enlarged bicubically. `scale`: the photos'
    size over PHOTO. `noise`: standard deviation, in units of the photo's range. `blur`: sigma of what the lens does
    before the sensor averages over pixels. `shift`: standard deviation of the stated cameras' error. Both in pixels.
    """

    name: str
    photos: int
    samples: int = 3
    texels: int = TEXELS
    compare_at: str = "photo"
    published: bool = False
    scale: int = 1
    noise: float = 0.0
    blur: float = 0.0
    shift: float = 0.0


def cases() -> Iterator[Case]:
    for count in COUNTS:
        yield Case("texels of half a pixel", count)
    for count in (1, FEW, MANY):
        yield Case("texels of a pixel, enlarged", count, texels=TEXELS // 2)
        yield Case("photos enlarged", count, samples=2, compare_at="uvmap")
    yield Case("published recipe", 2 * FEW, samples=2, compare_at="uvmap", published=True)
    yield Case("photos of twice the size", FEW, scale=2)
    for samples in (1, 2, 4):
        for count in (FEW, MANY):
            yield Case(f"{samples} x {samples} sub-samples", count, samples)
    for noise in (0.01, 0.03):
        for count in (FEW, MANY):
            yield Case(f"noise of {noise}", count, noise=noise)
    for blur in (0.25, 0.5):
        yield Case(f"lens blur of {blur} pixels", MANY, blur=blur)
    yield Case("texels of a pixel, lens blur of 0.5 pixels", MANY, texels=TEXELS // 2, blur=0.5)
    for shift in (0.1, 0.25, 0.5):
        yield Case(f"cameras off by {shift} pixels", MANY, shift=shift)
    yield Case("texels of a pixel, cameras off by 0.5 pixels", MANY, texels=TEXELS // 2, shift=0.5)


class Stage:
    """The wall, its photos, and what every texture of it is measured against."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scene = make_scene(SyntheticSettings(views=1, detail=500.0))
        self.wall = next(i for i, r in enumerate(self.scene.surfaces.rectangles) if r.side == WALL)
        self.mesh = square(self.scene, self.wall)
        self.caster = RayCaster(self.mesh)
        (width, height), focal = PHOTO, DISTANCE / (2 * SIDE / TEXELS)
        self.camera = Camera("PINHOLE", width, height, (focal, focal, 0.503 * width, 0.496 * height))
        self.poses = hand_held(self.mesh.vertices.mean(axis=0), MANY + HELD)
        self.held = self.views(Case("held out", HELD, scale=2), first=MANY)
        self.seen = self._seen()

    def views(self, case: Case, first: int = 0) -> Views:
        """The case's photos, taken, written as PNG and prepared as those of a capture are."""
        camera = self.sized(case.scale)
        listed = []
        for index in range(first, first + case.photos):
            path = self.folder / f"{case.scale}-{case.noise}-{case.blur}" / f"{index:03d}.png"
            if not path.exists():
                write_png(path, self.photo(index, case))
            listed.append(View(path.name, camera, self.stated_pose(index, case.shift), path))
        files = prepare_views(listed, self.caster, "square", ViewSettings(case.samples), self.folder / "views")
        return Views(files, torch.device("cpu"), 1 << 33)

    def sized(self, scale: int) -> Camera:
        return resize_camera(self.camera, scale * self.camera.width, scale * self.camera.height)

    def photo(self, index: int, case: Case) -> np.ndarray:
        """What a camera sees: the mean over each pixel's area, 6 x 6 rays, after the lens's blur; then noise."""
        fine = torch.from_numpy(see(self.scene.surfaces, self.sized(3 * case.scale), self.poses[index], 2))
        planes = gaussian(fine.permute(2, 0, 1), 3 * case.blur)
        image = F.avg_pool2d(planes, 3).permute(1, 2, 0).numpy()
        grain = np.random.default_rng([1, index]).standard_normal(image.shape, np.float32)
        return (image + np.float32(case.noise) * grain).clip(0, 1)

    def stated_pose(self, index: int, shift: float) -> np.ndarray:
        """The true pose, moved sideways until what it sees has moved by about `shift` pixels along both axes."""
        moved = self.poses[index].copy()
        moved[:2, 3] += shift * (2 * SIDE / TEXELS) * np.random.default_rng([2, index]).standard_normal(2)
        return moved

    def _seen(self) -> Tensor:
        """Texels that each of the first photos sees."""
        views = self.views(Case("alike", ALIKE))
        weights = [splat_weight(view.uv, (view.confidence > 0).float(), (TEXELS, TEXELS)) for view in views]
        return torch.stack(weights).amin(dim=0) > 0.1

    @cached_property
    def truth(self) -> Tensor:
        """The texture whose bilinear lookups come nearest to the wall: least squares over 5 x 5 places a texel."""
        places = (np.arange(5 * TEXELS) + 0.5) / (5 * TEXELS)
        x = (places * TEXELS - 0.5).clip(0, TEXELS - 1)
        lookup = np.maximum(0, 1 - np.abs(x[:, None] - np.arange(TEXELS)))
        nearest = np.linalg.solve(lookup.T @ lookup, lookup.T)
        corner = self.mesh.vertices[0]
        right, down = self.mesh.vertices[1] - corner, self.mesh.vertices[3] - corner
        points = corner + places[:, None, None] * down + places[:, None] * right
        indices = np.full(points[..., 0].size, self.wall, np.int32)
        colours = mean_colours(self.scene.surfaces, indices, points.reshape(-1, 3), SIDE / (5 * TEXELS))
        fitted = np.tensordot(nearest, colours.reshape(*points.shape), 1)
        fitted = np.tensordot(nearest, fitted, ((1,), (1,))).swapaxes(0, 1)
        return torch.from_numpy(fitted.astype(np.float32))

    def score(self, texture: Tensor) -> dict[str, float]:
        """PSNR in texels against the truth; PSNR and sharpness in held-out photos of twice the size."""
        images = [render(texture.clamp(0, 1), view.uv, view.valid) for view in self.held]
        return {"texture_psnr": round(psnr(texture, self.truth.clamp(0, 1), self.seen), 2), **self.compare(images)}

    def compare(self, images: list[Tensor]) -> dict[str, float]:
        """Mean PSNR and sharpness of images against the held-out photos, where all that they show was seen."""
        pairs = [(image, view.colours(), scored_pixels(view, self.seen)) for image, view in zip(images, self.held)]
        return {
            "held_out_psnr": round(float(np.mean([psnr(*pair) for pair in pairs])), 2),
            "sharpness": round(float(np.mean([sharpness(*pair) for pair in pairs])), 3),
        }

    def enlarged_photos(self) -> list[Tensor]:
        """The held-out photos as they are at the size of the others, enlarged bicubically."""
        return [enlarge(view.colours(), 2) for view in self.views(Case("held out", HELD), first=MANY)]

    def fit(self, case: Case) -> Tensor:
        """The texture that a case gives, enlarged to TEXELS."""
        settings = TextureSettings((case.texels, case.texels))
        passes = max(PASSES, -(-STEPS // case.photos))
        recipe = PUBLISHED if case.published else FitSettings(passes=passes, compare_at=case.compare_at)
        result = fit(self.views(case), replace(recipe, texture=settings))
        return enlarge(torch.from_numpy(result.texture), TEXELS // case.texels)


def square(scene: SyntheticScene, wall: int) -> Mesh:
    """The piece of the wall as two triangles, with the texture's corners at its corners."""
    rectangle = scene.surfaces.rectangles[wall]
    width, height = rectangle.size
    uvs = np.array([(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)])
    across, along = (LEFT + SIDE * uvs[:, :1]) / width, (TOP + SIDE * uvs[:, 1:]) / height
    faces = np.array([(0, 3, 2), (0, 2, 1)], np.int32)
    return Mesh(rectangle.origin + across * rectangle.right + along * rectangle.down, faces, uvs, faces.copy())


def hand_held(target: np.ndarray, count: int) -> list[np.ndarray]:
    """Poses in front of the target: nearer or farther, a little to the side, a little turned."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(count):
        centre = target + np.array([DISTANCE * rng.uniform(0.85, 1.15), *rng.uniform(-0.3, 0.3, 2)])
        forward = target + np.array([0, *rng.uniform(-0.04, 0.04, 2)]) - centre
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, (0.0, 0.0, 1.0))
        right /= np.linalg.norm(right)
        down, roll = np.cross(forward, right), np.radians(rng.normal(0, 4))
        pose = np.eye(4)
        pose[:3, :3] = np.cos(roll) * right + np.sin(roll) * down, np.cos(roll) * down - np.sin(roll) * right, forward
        pose[:3, 3] = -pose[:3, :3] @ centre
        found.append(pose)
    return found


def enlarge(image: Tensor, factor: int) -> Tensor:
    """(h w c) enlarged bicubically."""
    if factor == 1:
        return image
    planes = F.interpolate(image.permute(2, 0, 1)[None], scale_factor=factor, mode="bicubic", align_corners=False)
    return planes[0].permute(1, 2, 0)


def gaussian(planes: Tensor, sigma: float) -> Tensor:
    """(c h w) blurred."""
    if sigma == 0:
        return planes
    radius = round(4 * sigma)
    weights = torch.exp(-((torch.arange(-radius, radius + 1) / sigma) ** 2) / 2)
    weights = (weights / weights.sum()).view(1, 1, -1, 1)
    padded = F.pad(planes[:, None], (radius,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(padded, weights), weights.transpose(2, 3))[:, 0]


def picture(stage: Stage, few: Tensor, many: Tensor) -> Image.Image:
    """Side by side, enlarged twice: a held-out photo enlarged, few photos' texture, many's, a photo twice as
    large."""
    view = stage.held[0]
    images = [stage.enlarged_photos()[0], *(render(t, view.uv, view.valid) for t in (few, many)), view.colours()]
    crops = [F.pad(image[CROP].clamp(0, 1), (0, 0, 0, 2), value=1.0) for image in images]
    joined = (255 * torch.cat(crops, dim=1)[:, :-2] + 0.5).to(torch.uint8).numpy()
    return Image.fromarray(joined.repeat(2, axis=0).repeat(2, axis=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--picture", type=Path, help="write crops of a held-out photo's renders")
    arguments = parser.parse_args()
    # Photos this small are fitted faster by one thread than by several.
    torch.set_num_threads(1)
    numba.set_num_threads(1)
    rows: list[dict[str, Any]] = []
    textures = {}
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(Path(folder))
        rows.append({"name": "nearest texture", **stage.score(stage.truth)})
        rows.append({"name": "held-out photo, enlarged", **stage.compare(stage.enlarged_photos())})
        print(*rows, sep="\n")
        for case in cases():
            texture = textures[case] = stage.fit(case)
            rows.append({**asdict(case), **stage.score(texture)})
            print(rows[-1], flush=True)
        if arguments.picture:
            few, many = (textures[Case("texels of half a pixel", count)] for count in (FEW, MANY))
            picture(stage, few, many).save(arguments.picture, quality=90)
        size = {"texels": TEXELS, "photo": PHOTO, "passes": PASSES, "steps": STEPS, "held_out": HELD}
        scored = {"scored_texels": int(stage.seen.sum())}
    result = {**provenance(), **size, **scored, "rows": rows}
    (RESULTS / "native-superres.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
