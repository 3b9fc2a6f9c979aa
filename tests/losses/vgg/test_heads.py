"""What each head measures: against plain statements on a plain network, whole or with holes; how layers are named."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from networks import FULL, STRIDES, filters, lpips_heads, plain_features
from neuraltexgen.errors import LossError
from neuraltexgen.kernels import conv
from neuraltexgen.losses.vgg.fill import fill_invalid
from neuraltexgen.losses.vgg.heads import HEADS, Content, Gram, GramPatch, Head, Lpips
from neuraltexgen.losses.vgg.heads import parse_layers as parsed
from neuraltexgen.losses.vgg.measure import NetworkLoss, NetworkMemory
from neuraltexgen.losses.vgg.network import LAYERS, Vgg16
from neuraltexgen.losses.vgg.photo import Part
from neuraltexgen.losses.vgg.settings import NetworkSettings

CPU = torch.device("cpu")
STYLE_LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
LPIPS_LAYERS = (*STYLE_LAYERS, "relu5_3")
NETWORK = filters()
THIN_HEADS = tuple(
    head.flatten()[: NETWORK[LAYERS.index(name)][0].shape[0]] for head, name in zip(lpips_heads(), LPIPS_LAYERS)
)
SHALLOW = ("relu1_2", "relu2_2")

Layers = dict[str, Tensor]
Plain = Callable[[Layers, Layers, Layers], Tensor]
"""The features of render and photo, and which count, by layer: a loss."""


def plain_content(ours: Layers, theirs: Layers, counts: Layers, layers: tuple[str, ...] = ("relu2_2",)) -> Tensor:
    return sum_of((ours[n] - theirs[n]).square().mean(dim=1)[0][counts[n]].mean() for n in layers)


def plain_gram(features: Tensor, counts: Tensor) -> Tensor:
    """G[i, j] = mean over features that count of F_i F_j, over the number of channels."""
    vectors = features[0][:, counts]
    return torch.einsum("ip,jp->ij", vectors, vectors) / (vectors.shape[0] * vectors.shape[1])


def plain_style(ours: Layers, theirs: Layers, counts: Layers, layers: tuple[str, ...] = STYLE_LAYERS) -> Tensor:
    pairs = ((plain_gram(ours[n], counts[n]), plain_gram(theirs[n], counts[n])) for n in layers)
    return sum_of((a - b).square().mean() for a, b in pairs)


def plain_gram_patch(ours: Layers, theirs: Layers, counts: Layers, layers: tuple[str, ...] = SHALLOW) -> Tensor:
    """Patch by patch; each by its share of the features that count."""
    parts = []
    for name in layers:
        side, (height, width) = 128 // STRIDES[name], counts[name].shape
        for top in range(0, height, side):
            for left in range(0, width, side):
                patch = (..., slice(top, top + side), slice(left, left + side))
                here = counts[name][patch]
                if here.any():
                    a, b = plain_gram(ours[name][patch], here), plain_gram(theirs[name][patch], here)
                    parts.append((a - b).square().mean() * here.sum() / counts[name].sum())
    return sum_of(parts)


def plain_lpips(ours: Layers, theirs: Layers, counts: Layers) -> Tensor:
    parts = []
    for name, head in zip(LPIPS_LAYERS, THIN_HEADS, strict=True):
        a, b = (each[name] / (torch.linalg.vector_norm(each[name], dim=1) + 1e-10) for each in (ours, theirs))
        parts.append(torch.tensordot(head.double(), (a - b)[0] ** 2, dims=1)[counts[name]].mean())
    return sum_of(parts)


def sum_of(parts: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(parts)).sum(dim=0)


@dataclass(frozen=True)
class Case:
    head: Head
    plain: Plain
    size: tuple[int, int] = (45, 62)


CASES: dict[str, Case] = {
    "content": Case(Content(), plain_content),
    "content of two layers": Case(
        Content(("relu1_1", "relu3_3")), lambda a, b, c: plain_content(a, b, c, ("relu1_1", "relu3_3"))
    ),
    "style": Case(Gram(), plain_style),
    "style of a deep layer": Case(Gram(("relu5_3",)), lambda a, b, c: plain_style(a, b, c, ("relu5_3",))),
    "gram_patch, one patch": Case(GramPatch(SHALLOW), plain_gram_patch),
    "gram_patch, six patches": Case(GramPatch(SHALLOW), plain_gram_patch, (150, 263)),
    "lpips": Case(Lpips(THIN_HEADS), plain_lpips),
}


def images(height: int, width: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """A render that is like its photo, and a mask with a large and a small hole."""
    draw = torch.Generator().manual_seed(seed)
    photo = torch.rand(1, 3, height, width, generator=draw, dtype=torch.float64)
    render = 0.7 * photo + 0.2 * torch.rand(1, 3, height, width, generator=draw, dtype=torch.float64)
    valid = torch.ones(1, 1, height, width, dtype=torch.bool)
    valid[..., : height // 3, width // 2 :] = False
    valid[..., height - 3, 5] = False
    return render, photo, valid


def whole_blocks(valid: Tensor, side: int) -> Tensor:
    """Which features count: those whose own block of pixels is valid throughout."""
    rows, cols = valid.shape[2] // side, valid.shape[3] // side
    blocks = valid[0, 0, : rows * side, : cols * side].reshape(rows, side, cols, side)
    return blocks.transpose(1, 2).flatten(2).all(dim=2)


def plain_value(plain: Plain, render: Tensor, photo: Tensor, valid: Tensor) -> Tensor:
    """Both images with the photo's fill in their holes, through the plain network."""
    fill = fill_invalid(photo, valid)
    ours, theirs = (plain_features(torch.where(valid, image, fill), NETWORK) for image in (render, photo))
    return plain(ours, theirs, {name: whole_blocks(valid, STRIDES[name]) for name in LAYERS})


def with_gradient(function: Callable[[Tensor], Tensor], image: Tensor) -> tuple[Tensor, Tensor]:
    leaf = image.clone().requires_grad_()
    value = function(leaf)
    value.backward()
    assert leaf.grad is not None
    return value.detach(), leaf.grad


def loss_of(*heads: tuple[float, Head], dtype: torch.dtype = torch.float64) -> NetworkLoss:
    return NetworkLoss(heads, Vgg16(NETWORK, CPU, dtype, True), NetworkMemory(), CPU)


@pytest.mark.parametrize("holes", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_value_and_gradient_are_those_of_the_plain_statement(name: str, holes: bool) -> None:
    case = CASES[name]
    render, photo, valid = images(*case.size)
    valid = valid if holes else torch.ones_like(valid)
    value, gradient = with_gradient(lambda image: plain_value(case.plain, image, photo, valid), render)
    gradient = torch.where(valid, gradient, 0)
    assert value > 1e-6
    loss = loss_of((1.0, case.head))
    found, slope = with_gradient(lambda image: loss(image, photo, valid), render)
    assert found.item() == pytest.approx(value.item(), rel=1e-9)
    assert (slope - gradient).norm() <= 1e-9 * gradient.norm()


@pytest.mark.parametrize("name", CASES)
def test_single_precision_is_near(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conv, "FEW_CHANNELS", 16)  # thin layers take the CPU's twin as wide ones do
    case = CASES[name]
    render, photo, valid = images(*case.size)
    value, gradient = with_gradient(lambda image: plain_value(case.plain, image, photo, valid), render)
    gradient = torch.where(valid, gradient, 0)
    loss = loss_of((1.0, case.head), dtype=torch.float32)
    found, slope = with_gradient(lambda image: loss(image, photo.float(), valid), render.float())
    assert found.item() == pytest.approx(value.item(), rel=1e-4)
    assert (slope.double() - gradient).norm() <= 1e-3 * gradient.norm()


@pytest.mark.parametrize("name", CASES)
def test_the_gradient_agrees_with_finite_differences(name: str) -> None:
    render, photo, valid = images(*CASES[name].size)
    loss = loss_of((1.0, CASES[name].head))
    _, gradient = with_gradient(lambda image: loss(image, photo, valid), render)
    draw = torch.Generator().manual_seed(1)
    for _ in range(3):
        # All pixels along a random direction that the gradient has something to say about, in steps so short that
        # hardly any feature meets a kink.
        step = 1e-7 * (torch.randn(render.shape, generator=draw, dtype=torch.float64) + gradient.sign())
        rise = loss(render + step, photo, valid) - loss(render - step, photo, valid)
        assert rise.item() == pytest.approx(2 * (gradient * step).sum().item(), rel=1e-4)


@pytest.mark.parametrize("name", CASES)
def test_single_pixels_agree_with_finite_differences(name: str) -> None:
    render, photo, _ = images(32, 40)
    valid = torch.ones(1, 1, 32, 40, dtype=torch.bool)
    loss = loss_of((1.0, CASES[name].head))
    _, gradient = with_gradient(lambda image: loss(image, photo, valid), render)
    for place in ((0, 0, 0, 0), (0, 1, 17, 22), (0, 2, 31, 39)):
        step = torch.zeros_like(render)
        step[place] = 1e-6
        rise = loss(render + step, photo, valid) - loss(render - step, photo, valid)
        assert rise.item() == pytest.approx(2e-6 * gradient[place].item(), rel=1e-3, abs=1e-14)


def test_heads_add_up_by_weight_where_they_share_layers_too() -> None:
    render, photo, valid = images(45, 62)
    pairs = [(2.0, Content()), (0.5, Gram()), (3.0, GramPatch(SHALLOW)), (0.25, Lpips(THIN_HEADS)), (0.0, Content())]
    together = with_gradient(lambda image: loss_of(*pairs)(image, photo, valid), render)
    apart = [with_gradient(lambda image, p=pair: loss_of((1.0, p[1]))(image, photo, valid), render) for pair in pairs]
    for whole, parts in zip(together, zip(*apart, strict=True), strict=True):
        torch.testing.assert_close(whole, sum_of(weight * part for (weight, _), part in zip(pairs, parts, strict=True)))


def test_features_that_are_all_zero_have_a_finite_gradient() -> None:
    """A layer that does not answer to a flat patch: its features have no length and no direction."""
    dead = [(weight, bias - 100) if i == 3 else (weight, bias) for i, (weight, bias) in enumerate(NETWORK)]
    render, photo, valid = images(45, 62)
    loss = NetworkLoss([(1.0, Lpips(THIN_HEADS))], Vgg16(dead, CPU, torch.float32, True), NetworkMemory(), CPU)
    value, gradient = with_gradient(lambda image: loss(image, photo.float(), valid), render.float())
    assert torch.isfinite(value)
    assert torch.isfinite(gradient).all()


def test_a_gram_matrix_does_not_know_where_things_are() -> None:
    features = torch.rand(1, 7, 6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(1))
    shuffled = features.flatten(2)[..., order].reshape(1, 7, 6, 5)
    grams = [
        Gram().keep(Part("relu1_2", each, None, torch.tensor(1 / 30))) for each in (features, shuffled, features + 0.1)
    ]
    torch.testing.assert_close(grams[0], grams[1])
    assert (grams[2] - grams[0]).abs().min() > 1e-3


@pytest.mark.parametrize("name", HEADS)
def test_every_head_of_the_table_has_layers_of_the_network_and_a_line(name: str, lpips_file: Path) -> None:
    make, line = HEADS[name]
    head = make((), NetworkSettings(lpips_weights=lpips_file), CPU)
    assert head.layers
    assert set(head.layers) <= set(LAYERS)
    assert line
    if name != "lpips":
        assert make(("relu3_1", "relu4_2"), NetworkSettings(), CPU).layers == ("relu3_1", "relu4_2")


def test_the_table_is_sorted_and_a_style_picture_goes_with_the_styles(lpips_file: Path) -> None:
    assert list(HEADS) == sorted(HEADS)
    heads = {name: make((), NetworkSettings(lpips_weights=lpips_file), CPU) for name, (make, _) in HEADS.items()}
    assert {name for name, head in heads.items() if head.styled} == {"vgg_style", "gram_patch"}
    assert {name for name, head in heads.items() if head.summed} == {"vgg_style"}


def test_lpips_takes_the_heads_of_the_file_and_no_layers(lpips_file: Path) -> None:
    make, _ = HEADS["lpips"]
    head = make((), NetworkSettings(lpips_weights=lpips_file), CPU)
    assert isinstance(head, Lpips)
    assert [len(weight) for weight in head.heads] == list(FULL)
    assert all(torch.equal(ours, file.flatten()) for ours, file in zip(head.heads, lpips_heads(), strict=True))
    with pytest.raises(LossError, match="own five layers"):
        make(("relu1_2",), NetworkSettings(lpips_weights=lpips_file), CPU)
    with pytest.raises(LossError, match="needs the weights of its linear heads") as caught:
        make((), NetworkSettings(), CPU)
    assert "curl" in str(caught.value)


def test_layers_are_named_with_plus_between() -> None:
    assert parsed("vgg_style", "") == ()
    assert parsed("vgg_style", "relu3_3") == ("relu3_3",)
    assert parsed("vgg_style", "relu4_1+relu1_2") == ("relu4_1", "relu1_2")


@pytest.mark.parametrize("argument", ["relu6_1", "relu2_3", "conv1_1", "relu1_1+", "+", "relu1_1,relu1_2", "RELU1_1"])
def test_what_is_no_layer_is_answered_with_the_layers(argument: str) -> None:
    with pytest.raises(LossError, match="VGG-16 has no layer") as caught:
        parsed("vgg_style", argument)
    assert caught.value.fix is not None
    assert all(layer in caught.value.fix for layer in LAYERS)
