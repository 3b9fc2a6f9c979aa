"""Features of photos and their matches, in a COLMAP database that a killed run goes on with."""

import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pycolmap
from jaxtyping import Int64

from neuraltexgen.files import write_text
from neuraltexgen.reconstruct.pairs import SAMPLE, all_pairs, learn_words, likely_pairs, signature
from neuraltexgen.reconstruct.watch import watched
from neuraltexgen.types import Progress

MANY_PER_CAMERA = 12
"""Photos of one camera from which the four terms of OPENCV's distortion can be told; else SIMPLE_RADIAL's one."""

EXHAUSTIVE = 150
"""Up to so many photos every pair is matched; beyond, the time would grow with the square."""

BATCH = 4 * (os.cpu_count() or 1)
"""Photos whose features are looked for together."""

AT_ONCE = 64
"""Pairs that are matched and stored together: what a killed run loses."""


@dataclass(frozen=True)
class FeatureSettings:
    """`longest`: photos are shrunk to this many pixels on the longer side for features. `most`: features per photo.

    `camera_model`: COLMAP's name, or "auto". `seed` decides the draws of RANSAC and of the visual words.
    """

    longest: int = 1600
    most: int = 8192
    camera_model: str = "auto"
    seed: int = 0


def extract(
    database: Path,
    photos: Path,
    names: Sequence[str],
    cameras: Sequence[int],
    masks: Path | None,
    settings: FeatureSettings,
    progress: Progress,
) -> None:
    """SIFT features of the photos `photos/name` into the database; those that it has are kept.

    `cameras`: which photos share a camera; its focal length is that of the first one's EXIF data, else a usual one.
    `masks` holds `name`.png for some photos: no feature where they are black.
    """
    with closing(pycolmap.Database.open(database)) as opened:
        known = {image.name for image in opened.read_all_images()}
        for number in sorted(set(cameras)):
            group = [name for name, camera in zip(names, cameras) if camera == number]
            if opened.num_cameras() <= number:
                _write_camera(opened, photos / group[0], len(group), settings.camera_model)
    groups = {
        number: [name for name, camera in zip(names, cameras) if camera == number and name not in known]
        for number in sorted(set(cameras))
    }

    done = [0]

    def work(token: pycolmap.CancellationToken) -> None:
        for number, group in groups.items():
            # Small batches show progress. The database must not be asked by another SQLite meanwhile, such as Python's:
            # two of them in one process break each other's locks on a file, and it with them.
            for at in range(0, len(group), BATCH):
                if token.is_cancelled:
                    return
                batch = group[at : at + BATCH]
                _extract_batch(database, photos, batch, _reader_options(number + 1, masks), settings, token)
                done[0] += len(batch)

    left = sum(map(len, groups.values()))
    if left:
        watched(work, lambda: done[0], "find features", left, progress)


def match(database: Path, names: Sequence[str], settings: FeatureSettings, folder: Path, progress: Progress) -> str:
    """Matches pairs of photos and verifies them; those in the database are kept. Returns how the pairs were chosen."""
    pairs, how = choose_pairs(database, names, settings.seed)
    left = _unmatched(database, names, pairs)
    batches = [left[at : at + AT_ONCE] for at in range(0, len(left), AT_ONCE)]
    verification = pycolmap.TwoViewGeometryOptions()
    verification.ransac.random_seed = settings.seed
    done = [0]

    def work(token: pycolmap.CancellationToken) -> None:
        for batch in batches:
            if token.is_cancelled:
                return
            write_text(folder / "pairs.txt", "".join(f"{names[i]} {names[j]}\n" for i, j in batch))
            pairing = pycolmap.ImportedPairingOptions(match_list_path=folder / "pairs.txt")
            pycolmap.match_image_pairs(
                database,
                pairing_options=pairing,
                verification_options=verification,
                device=pycolmap.Device.cpu,
                cancellation_token=token,
            )
            done[0] += len(batch)

    if len(left):
        watched(work, lambda: done[0], "match photos", len(left), progress)
    return how


def choose_pairs(database: Path, names: Sequence[str], seed: int) -> tuple[Int64[np.ndarray, "p 2"], str]:
    """Pairs of indices into `names`, and in words how they were chosen."""
    if len(names) <= EXHAUSTIVE:
        pairs = all_pairs(len(names))
        return pairs, f"every pair of photos matched ({len(pairs)})"
    with closing(pycolmap.Database.open(database)) as opened:
        numbers = {image.name: image.image_id for image in opened.read_all_images()}
        described = [opened.read_descriptors(numbers[name]).data for name in names]
    each = max(1, SAMPLE // len(names))
    generator = np.random.default_rng(seed)
    sample = [d[generator.choice(len(d), min(each, len(d)), replace=False)] for d in described]
    words = learn_words(np.concatenate(sample), seed)
    pairs = likely_pairs(np.stack([signature(d, words) for d in described]))
    return pairs, f"{len(pairs)} pairs of photos matched: those in a row by name, and those that look alike"


def feature_counts(database: Path) -> dict[str, int]:
    """How many features each photo has."""
    with closing(pycolmap.Database.open(database)) as opened:
        return {i.name: opened.num_keypoints_for_image(i.image_id) for i in opened.read_all_images()}


def partner_counts(database: Path) -> dict[str, int]:
    """How many other photos each photo has verified matches with."""
    with closing(pycolmap.Database.open(database)) as opened:
        names = {image.image_id: image.name for image in opened.read_all_images()}
        pairs, inliers = opened.read_two_view_geometry_num_inliers()
    result = dict.fromkeys(names.values(), 0)
    for pair, count in zip(pairs, inliers):
        if count > 0:
            for number in pycolmap.pair_id_to_image_pair(pair) if isinstance(pair, int) else pair:
                result[names[number]] += 1
    return result


def _extract_batch(
    database: Path,
    photos: Path,
    names: list[str],
    reader: pycolmap.ImageReaderOptions,
    settings: FeatureSettings,
    token: pycolmap.CancellationToken,
) -> None:
    options = pycolmap.FeatureExtractionOptions(max_image_size=settings.longest)
    options.sift.max_num_features = settings.most
    pycolmap.extract_features(
        database,
        photos,
        names,
        camera_mode=pycolmap.CameraMode.SINGLE,
        reader_options=reader,
        extraction_options=options,
        device=pycolmap.Device.cpu,
        cancellation_token=token,
    )


def _reader_options(camera: int, masks: Path | None) -> pycolmap.ImageReaderOptions:
    options = pycolmap.ImageReaderOptions(existing_camera_id=camera)
    if masks is not None:
        options.mask_path = masks
    return options


def _write_camera(opened: pycolmap.Database, photo: Path, count: int, model: str) -> None:
    options = pycolmap.ImageReaderOptions()
    options.camera_model = model if model != "auto" else "OPENCV" if count >= MANY_PER_CAMERA else "SIMPLE_RADIAL"
    camera = pycolmap.infer_camera_from_image(photo, options)
    number = opened.write_camera(camera)
    rig = pycolmap.Rig()
    rig.add_ref_sensor(pycolmap.sensor_t(pycolmap.SensorType.CAMERA, number))
    opened.write_rig(rig)


def _unmatched(database: Path, names: Sequence[str], pairs: Int64[np.ndarray, "p 2"]) -> np.ndarray:
    """The pairs that the database says nothing about."""
    with closing(pycolmap.Database.open(database)) as opened:
        numbers = {image.name: image.image_id for image in opened.read_all_images()}
        ids = [(numbers[names[int(i)]], numbers[names[int(j)]]) for i, j in pairs]
        missing = [not opened.exists_two_view_geometry(a, b) for a, b in ids]
    return pairs[np.array(missing, bool)]
