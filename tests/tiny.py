"""Tiny captures, exactly made in each format, from one scene: a bumpy sheet and three cameras that look at it."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pycolmap
from PIL import Image as Pillow

from neuraltexgen.geometry import CV_FROM_GL, invert_pose
from neuraltexgen.images import write_exr
from neuraltexgen.meshes import write_mesh
from neuraltexgen.scene import Mesh

WIDTH, HEIGHT = 32, 24
PINHOLE = (30.0, 31.0, 16.5, 11.5)
OPENCV = (*PINHOLE, 0.05, -0.01, 0.002, -0.001)


@dataclass(frozen=True, eq=False)
class Tiny:
    """The scene that every writer here stores. Views are named 1, 2, 3; poses are camera from world, OpenCV axes."""

    mesh: Mesh
    poses: dict[str, np.ndarray]


def tiny() -> Tiny:
    """9 vertices, 8 faces, a uv each; cameras 3 units above the sheet."""
    y, x = np.meshgrid(np.arange(3.0), np.arange(3.0), indexing="ij")
    vertices = np.stack([x.ravel() - 1, y.ravel() - 1, 0.1 * (x * y).ravel()], axis=1)
    corner = np.array([0, 1, 3, 4])[:, None]
    a, b, c, d = corner, corner + 1, corner + 3, corner + 4
    faces = np.concatenate([np.hstack([a, b, d]), np.hstack([a, d, c])]).astype(np.int32)
    uvs = np.stack([x.ravel() / 2, y.ravel() / 2], axis=1)
    return Tiny(Mesh(vertices, faces, uvs, faces.copy()), {str(i + 1): look(0.3 * i - 0.3) for i in range(3)})


def look(aside: float) -> np.ndarray:
    """A camera from world pose at (aside, 0, -3) that looks along +z, turned a little about y and z."""
    s, c, t, u = np.sin(-aside / 3), np.cos(-aside / 3), np.sin(0.1), np.cos(0.1)
    world_from_cam = np.eye(4)
    world_from_cam[:3, :3] = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]) @ np.array([[u, -t, 0], [t, u, 0], [0, 0, 1]])
    world_from_cam[:3, 3] = aside, 0, -3
    return invert_pose(world_from_cam)


def photo(path: Path, seed: int = 0, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Path:
    """A photo of noise over a gradient; the suffix gives the kind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 64, (size[1], size[0], 3))
    ramp = np.linspace(0, 190, size[0]).astype(int)[None, :, None]
    Pillow.fromarray((noise + ramp).astype(np.uint8)).save(path)
    return path


def write_colmap(root: Path, *, binary: bool, model: str = "OPENCV", params: tuple[float, ...] = OPENCV) -> Path:
    """A dense workspace, its model written by pycolmap, with 2D points as a real one has."""
    scene, images = tiny(), []
    model_folder = root / "sparse" / "0"
    model_folder.mkdir(parents=True)
    reconstruction = pycolmap.Reconstruction()
    camera = pycolmap.Camera.create_from_model_name(1, model, 1.0, WIDTH, HEIGHT)
    camera.params = list(params)
    reconstruction.add_camera_with_trivial_rig(camera)
    for number, (name, pose) in enumerate(scene.poses.items(), 1):
        image = pycolmap.Image(f"{name}.png", np.random.default_rng(number).random((4, 2)) * 20, 1, number)
        reconstruction.add_image_with_trivial_frame(image, pycolmap.Rigid3d(pose[:3]))
        images.append(photo(root / "images" / f"{name}.png", number))
    (reconstruction.write_binary if binary else reconstruction.write_text)(model_folder)
    write_mesh(root / "meshed-poisson.ply", scene.mesh)
    return root


def write_transforms(root: Path, **keys: object) -> Path:
    """transforms.json with OpenGL camera-to-world poses; `keys` are added to the file."""
    scene = tiny()
    fl_x, fl_y, cx, cy, k1, k2, p1, p2 = OPENCV
    whole = {"camera_model": "OPENCV", "fl_x": fl_x, "fl_y": fl_y, "cx": cx, "cy": cy, "w": WIDTH, "h": HEIGHT}
    whole |= {"k1": k1, "k2": k2, "p1": p1, "p2": p2, "frames": []}
    for name, pose in scene.poses.items():
        photo(root / "images" / f"{name}.png", int(name))
        world_from_gl = invert_pose(pose) @ CV_FROM_GL
        whole["frames"].append({"file_path": f"images/{name}.png", "transform_matrix": world_from_gl.tolist()})
    (root / "transforms.json").write_text(json.dumps({**whole, **keys}))
    write_mesh(root / "mesh.obj", scene.mesh)
    return root


def write_frames(root: Path, *, info: bool = False) -> Path:
    """A 7-Scenes folder, or with `info` BundleFusion's intrinsics file."""
    scene = tiny()
    fx, fy, cx, cy = PINHOLE
    for name, pose in scene.poses.items():
        stem = f"frame-{int(name):06d}"
        photo(root / f"{stem}.color.png", int(name))
        Pillow.fromarray(np.full((HEIGHT, WIDTH), 3000, np.uint16)).save(root / f"{stem}.depth.png")
        np.savetxt(root / f"{stem}.pose.txt", invert_pose(pose), "%.9g")
    if info:
        matrix = [fx, 0, cx, 0, 0, fy, cy, 0, 0, 0, 1, 0, 0, 0, 0, 1]
        lines = [f"m_colorWidth = {WIDTH}", f"m_colorHeight = {HEIGHT}", "m_depthShift = 1000"]
        lines.append("m_calibrationColorIntrinsic = " + " ".join(map(str, matrix)))
        (root / "info.txt").write_text("\n".join(lines))
    else:
        np.savetxt(root / "camera-intrinsics.txt", [[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    write_mesh(root / "mesh.ply", scene.mesh)
    return root


def write_room(root: Path) -> Path:
    """NeuralTexGen's own layout, with CRLF ends in its text files."""
    scene = tiny()
    fx, fy, cx, cy = PINHOLE
    intrinsics = np.array([[fx, 0, cx, 0], [0, fy, cy, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    (root / "frames" / "room" / "camera").mkdir(parents=True)
    for name, pose in scene.poses.items():
        photo(root / "frames" / "room" / "color" / f"{name}.jpg", int(name))
        file = root / "frames" / "room" / "camera" / f"{name}.txt"
        np.savetxt(file, np.vstack([invert_pose(pose), intrinsics]), "%.9g", newline="\r\n")
    (root / "room0.txt").write_bytes("\r\n".join(scene.poses).encode())
    write_mesh(root / "room_uv.off", scene.mesh)
    return root


def write_prepared(root: Path) -> Path:
    """images/ID.jpg and uvs/ID.exr."""
    for name in tiny().poses:
        photo(root / "images" / f"{name}.jpg", int(name))
        ramp = np.linspace(0, 1, WIDTH * HEIGHT, dtype=np.float32).reshape(HEIGHT, WIDTH)
        write_exr(root / "uvs" / f"{name}.exr", {"R": ramp, "G": ramp.copy()})
    return root
