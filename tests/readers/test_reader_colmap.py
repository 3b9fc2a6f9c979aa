"""COLMAP models, text and binary, against pycolmap's own reading of them."""

import re
import shutil
from pathlib import Path

import numpy as np
import pycolmap
import pytest

import tiny
from neuraltexgen.errors import ReaderError
from neuraltexgen.geometry import camera_models, invert_pose, parameter_count
from neuraltexgen.readers import ReadOptions, detect, read_capture
from neuraltexgen.readers.poses import pose_from_quaternion

SCENES = Path(__file__).parents[3] / "shared" / "scenes"
needs_scenes = pytest.mark.skipif(not SCENES.is_dir(), reason="the real captures are not beside this repository")


@pytest.mark.parametrize("binary", [False, True])
def test_a_workspace_is_read_with_its_mesh(tmp_path: Path, binary: bool) -> None:
    root = tiny.write_colmap(tmp_path / "a room ü", binary=binary)
    (root / "fused.ply").write_bytes(b"ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nend_header\n0\n")
    assert detect(root) == "colmap"
    scene = read_capture(root)
    assert (scene.name, scene.format, scene.left_out, scene.notes) == ("a room ü", "colmap", (), ())
    for view, (name, pose) in zip(scene.views, tiny.tiny().poses.items(), strict=True):
        assert view.name == f"{name}.png"
        assert view.photo == root / "images" / f"{name}.png"
        assert np.allclose(view.cam_from_world, pose, atol=1e-12)
        assert (view.camera.model, view.camera.width, view.camera.height) == ("OPENCV", tiny.WIDTH, tiny.HEIGHT)
        assert np.allclose(view.camera.params, tiny.OPENCV)
    assert scene.mesh is not None
    assert len(scene.mesh.faces) == 8


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("model", camera_models())
def test_every_camera_model_is_read(tmp_path: Path, model: str, binary: bool) -> None:
    size = (float(tiny.WIDTH), float(tiny.HEIGHT))
    params = size if model == "EQUIRECTANGULAR" else tuple(0.1 * i + 1 for i in range(parameter_count(model)))
    camera = read_capture(tiny.write_colmap(tmp_path, binary=binary, model=model, params=params)).views[0].camera
    assert camera.model == model
    assert np.allclose(camera.params, params)


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("move", ["top", "sparse", "model folder"])
def test_a_model_is_found_wherever_tools_put_it(tmp_path: Path, binary: bool, move: str) -> None:
    root = tiny.write_colmap(tmp_path, binary=binary)
    if move == "model folder":
        scene = read_capture(root / "sparse" / "0")
    else:
        for file in (root / "sparse" / "0").iterdir():
            shutil.move(file, (root if move == "top" else root / "sparse") / file.name)
        scene = read_capture(root)
    assert len(scene.views) == 3
    assert scene.mesh is not None


@pytest.mark.parametrize("binary", [False, True])
def test_rigs_give_each_image_its_own_pose(tmp_path: Path, binary: bool) -> None:
    model = pycolmap.Reconstruction()
    rig = pycolmap.Rig(rig_id=1)
    sensors = [pycolmap.sensor_t(pycolmap.SensorType.CAMERA, i) for i in (1, 2)]
    second_from_rig = tiny.look(0.7)
    for i, sensor in enumerate(sensors, 1):
        model.add_camera(pycolmap.Camera.create_from_model_name(i, "PINHOLE", 30.0, tiny.WIDTH, tiny.HEIGHT))
        if i == 1:
            rig.add_ref_sensor(sensor)
        else:
            rig.add_sensor(sensor, pycolmap.Rigid3d(second_from_rig[:3]))
    model.add_rig(rig)
    for i, pose in enumerate(tiny.tiny().poses.values()):
        frame = pycolmap.Frame(frame_id=i + 1, rig_id=1)
        frame.rig_from_world = pycolmap.Rigid3d(pose[:3])
        for j, sensor in enumerate(sensors):
            frame.add_data_id(pycolmap.data_t(sensor, 2 * i + j + 1))
        model.add_frame(frame)
        for j in range(2):
            name = f"left right {j}/{i}.png"
            image = pycolmap.Image(name=name, camera_id=j + 1, image_id=2 * i + j + 1)
            image.frame_id = i + 1
            model.add_image(image)
            tiny.photo(tmp_path / "images" / name)
        model.register_frame(i + 1)
    (model.write_binary if binary else model.write_text)(tmp_path)
    views = {view.name: view for view in read_capture(tmp_path).views}
    assert len(views) == 6
    for i, pose in enumerate(tiny.tiny().poses.values()):
        assert np.allclose(views[f"left right 0/{i}.png"].cam_from_world, pose)
        assert np.allclose(views[f"left right 1/{i}.png"].cam_from_world, second_from_rig @ pose)


def test_a_quaternion_need_not_be_normalised() -> None:
    rotation = pycolmap.Rotation3d(np.array([0.1, -0.2, 0.3, 0.9]) / np.linalg.norm([0.1, 0.2, 0.3, 0.9]))
    pose = pose_from_quaternion((1.8, 0.2, -0.4, 0.6), (1.0, 2.0, 3.0))
    assert np.allclose(pose[:3, :3], rotation.matrix())
    assert np.allclose(pose[:, 3], (1, 2, 3, 1))
    assert np.allclose(invert_pose(pose) @ pose, np.eye(4))


def test_the_largest_of_several_models_is_taken(tmp_path: Path) -> None:
    root = tiny.write_colmap(tmp_path, binary=False)
    shutil.copytree(root / "sparse" / "0", root / "sparse" / "1")
    images = root / "sparse" / "0" / "images.txt"
    images.write_text("".join(line + "\n" for line in images.read_text().splitlines()[:6]))
    scene = read_capture(root)
    assert len(scene.views) == 3
    assert scene.notes == ("2 COLMAP models found, the largest taken: 1 with 3 images",)


def test_crlf_names_with_spaces_and_empty_point_lines(tmp_path: Path) -> None:
    root = tiny.write_colmap(tmp_path, binary=False)
    file = root / "sparse" / "0" / "images.txt"
    lines = [line for line in file.read_text().replace("2.png", "zwei und ü.png").splitlines() if line[0] != "#"]
    file.write_bytes("\r\n".join(line if i % 2 == 0 else "" for i, line in enumerate(lines)).encode())
    shutil.move(root / "images" / "2.png", root / "images" / "zwei und ü.png")
    cameras = root / "sparse" / "0" / "cameras.txt"
    cameras.write_bytes(cameras.read_bytes().replace(b"\n", b"\r\n"))
    assert [view.name for view in read_capture(root).views] == ["1.png", "3.png", "zwei und ü.png"]


def test_photos_elsewhere_and_in_folders(tmp_path: Path) -> None:
    root = tiny.write_colmap(tmp_path / "capture", binary=True)
    shutil.move(root / "images", tmp_path / "photos")
    with pytest.raises(ReaderError, match="none of the 3 views") as caught:
        read_capture(root)
    assert "--images DIR" in str(caught.value)
    assert len(read_capture(root, ReadOptions(images=tmp_path / "photos")).views) == 3


def damage_text(root: Path, name: str, old: str, new: str) -> Path:
    file = root / "sparse" / "0" / name
    text, count = re.subn(old, new, file.read_text(), flags=re.MULTILINE)
    assert count
    file.write_text(text)
    return root


@pytest.mark.parametrize(
    ("name", "old", "new", "reason"),
    [
        ("images.txt", " 1 2.png", " 7 2.png", "its camera 7 is not in the cameras file"),
        ("images.txt", r"^2 \S+", "2 nan", "quaternion"),
        ("images.txt", r"2\.png", "gone.png", "'gone.png' is not in"),
    ],
)
def test_one_bad_image_is_left_out_with_its_reason(tmp_path: Path, name: str, old: str, new: str, reason: str) -> None:
    root = damage_text(tiny.write_colmap(tmp_path, binary=False), name, old, new)
    scene = read_capture(root)
    assert len(scene.views) == 2
    assert len(scene.left_out) == 1
    assert reason in scene.left_out[0].reason
    with pytest.raises(ReaderError, match=r"\(1 of 3 views\)"):
        read_capture(root, ReadOptions(missing="error"))


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("cameras.txt", "OPENCV", "BOX", "unknown camera model 'BOX'"),
        ("cameras.txt", "OPENCV 32", "OPENCV wide", "makes no sense"),
        ("cameras.txt", "OPENCV", "PINHOLE", "takes 4 parameters"),
        ("cameras.txt", " 30 ", " -30 ", "focal length must be positive"),
        ("cameras.txt", " 30 ", " nan ", "finite"),
        ("cameras.txt", "OPENCV 32 24", "OPENCV 32 99", "another shape"),
        ("images.txt", " 1 2.png", " one 2.png", "makes no sense"),
    ],
)
def test_bad_text_models_are_reader_errors(tmp_path: Path, name: str, old: str, new: str, message: str) -> None:
    with pytest.raises(ReaderError, match=message):
        read_capture(damage_text(tiny.write_colmap(tmp_path, binary=False), name, old, new))


@pytest.mark.parametrize("name", ["cameras.bin", "images.bin"])
def test_a_binary_model_cut_off_anywhere_is_a_reader_error(tmp_path: Path, name: str) -> None:
    root = tiny.write_colmap(tmp_path, binary=True)
    file = root / "sparse" / "0" / name
    data = file.read_bytes()
    for length in range(len(data)):
        file.write_bytes(data[:length])
        with pytest.raises(ReaderError):
            read_capture(root)
    file.write_bytes((2**63).to_bytes(8, "little") + data[8:])
    with pytest.raises(ReaderError, match="cut off"):
        read_capture(root)


@needs_scenes
@pytest.mark.parametrize(("name", "count"), [("herzjesu", 21), ("sevenscenes_colmap", 120)])
def test_real_models_agree_with_pycolmap(name: str, count: int, tmp_path: Path) -> None:
    scene = read_capture(SCENES / name)
    theirs = pycolmap.Reconstruction(SCENES / name / "sparse" / "0")
    assert len(scene.views) == theirs.num_images() == count
    images = {image.name: image for image in theirs.images.values()}
    for view in scene.views:
        image = images[view.name]
        assert np.allclose(view.cam_from_world[:3], image.cam_from_world().matrix(), atol=1e-9)
        assert view.camera.params == tuple(theirs.cameras[image.camera_id].params)
    theirs.write_binary(tmp_path)
    again = read_capture(tmp_path, ReadOptions(images=SCENES / name / "images", mesh=SCENES / name / "mesh.ply"))
    assert [view.name for view in again.views] == [view.name for view in scene.views]
    assert np.allclose(again.views[7].cam_from_world, scene.views[7].cam_from_world)
