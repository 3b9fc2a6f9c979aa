"""`neuraltexgen reconstruct` and `texture --reconstruct`, from the command line."""

import json
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiny
from depths import VIEWS, write_room
from neuraltexgen.cli import main
from neuraltexgen.errors import ConfigError, MeshError, ReaderError, ReconstructError
from neuraltexgen.meshes import read_mesh
from neuraltexgen.pipeline import Job, texture_capture
from neuraltexgen.readers import ReadOptions, read_capture
from neuraltexgen.reconstruct import ReconstructSettings, cached_mesh, capture, reconstruct_capture
from neuraltexgen.types import no_progress


@pytest.fixture(scope="module")
def room_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_room(tmp_path_factory.mktemp("rgbd") / "room")


def test_the_command_writes_a_coloured_mesh_and_says_what_next(
    room_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "mesh.ply"
    main(["reconstruct", str(room_folder), "-o", str(out), "--faces", "1500", "--voxel", "0.1", "--device", "cpu"])
    said = capsys.readouterr().out
    assert f"{VIEWS} fused, 0 skipped" in said
    assert "0.1 on a side" in said
    assert f"neuraltexgen texture {room_folder} --mesh {out}" in said.replace("\n", "")
    mesh = read_mesh(out).mesh
    assert len(mesh.faces) <= 1500
    assert mesh.colours is not None
    assert mesh.colours[:, 0].mean() == pytest.approx(200 / 255, abs=0.05)
    scene = read_capture(room_folder, ReadOptions(mesh=out))
    assert scene.mesh is not None


def test_json_has_the_figures(room_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["reconstruct", str(room_folder), "-o", str(tmp_path / "mesh.obj"), "--json", "--device", "cpu"])
    said = json.loads(capsys.readouterr().out)
    assert said["frames"] == VIEWS
    assert said["faces"] == len(read_mesh(tmp_path / "mesh.obj").mesh.faces)
    assert said["skipped"] == {}


def test_a_suffix_that_cant_be_written_costs_no_work(room_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(MeshError, match="can't write"):
        reconstruct_capture(room_folder, tmp_path / "mesh.glb", progress=lambda *_: pytest.fail("it began"))


def test_a_killed_run_leaves_no_half_file(room_folder: Path, tmp_path: Path) -> None:
    def killed(items: Iterable[Any], what: str, total: int) -> Iterable[Any]:
        for i, item in enumerate(items):
            if what == "fuse depth" and i == 5:
                raise KeyboardInterrupt
            yield item

    with pytest.raises(KeyboardInterrupt):
        reconstruct_capture(room_folder, tmp_path / "mesh.ply", progress=killed)
    assert list(tmp_path.iterdir()) == []


def test_a_mesh_is_fused_once_for_what_it_depends_on(
    room_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, cache = tmp_path / "room", tmp_path / "cache"
    shutil.copytree(room_folder, root)
    settings = ReconstructSettings()
    first, note = cached_mesh(read_capture(root), settings, cache, no_progress)
    assert "fused" in note

    def counted(*_: object) -> None:
        raise AssertionError("fused again")

    monkeypatch.setattr(capture, "fuse", counted)
    again, _ = cached_mesh(read_capture(root), settings, cache, no_progress)
    assert np.array_equal(first.vertices, again.vertices)
    with pytest.raises(AssertionError):
        cached_mesh(read_capture(root), replace(settings, mesh=replace(settings.mesh, faces=99)), cache, no_progress)
    shutil.copyfile(root / "frame-000001.depth.png", root / "frame-000002.depth.png")
    with pytest.raises(AssertionError):
        cached_mesh(read_capture(root), settings, cache, no_progress)


def test_texture_offers_it_and_does_it_when_asked(
    room_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    with pytest.raises(ReaderError, match=f"no mesh, but {VIEWS} depth maps") as caught:
        texture_capture(room_folder, out)
    assert "--reconstruct" in (caught.value.fix or "")
    assert "neuraltexgen reconstruct" in (caught.value.fix or "")
    small = ["--texture-size", "128", "--passes", "2", "--samples", "1", "--device", "cpu", "--renderer", "ray"]
    main(["texture", str(room_folder), "--reconstruct", "-o", str(out), *small])
    assert "fused from the capture's depth maps" in capsys.readouterr().out
    fused, textured = read_mesh(out / "mesh.ply").mesh, read_mesh(out / "mesh.obj").mesh
    assert len(fused.faces) == len(textured.faces)
    assert textured.has_uvs


def test_reconstruct_and_mesh_contradict_each_other(room_folder: Path, tmp_path: Path) -> None:
    mesh = tiny.write_frames(tmp_path / "tiny") / "mesh.ply"
    job = Job(read=ReadOptions(mesh=mesh), reconstruct=ReconstructSettings())
    with pytest.raises(ConfigError, match="both name the mesh"):
        texture_capture(room_folder, tmp_path / "out", job)


def test_what_has_no_depth_is_said(tmp_path: Path) -> None:
    room = tiny.write_room(tmp_path / "room")
    with pytest.raises(ReconstructError, match="none of the 3 views") as caught:
        reconstruct_capture(room, tmp_path / "mesh.ply")
    assert caught.value.fix is not None
    with pytest.raises(ReaderError, match="no such file"):
        reconstruct_capture(tmp_path / "nowhere", tmp_path / "mesh.ply")
    assert not (tmp_path / "mesh.ply").exists()
