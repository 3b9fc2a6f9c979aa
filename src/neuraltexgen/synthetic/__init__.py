"""A made-up capture whose texture is known: a furnished room with text, pictures and occlusion, photographed.

For the demo, tests and benchmarks. `make_scene`, then `render_view` or `write_capture`.
"""

from neuraltexgen.synthetic.capture import photo_name, write_capture
from neuraltexgen.synthetic.render import photograph, render, render_view
from neuraltexgen.synthetic.scene import SyntheticScene, make_scene
from neuraltexgen.synthetic.settings import SyntheticSettings
from neuraltexgen.synthetic.surfaces import Surfaces

__all__ = [
    "Surfaces",
    "SyntheticScene",
    "SyntheticSettings",
    "make_scene",
    "photo_name",
    "photograph",
    "render",
    "render_view",
    "write_capture",
]
