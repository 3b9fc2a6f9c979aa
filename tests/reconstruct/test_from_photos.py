"""From a folder of photos to a capture that `texture` reads, by the installed command; and what is refused."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from neuraltexgen.errors import ConfigError, ReconstructError
from neuraltexgen.geometry import camera_centre
from neuraltexgen.readers import read_capture
from neuraltexgen.reconstruct.dense import DenseSettings
from neuraltexgen.reconstruct.features import FeatureSettings
from neuraltexgen.reconstruct.from_photos import PhotoSettings, choose_surface, reconstruct_photos
from neuraltexgen.reconstruct.patch_match import has_patch_match
from test_cli import refused, run
from walks import PHOTOS, Walk, aligned

RADIAL = ("--camera-model", "SIMPLE_RADIAL")


@pytest.fixture(scope="module")
def made(walk: Walk, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, Path]:
    """The capture, what was printed, and the cache that it was made with."""
    folder = tmp_path_factory.mktemp("from photos")
    done = run(
        "reconstruct", walk.folder, "-o", folder / "out", *RADIAL, "--stereo-size", "320", "--cache", folder / "cache"
    )
    return folder / "out", done.stdout, folder / "cache"


def test_the_capture_has_all_photos_cameras_and_a_mesh(made: tuple[Path, str, Path], walk: Walk) -> None:
    out, said, _ = made
    assert sorted(path.name for path in out.iterdir()) == ["images", "mesh.ply", "sparse"]
    scene = read_capture(out)
    assert (scene.format, len(scene.views), scene.left_out) == ("colmap", PHOTOS, ())
    for photo in walk.folder.iterdir():
        assert (out / "images" / photo.name).read_bytes() == photo.read_bytes()
    words = (f"{PHOTOS} of {PHOTOS} placed", "verdict", "semi-global matching", f"neuraltexgen texture {out}")
    for word in words:
        assert word in said.replace("\n", " ")


def test_the_surface_is_the_rooms(made: tuple[Path, str, Path], walk: Walk) -> None:
    scene = read_capture(made[0])
    assert scene.mesh is not None
    wanted = np.array([camera_centre(pose) for pose in walk.poses])
    rotation, scale, shift = aligned(np.array([camera_centre(v.cam_from_world) for v in scene.views]), wanted)
    vertices = scale * scene.mesh.vertices @ rotation.T + shift
    off = walk.distances(vertices)
    assert len(vertices) > 1000
    # A pixel sees about 12 mm.
    assert np.median(off) < 0.02
    assert np.quantile(off, 0.9) < 0.1
    # It faces the cameras.
    corners = scene.mesh.vertices[scene.mesh.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    towards = camera_centre(scene.views[5].cam_from_world) - corners.mean(axis=1)
    assert ((normals * towards).sum(axis=1) > 0).mean() > 0.9


def test_one_seed_gives_one_capture_and_the_cache_saves_the_work(
    made: tuple[Path, str, Path], walk: Walk, tmp_path: Path
) -> None:
    out, _, cache = made
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*.npy")}
    assert len(before) == PHOTOS
    settings = PhotoSettings(FeatureSettings(camera_model="SIMPLE_RADIAL"), DenseSettings(320))
    figures = reconstruct_photos(walk.folder, tmp_path, settings, cache).figures()
    assert json.loads(json.dumps(figures))["coverage"]["registered"] == PHOTOS
    assert figures["surface"] == "stereo"
    assert (tmp_path / "mesh.ply").read_bytes() == (out / "mesh.ply").read_bytes()
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.npy")} == before


def test_without_stereo_the_surface_is_said_to_be_rough(
    made: tuple[Path, str, Path], walk: Walk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    assert choose_surface("auto") == ("cuda" if has_patch_match() else "sparse")
    with pytest.raises(ReconstructError, match=r"neuraltexgen\[stereo\]"):
        choose_surface("stereo")
    settings = PhotoSettings(FeatureSettings(camera_model="SIMPLE_RADIAL"))
    done = reconstruct_photos(walk.folder, tmp_path / "out", settings, made[2])
    assert done.method == "sparse"
    assert any("a rough guess" in note and "neuraltexgen[stereo]" in note for note in done.scene.notes)
    scene = read_capture(tmp_path / "out")
    assert scene.mesh is not None
    assert len(scene.views) == PHOTOS


def test_what_would_be_spoilt_is_refused(walk: Walk, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="lies in the folder of photos"):
        reconstruct_photos(walk.folder, walk.folder / "out")
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match=r"something else \(thesis.txt\)"):
        reconstruct_photos(walk.folder, tmp_path)
    with pytest.raises(ConfigError, match="need a folder"):
        reconstruct_photos(walk.folder, tmp_path / "mesh.obj")
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
    assert len(list(walk.folder.iterdir())) == PHOTOS


def test_the_command_says_what_is_wrong(walk: Walk, tmp_path: Path) -> None:
    shutil.copy(walk.folder / "00.png", tmp_path / "0.png")
    error, fix = refused("reconstruct", tmp_path, "-o", tmp_path.parent / "nothing")
    assert "1 usable photos of 1" in error
    assert fix == "fix: at least 2 photos of one scene; 20 to 100 are better"
    assert not (tmp_path.parent / "nothing").exists()


@pytest.mark.skipif(has_patch_match(), reason="this pycolmap has CUDA")
def test_patch_match_without_cuda_is_refused(walk: Walk, tmp_path: Path) -> None:
    with pytest.raises(ReconstructError, match="built with CUDA"):
        reconstruct_photos(walk.folder, tmp_path / "out", PhotoSettings(surface="cuda"))
    assert not (tmp_path / "out").exists()
