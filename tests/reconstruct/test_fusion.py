"""Fusion: exact depth gives back its surface; what can't be used is counted, what is absurd is said."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import open3d as o3d
import pytest

from depths import HEIGHT, VIEWS, WIDTH, room, write_room
from neuraltexgen.errors import ConfigError, ImageError, MeshError, ReconstructError
from neuraltexgen.meshes import through_open3d
from neuraltexgen.readers import read_capture
from neuraltexgen.reconstruct import Frame, FusionSettings, Source, depth_sources, fuse
from neuraltexgen.reconstruct.fusion import least_views
from neuraltexgen.reconstruct.survey import survey
from neuraltexgen.scene import Mesh

CPU = FusionSettings(device="cpu")
LENS = (150.0, 150.0, 80.0, 60.0)
NORMAL = np.array([-0.3, -0.2, 1.0])


def distances(points: np.ndarray, mesh: Mesh) -> np.ndarray:
    scene = o3d.t.geometry.RaycastingScene()
    scene.add_triangles(
        o3d.core.Tensor(mesh.vertices.astype(np.float32)), o3d.core.Tensor(mesh.faces.astype(np.uint32))
    )
    return scene.compute_distance(o3d.core.Tensor(points.astype(np.float32))).numpy()


def source(name: str, frame: Frame) -> Source:
    return Source(name, frame.cam_from_world, lambda: frame)


def slope(shift: tuple[float, float, float] = (0.0, 0.0, 0.0), scale: float = 1.0, aside: float = 0.0) -> Frame:
    """The plane NORMAL x = 2 seen from `aside` to the right of the origin; then the world is scaled, then shifted."""
    x, y = np.meshgrid((np.arange(160) + 0.5 - 80) / 150, (np.arange(120) + 0.5 - 60) / 150)
    rays = np.stack([x, y, np.ones_like(x)], axis=2)
    depth = (2 - NORMAL[0] * aside) / (rays @ NORMAL)
    pose = np.eye(4)
    pose[:3, 3] = -(np.array([aside, 0, 0]) * scale + shift)
    colour = np.full((120, 160, 3), (250, 100, 3), np.uint8)
    return Frame((depth * scale).astype(np.float32), LENS, pose, colour)


def slopes(**where: object) -> list[Source]:
    return [source(str(i), slope(aside=aside, **where)) for i, aside in enumerate((-0.1, 0.1))]  # pyright: ignore[reportArgumentType]


def test_exact_depth_gives_back_the_surface(tmp_path: Path) -> None:
    sources, without = depth_sources(read_capture(write_room(tmp_path)).views)
    assert (len(sources), without) == (VIEWS, [])
    fused = fuse(sources, CPU)
    assert (fused.used, fused.skipped, fused.device) == (VIEWS, (), "CPU:0")
    off = distances(fused.mesh.vertices, room().mesh) / fused.voxel
    assert np.median(off) < 0.06
    assert np.quantile(off, 0.75) < 0.2
    assert np.quantile(off, 0.9) < 0.6


def test_all_that_was_seen_is_there() -> None:
    made = room()
    sources = [
        source(str(i), Frame(depth, made.camera.params, pose))  # pyright: ignore[reportArgumentType]
        for i, (depth, pose) in enumerate(zip(made.depths, made.poses, strict=True))
    ]
    fused = fuse(sources, replace(CPU, voxel=0.05, least_views=1))
    seen = survey(sources, None)
    off = distances(seen.points + seen.origin, fused.mesh) / fused.voxel
    assert np.quantile(off, 0.9) < 0.5
    assert fused.mesh.colours is not None
    assert not fused.mesh.colours.any()  # no frame has colour


def test_halving_the_voxel_quadruples_the_faces() -> None:
    coarse, fine = (fuse(slopes(), replace(CPU, voxel=voxel)) for voxel in (0.04, 0.02))
    assert len(fine.mesh.faces) / len(coarse.mesh.faces) == pytest.approx(4, rel=0.1)
    for fused in (coarse, fine):
        off = (fused.mesh.vertices @ NORMAL - 2) / np.linalg.norm(NORMAL)
        assert np.abs(off).max() < 0.25 * fused.voxel
        assert abs(off.mean()) < 0.02 * fused.voxel  # half a pixel would show as 0.2


def test_colours_are_the_photos_to_the_border() -> None:
    mesh = fuse(slopes(), CPU).mesh
    assert mesh.colours is not None
    assert np.abs(mesh.colours * 255 - (250, 100, 3)).max() < 1


def test_far_from_the_origin_nothing_is_lost() -> None:
    near, far = (fuse(slopes(shift=shift), replace(CPU, voxel=0.02)).mesh for shift in ((0, 0, 0), (5e5, -4e6, 100.0)))
    assert len(near.faces) == pytest.approx(len(far.faces), rel=0.01)
    off = ((far.vertices - (5e5, -4e6, 100.0)) @ NORMAL - 2) / np.linalg.norm(NORMAL)
    assert np.abs(off).max() < 0.005


@pytest.mark.parametrize("scale", [0.001, 1000.0])
def test_the_unit_of_the_world_does_not_matter(scale: float) -> None:
    metres, other = fuse(slopes(), CPU), fuse(slopes(scale=scale), CPU)
    assert other.voxel == pytest.approx(metres.voxel * scale, rel=1e-4)
    assert len(other.mesh.faces) == pytest.approx(len(metres.mesh.faces), rel=0.01)


def test_one_seed_one_result(tmp_path: Path) -> None:
    sources, _ = depth_sources(read_capture(write_room(tmp_path)).views)
    first, second = (fuse(sources, CPU).mesh for _ in range(2))
    assert np.array_equal(first.vertices, second.vertices)
    assert np.array_equal(first.faces, second.faces)
    assert np.array_equal(first.colours, second.colours)  # pyright: ignore[reportArgumentType]


def test_lost_and_broken_frames_are_skipped_and_counted(tmp_path: Path) -> None:
    root = write_room(tmp_path)
    (root / "frame-000002.pose.txt").write_text("nan " * 16)
    (root / "frame-000003.depth.png").write_bytes(b"no picture")
    (root / "frame-000004.depth.png").unlink()
    scene = read_capture(root)
    assert [view.name for view in scene.left_out] == ["frame-000002"]
    sources, without = depth_sources(scene.views)
    assert [(view.name, view.reason) for view in without] == [("frame-000004", "no depth map")]
    fused = fuse(sources, CPU)
    assert fused.used == VIEWS - 3
    assert [view.name for view in fused.skipped] == ["frame-000003"]
    assert "not an image" in fused.skipped[0].reason


def test_nothing_usable_is_an_error(tmp_path: Path) -> None:
    def broken() -> Frame:
        raise ImageError("damaged")

    for sources in ([], [Source("a", np.eye(4), broken)], [source("a", replace(slope(), depth=slope().depth * 0))]):
        with pytest.raises(ReconstructError, match=r"no depth frames|damaged|no reading"):
            fuse(sources, CPU)


@pytest.mark.parametrize("factor", [1000, 1e-3, 1e-6])
def test_a_depth_unit_that_is_wrong_is_said(tmp_path: Path, factor: float) -> None:
    sources, _ = depth_sources(read_capture(write_room(tmp_path)).views)
    wrong = [
        Source(s.name, s.cam_from_world, lambda s=s: replace(s.read(), depth=s.read().depth * np.float32(factor)))
        for s in sources
    ]
    with pytest.raises(ReconstructError, match="can't be in one unit") as caught:
        fuse(wrong, CPU)
    assert "depth scale" in (caught.value.fix or "")


def test_nothing_in_range_says_what_there_is() -> None:
    with pytest.raises(ReconstructError, match=r"within 0\.002: the nearest is 1") as caught:
        fuse(slopes(), replace(CPU, depth_max=0.002))
    assert "--depth-max" in (caught.value.fix or "")


def test_depth_beyond_the_range_is_not_used() -> None:
    mesh = fuse(slopes(), replace(CPU, depth_max=2.0, voxel=0.02)).mesh
    assert 1.9 < mesh.vertices[:, 2].max() < 2.05


def test_a_small_memory_makes_larger_voxels_and_says_so() -> None:
    wished = fuse(slopes(), CPU)
    fused = fuse(slopes(), replace(CPU, memory=0.002))
    assert fused.voxel > 1.2 * wished.voxel
    assert fused.blocks < wished.blocks
    assert any("--memory" in note for note in fused.notes)
    assert wished.notes == ()
    with pytest.raises(ReconstructError, match="blocks"):
        fuse(slopes(), replace(CPU, memory=1e-5))


def test_places_that_too_few_frames_saw_carry_no_surface() -> None:
    one, both = (fuse(slopes(), replace(CPU, least_views=n, voxel=0.02)).mesh for n in (1, 2))
    assert np.ptp(both.vertices[:, 0]) < np.ptp(one.vertices[:, 0]) - 0.15
    with pytest.raises(ReconstructError, match="that 3 frames agree on"):
        fuse(slopes(), replace(CPU, least_views=3))
    counts = [least_views(n) for n in range(1, 200)]
    assert counts[0] == 1
    assert counts[-1] == 3
    assert counts == sorted(counts)


def test_noise_in_the_depth_is_measured_and_widens_the_voxel() -> None:
    rng = np.random.default_rng(0)
    frame = slope()
    noisy = replace(frame, depth=frame.depth + rng.normal(0, 0.05, frame.depth.shape).astype(np.float32))
    assert survey([source("a", noisy)], None).noise == pytest.approx(0.05, rel=0.1)
    assert survey([source("a", frame)], None).noise < 0.001
    assert fuse([source("a", noisy)], CPU).voxel > 2 * fuse([source("a", frame)], CPU).voxel


@pytest.mark.parametrize(
    "wrong", [{"voxel": 0.0}, {"voxel": float("nan")}, {"depth_max": -1.0}, {"least_views": 0}, {"truncation": 0.5}]
)
def test_settings_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="--"):
        FusionSettings(**wrong)  # pyright: ignore[reportArgumentType]


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    if not o3d.core.cuda.is_available():
        fused = fuse(slopes(), replace(CPU, device="cuda"))
        assert fused.device == "CPU:0"
        assert "no such device" in fused.notes[0]
    for name in ("tpu", "cuda:x"):
        with pytest.raises(ConfigError, match="no such device"):
            fuse(slopes(), replace(CPU, device=name))


def test_a_missing_open3d_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for failure in (ImportError("no module"), OSError("libGL.so.1: cannot open shared object file")):

        def fail(name: str, failure: Exception = failure) -> object:
            raise failure

        monkeypatch.setattr(through_open3d, "import_module", fail)
        with pytest.raises(MeshError, match="Open3D is not installed, or can't be loaded") as caught:
            fuse(slopes(), CPU)
        assert "neuraltexgen[open3d]" in (caught.value.fix or "")


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    fuse(slopes(), CPU)
    with pytest.raises(ReconstructError):
        fuse(slopes(), replace(CPU, least_views=3))
    assert capfd.readouterr() == ("", "")


def test_transforms_with_depth_are_fused_too(tmp_path: Path) -> None:
    """The same depth in another format, through its scale: the same surface."""
    root = write_room(tmp_path / "frames")
    scene = read_capture(root)
    fx, fy, cx, cy = room().camera.params
    frames = []
    for view in scene.views:
        assert view.depth is not None
        back = np.linalg.inv(view.cam_from_world) @ np.diag([1.0, -1, -1, 1])
        back[:3, 3] *= 3
        frames.append({"file_path": str(view.photo), "depth_file_path": str(view.depth.path)})
        frames[-1]["transform_matrix"] = back.tolist()
    whole = {"fl_x": fx, "fl_y": fy, "cx": cx, "cy": cy, "w": WIDTH, "h": HEIGHT, "applied_scale": 3.0}
    (tmp_path / "transforms.json").write_text(json.dumps({**whole, "frames": frames}))
    mesh, other = (
        fuse(depth_sources(read_capture(path).views)[0], replace(CPU, voxel=0.1)).mesh
        for path in (root, tmp_path / "transforms.json")
    )
    assert len(mesh.faces) == pytest.approx(len(other.faces), rel=0.01)
    assert np.abs(mesh.vertices.max(axis=0) - other.vertices.max(axis=0)).max() < 0.01
