"""The prepared folder, both ways: what `uvmap` writes, `fit` takes, and finds what the direct way finds."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from neuraltexgen.errors import ConfigError, ReaderError
from neuraltexgen.meshes import read_mesh
from neuraltexgen.prepared import UVMapSettings, fit_prepared, write_uv_maps
from neuraltexgen.readers import read_capture, read_prepared
from neuraltexgen.recipes import FitSettings
from neuraltexgen.scene import Mesh, Scene
from neuraltexgen.training_settings import TrainSettings
from neuraltexgen.unwrap import UnwrapSettings, unwrap
from neuraltexgen.uvmap.exr import read_uv
from neuraltexgen.uvmap.raycast import RayCaster

SETTINGS = TrainSettings(FitSettings(passes=4), texture_size=128)


@pytest.fixture(scope="module")
def scene(room_capture: Path) -> Scene:
    return read_capture(room_capture)


@pytest.fixture(scope="module")
def mesh(scene: Scene) -> Mesh:
    assert scene.mesh is not None
    return unwrap(scene.mesh, UnwrapSettings(resolution=128))[0]


@pytest.fixture(scope="module")
def folder(scene: Scene, mesh: Mesh, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("prepared")
    write_uv_maps(scene, mesh, out, UVMapSettings())
    return out


def test_uv_maps_photos_and_mesh_lie_where_the_original_looks(scene: Scene, mesh: Mesh, folder: Path) -> None:
    prepared = read_prepared(folder)
    assert [view.name for view in prepared] == [f"{i:04d}" for i in range(8)]
    assert {path.name for path in folder.iterdir()} == {"images", "uvs", "mesh.off"}
    for view, source in zip(prepared, scene.views, strict=True):
        assert view.photo.read_bytes() == source.photo.read_bytes()
    caster = RayCaster(mesh)
    view = scene.views[3]
    expected = caster.uv_map(view.camera, view.cam_from_world, 2)
    uv, valid = read_uv(prepared[3].uv_map)
    assert np.array_equal(valid, expected.valid)
    assert np.array_equal(uv[valid], expected.uv[valid])
    stored = read_mesh(folder / "mesh.off").mesh
    assert np.array_equal(stored.faces.shape, mesh.faces.shape)
    assert stored.uvs is not None
    assert stored.uv_faces is not None
    assert mesh.uvs is not None
    assert mesh.uv_faces is not None
    np.testing.assert_allclose(stored.uvs[stored.uv_faces], mesh.uvs[mesh.uv_faces], atol=1e-6)


def test_a_folder_is_fitted_with_and_without_its_mesh(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    untied = replace(SETTINGS, fit=replace(SETTINGS.fit, seam_weight=0.0))  # without the mesh no seams are known
    plain = fit_prepared(folder, tmp_path / "plain", untied, cache=cache)
    whole = fit_prepared(folder, tmp_path / "whole", untied, mesh=folder / "mesh.off", cache=cache)
    assert plain.trained.mean.psnr_fitted > 18
    assert whole.trained.mean == plain.trained.mean
    assert {path.name for path in (tmp_path / "plain").iterdir()} == {"texture.png", "metrics.json"}
    names = {"texture.png", "mesh.obj", "mesh.mtl", "mesh.glb", "metrics.json"}
    assert {path.name for path in (tmp_path / "whole").iterdir()} == names == {path.name for path in whole.files}
    for name, result in (("plain", plain), ("whole", whole)):
        pixels = np.asarray(Pillow.open(tmp_path / name / "texture.png"))
        assert np.abs(pixels / 255.0 - result.texture).max() < 0.5001 / 255
        figures = json.loads((tmp_path / name / "metrics.json").read_text())
        assert figures == json.loads(json.dumps(result.figures()))
        assert figures["views"] == {"train": 7, "held_out": 1}
    seen = plain.trained.result.weight > 0.5
    assert np.array_equal(plain.texture[seen], whole.texture[seen])


def test_halves_and_bare_maps_are_good_enough_to_fit(scene: Scene, mesh: Mesh, folder: Path, tmp_path: Path) -> None:
    write_uv_maps(scene, mesh, tmp_path / "half", UVMapSettings(half=True, fields=False))
    exact = fit_prepared(folder, tmp_path / "a", SETTINGS).trained.mean
    rounded = fit_prepared(tmp_path / "half", tmp_path / "b", SETTINGS).trained.mean
    assert rounded.psnr_fitted == pytest.approx(exact.psnr_fitted, abs=0.3)
    assert (tmp_path / "half" / "uvs" / "0000.exr").stat().st_size < (folder / "uvs" / "0000.exr").stat().st_size / 2


def test_photos_of_one_name_in_two_folders_keep_apart(scene: Scene, mesh: Mesh, tmp_path: Path) -> None:
    first, second = scene.views[:2]
    twice = (replace(first, name="left/1.png"), replace(second, name="right/1.png"))
    write_uv_maps(replace(scene, views=twice), mesh, tmp_path, UVMapSettings(1))
    assert [view.name for view in read_prepared(tmp_path)] == ["left_1", "right_1"]
    same = (replace(first, name="a.png"), replace(second, name="a.jpg"))
    with pytest.raises(ConfigError, match="1 of 2 views share a name"):
        write_uv_maps(replace(scene, views=same), mesh, tmp_path, UVMapSettings(1))


def test_a_scale_below_one_and_a_folder_without_parts_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="scale 0"):
        UVMapSettings(scale=0)
    with pytest.raises(ReaderError, match="no folder 'images'"):
        fit_prepared(tmp_path, tmp_path / "out", SETTINGS)
