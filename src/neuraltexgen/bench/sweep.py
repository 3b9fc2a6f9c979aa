"""What cost goes with: the same photos on ever larger textures, of which they see the same part; more photos."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import torch

from neuraltexgen.bench.formulations import LOSSES, Ours
from neuraltexgen.bench.timing import timed
from neuraltexgen.bench.workload import Workload, make_views
from neuraltexgen.colour import ViewColours
from neuraltexgen.direct.gather import Gathered, Looking, add_view
from neuraltexgen.direct.rounds import STEPS
from neuraltexgen.direct.system import System
from neuraltexgen.fit_view import FitView
from neuraltexgen.kernels.packed import look_up
from neuraltexgen.kernels.photometric import Stack, photometric_pass
from neuraltexgen.types import Progress, no_progress

SEEN = 1024
"""Rows and columns of the texture that are looked at, however large it is."""


def sweep_rows(
    work: Workload,
    textures: Iterable[int],
    counts: Iterable[int],
    repeats: int,
    device: torch.device,
    progress: Progress = no_progress,
) -> list[dict[str, Any]]:
    """A row for each texture size, with the workload's views, and for each number of views on its texture.

    Fewest milliseconds of: a pass over the photos without the optimiser's step; that step; the direct solver's look at
    all photos; and such a look with the solution after it, a round.
    """
    cases = [("texture", replace(work, texture=side, spread=SEEN / side)) for side in textures]
    cases += [("photos", replace(work, views=count, spread=SEEN / work.texture)) for count in counts]
    rows = []
    for what, case in progress(cases, "sweep", len(cases)):
        # The fastest of the repeats: neighbours on a shared machine only ever add to it.
        times = {name: timed(run, 1, repeats, device)["pass_ms"][1] for name, run in _parts(case, device)}
        facts = {"over": what, "texture": case.texture, "megatexels": round(case.texture**2 / 1e6, 3)}
        rows.append({**facts, "views": case.views, "megapixels": round(case.pixels / 1e6, 3), **times})
    return rows


def _parts(work: Workload, device: torch.device) -> Iterable[tuple[str, Callable[[], Any]]]:
    stack = make_views(work, device)
    ours = Ours(stack, work, as_fitted=True)
    gradient = torch.zeros_like(ours.descent.composed)
    yield "pass_ms", lambda: photometric_pass(ours.descent.composed, stack, LOSSES, gradient)
    ours.descent.gradient.copy_(gradient)
    yield "step_ms", ours.step
    views, texture = _views(stack), ours.descent.composed
    looking = Looking(ViewColours(work.views, 3, device), torch.ones(work.views), ((1.0, "l2"),), slice(0, 3))

    def gather() -> Gathered:
        sums = Gathered.empty(texture)
        for index, view in enumerate(views):
            add_view(index, view, look_up(texture, view.places), looking, sums)
        return sums

    yield "gather_ms", gather
    improved = texture.clone()

    def one_round() -> None:
        sums = gather()
        if sums.stencil is None:
            raise ValueError("no curvature was gathered")
        System.gathered(sums.stencil, 0.1).improve(improved, sums.gradient, STEPS, 0.0)

    yield "round_ms", one_round


def _views(stack: Stack) -> list[FitView]:
    """The stack's views one by one; the solver asks for nothing that they lack."""
    nothing = torch.zeros(0, dtype=torch.uint8, device=stack.photo.device)
    fields = zip(stack.photo, *stack.places)
    return [
        FitView(str(i), photo, low, high, nothing, trust, 0.0) for i, (photo, low, high, trust) in enumerate(fields)
    ]
