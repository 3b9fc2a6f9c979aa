"""The table of losses and how a user names them, a function of their own included."""

from pathlib import Path

import pytest
import torch

from neuraltexgen.errors import LossError
from neuraltexgen.losses import LOSSES, LossTerm, parse_loss, total

OWN = '''
import torch

def half(render, photo, valid):
    """Half the squared difference, over valid pixels."""
    return 0.5 * torch.where(valid, render - photo, 0).square().mean()

def raises(render, photo, valid):
    raise KeyError("weights.pt")

def takes_two(render, photo):
    return (render - photo).mean()

def per_pixel(render, photo, valid):
    return (render - photo).abs()

def one_in_a_list(render, photo, valid):
    return (render - photo).abs().mean().reshape(1)

def number(render, photo, valid):
    return 0.5

def constant(render, photo, valid):
    return torch.tensor(0.5)

table = {"half": half}
'''


@pytest.fixture(autouse=True)
def own_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_losses.py").write_text(OWN)
    (tmp_path / "own_broken.py").write_text("def half(render, photo, valid:\n")
    (tmp_path / "own_failing.py").write_text("SETTINGS = {}['missing']\n")
    (tmp_path / "own_needy.py").write_text("import a_module_that_is_nowhere\n")
    monkeypatch.syspath_prepend(tmp_path)


def test_the_table_is_sorted_and_each_row_says_what_it_measures() -> None:
    assert list(LOSSES) == sorted(LOSSES)
    assert set(LOSSES) >= {"l1", "l2", "huber", "charbonnier", "gradient_l1"}
    assert all(loss.__doc__ for loss in LOSSES.values())


@pytest.mark.parametrize("name", LOSSES)
def test_a_name_alone_has_weight_one(name: str) -> None:
    assert parse_loss(name) == LossTerm(name, 1.0, LOSSES[name])


@pytest.mark.parametrize(("text", "weight"), [("10", 10.0), ("0.25", 0.25), ("1e-3", 1e-3), ("0", 0.0), (" 2 ", 2.0)])
def test_weights(text: str, weight: float) -> None:
    assert parse_loss(f"l1={text}") == LossTerm("l1", weight, LOSSES["l1"])


@pytest.mark.parametrize("expression", ["l1", "gradient_l1=20", "own_losses:half=0.125", "l2=1e-07", "l1=0.123456789"])
def test_a_term_writes_the_expression_that_it_was_read_from(expression: str) -> None:
    term = parse_loss(expression)
    assert parse_loss(term.expression) == term


def test_a_users_own_loss_is_called_with_render_photo_valid() -> None:
    term = parse_loss("own_losses:half=2.0")
    render, photo = torch.full((1, 3, 4, 4), 0.5), torch.full((1, 3, 4, 4), 0.1)
    assert total((term,), render, photo, torch.ones(1, 1, 4, 4, dtype=torch.bool)).item() == pytest.approx(0.16)


def test_the_total_is_the_weighted_sum() -> None:
    generator = torch.Generator().manual_seed(0)
    render, photo = torch.rand(2, 2, 3, 8, 8, generator=generator, dtype=torch.float64)
    valid = torch.rand(2, 1, 8, 8, generator=generator) < 0.7
    terms = tuple(parse_loss(text) for text in ("l1=10", "gradient_l1=20", "l2=0"))
    expected = 10 * LOSSES["l1"](render, photo, valid) + 20 * LOSSES["gradient_l1"](render, photo, valid)
    torch.testing.assert_close(total(terms, render, photo, valid), expected)


@pytest.mark.parametrize("expression", ["l3", "", "=2", "L1", "l1 l2"])
def test_an_unknown_name_is_answered_with_the_known_ones(expression: str) -> None:
    with pytest.raises(LossError, match="unknown loss") as caught:
        parse_loss(expression)
    assert caught.value.fix is not None
    assert all(name in caught.value.fix for name in LOSSES)


@pytest.mark.parametrize("text", ["ten", "1,5", "2=3", "--", "nan", "inf", "-inf", "-1", "1e999"])
def test_a_weight_must_be_a_number_finite_and_not_negative(text: str) -> None:
    with pytest.raises(LossError, match=r"weight|number"):
        parse_loss(f"l1={text}")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nowhere_at_all:half", "nowhere_at_all"),
        ("own_broken:half", "SyntaxError"),
        ("own_failing:half", "KeyError"),
        ("own_needy:half", "a_module_that_is_nowhere"),
        (":half", "import"),
        (".:half", "import"),
        ("own_losses:", "no function"),
        ("own_losses:absent", "no function 'absent'"),
        ("own_losses:table", "no function 'table'"),
        ("own_losses:raises", "KeyError"),
        ("own_losses:takes_two", "TypeError"),
        ("own_losses:per_pixel", "shape"),
        ("own_losses:one_in_a_list", "shape"),
        ("own_losses:number", "float"),
        ("own_losses:constant", "RuntimeError"),
    ],
)
def test_a_broken_loss_is_told_before_the_fit(name: str, says: str) -> None:
    with pytest.raises(LossError, match=says) as caught:
        parse_loss(f"{name}=1")
    assert name in caught.value.message
