"""Structure from motion on a walk whose cameras are known, with photos among it that have no place there."""

import shutil
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neuraltexgen.errors import ReconstructError
from neuraltexgen.geometry import camera_centre
from neuraltexgen.images import write_png
from neuraltexgen.reconstruct.features import FeatureSettings
from neuraltexgen.reconstruct.photos import PhotoFolder, read_photos
from neuraltexgen.reconstruct.sfm import Motion, find_motion
from walks import PHOTOS, Walk, aligned

RADIAL = FeatureSettings(camera_model="SIMPLE_RADIAL")


@pytest.fixture(scope="module")
def mixed(walk: Walk, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The walk, with spaces in the names; a photo of something else, a blank one, and a mirrored one's copy."""
    folder = tmp_path_factory.mktemp("mixed") / "my photos"
    for photo in sorted(walk.folder.iterdir()):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(photo, folder / f"IMG {photo.name}")
    noise = np.random.default_rng(0).random((60, 80, 3), np.float32).repeat(4, axis=0).repeat(4, axis=1)
    write_png(folder / "zz else.png", noise)
    write_png(folder / "zz blank.png", np.full((240, 320, 3), 0.5, np.float32))
    return folder


@pytest.fixture(scope="module")
def found(mixed: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[PhotoFolder, Path, Motion]:
    photos, cache = read_photos(mixed), tmp_path_factory.mktemp("cache")
    return photos, cache, find_motion(photos, cache, RADIAL)


def test_all_photos_of_the_walk_are_placed_and_no_other(found: tuple[PhotoFolder, Path, Motion]) -> None:
    motion = found[2]
    assert [view.name for view in motion.sparse.views] == [f"IMG {i:02d}.png" for i in range(PHOTOS)]
    reasons = {view.name: view.reason for view in motion.left_out}
    assert set(reasons) == {"zz else.png", "zz blank.png"}
    assert reasons["zz blank.png"].startswith("too few features (0)")
    assert reasons["zz else.png"].startswith("no matches")
    assert motion.pieces[0] == PHOTOS


def test_cameras_are_the_true_ones_up_to_a_similarity(found: tuple[PhotoFolder, Path, Motion], walk: Walk) -> None:
    views = found[2].sparse.views
    wanted = np.array([camera_centre(pose) for pose in walk.poses])
    rotation, scale, shift = aligned(found[2].sparse.centres, wanted)
    got = scale * found[2].sparse.centres @ rotation.T + shift
    extent = np.linalg.norm(wanted.max(axis=0) - wanted.min(axis=0))
    assert np.sqrt(((got - wanted) ** 2).sum(axis=1).mean()) < 0.01 * extent
    for view, pose in zip(views, walk.poses, strict=True):
        turn = view.cam_from_world[:3, :3] @ rotation.T @ pose[:3, :3].T
        assert np.degrees(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1))) < 0.5
    assert views[0].camera.params[0] == pytest.approx(walk.camera.params[0], rel=0.02)


def test_points_project_to_where_they_were_seen(found: tuple[PhotoFolder, Path, Motion]) -> None:
    sparse = found[2].sparse
    assert len(sparse.points) > 300
    assert (sparse.errors * sparse.track_lengths).sum() / sparse.track_lengths.sum() < 1
    assert sparse.points_per_view.sum() == len(sparse.observations) == sparse.visibility().sum()


def test_what_is_finished_is_not_done_again(found: tuple[PhotoFolder, Path, Motion]) -> None:
    photos, cache, first = found
    done = []

    def progress(items: Iterable[Any], what: str, total: int) -> Iterable[Any]:
        done.append(what)
        return items

    again = find_motion(photos, cache, RADIAL, progress=progress)
    assert done == []
    assert np.array_equal(again.sparse.points, first.sparse.points)


def test_a_stopped_run_goes_on_and_comes_to_the_same(found: tuple[PhotoFolder, Path, Motion], tmp_path: Path) -> None:
    photos, _, wanted = found
    seen: list[str] = []

    def stop(items: Iterable[Any], what: str, total: int) -> Iterable[Any]:
        seen.append(what)
        for i, item in enumerate(items):
            if what == "place cameras" and i == 0:
                raise KeyboardInterrupt
            yield item

    before = set(threading.enumerate())
    with pytest.raises(KeyboardInterrupt):
        find_motion(photos, tmp_path, RADIAL, progress=stop)
    assert not [thread.name for thread in set(threading.enumerate()) - before if "ThreadPool" in thread.name]
    assert seen == ["find features", "match photos", "place cameras"]
    seen.clear()

    def watch(items: Iterable[Any], what: str, total: int) -> Iterable[Any]:
        seen.append(what)
        return items

    got = find_motion(photos, tmp_path, RADIAL, progress=watch)
    assert seen == ["place cameras"]
    # COLMAP's threads decide the order of its sums, so two runs agree only up to rounding, which bundle adjustment
    # enlarges, and up to the frame that the first pair of photos sets.
    assert [view.name for view in got.sparse.views] == [view.name for view in wanted.sparse.views]
    rotation, scale, shift = aligned(got.sparse.centres, wanted.sparse.centres)
    moved = scale * got.sparse.centres @ rotation.T + shift
    extent = np.linalg.norm(np.ptp(wanted.sparse.centres, axis=0))
    assert np.abs(moved - wanted.sparse.centres).max() < 0.002 * extent


def test_masked_pixels_carry_no_point(walk: Walk, tmp_path: Path) -> None:
    mask = np.ones((240, 320, 3), np.float32)
    mask[:, :160] = 0
    for i in range(0, PHOTOS, 2):
        write_png(tmp_path / "masks" / f"{i:02d}.png", mask)
    motion = find_motion(read_photos(walk.folder), tmp_path / "cache", RADIAL, tmp_path / "masks")
    image = next(image for image in motion.model.images.values() if image.name == "04.png")
    assert min(point.xy[0] for point in image.points2D) >= 159
    other = next(image for image in motion.model.images.values() if image.name == "05.png")
    assert min(point.xy[0] for point in other.points2D) < 100
    assert [view.mask is not None for view in motion.sparse.views] == [i % 2 == 0 for i in range(PHOTOS)]


def test_photos_that_share_nothing_are_refused(tmp_path: Path) -> None:
    for i in range(3):
        noise = np.random.default_rng(i).random((60, 80, 3), np.float32).repeat(4, axis=0).repeat(4, axis=1)
        write_png(tmp_path / "photos" / f"{i}.png", noise)
    with pytest.raises(ReconstructError, match=r"of 3 photos .* 3 match no other"):
        find_motion(read_photos(tmp_path / "photos"), tmp_path / "cache")


def test_an_unknown_camera_model_is_refused(walk: Walk, tmp_path: Path) -> None:
    with pytest.raises(ReconstructError, match="'FISH'"):
        find_motion(read_photos(walk.folder), tmp_path, FeatureSettings(camera_model="FISH"))
    assert list(tmp_path.iterdir()) == []
