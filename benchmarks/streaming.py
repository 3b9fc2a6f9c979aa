"""Does a fit of ten thousand photos keep within its memory: made-up views, one file under many names?

python -m benchmarks.streaming [--views N] [--memory GIB] [--folder DIR]

The folder should lie on the disk that a cache would. One pass at 2048 texels; the peak is that of the whole process.
Photos are 640x512: all of them together are still seven times the memory allowed, and two cores are through in minutes.
"""

import argparse
import json
import resource
import shutil
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.common import RESULTS, provenance
from neuraltexgen.fit import fit
from neuraltexgen.fit_view import pack_view
from neuraltexgen.machine import GIB, fit_peak, view_budget
from neuraltexgen.recipes import FitSettings, fit_bytes
from neuraltexgen.texture import TextureSettings
from neuraltexgen.views import Views, save_view

HEIGHT, WIDTH, SAMPLES, TEXTURE = 512, 640, 1, 2048


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--views", type=int, default=10_000)
    parser.add_argument("--memory", type=float, default=4.0)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=options.folder))
    try:
        result = measure(folder, options.views, options.memory)
    finally:
        shutil.rmtree(folder)
    print(json.dumps(result, indent=1))
    (RESULTS / "streaming.json").write_text(json.dumps(result, indent=1) + "\n")


def measure(folder: Path, count: int, memory: float) -> dict[str, object]:
    settings = FitSettings(texture=TextureSettings((TEXTURE, TEXTURE)), passes=1, sharpness_power=0.0)
    files = made_up(folder, count)
    needed, largest = fit_bytes(settings), files[0].stat().st_size
    budget = view_budget(int(memory * GIB), needed, largest)
    start = time.monotonic()
    fit(Views(files, torch.device("cpu"), budget), settings)
    held, streamed = fit_peak([HEIGHT * WIDTH] * count, SAMPLES, needed)
    return {
        **provenance(),
        "photo": [HEIGHT, WIDTH],
        "views": count,
        "texture": TEXTURE,
        "allowed_gib": memory,
        "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20), 2),
        "needed_to_hold_all_gib": round(held / GIB, 1),
        "needed_streamed_gib": round(streamed / GIB, 2),
        "held": budget // largest,
        "seconds": round(time.monotonic() - start, 1),
    }


def made_up(folder: Path, count: int) -> list[Path]:
    """Eight different views, and hard links to them."""
    y, x = torch.meshgrid(torch.arange(HEIGHT) + 0.5, torch.arange(WIDTH) + 0.5, indexing="ij")
    files = []
    for number in range(count):
        files.append(folder / f"{number:06d}.npz")
        if number >= 8:
            files[-1].hardlink_to(files[number % 8])
            continue
        uv = torch.stack((x, y), dim=-1)[:, :, None] / TEXTURE + 0.04 * number
        photo = torch.randint(0, 256, (HEIGHT, WIDTH, 3), dtype=torch.uint8)
        seen = torch.ones(HEIGHT, WIDTH, 1, dtype=torch.bool)
        save_view(files[-1], pack_view(f"{number}", photo, uv, seen, seen[..., 0].float(), 1 / TEXTURE))
    return files


if __name__ == "__main__":
    main()
