"""Score a textured mesh against photos that were held out: here our own GLB, but any textured OBJ, GLB or PLY will do.

python examples/04_evaluate.py [FOLDER]
"""

import sys
import tempfile
from pathlib import Path

from neuraltexgen import FitSettings, Job, TrainSettings, evaluate_mesh, texture_capture
from neuraltexgen.evaluation import Evaluation
from neuraltexgen.synthetic import SyntheticSettings, make_scene, write_capture

HELD_OUT = "0002,0005"
"""Names of photos, without folder and suffix. Fit and evaluation must hold out the same ones."""


def main(folder: Path) -> None:
    room = make_scene(SyntheticSettings(views=6, width=80, height=60, supersampling=2, detail=50))
    capture = write_capture(room, folder / "capture")
    job = Job(train=TrainSettings(fit=FitSettings(passes=3), texture_size=256, holdout=HELD_OUT))
    outcome = texture_capture(capture, folder / "textured", job)

    scores = evaluate_mesh(folder / "textured" / "mesh.glb", capture, Evaluation(holdout=HELD_OUT))
    for fitted, view in zip(outcome.trained.scores, scores, strict=True):
        print(
            f"{view.name}: PSNR {view.score.psnr_fitted:.2f} dB after the colour fit, "
            f"SSIM {view.score.ssim_fitted:.3f}, "
            f"sharpness {view.score.sharpness:.2f} over {view.score.pixels} pixels; "
            f"straight from the fit {fitted.score.psnr_fitted:.2f} dB"
        )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as scratch:
            main(Path(scratch))
