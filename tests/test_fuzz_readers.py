"""Damaged files: every outcome is a result or one of our errors, never another exception, a crash or a hang.

By hand, for more: `FUZZ=20000 python -m pytest tests/test_fuzz_readers.py`.
"""

import json
import os
import re
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image as Pillow

import tiny
from captures import CAPTURES, Capture
from neuraltexgen.checks import inspect
from neuraltexgen.errors import NeuralTexGenError
from neuraltexgen.images import photo_size, read_depth, read_exr, read_mask, read_photo, write_exr, write_png
from neuraltexgen.meshes import read_mesh, split_seams, write_mesh
from neuraltexgen.readers import ReadOptions, read_capture, read_prepared
from neuraltexgen.scene import DepthMap, Mesh, Scene

SCENES = Path(__file__).parents[2] / "shared" / "scenes"
TOTAL = int(os.environ.get("FUZZ", "3000"))
SLOWEST = 5.0
pytestmark = [pytest.mark.filterwarnings("error::RuntimeWarning"), pytest.mark.filterwarnings("ignore:::PIL")]
HEADROOM = 256 << 20
"""Bytes that reading a damaged file of some kilobytes may take; one that lies about its counts could ask for any."""
NASTY = (b"nan", b"-inf", b"1e999", b"0", b"-1", b"4294967296", b"99999999999999999999", b"1e-320", b"x", b"")


@pytest.fixture(autouse=True)
def memory_is_short() -> Iterator[None]:
    """The address space may grow by HEADROOM only; what asks for more gets a MemoryError, which no reader lets out."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + HEADROOM, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def flip_bits(data: bytes, rng: np.random.Generator) -> bytes:
    out = bytearray(data)
    for at in rng.integers(0, len(out), rng.integers(1, 8)):
        out[at] ^= 1 << int(rng.integers(8))
    return bytes(out)


def flip_header_bits(data: bytes, rng: np.random.Generator) -> bytes:
    return flip_bits(data[:256], rng) + data[256:]


def truncate(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: int(rng.integers(0, len(data)))]


def replace_number(data: bytes, rng: np.random.Generator) -> bytes:
    found = list(re.finditer(rb"-?\d+\.?\d*", data))
    if not found:
        return flip_bits(data, rng)
    where = found[int(rng.integers(len(found)))]
    return data[: where.start()] + NASTY[int(rng.integers(len(NASTY)))] + data[where.end() :]


def drop_line(data: bytes, rng: np.random.Generator) -> bytes:
    lines = data.split(b"\n")
    del lines[int(rng.integers(len(lines)))]
    return b"\n".join(lines)


def giant_count(data: bytes, rng: np.random.Generator) -> bytes:
    """Overwrites 4 or 8 bytes, as a count or a length would be stored."""
    size = int(rng.choice([4, 8]))
    value = int(rng.choice([0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**24, 2**16])) * (
        1 if size == 4 else int(rng.integers(1, 9))
    )
    at = int(rng.integers(0, max(1, min(len(data), 400) - size)))
    return data[:at] + (value % 2 ** (8 * size)).to_bytes(size, "little") + data[at + size :]


def swap_bytes(data: bytes, rng: np.random.Generator) -> bytes:
    """Moves a piece of the file to elsewhere in it."""
    a, b, c = np.sort(rng.integers(0, len(data) + 1, 3))
    return data[:a] + data[b:c] + data[a:b] + data[c:]


MUTATIONS = (flip_bits, flip_header_bits, truncate, replace_number, drop_line, giant_count, swap_bytes)


def look_through(scene: Scene) -> None:
    inspect(scene)
    for view in scene.views:
        if view.depth is not None:
            read_depth(view.depth)


def run_scene(root: Path) -> None:
    look_through(read_capture(root))


def run_strict_scene(root: Path) -> None:
    look_through(read_capture(root, ReadOptions(missing="error", masks=root / "masks")))


def run_prepared(root: Path) -> None:
    for view in read_prepared(root):
        read_photo(view.photo)
        read_exr(view.uv_map)


def run_meshes(root: Path) -> None:
    for path in sorted(root.iterdir()):
        if path.suffix in (".ply", ".obj", ".off", ".glb", ".gltf"):
            read_mesh(path)


def run_images(root: Path) -> None:
    for path in sorted(root.iterdir()):
        photo_size(path)
        read_photo(path, upright=True)
        read_mask(path)
        if "grey" in path.name:
            read_depth(DepthMap(path, 1.0))


def tiny_colmap_text(root: Path) -> None:
    tiny.write_colmap(root, binary=False)


def tiny_colmap_binary(root: Path) -> None:
    tiny.write_colmap(root, binary=True)


def tiny_transforms_with_masks(root: Path) -> None:
    tiny.write_transforms(root, applied_transform=np.eye(4)[:3].tolist(), applied_scale=2.0)
    for name in "123":
        tiny.photo(root / "masks" / f"{name}.png")


def tiny_frames_info(root: Path) -> None:
    tiny.write_frames(root, info=True)


def tiny_meshes(root: Path) -> None:
    mesh = tiny.tiny().mesh
    for suffix in (".ply", ".obj", ".off"):
        write_mesh(root / f"mesh{suffix}", mesh)
    solid = trimesh.creation.box()
    texture = Pillow.fromarray(np.zeros((4, 4, 3), np.uint8))
    solid.visual = trimesh.visual.TextureVisuals(np.zeros((8, 2)) + np.arange(8)[:, None] / 8, image=texture)
    solid.export(root / "box.glb")
    trimesh.creation.box().export(root / "text.ply", encoding="ascii")
    (root / "corners.ply").write_bytes(
        b"ply\nformat ascii 1.0\ncomment TextureFile t.png\nelement vertex 4\nproperty float x\nproperty float y\n"
        b"property float z\nelement face 2\nproperty list uchar int vertex_indices\n"
        b"property list uchar float texcoord\nend_header\n0 0 0\n1 0 0\n1 1 0\n0 1 0\n"
        b"3 0 1 2 6 0 0 1 0 1 1\n3 0 2 3 6 0 0 1 1 0 1\n"
    )
    tiny.photo(root / "t.png")


def tiny_images(root: Path) -> None:
    noise = np.random.default_rng(0).random((9, 7, 4)).astype(np.float32)
    write_png(root / "deep.png", noise, bits=16)
    write_png(root / "grey.png", noise[..., :1], bits=16)
    write_exr(root / "float.exr", {name: noise[..., i].copy() for i, name in enumerate("RGBA")}, half=True)
    for suffix in (".jpg", ".png", ".tif", ".webp", ".gif", ".bmp", ".ppm"):
        tiny.photo(root / f"photo{suffix}", size=(7, 9))
    Pillow.fromarray((noise * 255).astype(np.uint8), "CMYK").save(root / "cmyk.jpg")
    exif = Pillow.Exif()
    exif[274] = 6
    Pillow.fromarray((noise[..., :3] * 255).astype(np.uint8)).save(root / "turned.jpg", exif=exif)


def real_fox(root: Path) -> None:
    scene = SCENES / "fox"
    whole = json.loads((scene / "transforms.json").read_text())
    whole["frames"] = whole["frames"][:3]
    (root / "images").mkdir()
    (root / "transforms.json").write_text(json.dumps(whole, indent=2))
    for frame in whole["frames"]:
        shutil.copyfile(scene / frame["file_path"], root / frame["file_path"])
    write_mesh(root / "mesh.ply", first_faces(scene / "mesh.ply"))


def real_sevenscenes(root: Path) -> None:
    for file in sorted((SCENES / "sevenscenes").glob("frame-*"))[:9]:
        (root / file.name).write_bytes(file.read_bytes())
    shutil.copyfile(SCENES / "sevenscenes" / "camera-intrinsics.txt", root / "camera-intrinsics.txt")


def real_colmap(root: Path) -> None:
    shutil.copytree(SCENES / "herzjesu" / "sparse", root / "sparse", copy_function=shutil.copyfile)
    (root / "images").mkdir()
    for photo in sorted((SCENES / "herzjesu" / "images").iterdir())[:2]:
        shutil.copyfile(photo, root / "images" / photo.name)


def real_room(root: Path) -> None:
    scene = SCENES / "neuraltexgen_room"
    for file in [scene / "room0.txt", *scene.glob("frames/room/camera/*"), *scene.glob("frames/room/color/1.jpg")]:
        (root / file.relative_to(scene)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, root / file.relative_to(scene))
    write_mesh(root / "room_uv.off", first_faces(scene / "room_uv.off"))


def first_faces(path: Path) -> Mesh:
    mesh = read_mesh(path).mesh
    return split_seams(Mesh(mesh.vertices[:3000], mesh.faces[(mesh.faces < 3000).all(axis=1)][:200]))


def further(capture: Capture) -> "Target":
    """A capture of `captures`; its reader is named, so that damage to what tells the format is read all the same."""
    where: list[Path] = []

    def make(root: Path) -> None:
        where.append(capture.write(root, tiny.tiny().poses))

    def run(_: Path) -> None:
        look_through(read_capture(where[-1], ReadOptions(format=capture.reader)))

    return make, run


Target = tuple[Callable[[Path], object], Callable[[Path], None]]
TARGETS: dict[str, Target] = {
    "colmap text": (tiny_colmap_text, run_scene),
    "colmap binary": (tiny_colmap_binary, run_scene),
    "transforms": (tiny.write_transforms, run_scene),
    "transforms with masks": (tiny_transforms_with_masks, run_strict_scene),
    "frames": (tiny.write_frames, run_scene),
    "frames with info": (tiny_frames_info, run_scene),
    "neuraltexgen": (tiny.write_room, run_scene),
    "prepared": (tiny.write_prepared, run_prepared),
    "meshes": (tiny_meshes, run_meshes),
    "images": (tiny_images, run_images),
    **{name: further(capture) for name, capture in CAPTURES.items()},
}
REAL_TARGETS: dict[str, Target] = {
    "fox": (real_fox, run_scene),
    "sevenscenes": (real_sevenscenes, run_scene),
    "herzjesu": (real_colmap, run_scene),
    "room": (real_room, run_scene),
}


def outcomes(root: Path, run: Callable[[Path], None], seed: int, count: int) -> Iterator[tuple[str, float]]:
    """Damages one file at a time, runs, and puts it back. Yields what happened and how long it took."""
    rng = np.random.default_rng(seed)
    files = sorted(path for path in root.rglob("*") if path.is_file() and path.stat().st_size > 0)
    # Photos are many and most of their bytes are pixels: the files that say what they mean get more of the damage.
    weights = np.array([0.2 if path.suffix in (".png", ".jpg") and run is not run_images else 1.0 for path in files])
    for _ in range(count):
        path = files[int(rng.choice(len(files), p=weights / weights.sum()))]
        original = path.read_bytes()
        damaged, damage = original, ""
        for _ in range(int(rng.integers(1, 3))):
            mutate = MUTATIONS[int(rng.integers(len(MUTATIONS)))]
            damaged, damage = mutate(damaged or b"\0", rng), f"{damage} {mutate.__name__}"
        path.write_bytes(damaged)
        start = time.perf_counter()
        try:
            run(root)
            result = "read"
        except NeuralTexGenError as error:
            result = type(error).__name__
        except Exception as error:
            pytest.fail(f"{path.relative_to(root)} after{damage} (seed {seed}): {type(error).__name__}: {error}")
        finally:
            path.write_bytes(original)
        yield result, time.perf_counter() - start


def check(target: Target, root: Path, seed: int, count: int) -> None:
    make, run = target
    make(root)
    run(root)
    results = list(outcomes(root, run, seed, count))
    kinds = {kind for kind, _ in results}
    assert "read" in kinds, "some damage must be survivable, or the mutations hit nothing but headers"
    assert kinds - {"read"}, "some damage must be noticed"
    assert max(seconds for _, seconds in results) < SLOWEST


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_files_give_results_or_our_errors(name: str, tmp_path: Path) -> None:
    check(TARGETS[name], tmp_path, list(TARGETS).index(name), TOTAL // 12 if name not in CAPTURES else TOTAL // 30)


@pytest.mark.skipif(not SCENES.is_dir(), reason="the real captures are not beside this repository")
@pytest.mark.parametrize("name", REAL_TARGETS)
def test_damaged_real_files_give_results_or_our_errors(name: str, tmp_path: Path) -> None:
    check(REAL_TARGETS[name], tmp_path, 100 + list(REAL_TARGETS).index(name), TOTAL // 24)
