"""How near do the rasterisers' UV maps come to the ray caster's, and which of the three is the fastest?

python -m benchmarks.uvmap [--scenes SCENES] [--out results/uvmap.json] [--device N]

Agreement is measured on the made-up room and on every capture in SCENES, a few views each: the processor's rasteriser
through the view's own lens, the EGL renderer through the pinhole of its focal length (it leaves distortion to
the other one). Without moderngl or an EGL device, its rows are missing. Speed: see SPEED.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.common import RESULTS, provenance
from neuraltexgen.bench.uv_maps import bumpy_sheet
from neuraltexgen.errors import RenderError
from neuraltexgen.geometry import focal_and_centre
from neuraltexgen.readers import ReadOptions, read_capture
from neuraltexgen.scene import Camera, Mesh, Scene
from neuraltexgen.synthetic import SyntheticSettings, make_scene, write_capture
from neuraltexgen.uvmap.egl import EglRenderer, device_name
from neuraltexgen.uvmap.maps import UVMap
from neuraltexgen.uvmap.raster.rasteriser import Rasteriser
from neuraltexgen.uvmap.raycast import RayCaster
from neuraltexgen.uvmap.render import Renderer

VIEWS, SAMPLES, TEXTURE = 4, (1, 2), 4096
SPEED = {
    "photo": [1024, 1280],
    "grid": 225,
    "repeats": 15,
    "warm_seconds": 1.0,
    "distortion": [-0.1, 0.03, 0.001, -0.001],
}
"""A bumpy sheet of 2 x 224 x 224 = 100,352 faces that fills the photo, from poses that differ a little.

Warm: a card at rest runs at a fraction of its clock.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=Path)
    parser.add_argument("--out", type=Path, default=RESULTS / "uvmap.json")
    parser.add_argument("--device", type=int)
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        room = SyntheticSettings(views=8, width=640, height=480, supersampling=1)
        captures = [write_capture(make_scene(room), Path(folder) / "made-up room")]
        captures += sorted(path for path in arguments.scenes.iterdir() if path.is_dir()) if arguments.scenes else []
        for capture in captures:
            rows += agreement(read_capture(capture, ReadOptions(missing="skip")), capture.name, arguments.device)
    speed_rows, name = speed(arguments.device)
    result = {**provenance(), "egl_device": name, "cores": len(os.sched_getaffinity(0)), "speed_settings": SPEED}
    result |= {"texture": TEXTURE, "agreement": rows, "speed": speed_rows}
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")


def agreement(scene: Scene, name: str, device: int | None) -> list[dict[str, Any]]:
    """One row per view, renderer and number of samples."""
    assert scene.mesh is not None
    mesh = scene.mesh if scene.mesh.has_uvs else grid_uvs(scene.mesh)
    caster, raster, egl, rows = RayCaster(mesh), Rasteriser(mesh), egl_renderer(mesh, device), []
    for view in scene.views[:: -(-len(scene.views) // VIEWS)]:
        kinds = [("raster", raster, view.camera), ("egl", egl, without_distortion(view.camera))]
        for kind, renderer, camera in kinds[: 1 if egl is None else 2]:
            for samples in SAMPLES:
                maps = (each.uv_map(camera, view.cam_from_world, samples) for each in (caster, renderer))
                row = {"scene": name, "faces": len(mesh.faces), "renderer": kind, "lens": camera.model}
                rows.append({**row, "view": view.name, "samples": samples, **differences(*maps)})
                print(rows[-1], flush=True)
    return rows


def egl_renderer(mesh: Mesh, device: int | None) -> EglRenderer | None:
    """None where there is no EGL."""
    try:
        return EglRenderer(mesh, device)
    except RenderError as error:
        print(error)
        return None


def differences(expected: UVMap, found: UVMap) -> dict[str, float]:
    """The share of samples with the same face, and the largest differences where both see the same face."""
    same = expected.face_ids == found.face_ids
    both = same & expected.valid
    texels = TEXTURE * np.linalg.norm(expected.uv[both].astype(np.float64) - found.uv[both], axis=1)
    relative = {
        name: np.abs(getattr(found, name)[both] / getattr(expected, name)[both] - 1)
        for name in ("distance", "footprint")
        if (getattr(expected, name)[both] > 0).all()
    }
    return {
        "same_face": round(float(same.mean()), 6),
        "both_or_neither_see": round(float((expected.valid == found.valid).mean()), 6),
        "uv_texels_99.9%": round(float(np.quantile(texels, 0.999)), 5),
        "uv_texels_max": round(float(texels.max()), 5),
        **{f"{name}_relative_max": float(f"{values.max():.2g}") for name, values in relative.items()},
        "cosine_max": float(f"{np.abs(expected.cosine - found.cosine)[both].max():.2g}"),
    }


def speed(device: int | None) -> tuple[list[dict[str, Any]], str]:
    """Milliseconds a view: the ray caster, the rasteriser, the EGL renderer up to its faces, fields and read-back."""
    (height, width), mesh = SPEED["photo"], bumpy_sheet(SPEED["grid"])
    camera = Camera("PINHOLE", width, height, (1.1 * width, 1.1 * width, width / 2, height / 2))
    lens = Camera("OPENCV", width, height, (*camera.params, *SPEED["distortion"]))
    caster, egl, cores = RayCaster(mesh), egl_renderer(mesh, device), len(os.sched_getaffinity(0))
    poses = [shifted(0.001 * i) for i in range(SPEED["repeats"])]
    kinds: dict[str, Callable[[np.ndarray], Any]] = {"ray caster": lambda pose: caster.uv_map(camera, pose)}
    for threads in sorted({1, cores}):
        for name, each in (("", camera), (", a lens with distortion", lens)):
            raster = Rasteriser(mesh, threads)
            assert differences(caster.uv_map(each, poses[0]), raster.uv_map(each, poses[0]))["same_face"] > 0.999
            kinds[f"rasteriser, {threads} threads{name}"] = partial(view_from, raster, each)
    if egl is not None:
        kinds |= egl_kinds(egl, camera, caster, poses)
    seen, rows = float(caster.uv_map(camera, poses[0]).valid.mean()), []
    for kind, work in kinds.items():
        start = time.perf_counter()
        while time.perf_counter() < start + SPEED["warm_seconds"]:
            work(poses[0])
        before = time.process_time()
        times = [timed(work, pose) for pose in poses]
        busy = 1e3 * (time.process_time() - before) / len(poses)
        row = {"kind": kind, "faces": len(mesh.faces), "seen": round(seen, 3)}
        row["ms"] = [round(f(times), 3) for f in (statistics.median, min, max)]
        row["processor_ms"] = round(busy, 1)  # of all cores: what other work on the machine hardly changes
        row["million_samples_per_second"] = round(height * width / row["ms"][0] / 1e3, 1)
        rows.append({**row, "views_per_second": round(1e3 / row["ms"][0], 1)})
        print(rows[-1], flush=True)
    return rows, "none" if egl is None else device_name(egl._context)


def view_from(renderer: Renderer, camera: Camera, pose: np.ndarray) -> UVMap:
    return renderer.uv_map(camera, pose)


def egl_kinds(
    egl: EglRenderer, camera: Camera, caster: RayCaster, poses: list[np.ndarray]
) -> dict[str, Callable[[np.ndarray], Any]]:
    """What is timed of the EGL renderer, once it is found to agree."""
    assert differences(caster.uv_map(camera, poses[0]), egl.uv_map(camera, poses[0]))["same_face"] > 0.999
    gl = egl._context

    def on_device(work: Callable[..., Any]) -> Callable[[np.ndarray], None]:
        def one(pose: np.ndarray) -> None:
            with gl:
                egl._look(camera, pose, 1)
                work(0, 0, camera.height, camera.width)
                gl.finish()

        return one

    kinds: dict[str, Callable[[np.ndarray], Any]] = {
        "EGL, faces on the device": on_device(egl._rasterise),
        "EGL, all fields on the device": on_device(egl._render),
        "EGL, all fields read back": lambda pose: egl.uv_map(camera, pose),
    }
    if torch.cuda.is_available():
        check_tensors(egl, camera, poses)
        kinds["EGL, all fields as CUDA tensors"] = lambda pose: as_tensors(egl, camera, pose)
    return kinds


def as_tensors(egl: EglRenderer, camera: Camera, pose: np.ndarray) -> None:
    """The map as PyTorch reads it, waited for."""
    with egl.uv_map_on_cuda(camera, pose) as maps:
        maps.uv[0, 0] + 0  # so that CUDA has read it
        torch.cuda.synchronize()


def check_tensors(egl: EglRenderer, camera: Camera, poses: list[np.ndarray]) -> None:
    """The tensors hold what the read-back map holds, view after view and at other sizes within one tile."""
    half = replace(camera, width=camera.width // 2)
    for which, pose, samples in ((camera, poses[0], 1), (half, poses[-1], 2), (half, poses[1], 1)):
        expected = egl.uv_map(which, pose, samples)
        with egl.uv_map_on_cuda(which, pose, samples) as maps:
            for name in ("uv", "face_ids", "distance", "cosine", "footprint"):
                found = getattr(maps, name).cpu().numpy()
                assert np.array_equal(found, getattr(expected, name)), (name, samples)


def timed(work: Callable[[np.ndarray], Any], pose: np.ndarray) -> float:
    start = time.perf_counter()
    work(pose)
    return 1e3 * (time.perf_counter() - start)


def grid_uvs(mesh: Mesh) -> Mesh:
    """The mesh with uvs that take no time: each face has half a cell of a grid over the texture."""
    count, side = len(mesh.faces), int(np.ceil(np.sqrt(len(mesh.faces) / 2)))
    cell, half = np.divmod(np.arange(count), 2)
    corner = np.stack([cell % side, cell // side], axis=-1)[:, None]
    halves = np.array([[[0.1, 0.1], [0.8, 0.1], [0.1, 0.8]], [[0.9, 0.9], [0.2, 0.9], [0.9, 0.2]]])
    uvs = ((corner + halves[half]) / side).reshape(-1, 2)
    return Mesh(mesh.vertices, mesh.faces, uvs, np.arange(3 * count, dtype=np.int32).reshape(-1, 3))


def without_distortion(camera: Camera) -> Camera:
    focal, centre = focal_and_centre(camera)
    return Camera("PINHOLE", camera.width, camera.height, (focal[0], focal[-1], *centre))


def shifted(x: float) -> np.ndarray:
    pose = np.eye(4)
    pose[0, 3] = x
    return pose


if __name__ == "__main__":
    main()
