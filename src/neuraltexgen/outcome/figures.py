"""A run's outcome in figures: metrics.json and config.json."""

import platform
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import torch

from neuraltexgen.explain.words import texel_figures, transient_figures
from neuraltexgen.files import plain
from neuraltexgen.outcome.words import blur_figures, exposure_rows, fall_off_figures, fitted_names, response_figures
from neuraltexgen.pipeline import Outcome
from neuraltexgen.refine.words import camera_figures

PACKAGES = ("neuraltexgen", "torch", "numpy", "numba", "pycolmap", "embreex", "xatlas")


def config(outcome: Outcome) -> dict[str, Any]:
    """Every setting in force, the seed, versions and the machine; plain JSON values."""
    return {
        "capture": outcome.scene.name,
        "format": outcome.scene.format,
        "unwrapped_by": outcome.unwrapped_by,
        "settings": plain(asdict(outcome.job)),
        "versions": {name: version(name) for name in PACKAGES} | {"python": platform.python_version()},
        "machine": {
            "system": platform.platform(),
            "device": str(outcome.trained.views.device),
            "threads": torch.get_num_threads(),
        },
    }


def metrics(outcome: Outcome) -> dict[str, Any]:
    """All figures of a run; NaN becomes null."""
    surface = outcome.surface_texels
    return plain(
        {
            "views": {
                "used": len(outcome.scene.views),
                "train": len(outcome.trained.train),
                "held_out": len(outcome.trained.held),
            },
            "left_out": [asdict(view) for view in outcome.scene.left_out],
            "texture": {
                "size": [outcome.texture.shape[0] // outcome.mesh.pages, outcome.texture.shape[1]],
                "pages": outcome.mesh.pages,
                "surface_texels": surface,
                "seen_texels": surface - outcome.filled_texels,
                "filled_texels": outcome.filled_texels,
                "seam_step": outcome.seam_step,
            },
            "uvs": {"by": outcome.unwrapped_by, **asdict(outcome.uvs)},
            "held_out": {
                "mean": asdict(outcome.trained.mean) if outcome.trained.scores else None,
                "views": [{"name": s.name, **asdict(s.score)} for s in outcome.trained.scores],
            },
            **camera_figures(outcome.refined, outcome.aligned),
            "solver": outcome.trained.settings.fit.solver,
            "transients": transient_figures(fitted_names(outcome), outcome.trained.transients),
            "texels": texel_figures(outcome.maps),
            "curve": [{"pass": n, "psnr_fitted": p, "sharpness": s} for n, p, s in outcome.trained.curve],
            "loss": [asdict(record) for record in outcome.trained.result.history],
            "exposure": [
                {"name": name, "gain": gain.tolist(), "offset": offset.tolist(), "weight": weight, **blur_figures(blur)}
                for name, gain, offset, weight, blur in exposure_rows(outcome)
            ],
            "fall_off": fall_off_figures(outcome),
            "response": response_figures(outcome),
            "exposure_of_stop": None if outcome.trained.equalised is None else outcome.trained.equalised.of_stop,
            "seconds": outcome.seconds,
        }
    )
