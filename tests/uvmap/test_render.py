"""The choice of a renderer: by name, by lens, and by what the machine has."""

from types import SimpleNamespace

import numpy as np
import pytest

from egl_here import needs_egl
from neuraltexgen.errors import ConfigError, RenderError, UnwrapError
from neuraltexgen.scene import Mesh
from neuraltexgen.uvmap import egl, render
from neuraltexgen.uvmap.raster.rasteriser import Rasteriser
from neuraltexgen.uvmap.render import RENDERERS, RasterisedWherePinhole, make_renderer
from planes import CAMERAS, Plane, pose

MESH = Plane(np.array([-1.6, 1.2, 4.5]), np.array([3.0, 0.2, -0.5]), np.array([0.1, -2.2, 0.7])).mesh()


@pytest.mark.parametrize("name", ["", "gpu", "ray:1", "auto:0", "egl:", "egl:-1", "egl:x"])
def test_an_unknown_name_is_told_with_the_known_ones(name: str) -> None:
    with pytest.raises(ConfigError, match="no such renderer") as caught:
        make_renderer(MESH, name)
    assert caught.value.fix is not None
    assert all(known in caught.value.fix for known in RENDERERS)


@pytest.mark.parametrize("name", RENDERERS)
def test_a_mesh_without_uvs_is_refused_by_all(name: str) -> None:
    with pytest.raises(UnwrapError, match="no uvs"):
        make_renderer(Mesh(MESH.vertices, MESH.faces), name)


def test_without_a_graphics_card_auto_rasterises_on_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "has_graphics_card", lambda: False)
    assert isinstance(make_renderer(MESH), Rasteriser)
    assert make_renderer(MESH, "ray").result_key(CAMERAS["PINHOLE"]) == ""


def test_where_the_card_can_not_take_the_mesh_the_processor_rasterises(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(mesh: Mesh, device: int | None) -> None:
        raise RenderError("too many faces")

    monkeypatch.setattr(render, "has_graphics_card", lambda: True)
    monkeypatch.setattr(render, "RasterisedWherePinhole", refuses)
    assert isinstance(make_renderer(MESH), Rasteriser)


@pytest.mark.parametrize("files", [("nothing-like-it",), ("null",)])
def test_the_processor_is_no_graphics_card(files: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(device: int | None = None) -> object:
        assert files == ("null",), "no driver is loaded where there is no card"
        return SimpleNamespace(info={"GL_RENDERER": "llvmpipe (LLVM 15.0.6)"}, release=lambda: None)

    monkeypatch.setattr(egl, "CARD_FILES", files)
    monkeypatch.setattr(egl, "open_context", opened)
    assert not egl.has_graphics_card()


@needs_egl
def test_with_a_graphics_card_auto_rasterises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "has_graphics_card", lambda: True)
    assert isinstance(make_renderer(MESH), RasterisedWherePinhole)


@needs_egl
def test_a_lens_with_distortion_goes_to_the_rasteriser_on_the_processor_and_is_keyed_so() -> None:
    renderer, processor = make_renderer(MESH, "egl:0"), Rasteriser(MESH)
    for model in ("OPENCV", "OPENCV_FISHEYE"):
        found, expected = (r.uv_map(CAMERAS[model], pose(), 2) for r in (renderer, processor))
        np.testing.assert_array_equal(found.uv, expected.uv)
        assert renderer.result_key(CAMERAS[model]) == processor.result_key(CAMERAS[model])
    assert renderer.result_key(CAMERAS["PINHOLE"]) != processor.result_key(CAMERAS["PINHOLE"])
