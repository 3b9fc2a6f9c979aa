"""Tiny captures in further formats, made exactly as each system writes them, from the scene of `tiny`.

Each writer takes the folder and the poses (camera from world, OpenCV axes) and returns what is given to the reader.
A NaN in a pose stands for a view whose tracking was lost.
"""

import json
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pycolmap
from PIL import Image as Pillow

import tiny
from neuraltexgen.geometry import CV_FROM_GL, invert_pose
from neuraltexgen.meshes import write_mesh
from neuraltexgen.scene import Camera
from tiny import HEIGHT, OPENCV, PINHOLE, WIDTH

Poses = dict[str, np.ndarray]
FOCAL = 30.0
RADIAL = (0.05, -0.01)
FISHEYE = (*PINHOLE, 0.05, -0.01, 0.002, -0.001)
CENTRED = (FOCAL, FOCAL, WIDTH / 2, HEIGHT / 2)
"""For formats with one focal length and the principal point in the middle."""


@dataclass(frozen=True)
class Capture:
    """A writer, the reader it is for, and the camera and the precision that must come back."""

    reader: str
    write: Callable[[Path, Poses], Path]
    camera: Camera
    atol: float = 1e-8
    lost: int = 0
    """Views that the capture itself marks as unusable."""


def pinhole(params: tuple[float, ...] = PINHOLE) -> Camera:
    return Camera("PINHOLE", WIDTH, HEIGHT, params)


def opencv() -> Camera:
    return Camera("OPENCV", WIDTH, HEIGHT, OPENCV)


def mesh_of(root: Path, name: str = "mesh.ply") -> None:
    write_mesh(root / name, tiny.tiny().mesh)


def words(values: object) -> str:
    """Numbers with all their digits."""
    return " ".join(repr(float(value)) for value in np.ravel(np.asarray(values, np.float64)))


def write_blender(root: Path, poses: Poses) -> Path:
    """NeRF's synthetic scenes: one file a split, RGBA photos named without their suffix, a field of view."""
    for split, (name, pose) in zip(("train", "val", "test"), poses.items(), strict=True):
        tiny.photo(root / split / f"r_{name}.png", int(name))
        matrix = (invert_pose(pose) @ CV_FROM_GL).tolist()
        frame = {"file_path": f"./{split}/r_{name}", "rotation": 0.01, "transform_matrix": matrix}
        whole = {"camera_angle_x": 2 * np.arctan(0.5 * WIDTH / FOCAL), "frames": [frame]}
        (root / f"transforms_{split}.json").write_text(json.dumps(whole, indent=4))
    mesh_of(root)
    return root


def quaternion(rotation: np.ndarray) -> np.ndarray:
    """x y z w."""
    if not np.isfinite(rotation).all():
        return np.full(4, np.nan)
    return np.asarray(pycolmap.Rotation3d(rotation).quat)


def write_tum(root: Path, poses: Poses) -> Path:
    """Times of photos and poses differ a little; the calibration counts from the first pixel's centre."""
    photos, tracks = ["# color images"], ["# ground truth trajectory", "# timestamp tx ty tz qx qy qz qw"]
    for name, pose in poses.items():
        time = 1305031102.0 + int(name)
        tiny.photo(root / "rgb" / f"{time:.6f}.png", int(name))
        photos.append(f"{time:.6f} rgb/{time:.6f}.png")
        back = np.linalg.inv(pose) if np.isfinite(pose).all() else pose
        tracks += [f"{time - 0.004:.4f} {words(back[:3, 3])} {words(quaternion(back[:3, :3]))}"]
        tracks += [f"{time + 0.3:.4f} 0 0 0 0 0 0 1"]
    (root / "rgb.txt").write_text("\n".join(photos))
    (root / "groundtruth.txt").write_text("\n".join(tracks))
    fx, fy, cx, cy = PINHOLE
    (root / "calibration.txt").write_text(words((fx, fy, cx - 0.5, cy - 0.5, *OPENCV[4:], 0)))
    mesh_of(root)
    return root


def open3d_intrinsic() -> dict[str, object]:
    fx, fy, cx, cy = PINHOLE
    return {"width": WIDTH, "height": HEIGHT, "intrinsic_matrix": [fx, 0, 0, 0, fy, 0, cx - 0.5, cy - 0.5, 1]}


def write_open3d_log(root: Path, poses: Poses) -> Path:
    """As the reconstruction system leaves it: photos in color, the trajectory in scene."""
    (root / "scene").mkdir(parents=True)
    lines = []
    for i, (name, pose) in enumerate(poses.items()):
        tiny.photo(root / "color" / f"{8 + int(name)}.png", int(name))
        lines += [f"{i} {i} {i + 1}", *(words(row) for row in invert_pose(pose))]
    (root / "scene" / "trajectory.log").write_text("\n".join(lines) + "\n")
    (root / "camera_intrinsic.json").write_text(json.dumps(open3d_intrinsic()))
    mesh_of(root, "scene/integrated.ply")
    return root


def write_open3d_json(root: Path, poses: Poses) -> Path:
    """The file itself is given; its matrices are column by column."""
    parameters = []
    for name, pose in poses.items():
        tiny.photo(root / "images" / f"{name}.jpg", int(name))
        kind = {"class_name": "PinholeCameraParameters", "version_major": 1, "version_minor": 0}
        parameters.append({**kind, "extrinsic": pose.T.ravel().tolist(), "intrinsic": open3d_intrinsic()})
    whole = {"class_name": "PinholeCameraTrajectory", "parameters": parameters, "version_major": 1, "version_minor": 0}
    (root / "trajectory.json").write_text(json.dumps(whole, indent="\t"))
    mesh_of(root)
    return root / "trajectory.json"


def write_bundler(root: Path, poses: Poses) -> Path:
    """Cameras, one photo that was not registered, and a point; list.txt with focal lengths."""
    (root / "bundle").mkdir(parents=True)
    lines, names = ["# Bundle file v0.3", f"{len(poses) + 1} 1", "0 0 0", *["0 0 0"] * 4], ["photos/unused.jpg"]
    for name, pose in poses.items():
        tiny.photo(root / "photos" / f"{name}.png", int(name))
        names.append(f"photos/{name}.png 0 {FOCAL}")
        lines.append(words((FOCAL, *RADIAL)))
        lines += [words(row) for row in (CV_FROM_GL @ pose)[:3, :3]] + [words((CV_FROM_GL @ pose)[:3, 3])]
    lines += ["0 0 0", "255 255 255", "1 0 0 1.5 2.5"]
    (root / "bundle" / "bundle.out").write_text("\n".join(lines) + "\n")
    (root / "list.txt").write_text("\n".join(names) + "\n")
    mesh_of(root)
    return root


def write_nvm(root: Path, poses: Poses) -> Path:
    """The file is given; a name has a space."""
    lines = ["NVM_V3 ", "", str(len(poses))]
    for name, pose in poses.items():
        tiny.photo(root / "images" / f"photo {name}.png", int(name))
        centre = -pose[:3, :3].T @ pose[:3, 3]
        x, y, z, w = quaternion(pose[:3, :3])
        lines.append(f'photo"{name}.png\t{FOCAL} {words((w, x, y, z, *centre))} 0 0')
    lines += ["", "1", "0 0 0 255 255 255 1 0 0 1.5 2.5", "", "0"]
    (root / "model.nvm").write_text("\n".join(lines) + "\n")
    mesh_of(root)
    return root / "model.nvm"


def write_mve(root: Path, poses: Poses) -> Path:
    """One view has only its original photo, the others undistorted ones beside it."""
    for name, pose in poses.items():
        view = root / "views" / f"view_{int(name):04d}.mve"
        tiny.photo(view / ("original.png" if name == "1" else "undistorted.png"), int(name))
        fx, fy, cx, cy = PINHOLE
        camera = {"focal_length": fx / WIDTH, "pixel_aspect": fy / fx, "principal_point": (cx / WIDTH, cy / HEIGHT)}
        camera |= {"radial_distortion": (0, 0) if name == "1" else (0.3, 0.1)}
        camera |= {"rotation": pose[:3, :3], "translation": pose[:3, 3]}
        lines = ["# MVE view meta data is stored in INI-file syntax.", "", "[camera]"]
        lines += [f"{key} = {words(value)}" for key, value in camera.items()]
        lines += ["", "[view]", f"id = {int(name) - 1}", f"name = {name}.png"]
        (view / "meta.ini").write_text("\n".join(lines) + "\n")
    mesh_of(root)
    return root


def write_openmvg(root: Path, poses: Poses) -> Path:
    """One view was not reconstructed; the root path is that of another machine."""
    whole: dict[str, object] = {"sfm_data_version": "0.3", "root_path": "/home/someone/photos"}
    views, extrinsics = [], []
    for name in ("9", *poses):
        data = {"local_path": "", "filename": f"{name}.png", "width": WIDTH, "height": HEIGHT}
        data |= {"id_view": int(name), "id_intrinsic": 4, "id_pose": int(name)}
        wrapped = {"polymorphic_id": 1073741824, "ptr_wrapper": {"id": 2147483649, "data": data}}
        views.append({"key": int(name), "value": wrapped})
    for name, pose in poses.items():
        tiny.photo(root / "images" / f"{name}.png", int(name))
        centre = -pose[:3, :3].T @ pose[:3, 3]
        extrinsics.append({"key": int(name), "value": {"rotation": pose[:3, :3].tolist(), "center": centre.tolist()}})
    k1, k2, p1, p2 = OPENCV[4:]
    inner = {"width": WIDTH, "height": HEIGHT, "focal_length": FOCAL, "principal_point": list(PINHOLE[2:])}
    data = {"value0": inner, "disto_t2": [k1, k2, 0.0, p1, p2]}
    wrapped = {"polymorphic_id": 2147483649, "polymorphic_name": "pinhole_brown_t2"}
    wrapped |= {"ptr_wrapper": {"id": 2147483660, "data": data}}
    whole |= {"views": views, "intrinsics": [{"key": 4, "value": wrapped}], "extrinsics": extrinsics}
    (root / "sfm_data.json").write_text(json.dumps({**whole, "structure": [], "control_points": []}, indent=4))
    mesh_of(root)
    return root


def write_alicevision(root: Path, poses: Poses, version: tuple[int, ...] = (1, 2, 8)) -> Path:
    """Strings for numbers, absolute paths of another machine, one view without a pose."""
    fx, fy, cx, cy = PINHOLE
    k1, k2, p1, p2 = OPENCV[4:]
    lens: dict[str, object] = {"intrinsicId": "77", "width": str(WIDTH), "height": str(HEIGHT), "serialNumber": "x"}
    if version >= (1, 2, 5):
        lens |= {"sensorWidth": "36", "sensorHeight": "24", "type": "pinhole", "distortionType": "brown"}
        lens |= {"focalLength": repr(fx * 36 / WIDTH), "pixelRatio": repr(fy / fx)}
        lens |= {"principalPoint": [repr(cx - WIDTH / 2), repr(cy - HEIGHT / 2)]}
    else:
        lens |= {"type": "brown", "pxFocalLength": repr(fx), "principalPoint": [repr(cx), repr(cy)]}
    lens["distortionParams"] = [repr(k1), repr(k2), "0", repr(p1), repr(p2)]
    views, stated = [], []
    for name in ("9", *poses):
        place = {"viewId": name, "poseId": name, "intrinsicId": "77", "path": f"C:\\photos\\{name}.png"}
        views.append({**place, "width": str(WIDTH), "height": str(HEIGHT), "metadata": {"Make": "x"}})
    for name, pose in poses.items():
        tiny.photo(root / f"{name}.png", int(name))
        rotation = [repr(float(v)) for v in pose[:3, :3].T.ravel()]
        centre = [repr(float(v)) for v in -pose[:3, :3].T @ pose[:3, 3]]
        stated.append({"poseId": name, "pose": {"transform": {"rotation": rotation, "center": centre}, "locked": "0"}})
    whole = {"version": [str(v) for v in version], "views": views, "intrinsics": [lens], "poses": stated}
    (root / "cameras.sfm").write_text(json.dumps(whole, indent=4))
    mesh_of(root)
    return root


def write_old_alicevision(root: Path, poses: Poses) -> Path:
    """Version 1.0.0: one focal length in pixels, the principal point from the corner."""
    return write_alicevision(root, poses, (1, 0, 0))


def write_sens(root: Path, poses: Poses, colour: int = 2) -> Path:
    """The file is given: zlib depth, a frame without colour, IMU records. `colour`: 0 raw, 1 png, 2 jpeg."""
    root.mkdir(parents=True, exist_ok=True)
    fx, fy, cx, cy = PINHOLE
    intrinsics = np.array([[fx, 0, cx, 0], [0, fy, cy, 0], [0, 0, 1, 0], [0, 0, 0, 1]], "<f4")
    name, unit = b"StructureSensor", np.eye(4, dtype="<f4")
    data = struct.pack("<IQ", 4, len(name)) + name + b"".join(m.tobytes() for m in (intrinsics, unit, intrinsics, unit))
    data += struct.pack("<iiIIIIfQ", colour, 1, WIDTH, HEIGHT, WIDTH, HEIGHT, 1000.0, len(poses) + 1)
    frames = [(np.eye(4), b"")]
    for number, pose in poses.items():
        photo = tiny.photo(root.parent / f"photo{number}{('.png', '.png', '.jpg')[colour]}", int(number))
        blob = photo.read_bytes() if colour else np.asarray(Pillow.open(photo)).tobytes()
        photo.unlink()
        frames.append((invert_pose(pose), blob))
    depth = zlib.compress(np.full((HEIGHT, WIDTH), 3000, "<u2").tobytes())
    for i, (matrix, blob) in enumerate(frames):
        data += matrix.astype("<f4").tobytes() + struct.pack("<QQQQ", i, i, len(blob), len(depth)) + blob + depth
    (root / "scan.sens").write_bytes(data + struct.pack("<Q", 1) + bytes(15 * 8 + 8))
    mesh_of(root, "scan_vh_clean.ply")
    return root / "scan.sens"


def write_raw_sens(root: Path, poses: Poses) -> Path:
    """Raw colour, and the folder is given."""
    return write_sens(root, poses, 0).parent


def write_metashape(root: Path, poses: Poses) -> Path:
    """The file is given. A component with rotation, translation and scale; one camera that was not aligned; groups."""
    world_from_chunk = np.eye(4)
    world_from_chunk[:3] = np.hstack([2.5 * invert_pose(tiny.look(0.7))[:3, :3], [[4.0], [-5.0], [6.0]]])
    fx, fy, cx, cy, k1, k2, p1, p2 = OPENCV
    cameras = ['<camera id="9" sensor_id="0" component_id="0" label="9"/>']
    for name, pose in poses.items():
        tiny.photo(root / f"{name}.jpg", int(name))
        back = np.linalg.inv(pose) if np.isfinite(pose).all() else pose
        chunk_from_cam = np.linalg.inv(world_from_chunk) @ back
        chunk_from_cam[:3, :3] *= 2.5  # Metashape's are rotations in the chunk's own scale
        where = f'id="{name}" sensor_id="0" component_id="0" label="{name}"'
        cameras.append(f"<camera {where}><transform>{words(chunk_from_cam)}</transform></camera>")
    rotation, translation = world_from_chunk[:3, :3] / 2.5, world_from_chunk[:3, 3]
    size = f'<resolution width="{WIDTH}" height="{HEIGHT}"/>'
    lens = {"f": fy, "cx": cx - WIDTH / 2, "cy": cy - HEIGHT / 2, "b1": fx - fy, "k1": k1, "k2": k2, "p1": p2, "p2": p1}
    terms = "".join(f"<{key}>{value!r}</{key}>" for key, value in lens.items())
    sensor = f'<sensor id="0" label="unknown" type="frame">{size}'
    sensor += f'<calibration type="frame" class="initial">{size}<f>99</f></calibration>'
    sensor += f'<calibration type="frame" class="adjusted">{size}{terms}</calibration></sensor>'
    component = f"<transform><rotation>{words(rotation)}</rotation><translation>{words(translation)}</translation>"
    component = f'<component id="0">{component}<scale>2.5</scale></transform></component>'
    text = '<?xml version="1.0" encoding="UTF-8"?>\n<document version="2.0.0">\n  <chunk label="1" enabled="true">\n'
    text += f"<sensors>{sensor}</sensors>\n<components>{component}</components>\n<cameras>{cameras[0]}\n"
    grouped = "".join(cameras[1:])
    text += f'<group id="0" label="g">{grouped}</group></cameras></chunk>\n</document>\n'
    (root / "cameras.xml").write_text(text)
    mesh_of(root)
    return root / "cameras.xml"


def write_realityscan(root: Path, poses: Poses) -> Path:
    """A file beside each photo, its fields attributes and elements in turn; one photo that was not aligned."""
    fx, fy, cx, cy, k1, k2, p1, p2 = OPENCV
    longer = max(WIDTH, HEIGHT)
    head = '<x:xmpmeta xmlns:x="adobe:ns:meta/">\n  <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
    head += '    <rdf:Description xcr:Version="3" xcr:PosePrior="exact" xcr:Coordinates="absolute"'
    lens = {"FocalLength35mm": 36 * fx / longer, "Skew": 0.0, "AspectRatio": fy / fx}
    lens |= {"PrincipalPointU": (cx - WIDTH / 2) / longer, "PrincipalPointV": (cy - HEIGHT / 2) / longer}
    fields = "".join(f' xcr:{key}="{value!r}"' for key, value in lens.items())
    head += f' xcr:DistortionModel="brown3t2"{fields} xmlns:xcr="http://www.capturingreality.com/ns/xcr/1.1#"'
    tail = "</rdf:Description>\n  </rdf:RDF>\n</x:xmpmeta>\n"
    for name, pose in poses.items():
        tiny.photo(root / f"IMG_{name}.jpg", int(name))
        centre = np.linalg.inv(pose)[:3, 3] if np.isfinite(pose).all() else pose[:3, 3]
        stated = {"Rotation": words(pose[:3, :3]), "Position": words(centre)}
        stated["DistortionCoeficients"] = words((k1, k2, 0, 0, p1, p2))
        if int(name) % 2:
            elements = "".join(f"<xcr:{key}>{value}</xcr:{key}>" for key, value in stated.items())
            text = f"{head}>{elements}{tail}"
        else:
            attributes = "".join(f' xcr:{key}="{value}"' for key, value in stated.items())
            text = f"{head}{attributes}>{tail}"
        (root / f"IMG_{name}.xmp").write_text(text)
    tiny.photo(root / "IMG_9.jpg", 9)
    (root / "IMG_9.xmp").write_text(f"{head}>{tail}")
    mesh_of(root)
    return root


def write_polycam(root: Path, poses: Poses) -> Path:
    """Corrected cameras beside the phone's own, which are wrong."""
    fx, fy, cx, cy = PINHOLE
    keyframes = root / "keyframes"
    for folder in ("cameras", "corrected_cameras"):
        (keyframes / folder).mkdir(parents=True)
    for name, pose in poses.items():
        tiny.photo(keyframes / "corrected_images" / f"100{name}.jpg", int(name))
        tiny.photo(keyframes / "images" / f"100{name}.jpg", int(name))
        back = invert_pose(pose) @ CV_FROM_GL
        camera = {"fx": fx, "fy": fy, "cx": cx, "cy": cy, "width": WIDTH, "height": HEIGHT, "blur_score": 90.1}
        camera |= {f"t_{row}{col}": back[row, col] for row in range(3) for col in range(4)}
        (keyframes / "corrected_cameras" / f"100{name}.json").write_text(json.dumps(camera))
        (keyframes / "cameras" / f"100{name}.json").write_text(json.dumps({**camera, "t_03": 7.0}))
    mesh_of(root, "raw.obj")
    return root


def write_record3d(root: Path, poses: Poses) -> Path:
    """Photos from 0."""
    fx, fy, cx, cy = PINHOLE
    rows = []
    for i, (name, pose) in enumerate(poses.items()):
        tiny.photo(root / "rgb" / f"{i}.jpg", int(name))
        back = invert_pose(pose) @ CV_FROM_GL
        rows.append([*quaternion(back[:3, :3]).tolist(), *back[:3, 3].tolist()])
    whole = {"h": HEIGHT, "w": WIDTH, "fps": 60, "K": [fx, 0, 0, 0, fy, 0, cx, cy, 1], "poses": rows}
    (root / "metadata").write_text(json.dumps(whole))
    mesh_of(root)
    return root


def write_arkitscenes(root: Path, poses: Poses) -> Path:
    """Times of photos, poses and intrinsics differ by milliseconds; one photo has no pose."""
    frames = root / "41069021_frames"
    fx, fy, cx, cy = PINHOLE
    lines = []
    (frames / "lowres_wide_intrinsics").mkdir(parents=True)
    tiny.photo(frames / "lowres_wide" / "41069021_900.000.png", 9)
    for name, pose in poses.items():
        time = 300.123 + int(name)
        tiny.photo(frames / "lowres_wide" / f"41069021_{time:.3f}.png", int(name))
        pincam = frames / "lowres_wide_intrinsics" / f"41069021_{time - 0.001:.3f}.pincam"
        pincam.write_text(f"{WIDTH} {HEIGHT} {fx} {fy} {cx} {cy}")
        x, y, z, w = quaternion(pose[:3, :3])
        axis = np.array([x, y, z])
        length = np.linalg.norm(axis)
        vector = axis / length * 2 * np.arctan2(length, w)
        lines.append(f"{time + 0.0004:.7f} {words(vector)} {words(pose[:3, 3])}")
    (frames / "lowres_wide.traj").write_text("\n".join(lines) + "\n")
    mesh_of(root, "41069021_3dod_mesh.ply")
    return root


def write_scannet(root: Path, poses: Poses) -> Path:
    """As SensReader's own script exports it."""
    fx, fy, cx, cy = PINHOLE
    (root / "exported" / "pose").mkdir(parents=True)
    (root / "exported" / "intrinsic").mkdir()
    for name, pose in poses.items():
        tiny.photo(root / "exported" / "color" / f"{9 + int(name)}.jpg", int(name))
        np.savetxt(root / "exported" / "pose" / f"{9 + int(name)}.txt", invert_pose(pose), "%.9f")
    matrix = [[fx, 0, cx, 0], [0, fy, cy, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    np.savetxt(root / "exported" / "intrinsic" / "intrinsic_color.txt", matrix, "%f")
    mesh_of(root, "scene0000_00_vh_clean.ply")
    return root


def write_matterport(root: Path, poses: Poses) -> Path:
    """The principal point counts from the bottom-left corner."""
    fx, fy, cx, cy = PINHOLE
    house = root / "1pXnuDYAj8r"
    lines = ["dataset matterport", f"n_images {len(poses)}", "depth_directory undistorted_depth_images"]
    lines += ["color_directory undistorted_color_images", ""]
    lines += [f"intrinsics_matrix {fx} 0 {cx}  0 {fy} {HEIGHT - cy} 0 0 1"]
    for name, pose in poses.items():
        tiny.photo(house / "undistorted_color_images" / f"a{name}_i0_0.jpg", int(name))
        lines.append(f"scan a{name}_d0_0.png a{name}_i0_0.jpg {words(invert_pose(pose) @ CV_FROM_GL)}")
    (house / "undistorted_camera_parameters").mkdir()
    (house / "undistorted_camera_parameters" / "1pXnuDYAj8r.conf").write_text("\n".join(lines) + "\n")
    mesh_of(house, "poisson_meshes/1pXnuDYAj8r.ply")
    return house


def write_scannetpp(root: Path, poses: Poses) -> Path:
    """A scene's folder: the camera's COLMAP model, photos and masks, and the laser scanner's mesh."""
    (root / "dslr" / "colmap").mkdir(parents=True)
    lines = []
    for name, pose in poses.items():
        tiny.photo(root / "dslr" / "resized_images" / f"DSC0000{name}.JPG", int(name))
        tiny.photo(root / "dslr" / "resized_anon_masks" / f"DSC0000{name}.png", int(name))
        x, y, z, w = quaternion(pose[:3, :3])
        lines.append(f"{name} {words((w, x, y, z, *pose[:3, 3]))} 1 DSC0000{name}.JPG\n\n")
    (root / "dslr" / "colmap" / "images.txt").write_text("# Image list\n" + "".join(lines))
    camera = f"# Camera list\n1 OPENCV_FISHEYE {WIDTH} {HEIGHT} {words(FISHEYE)}\n"
    (root / "dslr" / "colmap" / "cameras.txt").write_text(camera)
    mesh_of(root, "scans/mesh_aligned_0.05.ply")
    return root


FOUND: tuple[str, ...] = ("sens", "arkitscenes")
"""Readers that take photos as they find them, in a file or a folder, so that none can be missing."""

CAPTURES: dict[str, Capture] = {
    "blender": Capture("transforms", write_blender, pinhole(CENTRED)),
    "tum": Capture("tum", write_tum, opencv()),
    "open3d log": Capture("open3d", write_open3d_log, pinhole()),
    "open3d json": Capture("open3d", write_open3d_json, pinhole()),
    "bundler": Capture(
        "bundler", write_bundler, Camera("RADIAL", WIDTH, HEIGHT, (FOCAL, WIDTH / 2, HEIGHT / 2, *RADIAL)), lost=1
    ),
    "nvm": Capture("nvm", write_nvm, pinhole(CENTRED)),
    "mve": Capture("mve", write_mve, pinhole()),
    "openmvg": Capture("openmvg", write_openmvg, Camera("OPENCV", WIDTH, HEIGHT, (FOCAL, FOCAL, *OPENCV[2:])), lost=1),
    "alicevision": Capture("alicevision", write_alicevision, opencv(), lost=1),
    "old alicevision": Capture(
        "alicevision", write_old_alicevision, Camera("OPENCV", WIDTH, HEIGHT, (30.0, 30.0, *OPENCV[2:])), lost=1
    ),
    "sens": Capture("sens", write_sens, pinhole(), atol=1e-6, lost=1),
    "raw sens": Capture("sens", write_raw_sens, pinhole(), atol=1e-6, lost=1),
    "metashape": Capture("metashape", write_metashape, opencv(), lost=1),
    "realityscan": Capture("realityscan", write_realityscan, opencv(), lost=1),
    "polycam": Capture("polycam", write_polycam, pinhole()),
    "record3d": Capture("record3d", write_record3d, pinhole()),
    "arkitscenes": Capture("arkitscenes", write_arkitscenes, pinhole(), lost=1),
    "scannet": Capture("scannet", write_scannet, pinhole(), atol=1e-7),
    "matterport": Capture("matterport", write_matterport, pinhole()),
    "scannetpp": Capture("colmap", write_scannetpp, Camera("OPENCV_FISHEYE", WIDTH, HEIGHT, FISHEYE)),
}
