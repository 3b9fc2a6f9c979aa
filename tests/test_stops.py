"""The light that a photo took: read from EXIF data, and not known where they are missing or damaged."""

import math
from fractions import Fraction
from pathlib import Path

import pytest
from PIL import Image as Pillow
from PIL.TiffImagePlugin import IFDRational

from neuraltexgen.images import stops_of
from neuraltexgen.images.stops import EXPOSURE_IFD, F_NUMBER, ISO, SECONDS


def photo(path: Path, **tags: object) -> Path:
    exif = Pillow.Exif()
    numbers = {"seconds": SECONDS, "f_number": F_NUMBER, "iso": ISO}
    exif.get_ifd(EXPOSURE_IFD).update({numbers[name]: value for name, value in tags.items()})
    Pillow.new("RGB", (8, 8), (90, 120, 60)).save(path, exif=exif.tobytes())
    return path


def rational(value: Fraction) -> IFDRational:
    return IFDRational(value.numerator, value.denominator)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_stop_is_twice_the_light(suffix: str, tmp_path: Path) -> None:
    first = photo(tmp_path / f"a{suffix}", seconds=rational(Fraction(1, 50)), f_number=rational(Fraction(4)), iso=100)
    second = photo(tmp_path / f"b{suffix}", seconds=rational(Fraction(1, 100)), f_number=rational(Fraction(2)), iso=400)
    assert stops_of(first) == pytest.approx(math.log2(100 / 50 / 16))
    assert stops_of(second) - stops_of(first) == pytest.approx(3)


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"seconds": IFDRational(1, 50), "iso": 100},
        {"seconds": IFDRational(1, 50), "f_number": IFDRational(0, 1), "iso": 100},
        {"seconds": IFDRational(1, 0), "f_number": IFDRational(4, 1), "iso": 100},
    ],
)
def test_what_is_missing_or_makes_no_sense_is_not_known(tags: dict[str, object], tmp_path: Path) -> None:
    assert math.isnan(stops_of(photo(tmp_path / "a.jpg", **tags)))


def test_a_file_that_cannot_be_read_is_not_known(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no photo")
    assert math.isnan(stops_of(tmp_path / "a.jpg"))
    assert math.isnan(stops_of(tmp_path / "none.exr"))
