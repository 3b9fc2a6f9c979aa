"""Metashape: which lenses are read, and which are refused with what reason."""

from pathlib import Path

import numpy as np
import pytest

import tiny
from captures import write_metashape
from neuraltexgen.errors import ReaderError
from neuraltexgen.geometry import project
from neuraltexgen.readers import read_capture

POINTS = np.array([[0.0, 0.0, 1.0], [0.2, -0.1, 1.0], [-0.3, 0.25, 1.0], [0.4, 0.3, 1.0]])


def with_terms(root: Path, kind: str, terms: dict[str, float]) -> Path:
    """A capture whose sensor has this type and these terms, on 32x24 pixels."""
    file = write_metashape(root, tiny.tiny().poses)
    head, rest = file.read_text().split('class="adjusted">', 1)
    size, rest = rest.split("/>", 1)
    _, tail = rest.split("</calibration>", 1)
    listed = "".join(f"<{key}>{value}</{key}>" for key, value in terms.items())
    text = f'{head}class="adjusted">{size}/>{listed}</calibration>{tail}'
    file.write_text(text.replace('label="unknown" type="frame"', f'label="unknown" type="{kind}"'))
    return file


def formula(kind: str, terms: dict[str, float]) -> np.ndarray:
    """The manual's own formula, as it is written there."""
    f, cx, cy, b1, k1, k2, k3, k4, p1, p2 = (
        terms.get(key, 0.0) for key in ("f", "cx", "cy", "b1", "k1", "k2", "k3", "k4", "p1", "p2")
    )
    x, y = (POINTS[:, :2] / POINTS[:, 2:]).T
    if kind != "frame":
        radius = np.maximum(np.hypot(x, y), 1e-12)
        x, y = x * np.arctan(radius) / radius, y * np.arctan(radius) / radius
    r2 = x**2 + y**2
    factor = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3 + k4 * r2**4
    distorted_x = x * factor + p1 * (r2 + 2 * x**2) + 2 * p2 * x * y
    distorted_y = y * factor + p2 * (r2 + 2 * y**2) + 2 * p1 * x * y
    return np.stack([tiny.WIDTH / 2 + cx + distorted_x * (f + b1), tiny.HEIGHT / 2 + cy + distorted_y * f], axis=1)


@pytest.mark.parametrize(
    ("kind", "terms", "model"),
    [
        ("frame", {"f": 30}, "PINHOLE"),
        ("frame", {"f": 30, "b1": 1.5, "cx": 0.5, "cy": -1}, "PINHOLE"),
        ("frame", {"f": 30, "k1": 0.1, "p1": 0.01, "p2": -0.02}, "OPENCV"),
        ("frame", {"f": 30, "k1": 0.1, "k2": -0.2, "k3": 0.3, "p1": 0.01, "p2": 0.02, "b1": -2}, "FULL_OPENCV"),
        ("fisheye", {"f": 20, "k1": 0.1, "k2": 0.02, "k3": 0.03, "k4": 0.04}, "OPENCV_FISHEYE"),
        ("equidistant_fisheye", {"f": 20, "k1": 0.1, "k4": 0.04, "p1": 0.01, "p2": 0.02}, "THIN_PRISM_FISHEYE"),
    ],
)
def test_lenses_follow_the_manuals_formula(kind: str, terms: dict[str, float], model: str, tmp_path: Path) -> None:
    camera = read_capture(with_terms(tmp_path, kind, terms)).views[0].camera
    assert camera.model == model
    assert np.allclose(project(camera, POINTS), formula(kind, terms), atol=1e-9)


def test_a_spherical_camera_is_equirectangular(tmp_path: Path) -> None:
    camera = read_capture(with_terms(tmp_path, "spherical", {"f": 5.09})).views[0].camera
    assert (camera.model, camera.params) == ("EQUIRECTANGULAR", (tiny.WIDTH, tiny.HEIGHT))


@pytest.mark.parametrize(
    ("kind", "terms", "reason"),
    [
        ("frame", {"f": 30, "k4": 0.1}, "no COLMAP model has k4 = 0.1"),
        ("frame", {"f": 30, "b2": 0.1, "k4": 2}, r"b2 = 0.1 \(skew\), k4 = 2"),
        ("frame", {"f": 30, "p3": 0.1}, "no COLMAP model has p3"),
        ("equisolid_fisheye", {"f": 30}, "the sensor type 'equisolid_fisheye'"),
        ("frame", {"f": 0}, "focal length must be positive"),
    ],
)
def test_what_no_model_has_is_refused(kind: str, terms: dict[str, float], reason: str, tmp_path: Path) -> None:
    with pytest.raises(ReaderError, match="none of the 4 views"):
        read_capture(with_terms(tmp_path, kind, terms))
    text = (tmp_path / "cameras.xml").read_text()
    (tmp_path / "cameras.xml").write_text(text.replace('<camera id="9" sensor_id="0" component_id="0" label="9"/>', ""))
    with pytest.raises(ReaderError, match=reason):
        read_capture(tmp_path / "cameras.xml")


def test_notes_and_broken_files(tmp_path: Path) -> None:
    file = write_metashape(tmp_path, tiny.tiny().poses)
    text = file.read_text()
    file.write_text(text.replace("</chunk>", '<reference>GEOGCS["WGS 84"]</reference></chunk>'))
    scene = read_capture(file)
    assert any("geographic" in note for note in scene.notes)
    assert "not aligned" in scene.left_out[0].reason
    file.write_text(text.replace("<document", '<!DOCTYPE d [<!ENTITY a "aaa">]><document'))
    with pytest.raises(ReaderError, match="declares entities"):
        read_capture(file)
    file.write_text(text[:-40])
    with pytest.raises(ReaderError, match="is not XML"):
        read_capture(file)
    file.write_text(text.replace("<scale>2.5</scale>", "<scale>1 2</scale>"))
    with pytest.raises(ReaderError, match="'scale' holds 2 numbers"):
        read_capture(file)
