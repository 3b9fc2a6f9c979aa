"""The feature network: the same as PyTorch's own operations, forward and backward; what each feature looks at."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from networks import FULL, LAYER_NAMES, STRIDES, filters, plain_features
from neuraltexgen.kernels import conv
from neuraltexgen.losses.vgg.network import CONVOLUTIONS, LAYERS, Vgg16, reach, stride

CPU = torch.device("cpu")
NETWORK = filters()
BOUNDS = {torch.float64: 1e-12, torch.float32: 5e-6}
"""Relative L2 error against plain PyTorch in float64; Winograd's transform costs some digits."""


@pytest.fixture(autouse=True)
def _twin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thin layers take the CPU's twin as wide ones do."""
    monkeypatch.setattr(conv, "FEW_CHANNELS", 16)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def near(ours: Tensor, plain: Tensor, bound: float) -> bool:
    return ours.shape == plain.shape and bool((ours.double() - plain).norm() <= bound * plain.norm())


def plain_gradient(image: Tensor, gradients: Mapping[str, Tensor], normalised: bool = True) -> Tensor:
    leaf = image.clone().requires_grad_()
    layers = plain_features(leaf, NETWORK, normalised)
    torch.autograd.backward([layers[name] for name in gradients], list(gradients.values()))
    assert leaf.grad is not None
    return leaf.grad


def our_gradient(network: Vgg16, image: Tensor, gradients: Mapping[str, Tensor]) -> Tensor:
    deepest = max(gradients, key=LAYERS.index)
    return network.gradient(
        network.activations(image.to(network.dtype), deepest),
        {name: gradient.to(network.dtype) for name, gradient in gradients.items()},
    )


def test_it_is_configuration_d() -> None:
    assert LAYERS == LAYER_NAMES
    assert [(i, o) for _, i, o in CONVOLUTIONS] == [(w.shape[1], w.shape[0]) for w, _ in filters(FULL)]
    assert {name: stride(name) for name in LAYERS} == STRIDES


@pytest.mark.parametrize("normalised", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [(37, 50), (32, 33), (16, 16)])
def test_every_layer_is_plain_pytorchs(size: tuple[int, int], dtype: torch.dtype, normalised: bool) -> None:
    image = noise(1, 3, *size)
    plain = plain_features(image, NETWORK, normalised)
    network = Vgg16(NETWORK, CPU, dtype, normalised)
    found = network.activations(image.to(dtype), LAYERS[-1])
    assert len(found) == len(plain) == 13
    for name, activation in zip(LAYERS, found, strict=True):
        assert activation.dtype == dtype
        assert near(activation, plain[name], BOUNDS[dtype]), name


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("layer", LAYERS)
def test_every_layers_gradient_in_the_image_is_autograds(layer: str, dtype: torch.dtype) -> None:
    image = noise(1, 3, 37, 50)
    above = noise(*plain_features(image, NETWORK)[layer].shape, seed=1) - 0.5
    found = our_gradient(Vgg16(NETWORK, CPU, dtype, True), image, {layer: above})
    assert found.dtype == dtype
    assert near(found, plain_gradient(image, {layer: above}), 5 * BOUNDS[dtype])


@pytest.mark.parametrize("normalised", [True, False])
@pytest.mark.parametrize("wanted", [LAYERS, ("relu1_2", "relu4_3"), ("relu1_1", "relu1_2", "relu2_1")])
def test_gradients_of_several_layers_add_up(wanted: tuple[str, ...], normalised: bool) -> None:
    image = noise(1, 3, 33, 48)
    plain = plain_features(image, NETWORK, normalised)
    above = {name: noise(*plain[name].shape, seed=i) - 0.5 for i, name in enumerate(wanted)}
    found = our_gradient(Vgg16(NETWORK, CPU, torch.float64, normalised), image, above)
    assert near(found, plain_gradient(image, above, normalised), BOUNDS[torch.float64])


def test_the_activations_are_given_back_on_the_way_and_without_a_gradient_nothing_is_found() -> None:
    network = Vgg16(NETWORK[:4], CPU, torch.float32, True)
    activations = network.activations(noise(1, 3, 16, 16).float(), "relu2_2")
    network.gradient(activations, {"relu1_2": torch.ones_like(activations[1])})
    assert activations == []
    with pytest.raises(ValueError, match="no layer has a gradient"):
        network.gradient(network.activations(noise(1, 3, 16, 16).float(), "relu2_2"), {})


def test_only_what_is_wanted_is_handed_out_and_a_shallow_network_is_enough_for_it() -> None:
    image = noise(1, 3, 40, 24)
    network = Vgg16(NETWORK[:7], CPU, torch.float64, True)
    plain = plain_features(image, NETWORK)
    found = network.features(image, ("relu3_3", "relu1_2"))
    assert set(found) == {"relu1_2", "relu3_3"}
    assert all(near(features, plain[name], BOUNDS[torch.float64]) for name, features in found.items())
    assert len(network.activations(image, "relu2_1")) == 3


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (2, 2), (3, 17), (5, 9), (15, 15)])
def test_a_small_image_has_the_layers_that_it_has_pixels_for(size: tuple[int, int]) -> None:
    image = noise(1, 3, *size)
    network = Vgg16(NETWORK, CPU, torch.float64, True)
    plain = plain_features(image, NETWORK)
    assert set(network.features(image, LAYERS)) == set(plain) == {n for n in LAYERS if min(size) >= stride(n)}
    deepest = list(plain)[-1]
    above = {deepest: noise(*plain[deepest].shape, seed=1)}
    activations = network.activations(image, LAYERS[-1])
    assert len(activations) == len(plain)
    assert near(network.gradient(activations, above), plain_gradient(image, above), BOUNDS[torch.float64])


@pytest.mark.parametrize("layer", LAYERS)
def test_a_feature_sees_its_block_and_its_reach_and_no_further(layer: str) -> None:
    """All filters are positive and one pixel is very bright, so whatever could change does."""
    spread = [(torch.full((1, 3 if i == 0 else 1, 3, 3), 1 / 9), torch.zeros(1)) for i in range(13)]
    network = Vgg16(spread, CPU, torch.float64, False)
    image = 0.5 + noise(1, 3, 208, 208)
    before = network.features(image, (layer,))[layer]
    step, beyond = stride(layer), reach(layer)
    for row, col in ((100, 107), (0, 207), (111, 15)):
        brighter = image.clone()
        brighter[0, 1, row, col] = 1e6
        changed = network.features(brighter, (layer,))[layer] != before
        first = torch.arange(208 // step) * step
        seen = [(first - beyond <= place) & (place < first + step + beyond) for place in (row, col)]
        assert torch.equal(changed[0, 0], seen[0][:, None] & seen[1][None, :])


def test_half_precision_is_near() -> None:
    image = noise(1, 3, 32, 32)
    network = Vgg16(NETWORK, CPU, torch.bfloat16, True)
    plain = plain_features(image, NETWORK)
    activations = network.activations(image.float(), "relu3_3")
    assert len(activations) == 7
    assert all(near(found, plain[name], 0.015) for name, found in zip(LAYERS, activations))
    gradient = network.gradient(activations, {"relu3_3": torch.ones_like(activations[-1])})
    expected = plain_gradient(image, {"relu3_3": torch.ones_like(plain["relu3_3"])})
    assert gradient.dtype == torch.float32
    # Features near 0 fall on the other side of a ReLU, so the gradient is far less exact than the features.
    assert torch.cosine_similarity(gradient.double().flatten(), expected.flatten(), dim=0) > 0.97
