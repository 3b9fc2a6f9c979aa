"""What the network losses need beside their weights: files, input scaling, how images are cut, the style picture."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from neuraltexgen.errors import ConfigError


@dataclass(frozen=True)
class NetworkSettings:
    """`vgg_weights`: a VGG-16 state dict (.pth or .safetensors), None for torch.hub's; `lpips_weights`: LPIPS's heads.

    `vgg_input`: ImageNet's normalisation, or as published none at all. `crop`: "whole" looks at the whole photo in
    every step, in tiles where the memory asks for it, with the same result; "auto" and a number of pixels look at one
    random crop of each photo in a step, as large as the memory allows or of so many pixels a side. `style`: a picture
    whose style replaces that of the photos in `vgg_style` and `gram_patch`, scaled so that its long side has
    `style_size` pixels (None: as it is).
    """

    vgg_weights: Path | None = None
    lpips_weights: Path | None = None
    vgg_input: Literal["imagenet", "published"] = "imagenet"
    crop: Literal["whole", "auto"] | int = "whole"
    style: Path | None = None
    style_size: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.crop, int) and self.crop < 32:
            raise ConfigError(f"a crop of {self.crop} pixels is too small for the network", fix="--crop 256, or whole")
        if self.style_size is not None and self.style_size < 32:
            raise ConfigError(f"a style picture of {self.style_size} pixels is too small", fix="--style-size 512")
