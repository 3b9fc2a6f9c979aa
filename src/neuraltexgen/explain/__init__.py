"""What a texture rests on: how many photos show a texel, how far they disagree, and what of each photo was trusted."""

from neuraltexgen.explain.texels import TexelMaps, texel_maps
from neuraltexgen.explain.write import write_explanation

__all__ = ["TexelMaps", "texel_maps", "write_explanation"]
