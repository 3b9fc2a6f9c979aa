"""The report: one file that loads nothing, says what it was given and nothing raw, and stays small."""

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from neuraltexgen.report import Comparison, Curve, Report, Series, Table, write_report
from neuraltexgen.report.charts import line_chart, round_ticks
from neuraltexgen.report.pictures import error_colours, picture
from neuraltexgen.scene import LeftOut

NASTY = "<b>&\"x'</script><img src=http://e.x/>"
VOID = {"meta", "img", "input", "br", "link", "circle", "line", "polyline"}


class Page(HTMLParser):
    """Checks that tags close in order, and collects attributes and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def full_report(word: str = "plain") -> Report:
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 255, (30, 40, 3), dtype=np.uint8)
    error = rng.random((30, 40), dtype=np.float32)
    error[:5] = np.nan
    table = Table(word, ("View", word, "n"), ((word, 27.125, 3), ("b", float("nan"), None)), word, ("Mean", 27.125, 4))
    curve = Curve(word, word, word, (Series(word, ((1, 0.5), (2, 0.25))), Series("other", ((1, float("nan")),))))
    return Report(
        title=word,
        lead=word,
        summary=((word, word),),
        views_used=7,
        left_out=(LeftOut(word, word),),
        notes=(word,),
        warnings=(word,),
        comparisons=(Comparison(word, photo, photo, error, word), Comparison(word, photo, photo)),
        metrics=table,
        curves=(curve,),
        texture=rng.random((16, 24, 3), dtype=np.float32),
        exposure=table,
        tables=(table, Table("empty", ("a",), ())),
        stage_times=((word, 1.25), ("none", 0.0)),
        settings={word: {word: word}, "seed": 0},
        files=((word, word),),
    )


def read(tmp_path: Path, report: Report) -> tuple[str, Page]:
    path = tmp_path / "out" / "report.html"
    write_report(path, report)
    text = path.read_text(encoding="utf-8")
    return text, Page(text)


def test_nothing_that_the_capture_says_becomes_markup(tmp_path: Path) -> None:
    plain_text, plain = read(tmp_path, full_report())
    nasty_text, nasty = read(tmp_path, full_report(NASTY))
    assert [tag for tag, _ in nasty.tags] == [tag for tag, _ in plain.tags]
    assert "<b>" not in nasty_text
    # Whatever was shown as text is shown still, to the letter.
    assert sum(text.count(NASTY) for text in nasty.text) == sum(text.count("plain") for text in plain.text) > 20
    assert plain_text.count("<script") == nasty_text.count("<script") == 1


def test_the_page_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    text, page = read(tmp_path, full_report(NASTY))
    sources = [attributes["src"] for _, attributes in page.tags if "src" in attributes]
    assert len(sources) == 6
    assert all(source is not None and source.startswith("data:image/jpeg;base64,") for source in sources)
    assert not page.all("link")
    assert not any("href" in attributes for _, attributes in page.tags)
    assert "url(" not in text
    assert "@import" not in text
    policy = [m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert policy[0] is not None
    assert policy[0].startswith("default-src 'none'")


def test_pictures_sliders_and_tables_have_names(tmp_path: Path) -> None:
    _, page = read(tmp_path, full_report())
    assert all(attributes.get("alt") for attributes in page.all("img"))
    sliders = [attributes for attributes in page.all("input") if attributes["type"] == "range"]
    assert len(sliders) == 2
    assert all(attributes.get("aria-label") for attributes in sliders)
    assert all(attributes.get("aria-label") for attributes in page.all("svg"))
    assert len(page.all("caption")) == len(page.all("table")) == 7
    assert all("scope" in attributes for attributes in page.all("th"))
    assert page.all("html") == [{"lang": "en"}]


def test_light_and_dark_and_small_screens_are_provided_for(tmp_path: Path) -> None:
    text, _ = read(tmp_path, full_report())
    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport"' in text


def test_an_empty_report_has_a_title_and_no_empty_section(tmp_path: Path) -> None:
    _, page = read(tmp_path, Report("only a title"))
    assert not page.all("section")
    assert not page.all("table")
    assert "only a title" in page.text


def test_numbers_share_decimals_in_a_column_and_missing_ones_are_dashes(tmp_path: Path) -> None:
    table = Table("t", ("view", "psnr", "ssim", "pixels"), (("a", 25.0, 0.5, 12), ("b", 9.123456, float("nan"), None)))
    _, page = read(tmp_path, Report("r", metrics=table))
    cells = [text for text in page.text if text.strip()]
    assert cells[-8:] == ["a", "25.00", "0.500", "12", "b", "9.12", "–", "–"]


def test_long_tables_are_folded_with_their_means_in_sight(tmp_path: Path) -> None:
    rows = tuple((f"view {n}", float(n)) for n in range(40))
    _, page = read(tmp_path, Report("r", metrics=Table("Views", ("View", "PSNR"), rows, footer=("Mean", 19.5))))
    assert len(page.all("details")) == 1
    assert page.text.count("Mean") == 2
    assert "view 39" in page.text


def test_writing_twice_gives_the_same_bytes_and_leaves_no_other_file(tmp_path: Path) -> None:
    one, _ = read(tmp_path, full_report())
    two, _ = read(tmp_path, full_report())
    assert one == two
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["report.html"]


@pytest.mark.parametrize("shape", [(3000, 1500, 3), (20, 4000, 1), (50, 60, 3), (1, 1, 3), (9, 9, 6)])
def test_pictures_are_bounded_and_keep_their_shape(shape: tuple[int, int, int]) -> None:
    image = np.full(shape, 0.5, dtype=np.float32)
    image[: shape[0] // 2] = 2.0
    shown = picture(image, 1000)
    decoded = np.asarray(Image.open(io.BytesIO(base64.b64decode(shown.uri.split(",")[1]))))
    assert decoded.shape[:2] == (shown.height, shown.width)
    assert max(shown.width, shown.height) == min(1000, max(shape[:2]))
    assert shown.width / shown.height == pytest.approx(shape[1] / shape[0], rel=0.2)
    assert abs(int(decoded[-1, -1].reshape(-1)[0]) - 128) < 4
    if shape[0] > 2:
        assert decoded[0, 0].reshape(-1)[0] > 250


def test_a_picture_shows_what_is_not_finite_as_black() -> None:
    shown = picture(np.full((8, 8, 3), np.nan, dtype=np.float32), 100)
    assert np.asarray(Image.open(io.BytesIO(base64.b64decode(shown.uri.split(",")[1])))).max() < 4


def test_error_colours_grow_brighter_with_the_error() -> None:
    error = np.linspace(0, 0.5, 101, dtype=np.float32)[None]
    brightness = error_colours(error)[0] @ np.float32((0.2126, 0.7152, 0.0722))
    assert np.all(np.diff(brightness[:51]) > 0)
    assert np.all(brightness[51:] == brightness[50])
    assert np.all(error_colours(np.full((1, 1), np.nan, dtype=np.float32)) == 0.5)


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_are_round_increasing_and_few(low: float, width: float) -> None:
    if low + width <= low + 1e-9 * abs(low):
        return
    ticks = round_ticks(low, low + width)
    assert 2 <= len(ticks) <= 8
    assert np.all(np.diff(ticks) > 0)
    step = np.diff(ticks).mean()
    assert f"{step:e}"[0] in "1259"  # 9 by rounding


def test_whole_numbers_are_counted_by_whole_numbers() -> None:
    drawing = line_chart(Curve("Loss", "round", "loss", (Series("", ((1, 0.5), (2, 0.25), (3, 0.2))),)))
    labels = re.findall(r">([0-9.]+)</text>", drawing)
    assert {"1", "2", "3"} <= set(labels)
    assert not {"1.5", "2.5"} & set(labels)


def test_a_higher_score_is_drawn_higher_and_every_point_lies_in_the_frame() -> None:
    curve = Curve("c", "x", "y", (Series("s", ((1, 20.0), (2, 24.0), (3, 22.0), (4, float("inf")))),))
    (points,) = re.findall(r'points="([^"]*)"', line_chart(curve))
    places = np.array([pair.split(",") for pair in points.split()], dtype=float)
    assert places.shape == (3, 2)
    assert np.all(np.diff(places[:, 0]) > 0)
    assert places[1, 1] < places[2, 1] < places[0, 1]
    assert places.min() >= 0
    assert places[:, 0].max() <= 640
    assert places[:, 1].max() <= 320


@pytest.mark.parametrize("points", [(), ((1.0, 5.0),), ((1.0, 0.0), (1.0, 0.0)), ((3, 7.0), (4, 7.0))])
def test_charts_of_few_or_equal_points_are_drawn_or_left_out(points: tuple[tuple[float, float], ...]) -> None:
    drawing = line_chart(Curve("c", "x", "y", (Series("s", points),)))
    assert ("<svg" in drawing) == bool(points)
    assert "nan" not in drawing
    assert "inf" not in drawing


def test_a_large_picture_is_reduced_by_means_before_it_is_copied() -> None:
    image = np.zeros((640, 320, 3), dtype=np.float32)
    image[:320], image[::2] = 0.25, 0.75
    shown = picture(image, 32)
    assert (shown.width, shown.height) == (16, 32)
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(shown.uri.split(",", 1)[1]))), dtype=np.float64) / 255
    assert pixels[2:14].mean() == pytest.approx(0.5, abs=0.02)
    assert pixels[18:30].mean() == pytest.approx(0.375, abs=0.02)
