"""Depth: every format's unit, what is no reading in it, and through which camera it looks."""

import json
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

import tiny
from captures import (
    write_arkitscenes,
    write_matterport,
    write_open3d_json,
    write_open3d_log,
    write_polycam,
    write_record3d,
    write_scannet,
    write_sens,
    write_tum,
)
from neuraltexgen.errors import CameraError, ImageError
from neuraltexgen.geometry import depth_camera, depth_from_world, invert_pose
from neuraltexgen.images import read_depth, write_exr
from neuraltexgen.readers import read_capture
from neuraltexgen.scene import Camera, DepthMap, View
from tiny import HEIGHT, PINHOLE, WIDTH

COUNTS = np.full((HEIGHT, WIDTH), 3000, np.uint16)
COUNTS[0, 0], COUNTS[0, 1], COUNTS[5, 7] = 0, 65535, 1234
SHIFTED = np.eye(4)
SHIFTED[0, 3] = 0.05


def put(path: Path, counts: np.ndarray = COUNTS) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Pillow.fromarray(counts).save(path)


def frames(root: Path) -> Path:
    tiny.write_frames(root)
    for name in "123":
        put(root / f"frame-00000{name}.depth.png")
    return root


def frames_pgm(root: Path) -> Path:
    tiny.write_frames(root, info=True)
    for name in "123":
        (root / f"frame-00000{name}.depth.png").unlink()
        header = f"P5\n{WIDTH} {HEIGHT}\n65535\n".encode()
        (root / f"frame-00000{name}.depth.pgm").write_bytes(header + COUNTS.astype(">u2").tobytes())
    info = root / "info.txt"
    info.write_text(info.read_text().replace("m_depthShift = 1000", "m_depthShift = 2000"))
    return root


def tum(root: Path) -> Path:
    write_tum(root, tiny.tiny().poses)
    lines = ["# depth maps"]
    for name in "123":
        time = 1305031102.0 + int(name) + 0.015
        put(root / "depth" / f"{time:.6f}.png")
        lines += [f"{time:.6f} depth/{time:.6f}.png", f"{time + 0.4:.6f} depth/none.png"]
    (root / "depth.txt").write_text("\n".join(lines))
    return root


def scannet(root: Path) -> Path:
    write_scannet(root, tiny.tiny().poses)
    for name in "123":
        put(root / "exported" / "depth" / f"{9 + int(name)}.png")
    return root


def sens(root: Path, packed: bool = True, shift: float = 1000.0) -> Path:
    """The depth blobs of the file replaced: all have the same length, so that nothing moves but the file's end."""
    file = write_sens(root, tiny.tiny().poses)
    data = file.read_bytes()
    old, plain = zlib.compress(np.full((HEIGHT, WIDTH), 3000, "<u2").tobytes()), COUNTS.astype("<u2").tobytes()
    new = zlib.compress(plain) if packed else plain
    assert data.count(old) == 4
    data = data.replace(struct.pack("<Q", len(old)), struct.pack("<Q", len(new))).replace(old, new)
    at = 12 + 15 + 64 * 4
    _, _, *sizes, _, frames = struct.unpack("<iiIIIIfQ", data[at : at + 36])
    header = struct.pack("<iiIIIIfQ", 2, 1 if packed else 0, *sizes, shift, frames)
    file.write_bytes(data[:at] + header + data[at + 36 :])
    return file


def raw_sens(root: Path) -> Path:
    return sens(root, packed=False, shift=5000.0)


def open3d(root: Path) -> Path:
    write_open3d_log(root, tiny.tiny().poses)
    for i in range(3):
        put(root / "depth" / f"{90 + 10 * i}.png")
    return root


def open3d_json(root: Path) -> Path:
    """Fewer depth maps than photos, so that names count."""
    file = write_open3d_json(root, tiny.tiny().poses)
    put(root / "depth" / "1.png")
    return file


def polycam(root: Path) -> Path:
    write_polycam(root, tiny.tiny().poses)
    trusted = np.full((HEIGHT // 2, WIDTH // 2), 127, np.uint8)
    trusted[3, 4] = 0
    for name in "123":
        put(root / "keyframes" / "depth" / f"100{name}.png", COUNTS[::2, 1::2].copy())
        put(root / "keyframes" / "confidence" / f"100{name}.png", trusted)
    return root


def arkitscenes(root: Path) -> Path:
    write_arkitscenes(root, tiny.tiny().poses)
    trusted = np.full((HEIGHT // 2, WIDTH // 2), 2, np.uint8)
    trusted[3, 4] = 0
    for name in "123":
        time = 300.123 + int(name) + 0.001
        put(root / "41069021_frames" / "lowres_depth" / f"41069021_{time:.3f}.png", COUNTS[::2, 1::2].copy())
        put(root / "41069021_frames" / "confidence" / f"41069021_{time:.3f}.png", trusted)
    return root


def record3d(root: Path) -> Path:
    write_record3d(root, tiny.tiny().poses)
    depth = COUNTS.astype(np.float32) / 1000
    depth[0, 0] = np.nan
    for i in range(3):
        write_exr(root / "depth" / f"{i}.exr", {"R": depth, "G": depth * 0, "B": depth * 0})
    return root


def matterport(root: Path) -> Path:
    house = write_matterport(root, tiny.tiny().poses)
    for name in "123":
        put(house / "undistorted_depth_images" / f"a{name}_d0_0.png")
    return house


def transforms(root: Path, key: str = "depth_file_path", suffix: str = ".png", **keys: object) -> Path:
    tiny.write_transforms(root, **keys)
    whole = json.loads((root / "transforms.json").read_text())
    for frame, name in zip(whole["frames"], "123", strict=True):
        frame[key] = f"depth/{name}{suffix}"
        if suffix == ".npy":
            (root / "depth").mkdir(exist_ok=True)
            np.save(root / "depth" / f"{name}.npy", COUNTS.astype(np.float64))
        else:
            put(root / "depth" / f"{name}.png")
    (root / "transforms.json").write_text(json.dumps(whole))
    return root


@dataclass(frozen=True)
class Format:
    """A capture with depth, and what one stored count is in metres there; `invalid`: 65535 is no reading."""

    write: Callable[[Path], Path]
    unit: float
    invalid: bool = False
    views: int = 3


FORMATS = {
    "frames": Format(frames, 1e-3, invalid=True),
    "frames, pgm": Format(frames_pgm, 1 / 2000, invalid=True),
    "tum": Format(tum, 1 / 5000),
    "scannet": Format(scannet, 1e-3),
    "sens": Format(sens, 1e-3),
    "raw sens": Format(raw_sens, 1 / 5000),
    "open3d": Format(open3d, 1e-3),
    "open3d json": Format(open3d_json, 1e-3, views=1),
    "record3d": Format(record3d, 1e-3),
    "matterport": Format(matterport, 0.25e-3),
    "transforms": Format(transforms, 1e-3),
    "transforms, scaled": Format(lambda root: transforms(root, applied_scale=4.0), 1e-3),
    "transforms, unit": Format(lambda root: transforms(root, depth_unit_scale_factor=0.5), 0.5),
    "transforms, npy": Format(lambda root: transforms(root, suffix=".npy"), 1e-3),
    "instant-ngp": Format(lambda root: transforms(root, "depth_path", integer_depth_scale=0.01), 0.01),
    "instant-ngp, scaled": Format(
        lambda root: transforms(root, "depth_path", integer_depth_scale=0.01, applied_scale=4.0), 0.01 / 4
    ),
}


@pytest.mark.parametrize("name", FORMATS)
def test_depth_is_in_world_units_and_knows_what_is_no_reading(tmp_path: Path, name: str) -> None:
    form = FORMATS[name]
    views = [view for view in read_capture(form.write(tmp_path / "scan")).views if view.depth is not None]
    assert len(views) == form.views
    for view in views:
        assert view.depth is not None
        metres, valid = read_depth(view.depth)
        wanted = COUNTS > 0
        wanted[0, 1] = not form.invalid
        assert np.array_equal(valid, wanted)
        assert np.allclose(metres[valid], COUNTS[valid] * form.unit, rtol=1e-6)
        assert (metres[~valid] == 0).all()
        assert np.array_equal(depth_from_world(view), view.cam_from_world)
        assert depth_camera(view, WIDTH, HEIGHT).params[:4] == pytest.approx(view.camera.params[:4])


@pytest.mark.parametrize("write", [polycam, arkitscenes])
def test_a_phones_untrusted_depth_is_not_used(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    for view in read_capture(write(tmp_path / "scan")).views:
        assert view.depth is not None
        metres, valid = read_depth(view.depth)
        assert metres.shape == (HEIGHT // 2, WIDTH // 2)
        assert not valid[3, 4]
        assert valid.sum() == valid.size - 1
        assert metres[6, 6] == pytest.approx(3)
        half = depth_camera(view, WIDTH // 2, HEIGHT // 2)
        assert half.params[:4] == pytest.approx(np.array(PINHOLE) / 2)


def test_a_depth_camera_of_its_own_comes_with_its_place(tmp_path: Path) -> None:
    root = frames(tmp_path)
    numbers = [20, 0, 7, 0, 0, 21, 5, 0, 0, 0, 1, 0, 0, 0, 0, 1]
    own = [f"m_depthWidth = {WIDTH}", f"m_depthHeight = {HEIGHT}"]
    own.append("m_calibrationDepthIntrinsic = " + " ".join(map(str, numbers)))
    own.append("m_calibrationDepthExtrinsic = " + " ".join(map(str, SHIFTED.ravel())))
    tiny.write_frames(tmp_path / "other", info=True)
    (root / "info.txt").write_text((tmp_path / "other" / "info.txt").read_text() + "\n" + "\n".join(own))
    scene = read_capture(root)
    assert any("stands apart" in note for note in scene.notes)
    for view, stated in zip(scene.views, tiny.tiny().poses.values(), strict=True):
        assert view.depth is not None
        assert depth_camera(view, WIDTH, HEIGHT) == Camera("PINHOLE", WIDTH, HEIGHT, (20.0, 21.0, 7.0, 5.0))
        assert np.allclose(depth_from_world(view), stated, atol=1e-8)  # the pose in the file is the depth camera's
        assert np.allclose(view.cam_from_world, SHIFTED @ stated, atol=1e-8)


def test_scannets_own_depth_camera(tmp_path: Path) -> None:
    root = scannet(tmp_path)
    matrix = np.array([[20, 0, 7, 0], [0, 21, 5, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    np.savetxt(root / "exported" / "intrinsic" / "intrinsic_depth.txt", matrix)
    np.savetxt(root / "exported" / "intrinsic" / "extrinsic_depth.txt", SHIFTED)
    view = read_capture(root).views[0]
    assert view.depth is not None
    assert view.depth.camera == Camera("PINHOLE", WIDTH, HEIGHT, (20.0, 21.0, 7.0, 5.0))
    assert np.allclose(view.cam_from_world @ invert_pose(depth_from_world(view)), SHIFTED)


def test_depth_in_a_sens_is_read_one_map_at_a_time(tmp_path: Path) -> None:
    view = read_capture(sens(tmp_path / "scan")).views[1]
    assert view.depth is not None
    assert view.depth.path.name == "scan.sens"
    assert view.depth.blob is not None
    assert sorted(file.suffix for file in (tmp_path / "scan" / "scan_photos").iterdir()) == [".jpg"] * 3
    blob = view.depth.blob
    for broken in (replace(blob, length=blob.length - 9), replace(blob, at=5), replace(blob, width=WIDTH + 1)):
        with pytest.raises(ImageError, match="depth at byte"):
            read_depth(replace(view.depth, camera=None, blob=broken))


def test_packed_depth_never_unpacks_more_than_it_should_hold(tmp_path: Path) -> None:
    file = sens(tmp_path / "scan")
    bomb = zlib.compress(bytes(1 << 26))
    file.write_bytes(file.read_bytes() + bomb)
    view = read_capture(file).views[0]
    assert view.depth is not None
    assert view.depth.blob is not None
    blob = replace(view.depth.blob, at=file.stat().st_size - len(bomb), length=len(bomb))
    tracemalloc.start()
    with pytest.raises(ImageError, match="bytes, not the"):
        read_depth(replace(view.depth, blob=blob))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


@pytest.mark.parametrize("compression", [2, 9])
def test_depth_that_cant_be_unpacked_is_said(tmp_path: Path, compression: int) -> None:
    file = sens(tmp_path / "scan")
    data = bytearray(file.read_bytes())
    data[12 + 15 + 64 * 4 + 4] = compression
    file.write_bytes(data)
    scene = read_capture(file)
    assert [view.depth for view in scene.views] == [None] * 3
    assert any(f"compression {compression}" in note for note in scene.notes)


def test_missing_depth_is_none_and_a_bad_unit_costs_no_view(tmp_path: Path) -> None:
    root = frames(tmp_path / "frames")
    (root / "frame-000002.depth.png").unlink()
    assert [view.depth is None for view in read_capture(root).views] == [False, True, False]
    scene = read_capture(transforms(tmp_path / "transforms", depth_unit_scale_factor=-1))
    assert [view.depth for view in scene.views] == [None] * 3
    assert any("3 depth maps are not used" in note for note in scene.notes)


def test_a_depth_map_of_another_shape_has_no_camera(tmp_path: Path) -> None:
    view = read_capture(frames(tmp_path)).views[0]
    assert depth_camera(view, 3 * WIDTH, 3 * HEIGHT).params[0] == pytest.approx(3 * PINHOLE[0])
    for size in ((HEIGHT, WIDTH), (WIDTH, HEIGHT + 4)):
        with pytest.raises(CameraError, match="another shape"):
            depth_camera(view, *size)


def test_a_depth_maps_unit_and_place_are_checked(tmp_path: Path) -> None:
    for unit in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(CameraError, match="unit"):
            DepthMap(tmp_path / "a.png", unit)
    with pytest.raises(CameraError, match="rotation"):
        DepthMap(tmp_path / "a.png", 1.0, cam_from_depth=np.diag([2.0, 2, 2, 1]))
    assert View("a", Camera("PINHOLE", 2, 2, PINHOLE), np.eye(4), tmp_path).depth is None
