"""Losses on image gradients: differences of neighbouring pixels."""

import torch

from neuraltexgen.losses.pixel import Images, Scalar, Valid, masked_mean


def gradient_l1(render: Images, photo: Images, valid: Valid) -> Scalar:
    """Mean |∇render - ∇photo|, over neighbour pairs with both ends valid; 0 where there is none.

    The means over horizontal and over vertical pairs are added, as in NeuralTexGen. Blind to a constant colour offset.
    """
    zero = torch.zeros((), dtype=render.dtype, device=render.device)
    difference = torch.where(valid, render, zero) - torch.where(valid, photo, zero)
    across = difference[..., :, 1:] - difference[..., :, :-1]
    down = difference[..., 1:, :] - difference[..., :-1, :]
    pairs_across = valid[..., :, 1:] & valid[..., :, :-1]
    pairs_down = valid[..., 1:, :] & valid[..., :-1, :]
    return masked_mean(across.abs(), pairs_across) + masked_mean(down.abs(), pairs_down)
