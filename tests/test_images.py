"""Photos of every kind, masks, depth, EXR and PNG; and what is broken says so."""

import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from PIL import Image as Pillow
from PIL import ImageOps

from neuraltexgen.errors import ImageError
from neuraltexgen.images import (
    exif_swaps,
    photo_size,
    read_depth,
    read_exr,
    read_mask,
    read_photo,
    write_exr,
    write_png,
)
from neuraltexgen.scene import Camera, DepthMap


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).random((9, 7, 4)).astype(np.float32)


def bytes_of(values: np.ndarray) -> np.ndarray:
    return np.rint(values * 255).astype(np.uint8)


def png_samples(path: Path) -> np.ndarray:
    """An independent decode of PNGs whose rows are all filtered by the row above."""
    data = path.read_bytes()
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    depth, channels = data[24] // 8, {0: 1, 2: 3, 6: 4}[data[25]]
    packed, at = b"", 8
    while at < len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        packed += data[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
        at += 12 + length
    raw = zlib.decompress(packed)
    above, rows = [0] * (width * channels * depth), []
    for row in range(height):
        line = raw[row * (len(above) + 1) : (row + 1) * (len(above) + 1)]
        assert line[0] == 2
        above = [(a + b) % 256 for a, b in zip(above, line[1:])]
        rows.append(above)
    high = np.array(rows).reshape(height, width, channels, depth)
    return high[..., 0] if depth == 1 else high[..., 0] * 256 + high[..., 1]


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_png_is_rounded_and_has_all_its_bits(tmp_path: Path, noise: np.ndarray, bits: int, channels: int) -> None:
    image = noise[..., :channels].copy()
    image[0, 0], image[0, 1] = -1, 2
    write_png(tmp_path / "a.png", image, bits=bits)
    expected = np.rint(np.clip(image, 0, 1).astype(np.float64) * (2**bits - 1))
    assert np.array_equal(png_samples(tmp_path / "a.png"), expected)
    with Pillow.open(tmp_path / "a.png") as decoded:
        decoded.load()
        assert decoded.size == (7, 9)


def test_png_needs_finite_values_of_1_3_or_4_channels(tmp_path: Path, noise: np.ndarray) -> None:
    for image, bits in ((noise[..., :2], 8), (noise, 12), (np.zeros((0, 3, 3), np.float32), 8), (noise * np.nan, 8)):
        with pytest.raises(ImageError):
            write_png(tmp_path / "a.png", image, bits=bits)
    assert list(tmp_path.iterdir()) == []


def test_8_bit_rgb_comes_back_unchanged(tmp_path: Path, noise: np.ndarray) -> None:
    pixels = bytes_of(noise[..., :3])
    Pillow.fromarray(pixels).save(tmp_path / "a.png")
    photo = read_photo(tmp_path / "a.png")
    assert np.array_equal(photo.pixels, pixels)
    assert photo.alpha is None
    assert photo.notes == ()


def test_grey_is_read_as_rgb_with_a_note(tmp_path: Path, noise: np.ndarray) -> None:
    grey = bytes_of(noise[..., 0])
    Pillow.fromarray(grey).save(tmp_path / "a.png")
    photo = read_photo(tmp_path / "a.png")
    assert np.array_equal(photo.pixels, grey[..., None].repeat(3, axis=2))
    assert "grey" in photo.notes[0]


def test_transparency_becomes_alpha_at_half(tmp_path: Path, noise: np.ndarray) -> None:
    pixels = bytes_of(noise)
    Pillow.fromarray(pixels).save(tmp_path / "a.png")
    photo = read_photo(tmp_path / "a.png")
    assert np.array_equal(photo.pixels, pixels[..., :3])
    assert photo.alpha is not None
    assert np.array_equal(photo.alpha, pixels[..., 3] >= 128)
    pixels[..., 3] = 255
    Pillow.fromarray(pixels).save(tmp_path / "opaque.png")
    assert read_photo(tmp_path / "opaque.png").alpha is None


def test_palette_and_cmyk_and_bilevel_are_converted_with_a_note(tmp_path: Path) -> None:
    flat = np.zeros((8, 8, 3), np.uint8)
    flat[:4] = (200, 30, 60)
    Pillow.fromarray(flat).quantize(4).save(tmp_path / "palette.png")
    Pillow.fromarray(flat).convert("CMYK").save(tmp_path / "cmyk.tif")
    Pillow.fromarray(flat[..., 0] > 100).save(tmp_path / "one.png")
    assert np.array_equal(read_photo(tmp_path / "palette.png").pixels, flat)
    assert np.abs(read_photo(tmp_path / "cmyk.tif").pixels.astype(int) - flat).max() <= 2
    assert set(np.unique(read_photo(tmp_path / "one.png").pixels)) == {0, 255}
    assert all(read_photo(file).notes for file in tmp_path.iterdir())


def test_16_bit_grey_keeps_its_lower_bits(tmp_path: Path) -> None:
    values = np.arange(63, dtype=np.uint16).reshape(9, 7) * 1000 + 7
    Pillow.fromarray(values).save(tmp_path / "a.png")
    photo = read_photo(tmp_path / "a.png")
    assert photo.pixels.dtype == np.float32
    assert np.array_equal(np.rint(photo.pixels[..., 1] * 65535), values)


@pytest.mark.parametrize("kind", range(5))
def test_16_bit_colour_keeps_its_lower_bits_under_every_row_filter(tmp_path: Path, kind: int) -> None:
    """The file is filtered here by the formulas of the PNG specification, one byte at a time."""
    samples = np.random.default_rng(kind).integers(0, 65536, (9, 7, 3)).astype(">u2")
    rows = samples.view(np.uint8).reshape(9, -1).astype(int).tolist()
    out, above = b"", [0] * len(rows[0])
    for row in rows:
        line = [kind]
        for i, value in enumerate(row):
            left, up, corner = (row[i - 6], above[i], above[i - 6]) if i >= 6 else (0, above[i], 0)
            estimate = left + up - corner
            paeth = min((left, up, corner), key=lambda near: abs(estimate - near))
            line.append((value - (0, left, up, (left + up) // 2, paeth)[kind]) % 256)
        out, above = out + bytes(line), row
    write_png(tmp_path / "a.png", np.zeros((9, 7, 3), np.float32), bits=16)
    data = (tmp_path / "a.png").read_bytes()
    body = zlib.compress(out)
    chunk = b"IDAT" + body
    crc = zlib.crc32(chunk).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(data[:33] + len(body).to_bytes(4, "big") + chunk + crc + data[-12:])
    photo = read_photo(tmp_path / "a.png")
    assert photo.pixels.dtype == np.float32
    assert np.array_equal(np.rint(photo.pixels * 65535), samples)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("bits", [8, 16])
def test_exif_orientation_turns_the_pixels_only_on_request(tmp_path: Path, orientation: int, bits: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3)).astype(np.uint8)
    exif = Pillow.Exif()
    exif[274] = orientation
    path = tmp_path / "a.png"
    if bits == 8:
        Pillow.fromarray(pixels).save(path, exif=exif)
    else:
        write_png(path, pixels.astype(np.float32) / 255, bits=16)
        data, block = path.read_bytes(), b"eXIf" + exif.tobytes().removeprefix(b"Exif\0\0")
        chunk = (len(block) - 4).to_bytes(4, "big") + block + zlib.crc32(block).to_bytes(4, "big")
        path.write_bytes(data[:33] + chunk + data[33:])
    with Pillow.open(path) as image:
        turned = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    scale = 1 if bits == 8 else 255
    assert np.array_equal(np.rint(read_photo(path, upright=True).pixels * scale), turned)
    assert np.array_equal(np.rint(read_photo(path).pixels * scale), pixels)
    assert photo_size(path) == (7, 9)
    assert photo_size(path, upright=True) == turned.shape[1::-1]
    assert exif_swaps(path) == (orientation >= 5)


def test_exr_round_trip_is_exact_in_float32_and_close_in_half(tmp_path: Path, noise: np.ndarray) -> None:
    channels = {name: noise[..., i].copy() for i, name in enumerate(("u", "v", "face.id", "B"))}
    write_exr(tmp_path / "a.exr", channels)
    write_exr(tmp_path / "half.exr", channels, half=True)
    for name, values in channels.items():
        assert np.array_equal(read_exr(tmp_path / "a.exr")[name], values)
        assert np.abs(read_exr(tmp_path / "half.exr")[name] - values).max() < 2**-11
    assert photo_size(tmp_path / "a.exr") == (7, 9)


def test_exr_channels_stored_as_one_rgb_array_are_split(tmp_path: Path, noise: np.ndarray) -> None:
    header = {"compression": OpenEXR.PIZ_COMPRESSION, "type": OpenEXR.scanlineimage}
    with OpenEXR.File(header, {"RGBA": noise}) as file:
        file.write(str(tmp_path / "a.exr"))
    assert sorted(read_exr(tmp_path / "a.exr")) == ["A", "B", "G", "R"]
    photo = read_photo(tmp_path / "a.exr")
    assert np.array_equal(photo.pixels, noise[..., :3])
    assert photo.alpha is not None
    assert np.array_equal(photo.alpha, noise[..., 3] >= 0.5)


def test_exr_pixels_that_are_not_finite_are_transparent_and_counted(tmp_path: Path, noise: np.ndarray) -> None:
    noise[2, 3, 1], noise[4, 4, 0] = np.nan, np.inf
    write_exr(tmp_path / "a.exr", {name: noise[..., i].copy() for i, name in enumerate("RGB")})
    photo = read_photo(tmp_path / "a.exr")
    assert photo.alpha is not None
    assert (~photo.alpha).sum() == 2
    assert np.isfinite(photo.pixels).all()
    assert photo.notes == ("2 pixels that are not finite are ignored",)


def test_exr_without_colour_channels_is_an_error(tmp_path: Path, noise: np.ndarray) -> None:
    write_exr(tmp_path / "a.exr", {"u": noise[..., 0].copy(), "v": noise[..., 1].copy()})
    with pytest.raises(ImageError, match="it has u, v"):
        read_photo(tmp_path / "a.exr")
    with pytest.raises(ImageError, match="at least one channel"):
        write_exr(tmp_path / "b.exr", {})
    with pytest.raises(ImageError, match="one size"):
        write_exr(tmp_path / "b.exr", {"u": noise[..., 0].copy(), "v": noise[:3, :, 1].copy()})
    assert not (tmp_path / "b.exr").exists()


def test_mask_is_true_where_anything_is_not_black(tmp_path: Path) -> None:
    rgb = np.zeros((4, 5, 3), np.uint8)
    rgb[1, 2], rgb[3, 4] = (0, 0, 1), (255, 255, 255)
    expected = rgb.any(axis=2)
    Pillow.fromarray(rgb).save(tmp_path / "rgb.png")
    Pillow.fromarray(rgb.max(axis=2)).save(tmp_path / "grey.png")
    Pillow.fromarray(expected).save(tmp_path / "one.png")
    Pillow.fromarray(expected.astype(np.uint16)).save(tmp_path / "deep.png")
    Pillow.fromarray(rgb).quantize(8).save(tmp_path / "palette.png")
    write_exr(tmp_path / "float.exr", {"Y": expected.astype(np.float32), "A": np.ones((4, 5), np.float32)})
    for file in tmp_path.iterdir():
        assert np.array_equal(read_mask(file), expected), file.name


DEPTH = np.array([[0, 1, 1000], [3000, 65535, 256]], np.uint16)


def write_depth(path: Path, values: np.ndarray) -> Path:
    if path.suffix == ".exr":
        write_exr(path, {"Z": values.astype(np.float32), "A": np.ones(values.shape, np.float32)})
    elif path.suffix == ".npy":
        np.save(path, values)
    elif path.suffix == ".pgm":
        height, width = values.shape
        path.write_bytes(f"P5\n{width} {height}\n65535\n".encode() + values.astype(">u2").tobytes())
    else:
        Pillow.fromarray(values).save(path)
    return path


@pytest.mark.parametrize("suffix", [".png", ".pgm", ".exr", ".npy", ".tif"])
def test_depth_comes_in_world_units_with_what_is_valid(tmp_path: Path, suffix: str) -> None:
    depth = DepthMap(write_depth(tmp_path / f"a{suffix}", DEPTH), 0.25)
    metres, valid = read_depth(depth)
    assert np.array_equal(metres, DEPTH * np.float32(0.25))
    assert np.array_equal(valid, DEPTH > 0)
    metres, valid = read_depth(replace(depth, invalid=(256, 65535)))
    assert valid.sum() == 3
    assert np.array_equal(metres, np.where(valid, DEPTH, 0) * np.float32(0.25))
    mask = tmp_path / "mask.png"
    Pillow.fromarray((DEPTH != 1000).astype(np.uint8)).save(mask)
    assert np.array_equal(read_depth(replace(depth, mask=mask))[1], (DEPTH > 0) & (DEPTH != 1000))


@pytest.mark.parametrize("suffix", [".exr", ".npy"])
def test_depth_that_is_not_finite_or_negative_is_invalid(tmp_path: Path, suffix: str) -> None:
    values = np.array([[np.nan, np.inf, -np.inf], [-1, 2, 3e38]], np.float32)
    metres, valid = read_depth(DepthMap(write_depth(tmp_path / f"a{suffix}", values), 10.0))
    assert np.array_equal(valid, [[False] * 3, [False, True, False]])  # 3e39 leaves float32
    assert np.array_equal(metres, [[0, 0, 0], [0, 20, 0]])


def test_bad_depth_is_an_image_error(tmp_path: Path) -> None:
    good = write_depth(tmp_path / "good.png", DEPTH)
    Pillow.fromarray(np.zeros((2, 2, 3), np.uint8)).save(tmp_path / "colour.png")
    np.save(tmp_path / "object.npy", np.array([[{}, 1]], object), allow_pickle=True)
    np.save(tmp_path / "flat.npy", np.zeros(4))
    (tmp_path / "cut.npy").write_bytes(write_depth(tmp_path / "whole.npy", DEPTH).read_bytes()[:-3])
    (tmp_path / "text.npy").write_text("hello")
    write_exr(tmp_path / "two.exr", {"X": np.ones((2, 3), np.float32), "W": np.ones((2, 3), np.float32)})
    camera = Camera("PINHOLE", 2, 3, (1.0, 1.0, 1.0, 1.0))
    wrong = [DepthMap(tmp_path / name, 1.0) for name in ("colour.png", "object.npy", "flat.npy", "cut.npy")]
    wrong += [DepthMap(tmp_path / name, 1.0) for name in ("text.npy", "two.exr", "none.png", "none.npy", "none.exr")]
    wrong += [DepthMap(good, 1.0, mask=tmp_path / "colour.png"), DepthMap(good, 1.0, camera)]
    for depth in wrong:
        with pytest.raises(ImageError) as caught:
            read_depth(depth)
        assert str(tmp_path) in caught.value.message


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".exr", ".webp", ".tif"])
def test_missing_empty_foreign_and_truncated_files_are_image_errors(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a b ü{suffix}"
    for content in (None, b"", b"hello, world" * 50):
        if content is not None:
            path.write_bytes(content)
        for read in (read_photo, read_mask, photo_size):
            with pytest.raises(ImageError) as caught:
                read(path)
            assert path.name in str(caught.value)
    if suffix == ".exr":
        rows = np.random.default_rng(0).random((64, 64)).astype(np.float32)
        write_exr(path, dict.fromkeys("RGB", rows))
    else:
        Pillow.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)).save(path)
    read_photo(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ImageError):
        read_photo(path)


def test_a_header_that_claims_more_than_the_file_can_hold_is_refused(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", np.zeros((4, 4, 3), np.float32), bits=16)
    data = bytearray((tmp_path / "a.png").read_bytes())
    data[16:24] = (9000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(ImageError, match="can't hold the 9000x9000"):
        read_photo(tmp_path / "a.png")
