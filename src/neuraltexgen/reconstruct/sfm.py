"""Structure from motion: photos without cameras in, cameras and sparse points out, by COLMAP's incremental mapping."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pycolmap

from neuraltexgen.errors import ReconstructError
from neuraltexgen.files import content_key, copy_whole
from neuraltexgen.images import photo_size, read_mask, read_photo, write_png
from neuraltexgen.readers.drafts import find_mask
from neuraltexgen.reconstruct.features import FeatureSettings, extract, feature_counts, match, partner_counts
from neuraltexgen.reconstruct.photos import PhotoFolder
from neuraltexgen.reconstruct.sparse import SparseModel, sparse_model
from neuraltexgen.reconstruct.watch import watched
from neuraltexgen.scene import Camera, LeftOut, View
from neuraltexgen.types import Mask, Progress, no_progress

COLMAP_READS = (".jpg", ".jpeg", ".png", ".tif", ".tiff")
"""What COLMAP's own reader takes as it is; other photos are handed to it as PNG."""

FEW_FEATURES = 200
"""A photo with fewer is left out for that reason."""

FEWEST_IN_MODEL = 3

PERSPECTIVE = ("SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV", "FULL_OPENCV", "OPENCV_FISHEYE")
"""Camera models that photos are calibrated with here."""


@dataclass(frozen=True, eq=False)
class Motion:
    """What structure from motion found: the largest model, its views' photos being the user's own files.

    `model` is the same as COLMAP has it, its images named as the photos. `left_out` says of each other photo why.
    `pieces`: how many photos each model has that was found, largest first. `notes`: sentences on what was chosen.
    `key`: a hash of all that decided the result.
    """

    sparse: SparseModel
    model: pycolmap.Reconstruction
    left_out: tuple[LeftOut, ...]
    pieces: tuple[int, ...]
    notes: tuple[str, ...]
    key: str


def find_motion(
    photos: PhotoFolder,
    cache: Path,
    settings: FeatureSettings | None = None,
    masks: Path | None = None,
    progress: Progress = no_progress,
) -> Motion:
    """Cameras and points of a folder of photos. `cache` keeps features, matches and models: a killed run goes on.

    `masks`: a folder with a mask for some photos; nothing is looked for where they are black.
    Raises ReconstructError: no two photos fit together, or an unknown camera model.
    """
    settings = settings or FeatureSettings()
    if settings.camera_model not in ("auto", *PERSPECTIVE):
        raise ReconstructError(
            f"photos can't be calibrated with the camera model {settings.camera_model!r}",
            fix=f"--camera-model auto, or one of {', '.join(PERSPECTIVE)}",
        )
    given = {name: None if masks is None else find_mask(masks, name, photos.root / name) for name in photos.names}
    key = _key(photos, given, settings)
    work = cache / f"motion-{key}"
    # COLMAP's lists of pairs have no way to write a space: inside, photos are numbers.
    inside, masked = _hand_over(photos, given, work)
    database, folder = work / "database.db", work / "masks" if masked else None
    extract(database, work / "photos", inside, photos.cameras, folder, settings, progress)
    features = feature_counts(database)
    how = match(database, [name for name in inside if name in features], settings, work, progress)
    models = _map(database, work, len(inside), settings.seed, progress)
    partners = partner_counts(database)
    own = dict(zip(inside, photos.names))
    if not models:
        raise _no_model(photos.root, [(features.get(name, 0), partners.get(name, 0)) for name in inside])
    elsewhere = {i.name: n for n, other in enumerate(models[1:], 2) for i in _registered(other)}
    placed = {image.name for image in _registered(models[0])}
    left_out = [
        LeftOut(own[name], _reason(features.get(name), partners.get(name, 0), elsewhere.get(name)))
        for name in inside
        if name not in placed
    ]
    for image in models[0].images.values():
        image.name = own[image.name]
    views = {i.name: _view(i, photos.root / i.name, given[i.name]) for i in _registered(models[0])}
    return Motion(
        sparse=sparse_model(models[0], views),
        model=models[0],
        left_out=(*photos.left_out, *left_out),
        pieces=tuple(model.num_reg_images() for model in models),
        notes=(how, _camera_note(models[0])),
        key=key,
    )


def _key(photos: PhotoFolder, masks: dict[str, Path | None], settings: FeatureSettings) -> str:
    hashed = [None if path is None else path.read_bytes() for path in masks.values()]
    numbers = [settings.longest, settings.most, settings.camera_model, settings.seed]
    return content_key(photos.hashes, photos.cameras, hashed, numbers)


def _map(database: Path, work: Path, photos: int, seed: int, progress: Progress) -> list[pycolmap.Reconstruction]:
    """The models, those with the most photos first; from the cache if they were finished."""
    finished = work / "models"
    if not finished.is_dir():
        unfinished = work / "mapping"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        options = pycolmap.IncrementalPipelineOptions(random_seed=seed, min_model_size=FEWEST_IN_MODEL)
        registered = [0]

        def count() -> None:
            registered[0] += 1

        def run(token: pycolmap.CancellationToken) -> dict[int, pycolmap.Reconstruction]:
            return pycolmap.incremental_mapping(
                database,
                work / "photos",
                unfinished,
                options,
                initial_image_pair_callback=count,
                next_image_callback=count,
                cancellation_token=token,
            )

        watched(run, lambda: registered[0], "place cameras", photos, progress)
        unfinished.rename(finished)
    models = [pycolmap.Reconstruction(folder) for folder in sorted(finished.iterdir()) if folder.is_dir()]
    return sorted(models, key=lambda model: -model.num_reg_images())


def _hand_over(photos: PhotoFolder, masks: dict[str, Path | None], work: Path) -> tuple[list[str], bool]:
    """The photos as COLMAP reads them, in photos/, by number; returns the numbers, and whether there are masks.

    If any photo has a mask, or is transparent somewhere, all get one in masks/: COLMAP takes no photo without.
    """
    names = []
    for i, name in enumerate(photos.names):
        source = photos.root / name
        suffix = source.suffix.lower()
        names.append(f"{i:06d}{suffix if suffix in COLMAP_READS else '.png'}")
        target = work / "photos" / names[-1]
        if not target.exists():
            _link(source.resolve(), target) if suffix in COLMAP_READS else _as_png(source, target)
    allowed = {name: _allowed(photos.root / name, masks[name]) for name in photos.names}
    masked = any(mask is not None for mask in allowed.values())
    for name, number in zip(photos.names, names):
        handed = work / "masks" / f"{number}.png"
        if masked and not handed.exists():
            mask = allowed[name]
            width, height = photo_size(photos.root / name)
            white = np.ones((height, width), bool) if mask is None else mask
            write_png(handed, np.repeat(white[..., None], 3, axis=2).astype(np.float32), bits=8)
    return names, masked


def _allowed(photo: Path, mask: Path | None) -> Mask | None:
    """Where features may be: the mask's pixels that the photo's transparency leaves; None for everywhere."""
    opaque = None if photo.suffix.lower() in (".jpg", ".jpeg") else read_photo(photo).alpha
    if mask is None:
        return opaque
    return read_mask(mask) if opaque is None else read_mask(mask) & opaque


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.symlink(source, target)
    except OSError:  # a file system without links
        copy_whole(source, target)


def _as_png(source: Path, target: Path) -> None:
    pixels = read_photo(source).pixels
    scale = 255.0 if pixels.dtype == np.uint8 else max(1.0, float(pixels.max()))
    write_png(target, np.clip(pixels.astype(np.float32) / scale, 0, 1), bits=8)


def _registered(model: pycolmap.Reconstruction) -> list[pycolmap.Image]:
    return [model.image(number) for number in model.reg_image_ids()]


def _view(image: pycolmap.Image, photo: Path, mask: Path | None) -> View:
    lens = image.camera
    if lens is None:
        raise ReconstructError(f"COLMAP gave no camera for {image.name}")
    pose = np.eye(4)
    pose[:3] = image.cam_from_world().matrix()
    camera = Camera(lens.model_name, lens.width, lens.height, tuple(float(value) for value in lens.params))
    return View(image.name, camera, pose, photo, mask)


def _reason(features: int | None, partners: int, piece: int | None) -> str:
    if features is None:
        return "COLMAP can't read it"
    if piece is not None:
        return f"placed in another piece (number {piece}) that does not connect to the largest one"
    if features < FEW_FEATURES:
        return f"too few features ({features}): blurred, dark, or of something without texture"
    if partners == 0:
        return "no matches: it shows nothing that another photo shows"
    return f"matches {partners} other photos, but not surely enough to be placed"


def _camera_note(model: pycolmap.Reconstruction) -> str:
    kinds = sorted({camera.model_name for camera in model.cameras.values()})
    return f"{len(model.cameras)} camera{'s' * (len(model.cameras) != 1)} calibrated ({', '.join(kinds)})"


def _no_model(root: Path, counts: Sequence[tuple[int, int]]) -> ReconstructError:
    """`counts`: of each photo, its features and the photos that it matches."""
    poor = sum(features < FEW_FEATURES for features, _ in counts)
    alone = sum(partners == 0 for _, partners in counts)
    return ReconstructError(
        f"no cameras could be found: of {len(counts)} photos in {root}, {poor} have too few features and {alone} match "
        "no other",
        fix="photos that overlap by two thirds, taken from places a step apart, of a scene that is textured and still",
    )
