"""Texture a capture in one call, and read the figures of the outcome.

    python examples/01_texture_a_capture.py [FOLDER]

The capture is a tiny made-up room. For your own, put its folder in place of `capture`; what follows stays the same.
"""

import sys
import tempfile
from pathlib import Path

from neuraltexgen import FitSettings, Job, TrainSettings, texture_capture, write_outcome
from neuraltexgen.synthetic import SyntheticSettings, make_scene, write_capture


def main(folder: Path) -> None:
    room = make_scene(SyntheticSettings(views=6, width=80, height=60, supersampling=2, detail=50))
    capture = write_capture(room, folder / "capture")

    # Without a Job the texture's size comes from the photos, and every eighth photo is held out.
    job = Job(train=TrainSettings(fit=FitSettings(passes=3), texture_size=256, holdout="3"))
    outcome = texture_capture(capture, folder / "textured", job)
    reports = write_outcome(folder / "textured", outcome)

    mean = outcome.trained.mean
    print(f"views: {len(outcome.trained.train)} fitted, {len(outcome.trained.held)} held out")
    print(f"held-out PSNR after the colour fit: {mean.psnr_fitted:.2f} dB, sharpness {mean.sharpness:.2f}")
    print(f"texels on the surface: {outcome.surface_texels}, filled without data: {outcome.filled_texels}")
    for path in (*outcome.files, *reports):
        print(f"written: {path}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as scratch:
            main(Path(scratch))
