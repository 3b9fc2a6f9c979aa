"""Render: look a texture up bilinearly at s places a pixel and average; differentiable in the texture."""

import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor

from neuraltexgen.kernels.cpu import sample as cpu_sample


def render(
    texture: Float[Tensor, "H W c"], uv: Float[Tensor, "h w s 2"], valid: Bool[Tensor, "h w"]
) -> Float[Tensor, "h w c"]:
    """The mean of s bilinear lookups a pixel, as a function of the texture; 0 where a pixel is not valid.

    uv (0, 0) is the top-left corner of the texture; texel (i, j) has its centre at ((j + 0.5) / W, (i + 0.5) / H);
    lookups past the outermost centres repeat the border. uvs of invalid pixels are never read, so they may be NaN.
    Gradients flow to the texture only. Float32 on the CPU takes the numba twin, everything else the definition.
    """
    if texture.device.type == "cpu" and texture.dtype == torch.float32 and uv.dtype == torch.float32:
        return _CpuRender.apply(texture, uv, valid)  # pyright: ignore[reportReturnType]
    return render_definition(texture, uv, valid)


def render_definition(
    texture: Float[Tensor, "H W c"], uv: Float[Tensor, "h w s 2"], valid: Bool[Tensor, "h w"]
) -> Float[Tensor, "h w c"]:
    """The definition of `render` in plain PyTorch: any device, any float type, differentiated by autograd."""
    height, width, channels = texture.shape
    places = uv[valid].to(texture.dtype)  # p s 2
    x = (places[..., 0] * width - 0.5).clamp(0, width - 1)
    y = (places[..., 1] * height - 0.5).clamp(0, height - 1)
    x0, y0 = x.floor().clamp(max=max(width - 2, 0)), y.floor().clamp(max=max(height - 2, 0))
    fx, fy = (x - x0)[..., None], (y - y0)[..., None]
    x0, y0 = x0.long(), y0.long()
    x1, y1 = (x0 + 1).clamp(max=width - 1), (y0 + 1).clamp(max=height - 1)
    texels = texture.reshape(-1, channels)
    top = (1 - fx) * texels[y0 * width + x0] + fx * texels[y0 * width + x1]
    bottom = (1 - fx) * texels[y1 * width + x0] + fx * texels[y1 * width + x1]
    result = texture.new_zeros(*valid.shape, channels)
    result[valid] = ((1 - fy) * top + fy * bottom).mean(dim=1)
    return result


def splat(
    gradient: Float[Tensor, "h w c"],
    uv: Float[Tensor, "h w s 2"],
    valid: Bool[Tensor, "h w"],
    result: Float[Tensor, "H W c"],
) -> None:
    """Adds the adjoint of `render`, applied to a gradient of the rendered image, to `result` in place.

    What autograd does for `render`, without a new texture-sized tensor for every view.
    """
    if result.device.type == "cpu" and result.dtype == torch.float32 and uv.dtype == torch.float32:
        if not result.is_contiguous():
            raise ValueError("splat adds in place: its result must be contiguous")
        cpu_sample.splat(gradient.contiguous().numpy(), uv.numpy(), valid.numpy(), result.numpy())
        return
    texture = torch.zeros_like(result, requires_grad=True)
    with torch.enable_grad():
        image = render_definition(texture, uv, valid)
    result += torch.autograd.grad(image, texture, gradient)[0]


def splat_weight(
    uv: Float32[Tensor, "h w s 2"], weight: Float32[Tensor, "h w"], size: tuple[int, int]
) -> Float32[Tensor, "H W"]:
    """How much each texel counts in the weighted pixels: the adjoint of `render` applied to `weight`; size = (H, W)."""
    result = torch.zeros(*size, 1, device=uv.device)
    splat(weight[..., None], uv, weight > 0, result)
    return result[..., 0]


class _CpuRender(torch.autograd.Function):
    @staticmethod
    def forward(ctx, texture: Tensor, uv: Tensor, valid: Tensor) -> Tensor:
        ctx.save_for_backward(uv, valid)
        ctx.texture_shape = texture.shape
        result = torch.empty(*valid.shape, texture.shape[2])
        cpu_sample.render(texture.detach().contiguous().numpy(), uv.numpy(), valid.numpy(), result.numpy())
        return result

    @staticmethod
    def backward(ctx, *gradients: Tensor) -> tuple[Tensor, None, None]:
        uv, valid = ctx.saved_tensors
        result = torch.zeros(ctx.texture_shape)
        cpu_sample.splat(gradients[0].contiguous().numpy(), uv.numpy(), valid.numpy(), result.numpy())
        return result, None, None
