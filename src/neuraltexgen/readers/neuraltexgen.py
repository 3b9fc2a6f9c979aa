"""NeuralTexGen's own capture: NAME.off, and `camera/ID.txt` with `color/ID.jpg`, at the top or in `frames/*`.

A camera file is a 4x4 camera-to-world matrix (OpenCV axes) and a 4x4 intrinsics matrix; each file's own are used. An
id list, a text file with one id a line, selects frames. The principal point is taken as counted from the top-left
pixel's corner, as COLMAP does; that is unchecked.
"""

from pathlib import Path

import numpy as np

from neuraltexgen.errors import ReaderError
from neuraltexgen.geometry import invert_pose
from neuraltexgen.readers.drafts import Draft, make_scene
from neuraltexgen.readers.find import ReadOptions, find_mesh, natural, numbers_in, read_text, with_suffix_of
from neuraltexgen.readers.poses import Repairs, pinhole_of, rigid
from neuraltexgen.scene import Scene

SEQUENCES = ("", "frames/*", "frames", "*")


def detect(path: Path) -> bool:
    """Whether there are `camera` and `color` folders at `path` or in `frames/*`; an id list stands for its folder."""
    return bool(_sequences(_root(path)))


def read(path: Path, options: ReadOptions) -> Scene:
    """Reads the frames of the id list, or all, in the order of their numbers. Raises ReaderError: no view remains."""
    root = _root(path)
    sequences = _sequences(root)
    if not sequences:
        raise ReaderError(f"neuraltexgen: no camera and color folders in {root} or its frames folder")
    sequence, notes = sequences[0], []
    if len(sequences) > 1:
        notes.append(f"{len(sequences)} sequences found, '{sequence.name}' taken (give its folder to choose another)")
    listed, list_notes = _listed(path, root)
    ids = listed or sorted((file.stem for file in (sequence / "camera").glob("*.txt")), key=natural)
    repairs = Repairs()
    photos = options.images or sequence / "color"
    drafts = [_draft(sequence / "camera" / f"{name}.txt", with_suffix_of(photos / name), repairs) for name in ids]
    mesh = find_mesh("neuraltexgen", root, ("*.off",), options)
    return make_scene("neuraltexgen", root, drafts, options, mesh, repairs, (*notes, *list_notes))


def _root(path: Path) -> Path:
    return path.parent if path.suffix.lower() == ".txt" and path.is_file() else path


def _sequences(root: Path) -> list[Path]:
    folders = [folder for pattern in SEQUENCES for folder in (sorted(root.glob(pattern)) if pattern else [root])]
    return [f for f in dict.fromkeys(folders) if (f / "camera").is_dir() and (f / "color").is_dir()]


def _listed(path: Path, root: Path) -> tuple[list[str], list[str]]:
    """The ids of the list that the user gave, or of the first text file beside the mesh that is one; and notes."""
    if path != root:
        return read_text(path).split(), []
    lists = {file: ids for file in sorted(root.glob("*.txt")) if (ids := _ids(file))}
    if not lists:
        return [], []
    file, ids = next(iter(lists.items()))
    notes = [f"{len(ids)} frames listed in {file.name}"]
    if len(lists) > 1:
        notes.append(f"{len(lists)} id lists found, '{file.name}' taken (give the file to choose another)")
    return ids, notes


def _ids(file: Path) -> list[str]:
    """The ids of a list; empty for another text file, such as a read-me or a list of held-out frames."""
    words = [line.strip() for line in read_text(file).splitlines() if line.strip()]
    return words if file.stem != "heldout" and all(word.isdecimal() for word in words) else []


def _draft(camera: Path, photo: Path, repairs: Repairs) -> Draft:
    name = camera.stem
    try:
        values = np.array(numbers_in(read_text(camera)))
        if values.size != 32:
            raise ReaderError(f"the camera file {camera.name} holds {values.size} numbers, not two 4x4 matrices")
        world_from_cam, intrinsics = values.reshape(2, 4, 4)
        params = pinhole_of(intrinsics[:3, :3])
        return Draft(name, photo, "PINHOLE", params, None, invert_pose(rigid(world_from_cam, repairs)))
    except ReaderError as error:
        return Draft(name, photo, problem=error.message)
