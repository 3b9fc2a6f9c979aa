"""Matterport3D's undistorted photos: `undistorted_camera_parameters/HOUSE.conf`.

A line `scan DEPTH COLOUR m00 .. m33` is camera to world, row by row, OpenGL axes; the line `intrinsics_matrix` before
it says fx 0 cx 0 fy cy 0 0 1 with the origin in the photo's bottom-left corner. Depth maps lie pixel on pixel with the
photos; a count is 0.25 mm along the camera's axis, 0 is no reading.
Source: data_organization.md, https://github.com/niessner/Matterport.
"""

from pathlib import Path

import numpy as np

from neuraltexgen.errors import ImageError, ReaderError
from neuraltexgen.images import photo_size
from neuraltexgen.readers.drafts import Draft, make_scene
from neuraltexgen.readers.find import ReadOptions, files_like, find_mesh, find_photo, is_file, numbers_in, read_text
from neuraltexgen.readers.lenses import Lens, perspective
from neuraltexgen.readers.poses import Repairs, cam_from_world, pinhole_of
from neuraltexgen.scene import DepthMap, Scene

FILES = ("undistorted_camera_parameters/*.conf", "*/undistorted_camera_parameters/*.conf", "*.conf")
MARK = "dataset matterport"
MESHES = ("poisson_meshes/*.ply", "house_segmentations/*.ply", "matterport_mesh/*/*.obj")


def detect(path: Path) -> bool:
    """Whether `path` is such a file, or a house's folder."""
    return bool(files_like(path, FILES, (MARK,), size=256))


def read(path: Path, options: ReadOptions) -> Scene:
    """Reads the scans of the file. Raises ReaderError: broken lines before the scans, no view remains."""
    files = files_like(path, FILES)
    if not files:
        raise ReaderError(f"matterport: no undistorted_camera_parameters/HOUSE.conf in {path}")
    file = files[0]
    root = file.parent.parent if file.parent.name == "undistorted_camera_parameters" else file.parent
    notes = [f"{len(files)} camera files found, '{file.name}' taken"] if len(files) > 1 else []
    folders = {"color_directory": "undistorted_color_images", "depth_directory": "undistorted_depth_images"}
    stated = ""
    repairs = Repairs()
    drafts = []
    for line in read_text(file).splitlines():
        key, _, rest = line.strip().partition(" ")
        if key in folders:
            folders[key] = rest.strip()
        elif key == "intrinsics_matrix":
            stated = rest
        elif key == "scan":
            photos = [options.images] if options.images is not None else [root / folders["color_directory"]]
            drafts.append(_draft(rest.split(), stated, photos, root / folders["depth_directory"], repairs))
    return make_scene(
        "matterport", root, drafts, options, find_mesh("matterport", root, MESHES, options), repairs, notes
    )


def _draft(words: list[str], stated: str, folders: list[Path], depths: Path, repairs: Repairs) -> Draft:
    if len(words) < 2:
        return Draft("unnamed", folders[0], problem="its line names no photo")
    name = words[1]
    photo = find_photo(folders, name)
    if not is_file(photo):
        return Draft(name, photo)
    try:
        values = np.array(numbers_in(" ".join(words[2:])))
        if values.size != 16:
            raise ReaderError(f"its line holds {values.size} numbers, not 16")
        lens = _lens(stated, photo_size(photo))
        pose = cam_from_world(values.reshape(4, 4), repairs, camera_to_world=True, gl=True)
    except (ImageError, ReaderError) as error:
        return Draft(name, photo, problem=error.message)
    return Draft(name, photo, lens.model, lens.params, lens.size, pose, depth=DepthMap(depths / words[0], 0.00025))


def _lens(stated: str, size: tuple[int, int]) -> Lens:
    values = np.array(numbers_in(stated))
    if values.size != 9:
        raise ReaderError(f"its intrinsics_matrix holds {values.size} numbers, not 9")
    fx, fy, cx, cy = pinhole_of(values.reshape(3, 3))
    return perspective((fx, fy, cx, size[1] - cy), size)
