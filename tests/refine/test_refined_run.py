"""A whole run with --refine cameras: wrong cameras in, right ones and a sharper texture out, and all of it told."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pycolmap
import pytest

from neuraltexgen.errors import MeshError
from neuraltexgen.fit import FitSettings
from neuraltexgen.geometry import camera_centre
from neuraltexgen.images import write_png
from neuraltexgen.outcome import metrics, summary, write_outcome
from neuraltexgen.pipeline import Job, Outcome, texture_scene
from neuraltexgen.readers import ReadOptions, read_capture
from neuraltexgen.refine import cached_cameras, refined_scene, rig_of, stored
from neuraltexgen.refine.words import final_views
from neuraltexgen.scene import Camera, Scene
from neuraltexgen.texture import TextureSettings
from neuraltexgen.training_settings import TrainSettings
from neuraltexgen.unwrap import UnwrapSettings
from painted import Painted, blobs, paint
from rigs import disturbed, errors


def read_model(folder: Path) -> tuple[set[Camera], dict[str, np.ndarray]]:
    """Cameras, and poses by photo, as pycolmap reads a text model."""
    model = pycolmap.Reconstruction(folder)
    cameras = {Camera(c.model.name, c.width, c.height, tuple(c.params.tolist())) for c in model.cameras.values()}
    poses = {image.name: np.vstack([image.cam_from_world().matrix(), (0, 0, 0, 1)]) for image in model.images.values()}
    return cameras, poses


PLACES = [(-0.6, -0.2, 0.2), (0.5, 0.3, 0.0), (0.1, -0.4, 0.4), (-0.3, 0.4, -0.2), (0.7, -0.3, 0.3), (0.0, 0.0, 0.0)]


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Painted:
    return paint(tmp_path_factory.mktemp("run"), PLACES)


@pytest.fixture(scope="module")
def misplaced(painted: Painted) -> Scene:
    """The capture as a careless device would state it."""
    wrong = disturbed(rig_of(painted.views), 0.5, 0.02)
    views = tuple(replace(v, cam_from_world=pose) for v, pose in zip(painted.views, wrong.poses, strict=True))
    return Scene("sheet", "made", views, painted.mesh)


@pytest.fixture(scope="module")
def outcome(misplaced: Scene, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return texture_scene(misplaced, tmp_path_factory.mktemp("out"), job("cameras", final_fit=True))


def job(refine: str, final_fit: bool = False) -> Job:
    fit = FitSettings(texture=TextureSettings((256, 256), 3, (0.0,) * 4))
    train = TrainSettings(fit, texture_size=256, holdout="photo5", final_fit=final_fit, device="cpu")
    return Job(refine=refine, unwrap=UnwrapSettings("keep", 256), train=train, renderer="ray")  # pyright: ignore[reportArgumentType]


def test_the_held_out_photo_fits_better(outcome: Outcome, misplaced: Scene, tmp_path: Path) -> None:
    plain = texture_scene(misplaced, tmp_path, job("none"))
    assert plain.refined is None
    assert plain.aligned is None
    assert outcome.aligned is not None
    assert outcome.aligned.aligned.unaligned == ()
    assert outcome.aligned.mean.psnr_fitted > plain.trained.mean.psnr_fitted + 3
    assert outcome.aligned.mean.psnr_fitted > outcome.trained.mean.psnr_fitted + 3


def test_poses_come_close_to_the_truth(outcome: Outcome, misplaced: Scene, painted: Painted) -> None:
    assert outcome.refined is not None
    truth, given, found = (rig_of(scene.views) for scene in (painted, misplaced, outcome.scene))
    before, after = errors(given, truth), errors(found, truth)
    assert np.median(after[0][:5]) < 0.5 * np.median(before[0][:5])
    # Nothing tells how far away the sheet is: each half of it slides along itself. Across, the photos tell.
    centres = [np.array([camera_centre(pose)[:2] for pose in rig.poses[:5]]) for rig in (truth, given, found)]
    assert np.abs(centres[2] - centres[0]).max() < 0.5 * np.abs(centres[1] - centres[0]).max()
    photos = outcome.refined.found.photos
    assert photos is not None
    assert photos.after < 0.3 * photos.before
    assert outcome.refined.unplaced == ()
    # The held-out view takes no part: only the texture moves it, and the scene's own pose of it is the given one.
    assert np.array_equal(outcome.scene.views[5].cam_from_world, misplaced.views[5].cam_from_world)


def test_everything_is_told(outcome: Outcome, tmp_path: Path) -> None:
    written = {path.name for path in write_outcome(tmp_path, outcome)}
    assert "cameras.json" in written
    told = json.loads((tmp_path / "cameras.json").read_text())
    assert [view["how"] for view in told["views"]] == ["refined"] * 5 + ["aligned"]
    assert outcome.refined is not None
    cameras, poses = read_model(tmp_path / "cameras" / "sparse" / "0")
    assert cameras == {view.camera for view in outcome.refined.views}
    np.testing.assert_allclose(poses["photo3.png"], outcome.refined.views[3].cam_from_world, atol=1e-12)
    assert not np.array_equal(poses["photo5.png"], outcome.refined.views[5].cam_from_world)
    again = read_capture(tmp_path / "cameras", ReadOptions(format="transforms"))
    for view, own in zip(again.views, final_views(outcome.refined, outcome.aligned), strict=True):
        assert view.photo.samefile(own.photo)
        np.testing.assert_allclose(view.cam_from_world, own.cam_from_world, atol=1e-9)
    for view, own in zip(told["views"][:5], outcome.scene.views):
        np.testing.assert_array_equal(np.array(view["cam_from_world"]), own.cam_from_world)
        assert tuple(view["camera"]["params"].values()) == own.camera.params
    assert {"cameras", "photos", "aligned"} <= {label for label, _ in summary(outcome)}
    figures = metrics(outcome)
    assert figures["refined_cameras"]["photos"]["after"] < figures["refined_cameras"]["photos"]["before"]
    assert figures["held_out_aligned"]["not_aligned"] == []
    assert "Refined cameras" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_cameras_come_back_from_the_cache(
    misplaced: Scene, painted: Painted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = cached_cameras(misplaced.views, range(5), painted.mesh, tmp_path)

    def never(*_: object) -> None:
        raise AssertionError("refined again")

    with monkeypatch.context() as patched:
        patched.setattr(stored, "refine_cameras", never)
        second = cached_cameras(misplaced.views, range(5), painted.mesh, tmp_path)
        with pytest.raises(AssertionError):
            cached_cameras(misplaced.views, range(4), painted.mesh, tmp_path)
    for a, b in zip(first.views, second.views, strict=True):
        assert np.array_equal(a.cam_from_world, b.cam_from_world)
        assert a.camera == b.camera
    [file] = tmp_path.glob("cameras-*.json")
    file.write_text("broken")
    assert np.array_equal(
        cached_cameras(misplaced.views, range(5), painted.mesh, tmp_path).views[0].cam_from_world,
        first.views[0].cam_from_world,
    )


def test_auto_refines_wrong_cameras_and_leaves_right_ones(misplaced: Scene, painted: Painted, tmp_path: Path) -> None:
    right = replace(misplaced, views=painted.views)
    scene, refined = refined_scene(right, "none", tmp_path, always=False)
    assert refined is None
    assert scene is right
    scene, refined = refined_scene(misplaced, "none", tmp_path, always=False)
    assert refined is not None
    assert any("cameras are off" in note for note in scene.notes)
    bare = replace(misplaced, mesh=None)
    assert refined_scene(bare, "none", tmp_path, always=False) == (bare, None)


def test_a_lost_view_is_neither_fitted_nor_scored(misplaced: Scene, painted: Painted, tmp_path: Path) -> None:
    write_png(tmp_path / "other.png", blobs(256, seed=9)[:192])
    other = replace(misplaced.views[4], name="other", photo=tmp_path / "other.png")
    scene = replace(misplaced, views=(*misplaced.views, other))
    outcome = texture_scene(scene, tmp_path, job("cameras"))
    assert outcome.refined is not None
    assert outcome.refined.lost == ("other",)
    assert outcome.trained.train == (0, 1, 2, 3, 4)
    assert outcome.trained.held == (5,)
    assert len(outcome.trained.result.gains) == 5
    assert any("left out" in note and "other" in note for note in outcome.scene.notes)
    assert [view.name for view in final_views(outcome.refined, outcome.aligned)] == [f"photo{i}" for i in range(6)]


def test_a_scene_without_a_mesh_is_an_error(misplaced: Scene, tmp_path: Path) -> None:
    with pytest.raises(MeshError, match="no mesh"):
        refined_scene(replace(misplaced, mesh=None), "none", tmp_path)
