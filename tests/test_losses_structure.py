"""The losses on structure: against plain statements in loops, blind to what is masked out, finite where it is hard."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from neuraltexgen.losses.laplacian import laplacian
from neuraltexgen.losses.structure import LEAST_SIMILARITY, ms_ssim, ssim

LOSSES = (ssim, ms_ssim, laplacian)
PUBLISHED = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
C1, C2 = 0.0001, 0.0009
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def images(height: int, width: int, batch: int = 1, channels: int = 1, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """A photo with structure of every size, a render that is like it, and a mask with scattered and large holes."""
    rng = np.random.default_rng([seed, height, width])
    y, x = np.mgrid[:height, :width]
    shape = (batch, channels, height, width)
    photo = 0.5 + 0.2 * np.sin(0.9 * x) * np.cos(0.25 * y) + 0.15 * rng.standard_normal(shape)
    render = 0.8 * photo + 0.05 + 0.08 * rng.standard_normal(shape)
    valid = rng.random((batch, 1, height, width)) < 0.8
    valid[:, :, height // 4 : height // 2, width // 3 : width // 2] = False
    return torch.from_numpy(render), torch.from_numpy(photo), torch.from_numpy(valid)


def everywhere(image: Tensor) -> Tensor:
    return torch.ones(image.shape[0], 1, *image.shape[2:], dtype=torch.bool)


def plain_similarity(x: np.ndarray, y: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Luminance and contrast-structure of (h w) images, window by window over the pixels that are valid in it."""
    luminance, structure = np.full(x.shape, np.nan), np.full(x.shape, np.nan)
    for row, col in np.argwhere(valid):
        rows, cols = slice(max(row - 5, 0), row + 6), slice(max(col - 5, 0), col + 6)
        i, j = np.nonzero(valid[rows, cols])
        weight = np.exp(-((i + rows.start - row) ** 2 + (j + cols.start - col) ** 2) / (2 * 1.5**2))
        weight /= weight.sum()
        a, b = x[rows, cols][i, j], y[rows, cols][i, j]
        mean_a, mean_b = weight @ a, weight @ b
        var_a, var_b = weight @ (a - mean_a) ** 2, weight @ (b - mean_b) ** 2
        covariance = weight @ ((a - mean_a) * (b - mean_b))
        luminance[row, col] = (2 * mean_a * mean_b + C1) / (mean_a**2 + mean_b**2 + C1)
        structure[row, col] = (2 * covariance + C2) / (var_a + var_b + C2)
    return luminance, structure


def plain_ssim(render: np.ndarray, photo: np.ndarray, valid: np.ndarray) -> float:
    values = []
    for b, c in np.ndindex(*render.shape[:2]):
        luminance, structure = plain_similarity(render[b, c], photo[b, c], valid[b, 0])
        values.extend((luminance * structure)[valid[b, 0]])
    return 1 - float(np.mean(values))


def plain_halves(image: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rows, cols = -(-image.shape[0] // 2), -(-image.shape[1] // 2)
    halved, seen = np.zeros((rows, cols)), np.zeros((rows, cols), dtype=bool)
    for i, j in np.ndindex(rows, cols):
        block, kept = image[2 * i : 2 * i + 2, 2 * j : 2 * j + 2], valid[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
        if kept.any():
            halved[i, j], seen[i, j] = block[kept].mean(), True
    return halved, seen


def plain_ms_ssim(render: np.ndarray, photo: np.ndarray, valid: np.ndarray, scales: int) -> float:
    """Scale by scale, for similarities that need no continuation."""
    exponents = np.array(PUBLISHED[:scales]) / sum(PUBLISHED[:scales])
    total = 0.0
    for b, c in np.ndindex(*render.shape[:2]):
        x, y, seen, product = render[b, c], photo[b, c], valid[b, 0], 1.0
        for scale in range(scales):
            luminance, structure = plain_similarity(x, y, seen)
            mean = (luminance * structure if scale == scales - 1 else structure)[seen].mean()
            assert mean > LEAST_SIMILARITY
            product *= mean ** exponents[scale]
            (x, _), (y, seen) = plain_halves(x, seen), plain_halves(y, seen)
        total += (1 - product) * valid[b].sum() / valid.sum() / render.shape[1]
    return float(total)


def reduction(size: int) -> np.ndarray:
    """Burt & Adelson's REDUCE along one axis as a matrix, without what would lie beyond the border."""
    matrix = np.zeros(((size + 1) // 2, size))
    for i in range(len(matrix)):
        for tap, weight in zip(range(-2, 3), (1, 4, 6, 4, 1)):
            if 0 <= 2 * i + tap < size:
                matrix[i, 2 * i + tap] = weight / 16
    return matrix


def plain_laplacian(render: np.ndarray, photo: np.ndarray, valid: np.ndarray) -> float:
    """The two pyramids apart from each other, by matrices; bands while the shorter side has 16 pixels, at most 6."""

    def bands(image: np.ndarray, coverage: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        found = []
        while min(image.shape) >= 16 and len(found) < 6:
            down, right = (reduction(size) for size in image.shape)
            total, coarse = down @ (image * coverage) @ right.T, down @ coverage @ right.T
            enlarged = (down.T @ total @ right) / np.maximum(down.T @ coarse @ right, 1e-300)
            found.append((image - enlarged, coverage))
            image, coverage = total / np.maximum(coarse, 1e-300), coarse
        return [*found, (image, coverage)]

    sums: dict[int, list[tuple[float, float]]] = {}
    for b, c in np.ndindex(*render.shape[:2]):
        kept = valid[b, 0]
        pair = (bands(np.where(kept, image[b, c], 0), kept.astype(float)) for image in (render, photo))
        for level, ((x, weight), (y, _)) in enumerate(zip(*pair)):
            sums.setdefault(level, []).append(((weight * np.abs(x - y)).sum(), weight.sum()))
    return sum(sum(part for part, _ in level) / sum(size for _, size in level) for level in sums.values())


@pytest.mark.parametrize("shape", [(13, 17), (14, 9), (3, 5)])
def test_ssim_is_that_of_windows_one_by_one(shape: tuple[int, int]) -> None:
    case = images(*shape, batch=2, channels=2)
    expected = plain_ssim(*(part.numpy() for part in case))
    assert expected > 0.01
    assert ssim(*case).item() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("shape", "scales"), [((13, 17), 1), ((21, 24), 2), ((23, 21), 2), ((41, 43), 3)])
def test_ms_ssim_is_that_of_windows_one_by_one(shape: tuple[int, int], scales: int) -> None:
    case = images(*shape, batch=2, channels=2)
    expected = plain_ms_ssim(*(part.numpy() for part in case), scales=scales)
    assert expected > 0.01
    assert ms_ssim(*case).item() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("shape", [(161, 170), (256, 256)])
def test_ms_ssim_has_its_five_scales_from_161_pixels_on(shape: tuple[int, int]) -> None:
    case = images(*shape)
    expected = plain_ms_ssim(*(part.numpy() for part in case), scales=5)
    assert ms_ssim(*case).item() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("shape", [(15, 40), (16, 16), (17, 19), (33, 70), (64, 50)])
def test_laplacian_is_the_difference_of_two_plain_pyramids(shape: tuple[int, int]) -> None:
    case = images(*shape, batch=2, channels=2)
    expected = plain_laplacian(*(part.numpy() for part in case))
    assert laplacian(*case).item() == pytest.approx(expected, abs=1e-9)


def test_laplacian_has_six_bands_at_most() -> None:
    render, photo, valid = images(1030, 1050)
    expected = plain_laplacian(render.numpy(), photo.numpy(), valid.numpy())
    assert laplacian(render, photo, valid).item() == pytest.approx(expected, abs=1e-9)


def test_a_constant_offset_is_found_in_the_laplacians_residual_alone() -> None:
    _, photo, valid = images(64, 50)
    assert laplacian(photo + 0.25, photo, valid).item() == pytest.approx(0.25, abs=1e-12)


@pytest.mark.parametrize("shape", [(5, 6), (12, 13), (24, 21)])
@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_agree_with_finite_differences(loss: Loss, shape: tuple[int, int]) -> None:
    render, photo, valid = images(*shape)
    both = render.requires_grad_(), photo.requires_grad_()
    assert torch.autograd.gradcheck(lambda x, y: loss(x, y, valid), both, atol=1e-7, fast_mode=min(shape) > 11)


def test_the_gradient_of_ms_ssim_is_right_on_both_sides_of_the_continuation() -> None:
    render, photo, valid = images(22, 23)
    for share in (1.0, 0.2, 0.0, -0.3):
        mixed = (0.5 + share * (photo - 0.5) + 0.1 * (render - photo)).requires_grad_()
        assert torch.autograd.gradcheck(lambda x: ms_ssim(x, photo, valid), mixed, atol=1e-7, fast_mode=True)


def test_a_negative_similarity_leaves_ms_ssim_finite_and_leads_back() -> None:
    _, photo, valid = images(48, 50)
    opposite = (1 - photo).requires_grad_()
    loss = ms_ssim(opposite, photo, valid)
    loss.backward()
    assert opposite.grad is not None
    assert torch.isfinite(opposite.grad).all()
    assert 0.9 < loss.item() < 1
    step = opposite.detach() - 1e-3 * opposite.grad / opposite.grad.abs().max()
    assert ms_ssim(step, photo, valid) < loss


def value_and_gradient(loss: Loss, render: Tensor, photo: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    leaf = render.detach().clone().requires_grad_()
    value = loss(leaf, photo, valid)
    value.backward()
    assert leaf.grad is not None
    return value.detach(), leaf.grad


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (50, 40), (170, 165)])
@pytest.mark.parametrize("loss", LOSSES)
def test_equal_images_cost_nothing(loss: Loss, shape: tuple[int, int], dtype: torch.dtype) -> None:
    _, photo, valid = images(*shape, batch=2, channels=3)
    value, gradient = value_and_gradient(loss, photo.to(dtype), photo.to(dtype), valid)
    assert value.dtype == gradient.dtype == dtype
    assert value.item() == 0
    assert (gradient == 0).all()


@pytest.mark.parametrize("junk", [float("nan"), float("inf"), 1e6, None])
@pytest.mark.parametrize("loss", LOSSES)
def test_nothing_in_invalid_pixels_counts(loss: Loss, junk: float | None) -> None:
    render, photo, valid = images(50, 44, batch=2, channels=2)
    value, gradient = value_and_gradient(loss, render, photo, valid)
    other = torch.rand(render.shape, dtype=render.dtype, generator=torch.Generator().manual_seed(3))
    fill = other if junk is None else torch.full_like(render, junk)
    for in_render, in_photo in ((fill, fill), (fill, photo), (render, fill)):
        spoiled = torch.where(valid, render, in_render), torch.where(valid, photo, in_photo)
        found, slope = value_and_gradient(loss, *spoiled, valid)
        assert torch.equal(found, value)
        assert torch.equal(slope, gradient)
    assert (gradient[(~valid).expand_as(gradient)] == 0).all()
    assert (gradient[valid.expand_as(gradient)] != 0).any()


@pytest.mark.parametrize("loss", LOSSES)
def test_without_a_valid_pixel_there_is_nothing(loss: Loss) -> None:
    render, photo, valid = images(50, 44)
    empty = torch.zeros_like(valid)
    value, gradient = value_and_gradient(loss, torch.full_like(render, math.nan), photo, empty)
    assert value.item() == 0
    assert (gradient == 0).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (3, 5), (2, 40)])
@pytest.mark.parametrize("loss", LOSSES)
def test_tiny_images_are_measured_too(loss: Loss, shape: tuple[int, int]) -> None:
    _, photo, _ = images(*shape)
    value, gradient = value_and_gradient(loss, photo + 0.2, photo, everywhere(photo))
    assert value.item() > 0.01
    assert torch.isfinite(gradient).all()
    assert (gradient > 0).any()


@pytest.mark.parametrize("loss", LOSSES)
def test_images_of_a_batch_count_by_their_valid_pixels(loss: Loss) -> None:
    render, photo, valid = images(45, 46, batch=3, channels=2)
    valid[1, :, 10:] = False
    valid[2] = False
    if loss is laplacian:  # its bands weigh images each by its own coverage there, so only an empty one is exact
        valid[1] = False
    counts = valid.sum(dim=(1, 2, 3)).double()
    apart = torch.stack([loss(render[i : i + 1], photo[i : i + 1], valid[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(loss(render, photo, valid), (apart * counts).sum() / counts.sum())


@pytest.mark.parametrize("loss", LOSSES)
def test_render_and_photo_may_change_places(loss: Loss) -> None:
    render, photo, valid = images(50, 44, batch=2)
    torch.testing.assert_close(loss(render, photo, valid), loss(photo, render, valid))


@pytest.mark.parametrize("loss", LOSSES)
def test_more_blur_and_more_noise_cost_more(loss: Loss) -> None:
    _, photo, valid = images(180, 170, channels=3)
    noise = torch.randn(photo.shape, generator=torch.Generator().manual_seed(1), dtype=photo.dtype)
    noisy = [loss(photo + amount * noise, photo, valid).item() for amount in (0.01, 0.03, 0.1, 0.3)]
    blurred, image = [], photo
    for _ in range(5):
        image = F.avg_pool2d(image, 3, 1, 1, count_include_pad=False)
        blurred.append(loss(image, photo, valid).item())
    assert noisy == sorted(noisy)
    assert blurred == sorted(blurred)
    assert 0 < noisy[0] < 0.1
    assert blurred[0] > 0.01


@pytest.mark.parametrize("loss", LOSSES)
def test_single_precision_is_precise(loss: Loss) -> None:
    render, photo, valid = images(170, 165, channels=3)
    value, gradient = value_and_gradient(loss, render, photo, valid)
    found, slope = value_and_gradient(loss, render.float(), photo.float(), valid)
    assert found.item() == pytest.approx(value.item(), rel=1e-5)
    assert (slope.double() - gradient).norm() < 1e-3 * gradient.norm()
