"""Put the style of a picture on a surface: one texture for all views, so every view shows the same strokes.

    python examples/05_style.py [FOLDER] [VGG16.pth]

The style is compared by Gram matrices of VGG-16's features. Without a weights file this example makes one of random
numbers: even those carry colours and strokes over, if coarsely; for pictures worth showing, name torchvision's file. On
the command line the same is `neuraltexgen texture CAPTURE --style wood.png --style-strength 10`.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from neuraltexgen import FitSettings, Job, NetworkSettings, StyleSettings, TrainSettings, texture_capture
from neuraltexgen.losses.vgg.network import CONVOLUTIONS
from neuraltexgen.losses.vgg.weights import FEATURE_INDICES
from neuraltexgen.synthetic import SyntheticSettings, make_scene, write_capture


def wood(path: Path) -> Path:
    """A picture of rings in two browns and a blue, 256 x 256."""
    y, x = np.mgrid[0:256, 0:256] / 256
    bend = 0.04 * np.sin(9 * y + 4 * np.sin(5 * x))
    rings = np.sin(90 * np.hypot(x - 1.2 + bend, 0.35 * (y - 0.4)))[..., None]
    grain = np.random.default_rng(0).normal(0, 0.03, (256, 256, 1))
    colours = np.where(rings > 0.8, (0.1, 0.3, 0.55), np.where(rings > 0, (0.62, 0.4, 0.2), (0.35, 0.2, 0.1)))
    Image.fromarray((255 * np.clip(colours + grain, 0, 1)).astype(np.uint8)).save(path)
    return path


def random_network(path: Path) -> Path:
    """A file as torchvision's, with He-scaled random filters."""
    generator, state = torch.Generator().manual_seed(0), {}
    for (_, inputs, outputs), index in zip(CONVOLUTIONS, FEATURE_INDICES, strict=True):
        filters = torch.randn(outputs, inputs, 3, 3, generator=generator) * (2 / (9 * inputs)) ** 0.5
        state |= {f"features.{index}.weight": filters, f"features.{index}.bias": torch.zeros(outputs)}
    torch.save(state, path)
    return path


def main(folder: Path, weights: Path | None) -> None:
    room = make_scene(SyntheticSettings(views=8, width=96, height=72, supersampling=2, detail=40))
    capture = write_capture(room, folder / "capture")
    network = NetworkSettings(vgg_weights=weights or random_network(folder / "vgg16.pth"))
    fit = FitSettings(passes=4, network=network)
    style = StyleSettings(wood(folder / "wood.png"), strength=10.0, passes=3)
    for name, put_on in (("plain", None), ("wood", style)):
        job = Job(train=TrainSettings(fit=fit, texture_size=256, holdout="4", style=put_on), cache=folder / "cache")
        outcome = texture_capture(capture, folder / name, job)
        mean = outcome.texture.mean(axis=(0, 1)).round(2).tolist()
        print(f"{name}: mean colour of the texture {mean}; {folder / name / 'texture.png'}")


if __name__ == "__main__":
    given = [Path(argument) for argument in sys.argv[1:]]
    if given:
        given[0].mkdir(parents=True, exist_ok=True)
        main(given[0], given[1] if len(given) > 1 else None)
    else:
        with tempfile.TemporaryDirectory() as scratch:
            main(Path(scratch), None)
