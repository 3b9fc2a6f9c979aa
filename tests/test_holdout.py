"""Which views are held out: every Nth by name, lists and files of names as people write them, and what can't be."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuraltexgen.errors import ConfigError
from neuraltexgen.holdout import held_out

NAMES = ("images/c.jpg", "images/a.jpg", "images/d.jpg", "images/b.jpg", "images/f.jpg", "images/e.jpg")


@given(st.lists(st.text("abc123", min_size=1, max_size=6), min_size=1, max_size=40, unique=True), st.integers(2, 50))
def test_every_nth_in_the_order_of_names_wherever_they_stand(names: list[str], step: int) -> None:
    held = held_out(names, str(step))
    if len(names) > step // 2 + 1:
        assert sorted(names[i] for i in held) == sorted(names)[::step]
    else:
        assert held == ()
    assert list(held) == sorted(set(held))
    assert len(held) < len(names)


def test_none_holds_nothing_out() -> None:
    assert held_out(NAMES, "none") == held_out(NAMES, " None ") == held_out((), "none") == ()


@pytest.mark.parametrize("choice", ["images/a.jpg,images/e.jpg", "e.jpg, a.jpg", " a ,e", "images/e.jpg,a,a.jpg,"])
def test_names_may_lack_their_folder_and_suffix(choice: str) -> None:
    assert held_out(NAMES, choice) == (1, 5)


@pytest.mark.parametrize("text", [b"a\ne\n", b"a\r\ne\r\n", b"\xef\xbb\xbfa\r\n\r\n  e.jpg  ", b"images/e.jpg\na"])
def test_a_file_of_names_as_any_editor_saves_it(text: bytes, tmp_path: Path) -> None:
    file = tmp_path / "held out.list"
    file.write_bytes(text)
    assert held_out(NAMES, str(file)) == (1, 5)


def test_names_that_are_numbers_are_a_list_once_there_is_a_comma() -> None:
    names = [str(i) for i in range(1, 11)]
    assert held_out(names, "3,5") == (2, 4)
    assert held_out(names, "3,") == (2,)
    assert len(held_out(names, "3")) == 4


def test_a_whole_name_comes_before_another_views_short_one() -> None:
    names = ("frame.color.jpg", "frame", "left/frame.jpg")
    assert held_out(names, "frame,") == (1,)
    assert held_out(names, "frame.jpg") == (2,)
    assert held_out(names, "frame.color") == (0,)


def test_more_names_than_a_path_can_hold_are_still_a_list() -> None:
    names = [f"photo_{i:04d}.jpg" for i in range(1000)]
    assert held_out(names, ",".join(names[::2])) == tuple(range(0, 1000, 2))


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("0", "every view"),
        ("1", "every view"),
        ("a,nobody,me", "2 of 3 names.*'nobody'"),
        ("²", "1 of 1 names"),
        ("", "0 of 0 names"),
        ("missing.txt", "no such file"),
        ("a,b,c,d,e,f", "all 6 views"),
    ],
)
def test_a_choice_that_cannot_be_is_an_error(choice: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        held_out(NAMES, choice)


def test_a_file_that_is_no_text_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "photo.png"
    file.write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(ConfigError, match="not a text file"):
        held_out(NAMES, str(file))
