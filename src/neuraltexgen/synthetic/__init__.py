"""A made-up capture whose texture is known: a furnished room with text, pictures and occlusion, photographed.

For the demo, tests and benchmarks. `make_scene`, then `render_view` or `write_capture`.
"""

from neuraltexgen.synthetic.blur import Blur, point_spread
from neuraltexgen.synthetic.capture import photo_name, write_capture
from neuraltexgen.synthetic.photograph import fall_off, person_mask, photograph
from neuraltexgen.synthetic.planted import Planted, plant
from neuraltexgen.synthetic.render import render, render_view
from neuraltexgen.synthetic.scene import SyntheticScene, make_scene, with_planted
from neuraltexgen.synthetic.settings import SyntheticSettings
from neuraltexgen.synthetic.surfaces import Surfaces
from neuraltexgen.synthetic.truth import Truth, read_truth

__all__ = [
    "Blur",
    "Planted",
    "Surfaces",
    "SyntheticScene",
    "SyntheticSettings",
    "Truth",
    "fall_off",
    "make_scene",
    "person_mask",
    "photo_name",
    "photograph",
    "plant",
    "point_spread",
    "read_truth",
    "render",
    "render_view",
    "with_planted",
    "write_capture",
]
