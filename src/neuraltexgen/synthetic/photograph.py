"""A photo of the room as the camera took it: who walked by, highlights, blur, vignetting, exposure, noise."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float32

from neuraltexgen.geometry import focal_and_centre
from neuraltexgen.scene import Camera
from neuraltexgen.synthetic.blur import apply_blur
from neuraltexgen.synthetic.figure import Person, figure, paint_figure
from neuraltexgen.synthetic.gloss import highlights
from neuraltexgen.synthetic.render import render, render_view
from neuraltexgen.synthetic.scene import SyntheticScene
from neuraltexgen.synthetic.surfaces import Surfaces, join_surfaces
from neuraltexgen.types import Mask


def photograph(scene: SyntheticScene, index: int) -> Float32[np.ndarray, "h w 3"]:
    """View `index` as `write_capture` stores it, before rounding.

    The render, with someone in it, highlights, and blurred where that is planted, times the lens's fall-off, times
    gain, plus offset, by the camera's curve, plus noise, clipped to [0, 1].
    """
    person, blur, planted = scene.people[index], scene.blurs[index], scene.settings.planted
    surfaces = scene.surfaces if person is None else _with(scene, person)
    image = render_view(scene, index) if person is None else _render(surfaces, scene, index)
    if planted.gloss > 0:
        image = image + planted.gloss * highlights(surfaces, scene.camera, scene.poses[index])[..., None]
    if blur is not None:
        image = apply_blur(image, blur)
    if planted.vignetting > 0:
        image = image * fall_off(scene.camera, planted.vignetting)[..., None]
    image = image * scene.gains[index] + scene.offsets[index]
    if planted.response > 0:
        image = respond(image, planted.response)
    if planted.noise > 0:
        rng = np.random.default_rng([scene.settings.seed, 7, index])
        image += planted.noise * rng.standard_normal(image.shape, np.float32)
    return np.clip(image, 0, 1)


def respond(values: Float32[np.ndarray, "..."], bent: float) -> Float32[np.ndarray, "..."]:
    """Values by a camera's curve, an S: dark ones get darker and bright ones brighter, 0, 1/2 and 1 stay."""
    inside = np.clip(values, 0, 1)
    return inside - np.float32(bent / (2 * np.pi)) * np.sin(np.float32(2 * np.pi) * inside)


def fall_off(camera: Camera, vignetting: float) -> Float32[np.ndarray, "h w"]:
    """How much of its light each pixel gets: 1 - vignetting r², r being the distance from the principal point over half
    the image's diagonal.
    """
    _, (cx, cy) = focal_and_centre(camera)
    x, y = np.arange(camera.width) + 0.5 - cx, np.arange(camera.height) + 0.5 - cy
    squared = (x**2 + y[:, None] ** 2) / ((camera.width**2 + camera.height**2) / 4)
    return np.clip(1 - vignetting * squared, 0, 1).astype(np.float32)


def person_mask(scene: SyntheticScene, index: int) -> Mask:
    """The pixels of view `index` that someone planted has any part in, blur included; all others are as without."""
    person, blur = scene.people[index], scene.blurs[index]
    if person is None:
        return np.zeros((scene.camera.height, scene.camera.width), np.bool_)
    whole = _with(scene, person)
    marks = np.zeros_like(whole.pixels)
    marks[len(scene.surfaces.pixels) :] = 255
    cover = _render(replace(whole, pixels=marks), scene, index)
    if blur is not None:
        cover = apply_blur(cover, blur)
    return cover[..., 0] > 0


def _with(scene: SyntheticScene, person: Person) -> Surfaces:
    """The room with someone in it: the room's surfaces first."""
    parts = figure(person)
    room = scene.surfaces
    own = [room.albedo(index) for index in range(len(room.rectangles))]
    painted = paint_figure(parts, scene.settings.detail, scene.settings.seed)
    return join_surfaces((*room.rectangles, *parts), [*own, *painted])


def _render(surfaces: Surfaces, scene: SyntheticScene, index: int) -> Float32[np.ndarray, "h w 3"]:
    return render(surfaces, scene.camera, scene.poses[index], scene.settings.supersampling)
