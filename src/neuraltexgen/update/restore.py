"""Settings from JSON: the inverse of `files.plain` for our frozen dataclasses."""

import types
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


def restored(kind: Any, value: Any) -> Any:
    """The value of a declared type that `files.plain` turned into `value`.

    Known are dataclasses of known types, None, bool, int, float, str, paths, literals, tuples and unions of these.
    What the value lacks takes its default. Raises ValueError: a value that is of none of the types.
    """
    if is_dataclass(kind) and isinstance(kind, type) and isinstance(value, dict):
        hints = get_type_hints(kind)
        return kind(**{f.name: restored(hints[f.name], value[f.name]) for f in fields(kind) if f.name in value})
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _first(arguments, value)
    if origin is Literal and value in arguments:
        return value
    if origin is tuple and isinstance(value, list):
        kinds = (arguments[0],) * len(value) if arguments[-1] is Ellipsis else arguments
        if len(kinds) == len(value):
            return tuple(restored(each, item) for each, item in zip(kinds, value, strict=True))
    if kind is Path and isinstance(value, str):
        return Path(value)
    if kind is float and type(value) is int:
        return float(value)
    if kind in (bool, int, float, str, types.NoneType) and type(value) is kind:
        return value
    raise ValueError(f"{value!r} is no {kind}")


def _first(kinds: Sequence[Any], value: Any) -> Any:
    """By the first type of a union that takes the value; a path, which any string is, comes last."""
    for kind in sorted(kinds, key=lambda kind: kind is Path):
        try:
            return restored(kind, value)
        except (ValueError, TypeError):
            continue
    raise ValueError(f"{value!r} is none of {kinds}")
