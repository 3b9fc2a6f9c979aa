"""Views on disk and in memory: cache keys that cover all they depend on, hidden pixels, sub-samples in their order."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from egl_here import needs_egl
from neuraltexgen import view_cache
from neuraltexgen.errors import FitError, ImageError
from neuraltexgen.evaluate import scored_pixels, seen_texels
from neuraltexgen.fit_view import FIELDS, FitView
from neuraltexgen.geometry import pixel_rays
from neuraltexgen.images import write_exr
from neuraltexgen.kernels.sample import render
from neuraltexgen.pipeline import mesh_key
from neuraltexgen.scene import DepthMap, Mesh, PreparedView, View
from neuraltexgen.uvmap.raycast import RayCaster
from neuraltexgen.uvmap.render import make_renderer
from neuraltexgen.view_cache import ViewSettings, depth_notes, prepare_folder, prepare_views
from neuraltexgen.views import Views, load_view
from neuraltexgen.visibility import ConfidenceSettings
from planes import CAMERAS, HEIGHT, WIDTH, Plane, pose

CPU = torch.device("cpu")
SHEET = Plane(np.array([-1.2, -0.9, 2.0]), np.array([2.4, 0, 0.2]), np.array([0, 1.8, 0.1]))
SIZE = (32, 32)


def save(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Pillow.fromarray(pixels).save(path)
    return path


def noise(seed: int = 0, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, channels), dtype=np.uint8)


@pytest.fixture
def view(tmp_path: Path) -> View:
    photo = save(tmp_path / "images" / "a.png", noise())
    mask = np.full((HEIGHT, WIDTH), 255, np.uint8)
    mask[:12] = 0
    return View("a.png", CAMERAS["PINHOLE"], pose(), photo, save(tmp_path / "masks" / "a.png", mask))


def prepared(view: View, folder: Path, mesh: Mesh | None = None, settings: ViewSettings | None = None) -> Path:
    mesh = mesh or SHEET.mesh()
    [file] = prepare_views([view], RayCaster(mesh), mesh_key(mesh), settings or ViewSettings(), folder)
    return file


def tensors_equal(a: FitView, b: FitView) -> bool:
    same = all(torch.equal(getattr(a, name), getattr(b, name)) for name in FIELDS)
    return same and (a.name, a.footprint) == (b.name, b.footprint)


def moved(view: View) -> View:
    shifted = view.cam_from_world.copy()
    shifted[0, 3] += 1e-6
    return replace(view, cam_from_world=shifted)


def counts(uv: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """How much each texel counts in the weighted pixels, by automatic differentiation."""
    texture = torch.zeros(*SIZE, 1, requires_grad=True)
    (render(texture, uv, weight > 0)[..., 0] * weight).sum().backward()
    assert texture.grad is not None
    return texture.grad[..., 0]


def with_depth(view: View, counts: np.ndarray, unit: float = 1e-4) -> View:
    """The view with a depth map in that unit beside its photo."""
    path = save(view.photo.with_name(f"depth-{counts.sum()}.png"), counts.astype(np.uint16))
    return replace(view, depth=DepthMap(path, unit))


def true_counts(view: View) -> np.ndarray:
    """The sheet's z-depth from the view, in tenths of a millimetre."""
    distance = RayCaster(SHEET.mesh()).uv_map(view.camera, view.cam_from_world).distance
    return np.round(1e4 * distance * pixel_rays(view.camera)[0][..., 2])


CHANGES: dict[str, Callable[[View], View]] = {
    "pose": moved,
    "lens": lambda v: replace(v, camera=replace(v.camera, params=(38.0, 37.0, 21.0, 14.500001))),
    "model": lambda v: replace(v, camera=replace(v.camera, model="OPENCV", params=(*v.camera.params, *[0.0] * 4))),
    "photo": lambda v: replace(v, photo=save(v.photo.with_name("b.png"), noise(1))),
    "mask": lambda v: replace(v, mask=save(v.photo.with_name("m.png"), np.full((HEIGHT, WIDTH), 255, np.uint8))),
    "no mask": lambda v: replace(v, mask=None),
    "upright": lambda v: replace(v, exif_upright=True),
    "name": lambda v: replace(v, name="b.png"),
    "depth": lambda v: with_depth(v, true_counts(v)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_view_that_changes_is_made_anew(change: str, view: View, tmp_path: Path) -> None:
    assert prepared(view, tmp_path / "cache") != prepared(CHANGES[change](view), tmp_path / "cache")


def test_so_are_all_views_when_the_mesh_or_the_settings_change(view: View, tmp_path: Path) -> None:
    mesh = SHEET.mesh()
    assert mesh.uvs is not None
    files = [
        prepared(view, tmp_path),
        prepared(view, tmp_path, replace(mesh, vertices=mesh.vertices * 1.0000001)),
        prepared(view, tmp_path, replace(mesh, uvs=mesh.uvs * 0.999)),
        prepared(view, tmp_path, replace(mesh, faces=mesh.faces[::-1].copy(), uv_faces=mesh.faces[::-1].copy())),
        prepared(view, tmp_path, settings=ViewSettings(samples=3)),
        prepared(view, tmp_path, settings=ViewSettings(confidence=None)),
        prepared(view, tmp_path, settings=ViewSettings(confidence=ConfidenceSettings(border=2))),
    ]
    assert len(set(files)) == len(files)


def test_a_depth_map_in_another_unit_makes_the_view_anew(view: View, tmp_path: Path) -> None:
    counts = true_counts(view)
    files = [prepared(with_depth(view, counts, unit), tmp_path) for unit in (1e-4, 1e-3)]
    files += [prepared(with_depth(view, counts + 1), tmp_path)]
    assert len(set(files)) == 3


def test_what_a_depth_map_contradicts_is_scored_but_not_fitted(view: View, tmp_path: Path) -> None:
    view, person = replace(view, mask=None), np.zeros((HEIGHT, WIDTH), dtype=bool)
    person[10:22, 12:24] = True
    alone = load_view(prepared(view, tmp_path))
    counts = true_counts(view)
    file = prepared(with_depth(view, np.where(person, counts / 2, counts)), tmp_path)
    found = load_view(file)
    assert torch.equal(found.seen, alone.seen)
    inner = torch.from_numpy(person)
    assert (alone.confidence[inner] > 0.1).all()
    assert (found.confidence[11:21, 13:23] == 0).all()
    assert torch.equal(found.confidence[~inner], alone.confidence[~inner])
    [note] = depth_notes([file])
    assert "of what 1 depth maps measure contradicts the mesh" in note


def test_a_depth_map_of_no_use_is_said_and_changes_nothing(view: View, tmp_path: Path) -> None:
    file = prepared(with_depth(view, true_counts(view), 1e-3), tmp_path)
    assert tensors_equal(load_view(file), load_view(prepared(view, tmp_path)))
    [note] = depth_notes([file])
    assert note.startswith("1 depth maps contradict most of the mesh and are not used")
    assert depth_notes([prepared(view, tmp_path)]) == ()


def test_what_does_not_change_is_not_made_again(view: View, tmp_path: Path) -> None:
    file = prepared(view, tmp_path / "cache")
    before = file.stat().st_mtime_ns
    elsewhere = save(tmp_path / "other" / "c.png", noise())  # the same bytes in another place
    assert elsewhere.read_bytes() == view.photo.read_bytes()
    assert prepared(replace(view, photo=elsewhere), tmp_path / "cache") == file
    assert prepared(view, tmp_path / "cache", SHEET.mesh()) == file
    assert file.stat().st_mtime_ns == before
    assert list((tmp_path / "cache").iterdir()) == [file]


@needs_egl
def test_what_another_renderer_made_has_another_key(view: View, tmp_path: Path) -> None:
    mesh, distorted = SHEET.mesh(), replace(view, camera=CAMERAS["OPENCV"])
    # A lens with distortion is nothing for OpenGL: the processor's rasteriser takes it, whichever of the two is named.
    for each, kinds in ((view, 3), (distorted, 2)):
        keyed = [mesh_key(mesh), ViewSettings(), tmp_path]
        files = [prepare_views([each], make_renderer(mesh, name), *keyed)[0] for name in ("ray", "raster", "egl")]
        assert len(set(files)) == kinds


@pytest.mark.parametrize("beside", [0, 1, 3])
def test_many_views_come_in_their_order_however_many_are_on_their_way(
    beside: int, view: View, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_cache, "thread_count", lambda: beside)
    views = [replace(view, name=f"{i}.png", cam_from_world=pose(i)) for i in range(7)]
    mesh, told = SHEET.mesh(), []

    def progress(items: Iterable[View], what: str, total: int) -> Iterable[View]:
        told.extend([what, total])
        return items

    files = prepare_views(views, RayCaster(mesh), mesh_key(mesh), ViewSettings(), tmp_path / "all", progress)
    assert told == ["UV maps", 7]
    assert [load_view(file).name for file in files] == [each.name for each in views]
    for each, file in zip(views, files):
        alone = prepared(each, tmp_path / "alone")
        assert alone.name == file.name
        assert tensors_equal(load_view(alone), load_view(file))
    stamps = [file.stat().st_mtime_ns for file in files]
    assert prepare_views(views, RayCaster(mesh), mesh_key(mesh), ViewSettings(), tmp_path / "all") == files
    assert [file.stat().st_mtime_ns for file in files] == stamps


@pytest.mark.parametrize("stage", ["opening", "finishing"])
def test_a_view_that_fails_is_told_and_the_ones_before_it_are_kept(stage: str, view: View, tmp_path: Path) -> None:
    broken = replace(view, name="broken", mask=None)
    if stage == "opening":
        broken = replace(broken, photo=tmp_path / "cut off.png")
        broken.photo.write_bytes(view.photo.read_bytes()[:200])
    else:
        broken = replace(broken, photo=save(tmp_path / "wide.png", np.zeros((HEIGHT, WIDTH + 1, 3), np.uint8)))
    views = [replace(view, name=f"{i}.png") for i in range(9)]
    views.insert(6, broken)
    mesh = SHEET.mesh()
    with pytest.raises(ImageError, match=broken.photo.name):
        prepare_views(views, RayCaster(mesh), mesh_key(mesh), ViewSettings(), tmp_path / "cache")
    names = {load_view(file).name for file in (tmp_path / "cache").glob("*.npz")}
    assert {f"{i}.png" for i in range(4)} <= names
    assert "broken" not in names


def test_prepared_views_have_keys_too(tmp_path: Path) -> None:
    uv = np.random.default_rng(0).random((2, HEIGHT, WIDTH), dtype=np.float32)
    write_exr(tmp_path / "1.exr", {"R": uv[0], "G": uv[1]})
    write_exr(tmp_path / "2.exr", {"R": uv[1], "G": uv[0]})
    photos = [save(tmp_path / f"{i}.png", noise(i)) for i in range(2)]
    one = PreparedView("1", photos[0], tmp_path / "1.exr")
    others = [replace(one, photo=photos[1]), replace(one, uv_map=tmp_path / "2.exr"), replace(one, name="2"), one]
    files = prepare_folder([one, *others], tmp_path / "cache")
    assert len(set(files)) == 4
    assert files[0] == files[-1]


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"junk" * 99, "flip"])
def test_a_broken_cached_view_is_an_error(damage: object, view: View, tmp_path: Path) -> None:
    file = prepared(view, tmp_path / "cache")
    data = file.read_bytes()
    if callable(damage):
        file.write_bytes(damage(data))
    else:
        middle = len(data) // 2
        file.write_bytes(data[:middle] + bytes(255 - b for b in data[middle : middle + 8]) + data[middle + 8 :])
    with pytest.raises(FitError, match="broken") as caught:
        load_view(file)
    assert str(file.parent) in (caught.value.fix or "")
    file.unlink()
    assert load_view(prepared(view, tmp_path / "cache")).name == "a.png"


def test_a_missing_cached_view_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FitError, match="broken"):
        load_view(tmp_path / "gone.npz")


@pytest.mark.parametrize("budget", [0, 1 << 40, "one"])
def test_streamed_views_are_the_resident_ones(budget: int | str, view: View, tmp_path: Path) -> None:
    several = [replace(view, name=f"{i}", photo=save(tmp_path / f"{i}.png", noise(i))) for i in range(4)]
    mesh = SHEET.mesh()
    files = prepare_views(several, RayCaster(mesh), mesh_key(mesh), ViewSettings(), tmp_path / "cache")
    size = load_view(files[0]).nbytes + 1 if budget == "one" else int(budget)
    views = Views(files, CPU, size)
    order = [2, 0, 3, 3, 1, 2]
    streamed = list(views.stream(order))
    assert [index for index, _ in streamed] == order
    assert [v.name for _, v in streamed] == [str(i) for i in order]
    assert all(tensors_equal(v, load_view(files[i])) for i, v in streamed)
    held = [index for index in range(4) if views[index] is views[index]]
    if budget == "one":
        assert len(held) == 1  # of those that were loaded at the same time, any may have come first
    else:
        assert held == {0: [], 1 << 40: [0, 1, 2, 3]}[int(budget)]
    assert [v.name for _, v in views.subset([3, 1]).stream([0, 1])] == ["3", "1"]


def test_samples_lie_by_pixel_row_by_row(view: View, tmp_path: Path) -> None:
    """Sample (i, j) of pixel (y, x) is row y k + i, column x k + j of the UV map."""
    mesh = SHEET.mesh()
    caster = RayCaster(mesh)
    stored = load_view(prepared(view, tmp_path, settings=ViewSettings(samples=3)))
    uv_map = caster.uv_map(view.camera, view.cam_from_world, 3)
    for y, x, i, j in np.random.default_rng(0).integers(0, (HEIGHT, WIDTH, 3, 3), (50, 4)):
        np.testing.assert_allclose(stored.uv[y, x, 3 * i + j], uv_map.uv[3 * y + i, 3 * x + j], atol=2**-21)
    valid = stored.valid
    across = (stored.uv[..., 2, :] - stored.uv[..., 0, :])[valid]
    down = (stored.uv[..., 6, :] - stored.uv[..., 0, :])[valid]
    assert (across[:, 0] > 0).all()
    assert (down[:, 1] > 0).all()


@pytest.mark.parametrize("samples", [1, 2, 3])
def test_a_larger_uv_map_of_a_prepared_folder_gives_samples_in_the_same_order(samples: int, tmp_path: Path) -> None:
    rows, cols = np.mgrid[: HEIGHT * samples, : WIDTH * samples].astype(np.float32)
    u, v = (cols + 0.5) / (WIDTH * samples), (rows + 0.5) / (HEIGHT * samples)
    write_exr(tmp_path / "1.exr", {"R": u, "G": v})
    photo = save(tmp_path / "1.png", noise())
    [file] = prepare_folder([PreparedView("1", photo, tmp_path / "1.exr")], tmp_path / "cache")
    stored = load_view(file)
    assert stored.uv.shape == (HEIGHT, WIDTH, samples**2, 2)
    assert stored.valid.all()
    assert (stored.confidence == 1).all()
    for i in range(samples):
        for j in range(samples):
            np.testing.assert_allclose(stored.uv[..., i * samples + j, 0], u[i::samples, j::samples], atol=2**-21)
            np.testing.assert_allclose(stored.uv[..., i * samples + j, 1], v[i::samples, j::samples], atol=2**-21)
    # A pixel is 1 / WIDTH wide; its side is measured along the row.
    assert stored.footprint == pytest.approx(1 / WIDTH, rel=1e-4)
    assert np.array_equal(stored.photo, noise())


@pytest.mark.parametrize("size", [(HEIGHT * 2, WIDTH), (HEIGHT + 1, WIDTH + 1), (HEIGHT // 2, WIDTH // 2)])
def test_a_uv_map_that_does_not_fit_its_photo_is_an_error(size: tuple[int, int], tmp_path: Path) -> None:
    write_exr(tmp_path / "1.exr", {"R": np.full(size, 0.5, np.float32), "G": np.full(size, 0.5, np.float32)})
    photo = save(tmp_path / "1.png", noise())
    with pytest.raises(ImageError, match="whole multiple"):
        prepare_folder([PreparedView("1", photo, tmp_path / "1.exr")], tmp_path / "cache")


def hide(view: View, how: str, hidden: np.ndarray, folder: Path) -> View:
    if how == "mask":
        return replace(view, mask=save(folder / "mask.png", np.where(hidden, 0, 255).astype(np.uint8)))
    rgba = np.dstack([noise(), np.where(hidden, 0, 255).astype(np.uint8)])
    return replace(view, mask=None, photo=save(folder / "rgba.png", rgba))


@pytest.mark.parametrize("trust", [ConfidenceSettings(), None])
@pytest.mark.parametrize("how", ["mask", "alpha"])
def test_hidden_pixels_count_in_no_fit_and_in_no_score(
    how: str, trust: ConfidenceSettings | None, view: View, tmp_path: Path
) -> None:
    hidden = np.random.default_rng(0).random((HEIGHT, WIDTH)) < 0.3
    settings = ViewSettings(confidence=trust)
    bare = load_view(prepared(replace(view, mask=None), tmp_path / "cache", settings=settings))
    stored = load_view(prepared(hide(view, how, hidden, tmp_path), tmp_path / "cache", settings=settings))
    shown = torch.from_numpy(~hidden)
    assert (bare.confidence > 0).sum() > 500
    assert torch.equal(stored.confidence, torch.where(shown, bare.confidence, 0))
    assert torch.equal(stored.valid, bare.valid & shown)
    everything = torch.ones(SIZE, dtype=torch.bool)
    assert torch.equal(scored_pixels(stored, everything), scored_pixels(bare, everything) & shown)
    assert torch.equal(counts(stored.uv, stored.confidence), counts(bare.uv, bare.confidence * shown))


def test_transparent_pixels_of_a_prepared_folder_are_hidden_too(tmp_path: Path) -> None:
    hidden = np.random.default_rng(0).random((HEIGHT, WIDTH)) < 0.3
    half = np.full((HEIGHT * 2, WIDTH * 2), 0.5, np.float32)
    write_exr(tmp_path / "1.exr", {"R": half, "G": half})
    photo = save(tmp_path / "1.png", np.dstack([noise(), np.where(hidden, 0, 255).astype(np.uint8)]))
    [file] = prepare_folder([PreparedView("1", photo, tmp_path / "1.exr")], tmp_path / "cache")
    stored = load_view(file)
    assert np.array_equal(stored.valid, ~hidden)
    assert np.array_equal(stored.confidence, (~hidden).astype(np.float32))


def test_a_score_counts_only_where_every_texel_was_seen(view: View, tmp_path: Path) -> None:
    stored = load_view(prepared(replace(view, mask=None), tmp_path))
    seen = torch.zeros(SIZE, dtype=torch.bool)
    seen[:, : SIZE[1] // 2] = True
    mask = scored_pixels(stored, seen)
    assert mask.any()
    right = stored.uv[..., 0] * SIZE[1] + 0.5 - SIZE[1] // 2  # how far the right one of the two texels read is unseen
    assert torch.equal(mask & (right < 0).all(dim=2), stored.valid & (right < 0).all(dim=2))
    assert not (mask & (right > 0.005).any(dim=2)).any()


def test_seen_texels_are_those_that_a_confident_pixel_reads_and_their_gaps(view: View, tmp_path: Path) -> None:
    file = prepared(view, tmp_path)
    views, stored = Views([file], CPU, 0), load_view(file)
    seen = seen_texels(views, SIZE, [0])
    read = counts(stored.uv, (stored.confidence > 0).float()) > 0
    assert (seen[read]).all()
    assert seen.float().mean() < 0.9  # the masked rows are not
    assert not seen_texels(views, SIZE, []).any()


@pytest.mark.parametrize("what", ["photo", "mask"])
def test_a_photo_or_mask_of_another_size_is_an_error(what: str, view: View, tmp_path: Path) -> None:
    wrong = save(tmp_path / "wrong.png", np.zeros((HEIGHT, WIDTH + 1, 3), np.uint8))
    changed = replace(view, photo=wrong) if what == "photo" else replace(view, mask=wrong)
    with pytest.raises(ImageError, match=rf"wrong\.png is {WIDTH + 1}x{HEIGHT}"):
        prepared(changed, tmp_path)
    assert not list(tmp_path.glob("*.npz"))


def test_sixteen_bit_photos_keep_their_bits(view: View, tmp_path: Path) -> None:
    grey = np.random.default_rng(0).integers(0, 65536, (HEIGHT, WIDTH), dtype=np.uint16)
    Pillow.fromarray(grey).save(tmp_path / "deep.png")
    stored = load_view(prepared(replace(view, photo=tmp_path / "deep.png"), tmp_path))
    assert stored.photo.dtype == torch.float32
    np.testing.assert_allclose(stored.colours()[..., 1] * 65535, grey, atol=0.01)
