"""Which photos come to a run and which leave it, by their names; and whether the capture is still the run's."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neuraltexgen.errors import ConfigError
from neuraltexgen.holdout import listed_names, named_views
from neuraltexgen.scene import View
from neuraltexgen.update.state import RunState

MOVED = 1e-6
"""Difference of two poses' entries, relative to the larger one or to 1, below which they are one pose."""


@dataclass(frozen=True)
class Change:
    """Names of photos: added, removed; and those that are fitted and held out afterwards. `notes`: for the report."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    fitted: tuple[str, ...]
    held: tuple[str, ...]
    notes: tuple[str, ...]


def choose(state: RunState, views: Sequence[View], add: Sequence[str], remove: Sequence[str]) -> Change:
    """What is asked for: names, lists of names with commas, or text files of names, one a line. With neither, every
    photo of the capture that the run has never had is added. A held-out photo that is added is fitted from then on.

    Raises ConfigError: names that are no photo's, a photo that is fitted already or is none to remove, nothing to do,
    or nothing left.
    """
    names = [view.name for view in views]
    _check_complete(state, names)
    known = {*state.fitted, *state.held, *state.removed}
    added = _named(names, add, "--add") if add or remove else tuple(name for name in names if name not in known)
    removed = _named(names, remove, "--remove")
    _check(state, added, removed)
    fitted = tuple(name for name in state.fitted if name not in removed) + added
    if not fitted:
        raise ConfigError(f"all {len(state.fitted)} fitted photos would be removed", fix="keep some of them")
    held = tuple(name for name in state.held if name not in added)
    moved = len(state.held) - len(held)
    notes = [f"update: {len(added)} photos added, {len(removed)} removed; {len(fitted)} are fitted now"]
    if moved:
        notes.append(f"{moved} photos that were held out are fitted now: the scores are over the other {len(held)}")
    unused = len(names) - len(fitted) - len(held)
    if unused:
        notes.append(f"{unused} photos of the capture are not in the texture")
    return Change(added, removed, fitted, held, tuple(notes))


def check_poses(state: RunState, views: Sequence[View]) -> None:
    """Raises ConfigError if cameras of the run stand elsewhere now, so that new ones do not fit the mesh."""
    now = {view.name: view.cam_from_world for view in views}
    moved = [
        name
        for name, pose in zip(state.fitted, state.poses, strict=True)
        if np.abs(now[name] - pose).max() > MOVED * max(1.0, float(np.abs(pose).max()))
    ]
    if moved:
        raise ConfigError(
            f"{len(moved)} of the run's {len(state.fitted)} cameras stand elsewhere in this capture "
            f"(first: {moved[0]!r})",
            fix="add the new photos to the cameras as they were, or texture the capture anew",
        )


def _named(names: Sequence[str], choices: Sequence[str], option: str) -> tuple[str, ...]:
    wanted = [name for choice in choices for name in listed_names(choice, option)]
    return tuple(names[i] for i in sorted(named_views(names, wanted, option))) if choices else ()


def _check_complete(state: RunState, names: Sequence[str]) -> None:
    present = set(names)
    known = (*state.fitted, *state.held)
    missing = [name for name in known if name not in present]
    if missing:
        raise ConfigError(
            f"{len(missing)} of the run's {len(known)} photos are not in the capture (first: {missing[0]!r})",
            fix="--capture CAPTURE with the run's photos and the new ones",
        )


def _check(state: RunState, added: tuple[str, ...], removed: tuple[str, ...]) -> None:
    again = [name for name in added if name in state.fitted]
    if again:
        raise ConfigError(f"--add: {len(again)} of {len(added)} photos are fitted already (first: {again[0]!r})")
    foreign = [name for name in removed if name not in state.fitted]
    if foreign:
        raise ConfigError(
            f"--remove: {len(foreign)} of {len(removed)} photos are not among those that were fitted "
            f"(first: {foreign[0]!r})"
        )
    if not added and not removed:
        raise ConfigError("there is no photo to add: the run has all of the capture's", fix="--add or --remove NAMES")
