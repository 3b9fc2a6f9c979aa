"""A finished texture from a fitted one: unseen surface gets smooth colours, gutters get the nearest chart's colour."""

from neuraltexgen.fill.fill import FilledTexture
from neuraltexgen.fill.stripes import fill_large_texture as fill_texture

__all__ = ["FilledTexture", "fill_texture"]
