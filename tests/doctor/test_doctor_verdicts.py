"""Wrong conventions of every kind, planted in a right capture, are found; a right capture is called right."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from faults import opposite, plant, same_reading
from neuraltexgen.doctor import corrected, corrected_scene, diagnose, write_corrected
from neuraltexgen.doctor.agreement import Judge
from neuraltexgen.doctor.candidate import as_read
from neuraltexgen.doctor.diagnosis import examine, prepare
from neuraltexgen.doctor.table import GROSS, LENS
from neuraltexgen.images import write_png
from neuraltexgen.readers import read_capture
from neuraltexgen.scene import Camera, Scene
from neuraltexgen.synthetic import Planted, SyntheticSettings, make_scene, write_capture

pytestmark = pytest.mark.usefixtures("one_thread")

WIDTH, HEIGHT = 240, 180
LENS_OF_ROOM = (180.0, 187.0, 127.0, 83.0, -0.1, 0.03, 0.012, -0.02)
PLAIN = (180.0, 180.0, WIDTH / 2, HEIGHT / 2, 0.0, 0.0, 0.0, 0.0)

ONE_WAY = (
    "principal-point:centre",
    "principal-point:from-centre",
    "principal-point:from-centre-y-up",
    "distortion:none",
)
"""Hypotheses whose fault no other row plants."""

LIKE_OTHERS = tuple(f"intrinsics-size:{name}" for name in ("quarter", "fourfold", "third", "threefold"))

GROSS_NAMES = [
    *(row.name for row in GROSS if row.group == "poses"),
    *(f"camera-axes:{axes}" for axes in ("+x-y-z", "-y+x+z")),
    *(f"mesh-axes:{axes}" for axes in ("+x-z+y", "-x+y+z")),
    *(f"mesh-scale:{scale}" for scale in ("0.001", "inch-to-m")),
]
"""Every form of poses; of axes and units some of each kind, since each takes seconds."""


def room(folder: Path, params: tuple[float, ...]) -> Scene:
    settings = SyntheticSettings(
        10, WIDTH, HEIGHT, 2, detail=120.0, lens="OPENCV", planted=Planted(noise=0.01, exposure=0.1)
    )
    scene = replace(make_scene(settings), camera=Camera("OPENCV", WIDTH, HEIGHT, params))
    return read_capture(write_capture(scene, folder / "capture"))


@pytest.fixture(scope="module")
def curved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Scene, tuple[Judge, ...]]:
    """A room through a lens whose every number matters."""
    scene = room(tmp_path_factory.mktemp("curved"), LENS_OF_ROOM)
    return scene, prepare(scene)


def test_a_right_capture_is_called_right(curved: tuple[Scene, tuple[Judge, ...]]) -> None:
    scene, judges = curved
    found = examine(as_read(scene), judges)
    assert (found.verdict, found.names, found.z) == ("right", (), 0)
    assert not found.undecided


@pytest.mark.parametrize("name", GROSS_NAMES)
def test_planted_faults_of_poses_axes_and_units_are_found(name: str, curved: tuple[Scene, tuple[Judge, ...]]) -> None:
    scene, judges = curved
    found = examine(plant(scene, [name]), judges)
    assert found.verdict == "misread"
    assert same_reading(found.candidate, as_read(scene)), found.names
    assert len(found.names) == 1
    assert found.z > 3


@pytest.mark.parametrize("name", [row.name for row in LENS if row.name not in (*ONE_WAY, *LIKE_OTHERS)])
def test_planted_faults_of_the_lens_are_found(name: str, curved: tuple[Scene, tuple[Judge, ...]]) -> None:
    scene, judges = curved
    found = examine(plant(scene, [name]), judges)
    assert found.names == (name,)
    assert found.z > 3


@pytest.mark.parametrize(
    "names",
    [
        ("poses:inverted", "pixel-centres:plus-half"),
        ("camera-axes:+x-y-z", "mesh-scale:0.001"),
    ],
    ids="+".join,
)
def test_combinations_are_found(names: tuple[str, ...], curved: tuple[Scene, tuple[Judge, ...]]) -> None:
    scene, judges = curved
    found = examine(plant(scene, names), judges)
    assert same_reading(found.candidate, as_read(scene)), found.names
    assert found.z > 3


@pytest.mark.parametrize("name", ["photos:flipped", "photos:turned-right", "photos:half-turn"])
def test_turned_photos_are_found_and_turned_back(
    name: str, curved: tuple[Scene, tuple[Judge, ...]], tmp_path: Path
) -> None:
    scene, _ = curved
    write_corrected(scene, corrected(scene, [opposite(name)]), tmp_path / "wrong")
    wrong = read_capture(tmp_path / "wrong")
    found = diagnose(wrong)
    assert found.names == (name,)
    write_corrected(wrong, found.candidate, tmp_path / "fixed")
    fixed = read_capture(tmp_path / "fixed")
    assert diagnose(fixed).verdict == "right"
    for ours, theirs in zip(fixed.views, scene.views, strict=True):
        assert ours.camera == theirs.camera
        assert ours.photo.read_bytes() == theirs.photo.read_bytes()


@pytest.mark.parametrize("name", ONE_WAY)
def test_faults_that_lose_information_are_found(name: str, tmp_path: Path) -> None:
    fx, fy, cx, cy, *none = PLAIN
    true, stated = {
        "principal-point:centre": ((cx, cy), (cx + 5, cy - 4, *none)),
        "principal-point:from-centre": ((cx + 7, cy - 7), (7.0, -7.0, *none)),
        "principal-point:from-centre-y-up": ((cx + 7, cy - 7), (7.0, 7.0, *none)),
        "distortion:none": ((cx, cy), (cx, cy, -0.1, 0.03, 0.0, 0.0)),
    }[name]
    scene = room(tmp_path, (fx, fy, *true, *none))
    camera = Camera("OPENCV", WIDTH, HEIGHT, (fx, fy, *stated))
    found = diagnose(replace(scene, views=tuple(replace(view, camera=camera) for view in scene.views)))
    assert found.names == (name,)
    assert found.candidate.cameras[0].params == (fx, fy, *true, *none)


def test_nothing_is_claimed_without_texture(tmp_path: Path) -> None:
    scene = room(tmp_path, PLAIN)
    assert scene.mesh is not None
    flat = np.full((HEIGHT, WIDTH, 3), 0.5, np.float32)
    write_png(tmp_path / "flat.png", flat)
    found = diagnose(replace(scene, views=tuple(replace(view, photo=tmp_path / "flat.png") for view in scene.views)))
    assert found.verdict == "unknown"
    assert "texture" in found.why[0]
    one = diagnose(replace(scene, views=scene.views[:1]))
    assert (one.verdict, one.names) == ("unknown", ())


def test_the_scene_that_is_written_is_that_of_the_verdict(curved: tuple[Scene, tuple[Judge, ...]]) -> None:
    scene, _ = curved
    for row in GROSS:
        if row.group in ("mesh axes", "mesh scale"):
            there = corrected_scene(scene, corrected(scene, [row.name]))
            back = corrected_scene(there, corrected(there, [opposite(row.name)]))
            assert back.mesh is not None
            assert scene.mesh is not None
            assert np.allclose(back.mesh.vertices, scene.mesh.vertices, rtol=1e-12)
            assert np.array_equal(back.mesh.faces, scene.mesh.faces)
