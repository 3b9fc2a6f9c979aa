"""Fit with a loss of your own, and compare it with a built-in one.

    python examples/02_own_loss.py [FOLDER]

A loss is a function of (render, photo, valid): images of shape (b c h w) with colours in [0, 1], and a boolean mask of
shape (b 1 h w). It is named MODULE:FUNCTION, here by the name of this file; on the command line that is
`PYTHONPATH=examples neuraltexgen texture CAPTURE --loss 02_own_loss:log_l1=0.2`.
"""

import sys
import tempfile
from pathlib import Path

import torch
from torch import Tensor

from neuraltexgen import FitSettings, Job, TrainSettings, texture_capture
from neuraltexgen.synthetic import SyntheticSettings, make_scene, write_capture

DARK = 0.02
"""Added before the logarithm, so that noise in black does not count for everything."""


def log_l1(render: Tensor, photo: Tensor, valid: Tensor) -> Tensor:
    """Mean |log(render) - log(photo)| over valid pixels: the same relative error counts alike in shade and in light."""
    error = ((render.clamp(min=0) + DARK).log() - (photo + DARK).log()).abs()
    return torch.where(valid, error, 0.0).sum() / (valid.sum() * render.shape[1]).clamp(min=1)


def main(folder: Path) -> None:
    room = make_scene(SyntheticSettings(views=6, width=80, height=60, supersampling=2, detail=50))
    capture = write_capture(room, folder / "capture")
    sys.path.insert(0, str(Path(__file__).parent))  # as PYTHONPATH does for the command line

    # Photos and uvs are the same for both, so a shared cache keeps the UV maps.
    for losses in (("l1=1",), ("l1=1", "02_own_loss:log_l1=0.2")):
        fit = FitSettings(losses=losses, passes=3)
        job = Job(train=TrainSettings(fit=fit, texture_size=256, holdout="3"), cache=folder / "cache")
        outcome = texture_capture(capture, folder / f"{len(losses)}_losses", job)
        print(f"{' + '.join(losses)}: held-out PSNR {outcome.trained.mean.psnr_fitted:.2f} dB after the colour fit")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as scratch:
            main(Path(scratch))
