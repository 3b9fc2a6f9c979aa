"""`update`: photos added to a run are fitted, removed ones are not, held-out ones stay so; and what is refused."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from neuraltexgen.cli import main
from neuraltexgen.direct.kept import KeptSums, add_photos
from neuraltexgen.enhance import EnhanceSettings
from neuraltexgen.errors import ConfigError, FitError
from neuraltexgen.fall_off import Correction
from neuraltexgen.outcome import metrics
from neuraltexgen.pipeline import Job, Outcome, texture_capture
from neuraltexgen.point_spread import PointSpread
from neuraltexgen.readers import read_capture
from neuraltexgen.recipes import FitSettings
from neuraltexgen.response import Response
from neuraltexgen.training import Trained
from neuraltexgen.training_settings import TrainSettings
from neuraltexgen.update import UpdateSettings, check_job, keep_state, update_run
from neuraltexgen.update.state import STATE, RunState, load_run, save_run

pytestmark = pytest.mark.usefixtures("one_thread")

JOB = Job(train=TrainSettings(FitSettings(), texture_size=128, holdout="4"))
LATE = ("0006", "0007")
CPU = torch.device("cpu")


def without(capture: Path, folder: Path, names: tuple[str, ...]) -> Path:
    """A copy of the capture without some of its photos."""
    shutil.copytree(capture, folder)
    edit(folder, lambda frames: [f for f in frames if Path(f["file_path"]).stem not in names])
    return folder


def edit(capture: Path, change: Callable[[list[dict]], list[dict]]) -> None:
    model = json.loads((capture / "transforms.json").read_text())
    model["frames"] = change(model["frames"])
    (capture / "transforms.json").write_text(json.dumps(model))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("update")


@pytest.fixture(scope="module")
def small(room_capture: Path, folder: Path) -> Path:
    names = [Path(f["file_path"]).stem for f in json.loads((room_capture / "transforms.json").read_text())["frames"]]
    return without(room_capture, folder / "small", tuple(sorted(names)[-2:]))


@pytest.fixture(scope="module")
def run(small: Path, folder: Path) -> Path:
    """A run on six of the room's eight photos, two of them held out. Read only."""
    out = folder / "run"
    job = replace(JOB, cache=folder / "cache")
    keep_state(out, texture_capture(small, out, job), small)
    return out


@pytest.fixture(scope="module")
def grown(run: Path, room_capture: Path, folder: Path) -> Outcome:
    return update_run(run, UpdateSettings(capture=room_capture, out=folder / "grown"))


def names(outcome: Outcome, which: tuple[int, ...]) -> list[str]:
    return [outcome.scene.views[i].name for i in which]


def test_a_state_keeps_the_curve_that_straightens_photos(run: Path, tmp_path: Path) -> None:
    state, view = load_run(run, CPU), read_capture(load_run(run, CPU).capture).views[0]
    curve = Response((0.4, 0.1))
    save_run(tmp_path, replace(state, responses=((view.camera.height, view.camera.width, curve),)))
    assert load_run(tmp_path, CPU).correction(view).response == curve
    assert state.correction(view).response == Response()


def test_new_photos_are_fitted_and_held_out_ones_stay_so(run: Path, grown: Outcome, room_capture: Path) -> None:
    state = load_run(run, CPU)
    assert len(grown.trained.train) == 6
    assert names(grown, grown.trained.held) == list(state.held)
    figures = metrics(grown)
    assert figures["views"] == {"used": 8, "train": 6, "held_out": 2}
    assert [row["name"] for row in figures["exposure"]][:4] == list(state.fitted)
    fresh = texture_capture(room_capture, run.parent / "fresh", replace(JOB, cache=run.parent / "cache"))
    assert sorted(names(grown, grown.trained.train)) != sorted(state.fitted)
    # Other photos are held out of the fresh run, so only that both are alike can be said.
    assert abs(grown.trained.mean.psnr_fitted - fresh.trained.mean.psnr_fitted) < 3
    assert any("2 photos added, 0 removed" in note for note in grown.scene.notes)


def test_what_was_added_and_removed_again_leaves_the_texture(run: Path, grown: Outcome, folder: Path) -> None:
    new = names(grown, grown.trained.train)[-2:]
    there = update_run(folder / "grown", UpdateSettings(remove=(",".join(new),), out=folder / "back"))
    assert sorted(names(there, there.trained.train)) == sorted(load_run(run, CPU).fitted)
    known = there.trained.result.weight > 0.5
    first = np.asarray(Pillow.open(run / "texture.png"))[known].astype(float)
    assert np.abs(first - 255 * there.texture[known]).mean() < 1
    assert load_run(folder / "back", CPU).removed == tuple(new)
    with pytest.raises(ConfigError, match="no photo to add"):
        update_run(folder / "back", UpdateSettings())


def test_a_held_out_photo_that_is_added_is_fitted_from_then_on(run: Path, folder: Path) -> None:
    moved, stays = load_run(run, CPU).held
    outcome = update_run(run, UpdateSettings(add=(moved,), out=folder / "moved"))
    assert moved in names(outcome, outcome.trained.train)
    assert names(outcome, outcome.trained.held) == [stays]
    assert any("held out are fitted now" in note for note in outcome.scene.notes)


def test_what_was_left_out_of_a_photo_is_not_taken_out_again(small: Path, folder: Path) -> None:
    """Sums of a photo, of which a search for transients left out a half, come off as they were added."""
    out = folder / "halved"
    outcome = texture_capture(small, out, replace(JOB, cache=folder / "cache"))
    trained = outcome.trained
    first = trained.train[0]
    mask = np.zeros(trained.views[first].trust.shape, np.bool_)
    mask[:, : mask.shape[1] // 2] = True
    hiding = trained.views.hiding({trained.views.files[first]: mask})
    keep_state(out, replace(outcome, trained=replace(trained, views=hiding)), small)
    state, name = load_run(out, CPU), outcome.scene.views[first].name
    assert list(state.hidden) == [name]
    np.testing.assert_array_equal(state.hidden[name], mask)
    assert not without_first(out, trained, folder / "fewer").hidden


@pytest.mark.parametrize("around", [True, False])
def test_a_blurred_photo_is_taken_out_as_it_was_added(around: bool, small: Path, folder: Path) -> None:
    """Its pixels look around by Adam, and don't by the direct solver: the state tells which."""
    out = folder / f"blurred, around {around}"
    outcome = texture_capture(small, out, replace(JOB, cache=folder / "cache"))
    trained = outcome.trained
    view, file = outcome.scene.views[trained.train[0]], trained.views.files[trained.train[0]]
    blurred = trained.views.correcting({file: Correction(blur=PointSpread(2.0, 0.5, 1.0), around=around)})
    trained = replace(trained, views=blurred)
    keep_state(out, replace(outcome, trained=trained), small)
    assert load_run(out, CPU).correction(view) == blurred.corrections[file]
    without_first(out, trained, folder / f"without, around {around}")


def without_first(out: Path, trained: Trained, to: Path) -> RunState:
    """A run's state without its first photo, after a check that its sums are those of the rest."""
    state = load_run(out, CPU)
    update_run(out, UpdateSettings(remove=state.fitted[:1], out=to))
    left, rest = load_run(to, CPU), KeptSums.empty(state.kept.anchor)
    others = list(range(1, len(state.fitted)))
    fitted = trained.views.subset([trained.train[row] for row in others])
    add_photos(rest, fitted, state.figures.take(others), state.job.train.fit, 1)
    torch.testing.assert_close(left.kept.weight, rest.weight, rtol=0, atol=1e-4)
    torch.testing.assert_close(left.kept.looks, rest.looks, rtol=0, atol=1e-4)
    return left


def test_the_command_updates_a_run_where_it_lies(small: Path, room_capture: Path, folder: Path) -> None:
    out = folder / "by command"
    main(
        ["texture", str(small), "-o", str(out), "--texture-size", "128", "--holdout", "none", "--keep-state", "--quiet"]
    )
    before = (out / "texture.png").read_bytes()
    main(["update", str(out), "--capture", str(room_capture), "--quiet"])
    assert (out / "texture.png").read_bytes() != before
    assert json.loads((out / "metrics.json").read_text())["views"] == {"used": 8, "train": 8, "held_out": 0}
    assert {path.name for path in out.iterdir()} >= {STATE, "report.html", "mesh.glb", "config.json"}
    assert not (out / ".cache").exists()


def turned(frames: list[dict]) -> list[dict]:
    for frame in frames:
        frame["transform_matrix"][0][3] += 0.01
    return frames


REFUSALS: dict[str, tuple[Callable[[Path, Path], UpdateSettings], str]] = {
    "fitted already": (lambda run, _: UpdateSettings(add=load_run(run, CPU).fitted[:1]), "fitted already"),
    "not fitted": (lambda run, _: UpdateSettings(remove=load_run(run, CPU).held[:1]), "not among those"),
    "all": (lambda run, _: UpdateSettings(remove=load_run(run, CPU).fitted), "all 4 fitted photos"),
    "no photo's name": (lambda *_: UpdateSettings(add=("nobody",)), "--add: 1 of 1 names are no view's"),
    "cameras moved": (
        lambda run, small: UpdateSettings(remove=load_run(run, CPU).fitted[:1], capture=with_change(small, turned)),
        "stand elsewhere",
    ),
    "photos gone": (lambda _, small: UpdateSettings(capture=with_change(small, lambda f: f[:5])), "not in the capture"),
    "too little memory": (lambda run, _: UpdateSettings(remove=load_run(run, CPU).fitted[:1], memory=0.1), "needs at"),
}


def with_change(small: Path, change: Callable[[list[dict]], list[dict]]) -> Path:
    copy = small.parent / f"changed-{len(list(small.parent.iterdir()))}"
    shutil.copytree(small, copy)
    edit(copy, change)
    return copy


@pytest.mark.parametrize("name", REFUSALS)
def test_what_is_refused_and_changes_nothing(name: str, run: Path, small: Path) -> None:
    make, message = REFUSALS[name]
    before = {path.name: path.stat().st_mtime_ns for path in run.iterdir() if path.is_file()}
    with pytest.raises(ConfigError, match=message):
        update_run(run, make(run, small))
    assert {path.name: path.stat().st_mtime_ns for path in run.iterdir() if path.is_file()} == before


def test_a_photo_that_changed_cannot_be_taken_out(run: Path, small: Path) -> None:
    copy = with_change(small, lambda frames: frames)
    gone = load_run(run, CPU).fitted[0]
    photo = next(path for path in copy.rglob("*") if path.stem == Path(gone).stem and path.suffix in (".png", ".jpg"))
    pixels = 255 - np.asarray(Pillow.open(photo))
    photo.unlink()
    Pillow.fromarray(pixels).save(photo)
    with pytest.raises(ConfigError, match="have changed since"):
        update_run(run, UpdateSettings(remove=(gone,), capture=copy, out=small.parent / "not written"))


@pytest.mark.parametrize("damage", ["gone", "cut", "text", "version"])
def test_a_state_that_is_none(damage: str, run: Path, tmp_path: Path) -> None:
    whole = (run / STATE).read_bytes()
    if damage == "version":
        np.savez(tmp_path / STATE, words=np.array('{"version": 0}'))
    elif damage != "gone":
        (tmp_path / STATE).write_bytes(whole[: len(whole) // 2] if damage == "cut" else b"nothing")
    with pytest.raises(FitError if damage in ("cut", "text") else ConfigError, match=STATE):
        load_run(tmp_path, CPU)


@pytest.mark.parametrize(
    ("job", "message"),
    [
        (replace(JOB, enhance=EnhanceSettings(denoise=1.0)), "enhanced photos"),
        (replace(JOB, refine="cameras"), "refined cameras"),
        (replace(JOB, train=replace(JOB.train, sampling="mip")), "sampling mip"),
        (replace(JOB, train=replace(JOB.train, fit=FitSettings(losses=("l1",)))), "fit of l1"),
    ],
)
def test_runs_whose_photos_do_not_add_up_are_refused(job: Job, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_job(job)
