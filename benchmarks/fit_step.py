"""What does a pass over all views cost beside the plain formulation: L1, gradient loss and regulariser, photos given?

python -m benchmarks.fit_step [--device cpu|cuda] [--views N] [--repeats N]

Plain: four levels looked up by `grid_sample`, autograd, dense gradients, PyTorch's Adam. Ours: packed views and the
fused step. Views are made up: charts of 64 x 64 pixels strewn over the atlas, a texel a pixel, every tenth pixel
hidden. A pass is every view once and one step of the optimiser. Ours is checked against its definition before it is
timed.
"""

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.common import RESULTS, provenance
from neuraltexgen.descent import PyramidDescent
from neuraltexgen.kernels.cuda.photometric import count_pairs
from neuraltexgen.kernels.packed import Places, look_up_definition, pack_uv, scatter_definition, unpack_uv
from neuraltexgen.kernels.photometric import Colour, PhotoLosses, Stack, Target, compare_definition, photometric_pass
from neuraltexgen.losses.gradient import gradient_l1
from neuraltexgen.losses.pixel import l1
from neuraltexgen.texture import MIDDLE, PyramidTexture, TextureSettings

HEIGHT, WIDTH, TEXTURE, CHART = 1024, 1280, 2048, 64
LOSSES = PhotoLosses(l1=10.0, gradient_l1=20.0)
REGULARISER, RATE, BETAS, EPS = 0.2, 0.005, (0.9, 0.99), 1e-8


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--views", type=int)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    device = torch.device(options.device)
    count = options.views or (89 if device.type == "cuda" else 6)
    stack = made_up(count, device)
    agreement = check(stack)
    print(json.dumps(agreement), flush=True)
    ours, plain = Ours(stack), Plain(stack)
    rows = [
        {"kind": "ours", **timed(ours.one_pass, count, options.repeats, device)},
        {"kind": "plain", **timed(plain.one_pass, count, max(2, options.repeats // 2), device)},
        {"kind": "ours, optimiser's step alone", **timed(ours.step, 1, options.repeats, device)},
    ]
    for row in rows:
        print(json.dumps(row), flush=True)
    result = {
        **provenance(),
        "photo": [HEIGHT, WIDTH],
        "views": count,
        "texture": TEXTURE,
        "levels": 4,
        "agreement": agreement,
        "rows": rows,
        "times_faster": round(rows[1]["pass_ms"][0] / rows[0]["pass_ms"][0], 1),
        **least(stack, device),
        "peak_gib": peak(device),
    }
    print(json.dumps({key: result[key] for key in ("times_faster", "least_ms", "bandwidth_gb_s", "peak_gib")}))
    (RESULTS / f"fit-step-{device.type}.json").write_text(json.dumps(result, indent=1) + "\n")


def made_up(count: int, device: torch.device) -> Stack:
    """Views with their charts in different places."""
    y, x = torch.meshgrid(torch.arange(HEIGHT) + 0.5, torch.arange(WIDTH) + 0.5, indexing="ij")
    low, high, trust, photo = [], [], [], []
    for number in range(count):
        generator = torch.Generator().manual_seed(number)
        corners = torch.rand(HEIGHT // CHART, WIDTH // CHART, 2, generator=generator) * (1 - 1.1 * CHART / TEXTURE)
        corners = corners.repeat_interleave(CHART, 0).repeat_interleave(CHART, 1)
        turn = 0.2 * torch.rand(1, generator=generator) - 0.1
        inside = torch.stack((x % CHART + turn * (y % CHART), y % CHART - turn * (x % CHART)), dim=-1)
        packed = pack_uv((corners + inside / TEXTURE)[:, :, None])
        low.append(packed[0])
        high.append(packed[1])
        trust.append(torch.where(torch.rand(HEIGHT, WIDTH, generator=generator) < 0.1, 0, 255).to(torch.uint8))
        photo.append(torch.randint(0, 256, (HEIGHT, WIDTH, 3), generator=generator, dtype=torch.uint8))
    places = Places(*(torch.stack(field).to(device) for field in (low, high, trust)))
    ones = torch.ones(count, 3, device=device)
    counts = count_pairs(places.trust)
    weight = torch.full((count,), 1 / count, device=device)
    return Stack(places, torch.stack(photo).to(device), Colour(ones, 0 * ones), weight, counts)


def texture_of(device: torch.device) -> PyramidTexture:
    texture = PyramidTexture(TextureSettings((TEXTURE, TEXTURE)))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for level in texture.levels:
            level.copy_(0.1 * torch.randn(level.shape, generator=generator))
    return texture.to(device)


class Ours:
    """Packed views and the fused step."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.descent = PyramidDescent(texture_of(stack.photo.device), BETAS, EPS, REGULARISER)

    def one_pass(self) -> Tensor:
        losses = photometric_pass(self.descent.composed, self.stack, LOSSES, self.descent.gradient)
        self.step()
        return losses.sum()

    def step(self) -> None:
        self.descent.step(RATE)


class Plain:
    """What one writes first: every level looked up, autograd, dense gradients."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        levels = texture_of(stack.photo.device).levels
        self.levels = [level.detach().permute(2, 0, 1)[None].contiguous().requires_grad_() for level in levels]
        self.weights = (8.0, 2.0, 1.0, 0.0)
        self.adam = torch.optim.Adam(self.levels, lr=RATE, betas=BETAS, eps=EPS)
        places = stack.places
        # UV maps and photos lie in memory as they are looked up and compared: only that is timed.
        self.grids = [unpack_uv(low, high)[None, :, :, 0] * 2 - 1 for low, high in zip(places.low, places.high)]
        self.photos = [photo.permute(2, 0, 1)[None].float() / 255 for photo in stack.photo]
        self.valid = [(trust > 0)[None, None] for trust in places.trust]

    def one_pass(self) -> Tensor:
        total = torch.zeros((), device=self.levels[0].device)
        for grid, photo, valid in zip(self.grids, self.photos, self.valid):
            lookups = [F.grid_sample(level, grid, padding_mode="border", align_corners=False) for level in self.levels]
            render = torch.stack(lookups).sum(dim=0) + MIDDLE
            loss = LOSSES.l1 * l1(render, photo, valid) + LOSSES.gradient_l1 * gradient_l1(render, photo, valid)
            (loss / len(self.grids)).backward()
            total += loss.detach()
        terms = [weight * level.square().mean() for weight, level in zip(self.weights, self.levels)]
        (REGULARISER * torch.stack(terms).sum()).backward()
        self.adam.step()
        self.adam.zero_grad()
        return total


def check(stack: Stack) -> dict[str, float]:
    """The first view's loss and gradient against the definition, or nothing is timed."""
    first = Stack(*(_first(part) for part in stack))
    texture = texture_of(stack.photo.device)().detach()
    ours, expected = torch.zeros_like(texture), torch.zeros_like(texture)
    loss = photometric_pass(texture, first, LOSSES, ours)[0]
    places = Places(*(field[0] for field in first.places))
    colour = Colour(*(field[0] for field in first.colour))
    image = look_up_definition(texture, places)
    found = compare_definition(image, Target(first.photo[0], places.trust), colour, LOSSES, float(first.weight[0]))
    scatter_definition(found.gradient, places, expected)
    off = float((ours - expected).norm() / expected.norm())
    apart = abs(float(loss) / float(found.loss) - 1)
    assert off < 2e-3, f"the gradient is off by {off}"  # where neighbours differ alike, rounding decides a sign
    assert apart < 1e-5, f"the loss is off by {apart}"
    return {"gradient_off": off, "loss_off": apart}


def _first(part: Any) -> Any:
    return part[:1] if isinstance(part, Tensor) else type(part)(*(field[:1] for field in part))


def timed(function: Callable[[], Any], views: int, repeats: int, device: torch.device) -> dict[str, Any]:
    """Median and range of a call in milliseconds, and the median a view; processor time beside, which neighbours on a
    shared machine disturb less."""
    walls, processor = [], []
    for repeat in range(repeats + 1):
        start, used = now(device), time.process_time()
        function()
        wall = now(device) - start
        if repeat > 0:
            walls.append(1e3 * wall)
            processor.append(1e3 * (time.process_time() - used))
    middle = statistics.median(walls)
    return {
        "pass_ms": [round(t, 2) for t in (middle, min(walls), max(walls))],
        "view_ms": round(middle / views, 3),
        "processor_ms": round(statistics.median(processor), 1),
    }


def now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def least(stack: Stack, device: torch.device) -> dict[str, float]:
    """The machine's bandwidth (a copy of 256 MiB), and how long the least bytes of a pass take at it.

    That is every view's once; the texture's levels, their moments and gradient, read and written once.
    """
    block = torch.ones(1 << 26, device=device)
    other = torch.empty_like(block)
    copies = []
    for _ in range(5):
        start = now(device)
        other.copy_(block)
        copies.append(now(device) - start)
    bandwidth = 2 * block.nbytes / min(copies)
    views = sum(field.nbytes for field in (*stack.places, stack.photo))
    texels = TEXTURE * TEXTURE * 12 * (2 * 2 + 2 * 3 * 4 / 3)
    return {"bandwidth_gb_s": round(bandwidth / 1e9, 1), "least_ms": round(1e3 * (views + texels) / bandwidth, 2)}


def peak(device: torch.device) -> float:
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated(device) / (1 << 30), 2)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20), 2)


if __name__ == "__main__":
    main()
