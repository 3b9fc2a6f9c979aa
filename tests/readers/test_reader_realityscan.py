"""RealityScan: which lenses are read, and which are refused with what reason."""

from pathlib import Path

import pytest

import tiny
from captures import write_realityscan
from neuraltexgen.errors import ReaderError
from neuraltexgen.readers import ReadOptions, read_capture


def with_field(root: Path, old: str, new: str) -> Path:
    """A capture in whose first file a field says something else."""
    write_realityscan(root, tiny.tiny().poses)
    file = root / "IMG_1.xmp"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    return root


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('xcr:Skew="0.0"', 'xcr:Skew="0.01"', "a skew of 0.01"),
        ('"brown3t2"', '"division"', "the distortion model 'division'"),
        ("<xcr:DistortionCoeficients>", "<xcr:DistortionCoeficients>1 2 3 4 5 6 7 ", "holds 13 numbers, not 6"),
        ("<xcr:Rotation>", "<xcr:Rotation>1 ", "'Rotation' holds 10 numbers, not 9"),
        ("<xcr:Position>", "<xcr:Position>nan ", "'Position' holds 4 numbers, not 3"),
        ("xcr:FocalLength35mm", "xcr:Focal", "'FocalLength35mm' holds 0 numbers"),
        ("</rdf:RDF>", "", "is not XML"),
        ("<x:xmpmeta ", "<!DOCTYPE a><x:xmpmeta ", "declares entities"),
    ],
)
def test_a_file_that_says_what_cannot_be_read_leaves_its_view_out(
    old: str, new: str, reason: str, tmp_path: Path
) -> None:
    scene = read_capture(with_field(tmp_path, old, new))
    assert len(scene.views) == 2
    assert any(view.name.startswith("IMG_1") and reason in view.reason for view in scene.left_out)


def test_a_fourth_radial_term_is_refused(tmp_path: Path) -> None:
    root = with_field(tmp_path, "</xcr:DistortionCoeficients>", "</xcr:DistortionCoeficients>")
    text = (root / "IMG_1.xmp").read_text()
    before, after = text.split("<xcr:DistortionCoeficients>")
    (root / "IMG_1.xmp").write_text(f"{before}<xcr:DistortionCoeficients>0.1 0 0 0.2</{after.split('</', 1)[1]}")
    assert any("k4 = 0.2" in view.reason for view in read_capture(root).left_out)


def test_a_division_model_without_terms_is_a_pinhole(tmp_path: Path) -> None:
    root = with_field(tmp_path, '"brown3t2"', '"division"')
    for file in root.glob("*.xmp"):
        text = file.read_text()
        file.write_text(text.replace("DistortionCoeficients", "Other"))
    assert {view.camera.model for view in read_capture(root).views} == {"PINHOLE"}


def test_tangential_terms_are_noted_and_photos_may_lie_elsewhere(tmp_path: Path) -> None:
    root = write_realityscan(tmp_path / "xmp", tiny.tiny().poses)
    elsewhere = tmp_path / "photos"
    elsewhere.mkdir()
    for photo in root.glob("*.jpg"):
        photo.rename(elsewhere / photo.name)
    with pytest.raises(ReaderError, match="can be used"):
        read_capture(root)
    scene = read_capture(root, ReadOptions(images=elsewhere))
    assert [view.name for view in scene.views] == ["IMG_1.jpg", "IMG_2.jpg", "IMG_3.jpg"]
    assert any("3 photos have tangential terms" in note for note in scene.notes)
