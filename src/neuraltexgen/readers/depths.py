"""The depth camera as VoxelHashing's and BundleFusion's `SensorData` states it: `.sens`, `info.txt`, ScanNet's export.

A stored count is 1 / `depthShift` metres, 0 is no reading. The depth camera has a 4x4 intrinsics matrix of its own, and
an extrinsics matrix that takes its points to the colour camera; where that is not the identity, a frame's pose is the
depth camera's. Source: saveToPointCloud in sensorData.h, https://github.com/niessner/BundleFusion.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from neuraltexgen.errors import CameraError, ReaderError
from neuraltexgen.geometry import check_camera
from neuraltexgen.readers.poses import Repairs, pinhole_of, rigid
from neuraltexgen.scene import Blob, Camera, DepthMap
from neuraltexgen.types import Pose

LARGEST_SIDE = 1 << 15
"""No depth camera has more pixels a side: a header that says so is damaged."""


@dataclass(frozen=True, eq=False)
class DepthSensor:
    """What all depth maps of a recording share, and notes on what could not be used."""

    unit: float
    camera: Camera | None = None
    cam_from_depth: Pose | None = None
    invalid: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    def depth_map(self, path: Path, blob: Blob | None = None) -> DepthMap:
        """One of its depth maps."""
        return DepthMap(path, self.unit, self.camera, self.cam_from_depth, self.invalid, blob=blob)

    def photo_pose(self, stated: Pose) -> Pose:
        """The photo's camera from world, where the frame states `stated`."""
        return stated if self.cam_from_depth is None else self.cam_from_depth @ stated


def depth_sensor(
    shift: float,
    intrinsics: Float64[np.ndarray, "4 4"] | None,
    size: tuple[int, int] | None,
    extrinsics: Float64[np.ndarray, "4 4"] | None,
    invalid: tuple[int, ...] = (),
) -> DepthSensor:
    """The sensor that these numbers say; without usable intrinsics or size, the camera is the photo's own.

    Raises ReaderError: a `shift` that is not positive.
    """
    if not 0 < shift < 1e9:
        raise ReaderError(f"the depth shift is {shift:g}: it must be positive")
    notes = []
    camera = None
    if intrinsics is not None and size is not None and np.any(intrinsics):
        try:
            camera = Camera("PINHOLE", *size, pinhole_of(intrinsics[:3, :3]))
            check_camera(camera)
        except (ReaderError, CameraError) as error:
            camera = None
            notes.append(f"the depth camera's intrinsics can't be used, the colour camera's are taken: {error.message}")
    cam_from_depth = None
    if extrinsics is not None and np.any(extrinsics) and not np.allclose(extrinsics, np.eye(4), atol=1e-5):
        try:
            cam_from_depth = rigid(extrinsics, Repairs())
            notes.append("the depth camera stands apart from the colour camera: the poses are its own, and moved")
        except ReaderError as error:
            notes.append(
                f"the depth camera's extrinsics can't be used, it is taken to stand with the colour camera: "
                f"{error.message}"
            )
    return DepthSensor(1 / shift, camera, cam_from_depth, invalid, tuple(notes))
