"""Every stage by itself: read, unwrap, UV maps, fit, fill, export. What `texture_capture` does, spelled out.

python examples/03_stages_one_by_one.py [FOLDER]
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from neuraltexgen import FitSettings, RayCaster, TextureSettings, UnwrapSettings, ViewSettings, inspect, read_capture
from neuraltexgen.export import export_textured_mesh
from neuraltexgen.fill import fill_texture
from neuraltexgen.fit import fit
from neuraltexgen.pipeline import FILL_WEIGHT, mesh_key
from neuraltexgen.synthetic import SyntheticSettings, make_scene, write_capture
from neuraltexgen.unwrap import unwrap
from neuraltexgen.view_cache import prepare_views
from neuraltexgen.views import Views

SIZE = (256, 256)
HALF_A_GIBIBYTE = 1 << 29


def main(folder: Path) -> None:
    room = make_scene(SyntheticSettings(views=6, width=80, height=60, supersampling=2, detail=50))
    capture = write_capture(room, folder / "capture")

    scene = read_capture(capture)
    print(f"read: {len(scene.views)} views as {scene.format}, warnings: {inspect(scene).warnings or 'none'}")
    assert scene.mesh is not None

    mesh, method = unwrap(scene.mesh, UnwrapSettings(resolution=SIZE[0]))
    assert mesh.uvs is not None
    print(f"unwrap: {len(mesh.faces)} faces, {len(mesh.uvs)} uvs by {method}")

    caster = RayCaster(mesh)
    first = scene.views[0]
    uv_map = caster.uv_map(first.camera, first.cam_from_world, samples=2)
    texels = np.median(uv_map.footprint_texels(SIZE)[uv_map.valid])
    print(
        f"UV map of {first.name}: {uv_map.valid.mean():.0%} of its rays meet the mesh, "
        f"a pixel is {texels:.2f} texels wide"
    )

    files = prepare_views(scene.views, caster, mesh_key(mesh), ViewSettings(samples=2), folder / "cache")
    views = Views(files, torch.device("cpu"), budget=HALF_A_GIBIBYTE)
    result = fit(views, FitSettings(texture=TextureSettings(SIZE), passes=3))
    print("fit: mean loss per pass", ", ".join(f"{record.loss:.5f}" for record in result.history))

    filled = fill_texture(np.clip(result.texture, 0, 1), result.weight > FILL_WEIGHT, mesh)
    print(f"fill: {filled.filled_surface} texels on the surface, {filled.gutter_texels} around it")

    for path in export_textured_mesh(folder / "textured", mesh, filled.image):
        print(f"export: {path}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as scratch:
            main(Path(scratch))
