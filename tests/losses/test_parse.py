"""How a user names losses: weights, layers, presets, plug-ins of installed packages, and functions of their own."""

from pathlib import Path

import pytest
import torch

from neuraltexgen.errors import LossError
from neuraltexgen.losses import HEADS, LOSSES, PRESETS, LossTerm, Objective, parse_loss, parse_losses, plugins

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


@pytest.mark.parametrize("name", LOSSES)
def test_a_name_alone_has_weight_one(name: str) -> None:
    assert parse_loss(name) == LossTerm(name, 1.0, LOSSES[name], ())


@pytest.mark.parametrize("name", HEADS)
def test_losses_on_features_have_no_function_and_their_own_layers(name: str) -> None:
    assert parse_loss(f"{name}=0.5") == LossTerm(name, 0.5, None, ())


@pytest.mark.parametrize(("text", "weight"), [("10", 10.0), ("0.25", 0.25), ("1e-3", 1e-3), ("0", 0.0), (" 2 ", 2.0)])
def test_weights(text: str, weight: float) -> None:
    assert parse_loss(f"l1={text}") == LossTerm("l1", weight, LOSSES["l1"])


@pytest.mark.parametrize(
    ("expression", "weight", "layers"),
    [
        ("vgg_style=10@relu3_3", 10.0, ("relu3_3",)),
        ("vgg_content@relu2_2+relu3_3", 1.0, ("relu2_2", "relu3_3")),
        ("gram_patch=1e5@relu1_1", 1e5, ("relu1_1",)),
        ("vgg_style=2 @ relu5_3", 2.0, ("relu5_3",)),
    ],
)
def test_layers_stand_behind_an_at(expression: str, weight: float, layers: tuple[str, ...]) -> None:
    term = parse_loss(expression)
    assert (term.weight, term.function, term.layers) == (weight, None, layers)


@pytest.mark.parametrize("expression", ["l1=1@relu3_3", "ssim@relu1_1", "own_losses:half=2@relu1_2"])
def test_only_losses_on_features_have_layers(expression: str) -> None:
    with pytest.raises(LossError, match="has no layers") as caught:
        parse_loss(expression)
    assert expression in caught.value.message


@pytest.mark.parametrize("layer", ["relu6_1", "conv1_1", "relu3_3=10", "relu2_2+", "3"])
def test_an_unknown_layer_is_answered_with_the_known_ones(layer: str) -> None:
    with pytest.raises(LossError, match="VGG-16 has no layer") as caught:
        parse_loss(f"vgg_style=1@{layer}")
    assert caught.value.fix is not None
    assert "relu1_1" in caught.value.fix
    assert "relu5_3" in caught.value.fix


def test_a_layer_counts_once_however_often_it_is_named() -> None:
    assert parse_loss("vgg_style=1@relu2_2+relu1_2+relu2_2").layers == ("relu2_2", "relu1_2")


@pytest.mark.parametrize(
    "expression",
    [
        *("l1", "gradient_l1=20", "own_losses:half=0.125", "l2=1e-07", "l1=0.123456789", "vgg_style=100000"),
        *("vgg_style=10@relu3_3", "vgg_content@relu2_2+relu3_3", "gram_patch=0.1@relu1_1", "lpips=1e+22"),
    ],
)
def test_a_term_writes_the_expression_that_it_was_read_from(expression: str) -> None:
    term = parse_loss(expression)
    assert parse_loss(term.expression) == term
    assert parse_losses([term.expression]) == (term,)


@pytest.mark.parametrize("factor", [1.0, 2.0, 0.5, 0.0])
@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_stands_for_its_parts_and_its_weight_multiplies_theirs(name: str, factor: float) -> None:
    terms = parse_losses([f"{name}={factor}"])
    plain = parse_losses(PRESETS[name][0])
    assert [(t.name, t.function, t.layers) for t in terms] == [(t.name, t.function, t.layers) for t in plain]
    assert [t.weight for t in terms] == [factor * t.weight for t in plain]


def test_expressions_keep_their_order_and_may_mix_presets_and_losses() -> None:
    terms = parse_losses(["l1=3", "photo=2", "vgg_content", "l1"])
    assert [(t.name, t.weight) for t in terms] == [("l1", 3.0), ("l2", 2.0), ("vgg_content", 1.0), ("l1", 1.0)]
    assert parse_losses([]) == ()


def test_a_preset_has_no_layers_and_is_no_loss() -> None:
    with pytest.raises(LossError, match="a preset takes no layers"):
        parse_losses(["style=1@relu3_3"])
    with pytest.raises(LossError, match="unknown loss 'photo'"):
        parse_loss("photo")


@pytest.mark.parametrize("expression", ["l3", "", "=2", "L1", "l1 l2", "vgg_styl=2@relu3_3"])
def test_an_unknown_name_is_answered_with_the_known_ones(expression: str) -> None:
    for parse in (parse_loss, lambda text: parse_losses([text])):
        with pytest.raises(LossError, match="unknown loss") as caught:
            parse(expression)
        assert caught.value.fix is not None
        known = caught.value.fix.replace(",", "").split()
        assert {*LOSSES, *HEADS, *PRESETS} <= set(known)
        assert "MODULE:FUNCTION" in known


@pytest.mark.parametrize("name", ["l1", "vgg_style", "photo"])
@pytest.mark.parametrize("text", ["ten", "1,5", "2=3", "--", "nan", "inf", "-inf", "-1", "1e999"])
def test_a_weight_must_be_a_number_finite_and_not_negative(name: str, text: str) -> None:
    with pytest.raises(LossError, match=r"weight|number"):
        parse_losses([f"{name}={text}"])


# A user's own functions


def test_a_users_own_loss_is_called_with_render_photo_valid() -> None:
    objective = Objective(["own_losses:half=2.0"])
    render, photo = torch.full((1, 3, 4, 4), 0.5), torch.full((1, 3, 4, 4), 0.1)
    assert objective(render, photo, torch.ones(1, 1, 4, 4, dtype=torch.bool)).item() == pytest.approx(0.16)


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


# Losses of installed packages


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package as pip leaves it, that offers losses: good ones, broken ones, and one under a name of ours."""
    site = tmp_path / "site"
    metadata = site / "sharp_losses-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: sharp-losses\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[neuraltexgen.losses]\n"
        "sharp_half = sharp_losses:half\n"
        "sharp_raises = sharp_losses:raises\n"
        "sharp_shape = sharp_losses:per_pixel\n"
        "sharp_gone = sharp_losses:gone\n"
        "sharp_absent = no_such_module_of_sharp:half\n"
        "sharp_table = sharp_losses:table\n"
        "l1 = sharp_losses:raises\n"
        "vgg_style = sharp_losses:raises\n"
        "[neuraltexgen.other]\n"
        "elsewhere = sharp_losses:half\n"
    )
    (site / "sharp_losses.py").write_text(OWN)
    monkeypatch.syspath_prepend(site)


@pytest.mark.usefixtures("installed")
def test_plug_ins_are_found_by_name_and_ours_stay_ours() -> None:
    found = plugins()
    assert set(found) == {f"sharp_{end}" for end in ("half", "raises", "shape", "gone", "absent", "table")}
    assert list(found) == sorted(found)
    assert found["sharp_half"].value == "sharp_losses:half"
    assert parse_loss("l1").function is LOSSES["l1"]
    assert parse_loss("vgg_style").function is None


@pytest.mark.usefixtures("installed")
def test_a_plug_in_is_a_loss_like_any_other() -> None:
    term = parse_loss("sharp_half=2")
    assert (term.name, term.weight, term.expression) == ("sharp_half", 2.0, "sharp_half=2")
    render, photo = torch.full((1, 3, 4, 4), 0.5), torch.full((1, 3, 4, 4), 0.1)
    value = Objective(["sharp_half=2", "l2"])(render, photo, torch.ones(1, 1, 4, 4, dtype=torch.bool))
    assert value.item() == pytest.approx(0.16 + 0.16)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("sharp_raises", "KeyError"),
        ("sharp_shape", "shape"),
        ("sharp_gone", "can't import the plug-in 'sharp_losses:gone'"),
        ("sharp_absent", "no_such_module_of_sharp"),
        ("sharp_table", "is no function"),
    ],
)
def test_a_broken_plug_in_is_told_by_name(name: str, says: str) -> None:
    with pytest.raises(LossError, match=says) as caught:
        parse_loss(name)
    assert repr(name) in caught.value.message


@pytest.mark.usefixtures("installed")
def test_plug_ins_are_among_the_known_names() -> None:
    with pytest.raises(LossError, match="unknown loss 'sharp'") as caught:
        parse_loss("sharp")
    assert "sharp_half" in str(caught.value.fix)


def test_without_such_a_package_there_are_none_of_its_losses() -> None:
    assert "sharp_half" not in plugins()
    with pytest.raises(LossError, match="unknown loss 'sharp_half'"):
        parse_loss("sharp_half")
