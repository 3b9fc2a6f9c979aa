"""What does each image loss do to a texture? One room, one set of photos, one fit per loss: held-out scores, a picture.

python -m benchmarks.losses [--work FOLDER] [--device cpu|cuda] [--vgg-weights FILE] [--lpips-weights FILE]

The cameras are stated 0.15 degree and 3 mm wrong, and exposures differ, as in an ordinary capture: with exact cameras
all losses agree. Without weights the network's filters are random, scaled as for training, and LPIPS's channels count
alike: that shows what each loss asks for, not how well a trained network asks for it. A --work folder that has views
already is used as it is.
"""

import argparse
import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

from benchmarks.common import RESULTS, provenance
from benchmarks.network_losses import random_weights
from neuraltexgen.evaluate import compare_view
from neuraltexgen.losses import NetworkSettings, needs_network
from neuraltexgen.losses.vgg.heads import LPIPS_CHANNELS
from neuraltexgen.losses.vgg.weights import FEATURE_INDICES
from neuraltexgen.recipes import FitSettings
from neuraltexgen.training import train_and_score
from neuraltexgen.training_settings import TrainSettings

TEXTURE, PASSES, HOLDOUT = 1024, 10, "8"
CROP = (24, 20, 120, 100)
"""Of the held-out photo in the picture: left, top, right, bottom."""

PICTURE = Path(__file__).parent.parent / "docs" / "images" / "losses.png"

OBJECTIVES = (
    ("l2=1",),
    ("l1=1",),
    ("huber=1",),
    ("charbonnier=1",),
    ("published",),
    ("sharp",),
    ("laplacian=1",),
    ("ssim=1",),
    ("ms_ssim=1",),
    ("l1=1", "ssim=0.1"),
    ("vgg_content=1",),
    ("lpips=1",),
    ("l1=1", "vgg_content=1"),
    ("l1=1", "vgg_style=1e3"),
    ("l1=1", "gram_patch=1e3"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--vgg-weights", type=Path)
    parser.add_argument("--lpips-weights", type=Path)
    parser.add_argument("--prepare", action="store_true", help="make the views in --work, and stop")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        work = arguments.work or Path(scratch)
        if not (work / "names.json").exists():
            prepare(work)
        if not arguments.prepare:
            network = networks(Path(scratch), arguments.vgg_weights, arguments.lpips_weights)
            run(work, Path(scratch), network, arguments)


def prepare(work: Path) -> None:
    """The room's photos, UV maps and confidences, as the pipeline makes them."""
    from neuraltexgen.pipeline import mesh_key
    from neuraltexgen.readers import read_capture
    from neuraltexgen.synthetic import Planted, SyntheticSettings, make_scene, write_capture
    from neuraltexgen.unwrap import UnwrapSettings, unwrap
    from neuraltexgen.uvmap.raycast import RayCaster
    from neuraltexgen.view_cache import ViewSettings, prepare_views

    room = SyntheticSettings(32, 192, 144, 4, detail=112, planted=Planted(pose=(0.23, 4.6), exposure=0.1))
    with tempfile.TemporaryDirectory() as folder:
        scene = read_capture(write_capture(make_scene(room), Path(folder)))
        assert scene.mesh is not None
        mesh, _ = unwrap(scene.mesh, UnwrapSettings())
        paths = prepare_views(scene.views, RayCaster(mesh), mesh_key(mesh), ViewSettings(), work / "views")
    names = [(view.name, path.name) for view, path in zip(scene.views, paths, strict=True)]
    (work / "names.json").write_text(json.dumps(names))


def networks(folder: Path, vgg: Path | None, lpips: Path | None) -> NetworkSettings:
    """The weights that are given, else files of made-up ones."""
    if vgg is None:
        vgg, state = folder / "vgg16.pth", {}
        for (weight, bias), index in zip(
            random_weights(torch.Generator().manual_seed(0)), FEATURE_INDICES, strict=True
        ):
            state |= {f"features.{index}.weight": weight, f"features.{index}.bias": bias}
        torch.save(state, vgg)
    if lpips is None:
        lpips = folder / "lpips.pth"
        heads = {f"lin{i}.model.1.weight": torch.ones(1, c, 1, 1) for i, c in enumerate(LPIPS_CHANNELS)}
        torch.save(heads, lpips)
    return NetworkSettings(vgg_weights=vgg, lpips_weights=lpips)


def run(work: Path, scratch: Path, network: NetworkSettings, arguments: argparse.Namespace) -> None:
    """One fit per objective."""
    listed = json.loads((work / "names.json").read_text())
    names, paths = [name for name, _ in listed], [work / "views" / file for _, file in listed]
    rows, pictures = [], []
    for number, losses in enumerate(OBJECTIVES):
        fit = FitSettings(losses=losses, passes=PASSES, network=network)
        settings = TrainSettings(fit, TEXTURE, HOLDOUT, device=arguments.device)
        trained = train_and_score(paths, names, settings, scratch / str(number))
        texture = torch.from_numpy(trained.result.texture).to(trained.views.device)
        view = trained.views[trained.held[0]]
        render, _ = compare_view(texture, view, torch.from_numpy(trained.seen).to(texture.device))
        if not pictures:
            pictures.append(("photo, held out", view.colours().cpu().numpy()))
        pictures.append((" ".join(losses), render.cpu().numpy()))
        seconds = trained.result.history[-1].seconds
        rows.append({"losses": losses, "network": needs_network(losses), "seconds": seconds, **asdict(trained.mean)})
        print(row_text(rows[-1]), flush=True)
    weights = "given" if arguments.vgg_weights else "random"
    result = {
        **provenance(),
        "weights": weights,
        "views": len(names),
        "texture": TEXTURE,
        "passes": PASSES,
        "rows": rows,
    }
    (RESULTS / "losses.json").write_text(json.dumps(result, indent=1) + "\n")
    sheet(pictures).save(PICTURE)


def row_text(row: dict[str, Any]) -> str:
    """A line of the table in docs/losses.md."""
    figures = f"{row['psnr_fitted']:.2f} | {row['ssim_fitted']:.3f} | {row['sharpness']:.2f} | {row['seconds']:.0f}"
    return f"| `{' '.join(row['losses'])}` | {figures} |"


def sheet(pictures: list[tuple[str, np.ndarray]]) -> Image.Image:
    """The same crop of every render, three times as large, four in a row, each with its name."""
    left, top, right, bottom = CROP
    width, height = 3 * (right - left), 3 * (bottom - top)
    rows = -(-len(pictures) // 4)
    page = Image.new("RGB", (4 * width, rows * (height + 20)), "white")
    draw = ImageDraw.Draw(page)
    for place, (name, pixels) in enumerate(pictures):
        crop = Image.fromarray((255 * pixels.clip(0, 1)[top:bottom, left:right]).astype(np.uint8))
        corner = (place % 4 * width, place // 4 * (height + 20))
        page.paste(crop.resize((width, height), Image.Resampling.NEAREST), (corner[0], corner[1] + 20))
        draw.text((corner[0] + 4, corner[1] + 4), name, fill="black")
    return page


if __name__ == "__main__":
    main()
