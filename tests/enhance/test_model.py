"""Model files: what is read, what is refused, and that nothing in them is run."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from models import compact, write_model
from neuraltexgen.enhance.model import Upscaler, import_spandrel, load_upscaler
from neuraltexgen.errors import EnhanceError

CPU = torch.device("cpu")


def picture() -> torch.Tensor:
    return torch.rand(3, 20, 26, generator=torch.Generator().manual_seed(0))


def refused(file: Path) -> str:
    with pytest.raises(EnhanceError) as caught:
        load_upscaler(file, CPU)
    assert caught.value.fix
    return caught.value.message


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("scale", [1, 2, 4])
def test_a_model_that_repeats_pixels_repeats_them(tmp_path: Path, suffix: str, scale: int) -> None:
    file = write_model(tmp_path / f"model{suffix}", compact(scale))
    model = load_upscaler(file, CPU)
    expected = picture().repeat_interleave(scale, dim=1).repeat_interleave(scale, dim=2)
    torch.testing.assert_close(model(picture()), expected)
    assert (model.scale, model.architecture, model.tiles) == (scale, "RealESRGAN Compact", True)
    assert model.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_both_kinds_of_file_hold_the_same_model(tmp_path: Path) -> None:
    weights = compact(2, strength=0.3)
    one, other = (load_upscaler(write_model(tmp_path / f"m{s}", weights), CPU) for s in (".pth", ".safetensors"))
    assert torch.equal(one(picture()), other(picture()))
    nearest = load_upscaler(write_model(tmp_path / "nearest.pth", compact(2)), CPU)
    assert (one(picture()) - nearest(picture())).abs().max() > 0.01


def test_an_esrgan_is_known_too(tmp_path: Path) -> None:
    from spandrel.architectures.ESRGAN import ESRGAN

    torch.manual_seed(0)
    network = ESRGAN(num_filters=4, num_blocks=1, scale=2)
    model = load_upscaler(write_model(tmp_path / "esrgan.pth", network.state_dict()), CPU)
    assert (model.architecture, model.scale) == ("ESRGAN", 2)
    with torch.no_grad():
        expected = network.eval()(picture()[None])[0].clamp(0, 1)
    torch.testing.assert_close(model(picture()), expected)


def test_files_that_are_no_models(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "gone.pth")
    assert "not a model's suffix" in refused(tmp_path / "model.onnx")
    for suffix in (".pth", ".safetensors"):
        file = tmp_path / f"text{suffix}"
        file.write_text("not a model")
        assert "damaged" in refused(file)
        whole = write_model(tmp_path / f"whole{suffix}", compact())
        file.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
        assert "damaged" in refused(file)
    torch.save([1, 2, 3], tmp_path / "list.pth")
    assert "holds a list" in refused(tmp_path / "list.pth")
    save_file({"something": torch.zeros(3)}, tmp_path / "else.safetensors")
    assert "knows no architecture" in refused(tmp_path / "else.safetensors")


def test_weights_that_do_not_fit_their_architecture(tmp_path: Path) -> None:
    weights = compact()
    weights["body.2.weight"] = torch.zeros(5, 4, 3, 3)
    assert "damaged" in refused(write_model(tmp_path / "odd.pth", weights))


class Sneaky:
    """What a file could do if it were unpickled freely."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "it ran"
    torch.save({"params": compact(), "more": Sneaky(mark)}, tmp_path / "sneaky.pth")
    assert "plain weights" in refused(tmp_path / "sneaky.pth")
    assert not mark.exists()
    torch.load(tmp_path / "sneaky.pth", weights_only=False)
    assert mark.exists()  # it would have


def test_models_for_other_pictures_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grey = write_model(tmp_path / "grey.pth", compact(channels=1))
    assert "takes 1 channels and gives 1" in refused(grey)
    spandrel = import_spandrel()
    faces = spandrel.ModelLoader().load_from_state_dict(compact())
    monkeypatch.setattr(faces, "_purpose", "FaceSR")
    monkeypatch.setattr(spandrel.ModelLoader, "load_from_state_dict", lambda *_: faces)
    assert "made for FaceSR" in refused(write_model(tmp_path / "faces.pth", compact()))


def test_values_that_are_not_finite_are_an_error(tmp_path: Path) -> None:
    weights = compact()
    weights["body.6.bias"][0] = torch.nan
    model = load_upscaler(write_model(tmp_path / "nan.pth", weights), CPU)
    with pytest.raises(EnhanceError, match="not finite"):
        model(picture())


def test_what_overflows_half_precision_is_done_again_in_single_precision() -> None:
    class Overflowing:
        """As a network in half precision whose inner values pass 65504."""

        dtype = torch.float16

        def __call__(self, tile: torch.Tensor) -> torch.Tensor:
            assert tile.dtype == self.dtype
            return (tile + 1e5) - 1e5 if self.dtype == torch.float16 else tile

        def float(self) -> None:
            self.dtype = torch.float32

    model = Upscaler(Path("m.pth"), "", "made up", 1, True, CPU, Overflowing())
    torch.testing.assert_close(model(picture()), picture())


def test_without_spandrel_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_model(tmp_path / "m.pth", compact())
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(EnhanceError) as caught:
        load_upscaler(file, CPU)
    assert "spandrel" in caught.value.message
    assert caught.value.fix == "pip install 'neuraltexgen[superres]'"


@pytest.mark.parametrize("how", ["missing", "broken"])
def test_spandrel_loads_where_torchvision_does_not(how: str, tmp_path: Path) -> None:
    """In a process of its own, where torchvision is hidden, or there but built for another torch."""
    hide = "sys.modules['torchvision'] = None"
    if how == "broken":
        (tmp_path / "torchvision.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
        hide = f"sys.path.insert(0, {str(tmp_path)!r})"
    code = f"""
import sys
{hide}
from neuraltexgen.enhance.model import import_spandrel
before = sys.modules.get("torchvision", "absent")
spandrel = import_spandrel()
assert sys.modules.get("torchvision", "absent") == before, "the stand-in stayed"
assert not [name for name in sys.modules if name.startswith("torchvision.")]
assert len(list(spandrel.MAIN_REGISTRY.architectures())) > 30
from spandrel.architectures.LaMa.__arch import LaMa
for use in (LaMa.rotate, lambda: LaMa.InterpolationMode.BILINEAR):
    try:
        use()
    except ModuleNotFoundError as error:
        assert "torchvision" in str(error)
    else:
        raise AssertionError("a stand-in was used")
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr
