"""How soon is a fit on CUDA where the plain formulation ends: L1, gradient loss and regulariser, photos given?

python -m benchmarks.fit_cuda [--views N] [--passes N]

Plain: `fit_step.Plain`, so many full-batch passes of PyTorch's Adam. Ours: the fit on views that lie on the GPU, with
the same settings, and with fewer passes in minibatches. Views are made up as in `fit_step`; their photos are renders of
one texture with noise, so that there is something to find. The objective is that of all views and the regulariser, at
the levels that a pass leaves, computed beside the clock. Kernels are compiled before, as in any second run.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.common import RESULTS, provenance
from benchmarks.fit_step import BETAS, LOSSES, RATE, REGULARISER, TEXTURE, Plain, check, made_up, now, peak
from neuraltexgen.fit import _Run, fit
from neuraltexgen.fit_types import Beside
from neuraltexgen.fit_view import FitView
from neuraltexgen.kernels.packed import Places, look_up
from neuraltexgen.kernels.photometric import Stack, photometric_pass
from neuraltexgen.recipes import FitSettings
from neuraltexgen.texture import PyramidTexture, TextureSettings
from neuraltexgen.views import Views, pack_bits

NOISE = 0.02
"""Of a photo's colours."""

SAME = FitSettings(
    texture=TextureSettings((TEXTURE, TEXTURE)),
    losses=(f"l1={LOSSES.l1}", f"gradient_l1={LOSSES.gradient_l1}"),
    regulariser=REGULARISER,
    batch=0,
    learning_rate=RATE,
    betas=BETAS,
    damping=None,
    exposure=False,
    sharpness_power=0.0,
    start="grey",
)
"""Full batches as plain takes them, but for the schedule: plain's rate is constant."""

FEWER = replace(SAME, batch=None, learning_rate=0.02, passes=6)


class Given(Views):
    """Views that are in memory already."""

    def __init__(self, views: list[FitView]) -> None:
        super().__init__([Path(view.name) for view in views], views[0].photo.device, 0)
        self._views = views

    def __getitem__(self, index: int) -> FitView:
        return self._views[index]

    def held(self) -> list[FitView]:
        return self._views


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--views", type=int, default=89)
    parser.add_argument("--passes", type=int, default=60)
    options = parser.parse_args()
    device = torch.device("cuda")
    stack = photographed(made_up(options.views, device))
    agreement = check(stack)
    rows = measure(stack, options.passes)
    result = {
        **provenance(),
        "views": options.views,
        "texture": TEXTURE,
        "agreement": agreement,
        "rows": rows,
        "peak_gib": peak(device),
    }
    (RESULTS / "fit-cuda.json").write_text(json.dumps(result, indent=1) + "\n")


def measure(stack: Stack, passes: int) -> list[dict[str, Any]]:
    """Objective against seconds of the plain formulation and of ours, and when ours came to plain's last."""
    views = Given(views_of(stack))
    whole = replace(SAME, passes=passes)
    for settings in (replace(whole, passes=3), replace(FEWER, passes=2)):
        fit(views, settings)
    plain = plain_curve(stack, passes)
    goal = plain[-1][1]
    rows = [{"kind": "plain", "passes": passes, "curve": plain}]
    for kind, settings in (("ours, the same settings", whole), ("ours, minibatches", FEWER)):
        rows.append({"kind": kind, "passes": settings.all_passes, **our_curve(views, stack, settings, goal)})
    rows = [{**row, "curve": thinned(row["curve"])} for row in rows]
    for row in rows:
        print(json.dumps(row), flush=True)
    return rows


def thinned(curve: list[tuple[float, float]]) -> list[str]:
    """A dozen points of a curve, the last one included, as text."""
    last = len(curve) - 1
    chosen = sorted({*range(0, last, max(1, len(curve) // 12)), last})
    return [f"pass {at + 1}: {curve[at][0]:.4f} s, {curve[at][1]:.5f}" for at in chosen]


def photographed(stack: Stack) -> Stack:
    """The same views with photos of a texture of waves of all sizes, and noise."""
    device = stack.photo.device
    generator = torch.Generator(device).manual_seed(0)
    truth = torch.full((1, 3, TEXTURE, TEXTURE), 0.5, device=device)
    for side, height in ((16, 0.25), (128, 0.15), (1024, 0.1)):
        waves = torch.rand(1, 3, side, side, generator=generator, device=device) - 0.5
        truth += height * F.interpolate(waves, size=TEXTURE, mode="bilinear")
    texture = truth[0].permute(1, 2, 0).contiguous()
    for index in range(len(stack.photo)):
        shown = look_up(texture, Places(*(field[index] for field in stack.places)))
        shown += NOISE * torch.randn(shown.shape, generator=generator, device=device)
        stack.photo[index] = (shown.clamp(0, 1) * 255).round().to(torch.uint8)
    return stack


def views_of(stack: Stack) -> list[FitView]:
    """Each view of a stack by itself, where it lies."""
    views = []
    for index, photo in enumerate(stack.photo):
        low, high, trust = (field[index] for field in stack.places)
        views.append(FitView(f"{index:03d}", photo, low, high, pack_bits(trust[..., None] > 0), trust, 1 / TEXTURE))
    return views


def objective(levels: list[Tensor], stack: Stack) -> float:
    """The mean loss of the views and the regulariser, of levels (h w c)."""
    texture = PyramidTexture(TextureSettings((TEXTURE, TEXTURE))).to(stack.photo.device)
    with torch.no_grad():
        for ours, given in zip(texture.levels, levels, strict=True):
            ours.copy_(given)
        composed = texture()
        losses = photometric_pass(composed, stack, LOSSES, torch.zeros_like(composed))
        return float(losses.mean() + REGULARISER * texture.regulariser())


def plain_curve(stack: Stack, passes: int) -> list[tuple[float, float]]:
    """(seconds, objective) after each pass of the plain formulation from grey; its losses are means here, too."""
    plain = Plain(stack)
    with torch.no_grad():
        for level in plain.levels:
            level.zero_()
    curve, spent = [], 0.0
    for _ in range(passes):
        start = now(stack.photo.device)
        plain.one_pass()
        spent += now(stack.photo.device) - start
        levels = [level.detach()[0].permute(1, 2, 0) for level in plain.levels]
        curve.append((round(spent, 4), objective(levels, stack)))
    return curve


def our_curve(views: Views, stack: Stack, settings: FitSettings, goal: float) -> dict[str, Any]:
    """The same of a fit, its preparation included, and the seconds after which it is at the goal."""
    device = stack.photo.device
    start = now(device)
    run = _Run(views, settings, Beside())  # what `fit` runs; its levels are needed for the regulariser
    prepared = spent = now(device) - start
    curve = []
    for number in range(settings.all_passes):
        start = now(device)
        run.one_pass(number)
        spent += now(device) - start
        curve.append((round(spent, 4), objective(list(run.texture.levels), stack)))
    start = now(device)
    run.result()
    reached = [seconds for seconds, value in curve if value <= goal]
    return {
        "prepared_s": round(prepared, 4),
        "result_s": round(now(device) - start, 4),
        "goal_after_s": reached[0] if reached else None,
        "curve": curve,
    }


if __name__ == "__main__":
    main()
