"""What does VGG content + style cost a view, forward and backward, beside the plain formulation?

python -m benchmarks.network_losses [--size WIDTH HEIGHT] [--repeats N] [--device cpu|cuda]

Plain: both images through the network in every step, autograd, whole image, float32 (and bf16 on CUDA). Ours: kept
targets, the network's own backward pass, tiles within the memory budget. Weights are random: time does not depend on
them. Values and gradients are compared with float32 before anything is timed.
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
from neuraltexgen.losses.vgg.heads import STYLE_LAYERS, Content, Gram
from neuraltexgen.losses.vgg.measure import NetworkLoss, NetworkMemory, Visit
from neuraltexgen.losses.vgg.network import CONVOLUTIONS, IMAGENET_MEAN, IMAGENET_STD, Vgg16

STYLE_WEIGHT = 10.0
Weights = list[tuple[Tensor, Tensor]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, nargs=2, default=(1280, 1024))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    result = {**provenance(), "photo": arguments.size, "repeats": arguments.repeats}
    rows = compare(device, *arguments.size, arguments.repeats)
    for row in rows:
        print(row, flush=True)
    (RESULTS / f"network-losses-{device.type}.json").write_text(json.dumps({**result, "rows": rows}, indent=1) + "\n")


def compare(device: torch.device, width: int, height: int, repeats: int) -> list[dict[str, Any]]:
    """One row per formulation: value and gradient against plain float32, median time, peak memory."""
    generator = torch.Generator().manual_seed(0)
    weights = random_weights(generator)
    photo = torch.rand(1, 3, height // 4, width // 4, generator=generator)
    photo = F.interpolate(photo, size=(height, width), mode="bilinear").to(device)
    render = (photo + 0.05 * torch.randn(photo.shape, generator=generator).to(device)).clamp(0, 1)
    valid = torch.ones_like(photo[:, :1], dtype=torch.bool)
    kinds: dict[str, Callable[[Tensor], Tensor]] = {"plain float32": plain(weights, photo, torch.float32)}
    if device.type == "cuda":
        kinds["plain bf16"] = plain(weights, photo, torch.bfloat16)
    kinds["ours"] = ours(weights, photo, valid)
    rows, expected = [], None
    for name, loss in kinds.items():
        value, gradient = step(loss, render)
        expected = expected or (value, gradient)
        rows.append(
            {
                "kind": name,
                "relative_difference": float((value - expected[0]).abs() / expected[0]),
                "gradient_cosine": float(F.cosine_similarity(gradient.flatten(), expected[1].flatten(), dim=0)),
                "ms": measure(loss, render, repeats),
                "peak_gib": peak(device),
            }
        )
    return rows


def random_weights(generator: torch.Generator) -> Weights:
    """Of the network's shapes, scaled so that features keep their size (He et al. 2015)."""
    return [
        (torch.randn(o, i, 3, 3, generator=generator) * (2 / (9 * i)) ** 0.5, torch.zeros(o))
        for _, i, o in CONVOLUTIONS
    ]


def plain(weights: Weights, photo: Tensor, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
    """The textbook formulation."""
    device = photo.device
    moved = [(w.to(device, dtype), b.to(device, dtype)) for w, b in weights]
    mean, std = (torch.tensor(v, device=device)[:, None, None] for v in (IMAGENET_MEAN, IMAGENET_STD))

    def features(image: Tensor) -> dict[str, Tensor]:
        found, flow = {}, ((image - mean) / std).to(dtype)
        for (name, _, _), (weight, bias) in zip(CONVOLUTIONS[:10], moved):
            if name.endswith("_1") and found:
                flow = F.max_pool2d(flow, 2)
            flow = F.relu(F.conv2d(flow, weight, bias, padding=1))
            found[name] = flow
        return found

    def gram(field: Tensor) -> Tensor:
        flat = field.flatten(2)
        return flat @ flat.transpose(1, 2) / flat[0].numel()

    def loss(render: Tensor) -> Tensor:
        a, b = features(render), features(photo)
        content = F.mse_loss(a["relu2_2"].float(), b["relu2_2"].float())
        return content + STYLE_WEIGHT * sum(F.mse_loss(gram(a[n]).float(), gram(b[n]).float()) for n in STYLE_LAYERS)

    return loss


def ours(weights: Weights, photo: Tensor, valid: Tensor) -> Callable[[Tensor], Tensor]:
    """As the fit calls it."""
    cuda = photo.device.type == "cuda"
    network = Vgg16(weights, photo.device, torch.bfloat16 if cuda else torch.float32, normalised=True)
    memory = NetworkMemory(step=16 << 30 if cuda else 3 << 30, device=8 << 30 if cuda else 0)
    loss = NetworkLoss([(1.0, Content()), (STYLE_WEIGHT, Gram())], network, memory, photo.device)
    return lambda render: loss(render, photo, valid, Visit(0, 0))


def step(loss: Callable[[Tensor], Tensor], render: Tensor) -> tuple[Tensor, Tensor]:
    leaf = render.clone().requires_grad_()
    value = loss(leaf)
    (gradient,) = torch.autograd.grad(value, leaf)
    return value.detach(), gradient


def measure(loss: Callable[[Tensor], Tensor], render: Tensor, repeats: int) -> list[float]:
    """Median, least and most milliseconds of a step."""
    times = []
    for repeat in range(repeats + 2):
        start = now(render.device)
        step(loss, render)
        if repeat >= 2:
            times.append(1e3 * (now(render.device) - start))
    return [round(statistics.median(times), 2), round(min(times), 2), round(max(times), 2)]


def now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def peak(device: torch.device) -> float:
    """GiB at the most since the last call (CUDA) or since the process began (CPU: read the rows in their order)."""
    if device.type == "cuda":
        most = torch.cuda.max_memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        return round(most / 2**30, 2)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)


if __name__ == "__main__":
    main()
