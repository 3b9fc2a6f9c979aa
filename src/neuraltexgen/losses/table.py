"""The table of image losses, and the presets made of them."""

from collections.abc import Callable

from neuraltexgen.losses.gradient import gradient_l1
from neuraltexgen.losses.laplacian import laplacian
from neuraltexgen.losses.pixel import Images, Scalar, Valid, charbonnier, huber, l1, l2
from neuraltexgen.losses.structure import ms_ssim, ssim
from neuraltexgen.losses.vgg import HEADS

Loss = Callable[[Images, Images, Valid], Scalar]

LOSSES: dict[str, Loss] = {
    "charbonnier": charbonnier,
    "gradient_l1": gradient_l1,
    "huber": huber,
    "l1": l1,
    "l2": l2,
    "laplacian": laplacian,
    "ms_ssim": ms_ssim,
    "ssim": ssim,
}
"""Functions of (render, photo, valid). The losses on a network's features have a table of their own, vgg.HEADS."""

PRESETS: dict[str, tuple[tuple[str, ...], str]] = {
    "photo": (("l2=1",), "the default: as close to the photos as they agree"),
    "published": (("l1=10", "gradient_l1=20"), "NeuralTexGen's"),
    "sharp": (("laplacian=1", "ssim=0.5"), "crisper than the photos agree, where cameras are a little off"),
    "style": (
        ("vgg_content=1", "vgg_style=1e5"),
        "content and style of the photos; a picture's style is put on by --style",
    ),
}
"""Named sums of losses, and a line on what each is for."""

GROUP = "neuraltexgen.losses"
"""The entry point group in which an installed package offers losses: NAME = "module:function"."""


def describe(name: str) -> str:
    """One line on a loss of the tables: what it measures."""
    if name in HEADS:
        return HEADS[name][1]
    return (LOSSES[name].__doc__ or "").strip().splitlines()[0]
