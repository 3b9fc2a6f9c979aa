"""Which views are held out of the fit, to be scored afterwards."""

from collections.abc import Sequence
from pathlib import Path

from neuraltexgen.errors import ConfigError


def held_out(names: Sequence[str], choice: str) -> tuple[int, ...]:
    """Indices of the views to hold out, in order.

    `choice`: "none"; a number N for every Nth view in sorted order of names, the first included; a text file with one
    name per line; or names separated by commas. A name may lack its folder and its suffix.
    Raises ConfigError: N below 2, a name that no view has, or nothing left to fit.
    """
    if choice.strip().lower() == "none":
        return ()
    if choice.strip().isdecimal():
        step = int(choice)
        if step < 2:
            raise ConfigError(f"--holdout {choice}: every view would be held out", fix="--holdout 8, a list, or none")
        by_name = sorted(range(len(names)), key=lambda i: names[i])
        chosen = set(by_name[::step]) if len(names) > step // 2 + 1 else set()
    else:
        chosen = named_views(names, listed_names(choice, "--holdout"), "--holdout")
    if len(chosen) >= len(names):
        raise ConfigError(f"all {len(names)} views would be held out, none is left to fit", fix="--holdout none")
    return tuple(sorted(chosen))


def listed_names(choice: str, option: str) -> list[str]:
    """The names in a text file, one a line, or in a list with commas. `option`: what an error calls it.

    Raises ConfigError: a file that is not there, or no text.
    """
    path = Path(choice)
    try:
        if path.is_file():
            return [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise ConfigError(f"{option} {choice}: not a text file", fix="a text file with one name per line") from error
    except (OSError, ValueError):
        pass  # too long for a path, or no path at all: a list
    if path.suffix == ".txt" and "," not in choice:
        raise ConfigError(f"{option} {choice}: no such file")
    return [name.strip() for name in choice.split(",") if name.strip()]


def named_views(names: Sequence[str], wanted: Sequence[str], option: str) -> set[int]:
    """Indices of the views of some names, which may lack their folder and suffix. Raises ConfigError: no view's."""
    index: dict[str, int] = {}
    for alias in (str, _file_name, _stem, _first_part):  # a whole name comes before another view's short one
        for i, name in enumerate(names):
            index.setdefault(alias(name), i)
    unknown = [name for name in wanted if name not in index]
    if unknown or not wanted:
        raise ConfigError(
            f"{option}: {len(unknown)} of {len(wanted)} names are no view's (first: {next(iter(unknown), '-')!r})",
            fix=f"views are named like {names[0]!r}; neuraltexgen info CAPTURE says which were left out",
        )
    return {index[name] for name in wanted}


def _file_name(name: str) -> str:
    return Path(name).name


def _stem(name: str) -> str:
    return Path(name).stem


def _first_part(name: str) -> str:
    return Path(name).name.split(".")[0]
