"""VisualSFM: its distortion goes from the distorted point to the undistorted one."""

from pathlib import Path

import numpy as np
import pytest

import tiny
from captures import FOCAL, write_nvm
from neuraltexgen.errors import ReaderError
from neuraltexgen.geometry import project
from neuraltexgen.readers import read_capture


@pytest.mark.parametrize("radial", [-0.1, -0.02, 0.05, 0.2])
def test_the_radial_term_undoes_the_distortion(tmp_path: Path, radial: float) -> None:
    file = write_nvm(tmp_path, tiny.tiny().poses)
    file.write_text(file.read_text().replace(" 0 0\n", f" {radial} 0\n"))
    view = read_capture(file).views[0]
    rows, cols = np.mgrid[0.5 : tiny.HEIGHT, 0.5 : tiny.WIDTH]
    distorted = (np.stack([cols, rows], axis=-1).reshape(-1, 2) - (tiny.WIDTH / 2, tiny.HEIGHT / 2)) / FOCAL
    undistorted = distorted * (1 + radial * (distorted**2).sum(axis=1, keepdims=True))
    points = np.hstack([undistorted, np.ones((len(undistorted), 1))])
    middle = (tiny.WIDTH / 2, tiny.HEIGHT / 2)
    assert np.abs(project(view.camera, points) - distorted * FOCAL - middle).max() < 1e-3


def test_a_calibration_for_all_and_a_file_that_ends_early(tmp_path: Path) -> None:
    file = write_nvm(tmp_path, tiny.tiny().poses)
    text = file.read_text()
    file.write_text(text.replace("NVM_V3 ", "NVM_V3 FixedK 31 16.5 32 11.5 0"))
    assert read_capture(file).views[0].camera.params == (31, 32, 16.5, 11.5)
    file.write_text("\n".join(text.split("\n")[:5]))
    with pytest.raises(ReaderError, match="2 lines for 3 photos"):
        read_capture(file)
    file.write_text(text.replace(" 0 0\n", " 1e200 0\n", 1))
    assert "no lens is like that" in read_capture(file).left_out[0].reason
