"""A small whole fit by either solver: photos that are renders of a known texture, and how near it comes back."""

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from neuraltexgen.bench.workload import Workload, make_texture, make_views
from neuraltexgen.direct import solve
from neuraltexgen.fit import fit
from neuraltexgen.fit_types import FitResult
from neuraltexgen.fit_view import FitView
from neuraltexgen.kernels.packed import look_up, pack_bits, unpack_share
from neuraltexgen.metrics import psnr
from neuraltexgen.recipes import FitSettings
from neuraltexgen.texture import TextureSettings
from neuraltexgen.views import Views, save_view


def fit_rows(work: Workload, device: torch.device) -> list[dict[str, Any]]:
    """Seconds of a fit with the defaults by each solver, its passes or rounds, and the PSNR of its renders."""
    texture = make_texture(work, device)().detach().clamp(0, 1)
    with tempfile.TemporaryDirectory() as folder:
        views = _photos(work, texture, Path(folder))
        rows = []
        for solver, run in (("direct", solve), ("adam", fit)):
            settings = replace(FitSettings(), solver=solver, texture=TextureSettings((work.texture, work.texture)))
            start = time.perf_counter()
            result = run(views, settings)
            seconds = time.perf_counter() - start
            rows.append({"kind": solver, "seconds": round(seconds, 2), "turns": len(result.history)})
            rows[-1]["psnr"] = round(_psnr(result, views), 2)
        return rows


def _photos(work: Workload, texture: torch.Tensor, folder: Path) -> Views:
    """The workload's views with renders of a texture as photos, from files, as a fit takes them."""
    stack, files = make_views(work, texture.device), []
    for number in range(work.views):
        low, high, trust = (field[number] for field in stack.places)
        places = type(stack.places)(low, high, trust)
        photo = (255 * look_up(texture, places)).round().to(torch.uint8)
        seen = pack_bits(torch.ones(high.shape, dtype=torch.bool, device=high.device))
        files.append(folder / f"{number}.npz")
        save_view(files[-1], FitView(str(number), photo.clone(), low, high, seen, trust, 1 / work.texture))
    return Views(files, texture.device, sum(file.stat().st_size for file in files))


def _psnr(result: FitResult, views: Views) -> float:
    """The mean over views, in the texture's own colours."""
    texture = torch.from_numpy(result.texture).to(views.device)
    figures = []
    for index, view in views.stream(range(len(views))):
        gain, offset = (torch.from_numpy(part[index]).to(views.device) for part in (result.gains, result.offsets))
        shown = gain * look_up(texture, view.places) + offset
        figures.append(psnr(shown, view.colours(), unpack_share(view.trust) > 0))
    return sum(figures) / len(figures)
