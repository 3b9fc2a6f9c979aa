"""How fast are `render`, its adjoint and `compose` beside their plain definitions, on one view of made-up uvs?

python -m benchmarks.kernels
"""

import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.common import RESULTS, provenance
from neuraltexgen.kernels.pyramid import compose, compose_definition
from neuraltexgen.kernels.sample import render, render_definition

HEIGHT, WIDTH, SAMPLES, TEXTURE, REPEATS = 480, 640, 4, 2048, 9


def main() -> None:
    torch.manual_seed(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    uv, valid = charts().to(device), torch.ones(HEIGHT, WIDTH, dtype=torch.bool, device=device)
    texture = torch.rand(TEXTURE, TEXTURE, 3, device=device, requires_grad=True)
    levels = [torch.rand(TEXTURE >> k, TEXTURE >> k, 3, device=device, requires_grad=True) for k in range(4)]
    rows = []
    for name, ours, plain, inputs in (
        ("render", lambda: render(texture, uv, valid), lambda: render_definition(texture, uv, valid), [texture]),
        ("compose", lambda: compose(levels), lambda: compose_definition(levels), levels),
    ):
        check(ours, plain, inputs)
        for kind, function in (("ours", ours), ("plain", plain)):
            rows.append({"op": name, "kind": kind, **measure(function, inputs)})
            print(rows[-1], flush=True)
    size = {"photo": [HEIGHT, WIDTH], "samples": SAMPLES, "texture": TEXTURE, "repeats": REPEATS}
    result = {**provenance(), **size, "rows": rows}
    (RESULTS / f"kernels-{device.type}.json").write_text(json.dumps(result, indent=1) + "\n")


def charts() -> torch.Tensor:
    """uvs of 8 x 8 pixel patches strewn over the atlas: neighbours mostly near, with jumps, as charts are."""
    y, x = torch.meshgrid(torch.linspace(0.05, 0.45, HEIGHT), torch.linspace(0.05, 0.55, WIDTH), indexing="ij")
    jumps = torch.randint(0, 5, (HEIGHT // 8, WIDTH // 8, 2)).repeat_interleave(8, 0).repeat_interleave(8, 1) * 0.1
    offsets = torch.tensor([[-1, -1], [1, -1], [-1, 1], [1, 1]]) * (0.25 * 0.5 / WIDTH)
    return (torch.stack((x, y), -1) + jumps)[:, :, None] + offsets


def check(ours: Callable, plain: Callable, inputs: list[torch.Tensor]) -> None:
    """Same values and gradients, or nothing is timed."""
    a, b = ours(), plain()
    weights = torch.rand_like(a)
    pairs = zip(torch.autograd.grad(a, inputs, weights), torch.autograd.grad(b, inputs, weights), strict=True)
    for found, expected in ((a, b), *pairs):
        assert (found - expected).norm() < 1e-5 * expected.norm()


def measure(function: Callable, inputs: list[torch.Tensor]) -> dict[str, Any]:
    """Medians and ranges of forward and backward, in milliseconds."""
    forward, backward = [], []
    for repeat in range(REPEATS + 2):
        start = now()
        result = function()
        middle = now()
        torch.autograd.grad(result, inputs, torch.ones_like(result))
        if repeat >= 2:
            forward.append(1e3 * (middle - start))
            backward.append(1e3 * (now() - middle))
    return {
        f"{name}_ms": [round(statistics.median(t), 2), round(min(t), 2), round(max(t), 2)]
        for name, t in (("forward", forward), ("backward", backward))
    }


def now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


if __name__ == "__main__":
    main()
