"""A made-up capture whose texture is known: a furnished room with text, pictures and occlusion, photographed.

For the demo, tests and benchmarks. `make_scene`, then `render_view` or `write_capture`.
"""

from neuraltexgen.synthetic.capture import photo_name, write_capture
from neuraltexgen.synthetic.planted import Planted, plant
from neuraltexgen.synthetic.render import photograph, render, render_view
from neuraltexgen.synthetic.scene import SyntheticScene, make_scene, with_planted
from neuraltexgen.synthetic.settings import SyntheticSettings
from neuraltexgen.synthetic.surfaces import Surfaces
from neuraltexgen.synthetic.truth import Truth, read_truth

__all__ = [
    "Planted",
    "Surfaces",
    "SyntheticScene",
    "SyntheticSettings",
    "Truth",
    "make_scene",
    "photo_name",
    "photograph",
    "plant",
    "read_truth",
    "render",
    "render_view",
    "with_planted",
    "write_capture",
]
