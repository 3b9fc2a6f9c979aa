"""The errors that a made-up capture can be given on purpose, each of a known size; and how a text names them."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from neuraltexgen.errors import ConfigError


@dataclass(frozen=True)
class Planted:
    """What is wrong with the capture; all off by default.

    `pose`: how far the stated poses are off: the median angle in degrees and the median distance between stated and
    true place of the camera in millimetres. `focal`: the stated focal length over the true one. `exposure`: the
    standard deviation of the log gain of a view. `noise`: of each value of a photo, whose range is [0, 1].
    `vignetting`: the share of light lost at the image's corners. `person`: the share of photos that someone walks
    through, who is not in the mesh. `blur`: the share of photos that are blurred, half of them by motion and half out
    of focus, and the mean size of that in pixels. `gloss`: how much brighter, of 1, a surface is where it mirrors a
    light. `response`: how far the camera's curve is bent into an S, see `photograph.respond`; at 1 its ends are flat.
    Raises ConfigError: a number out of range.
    """

    pose: tuple[float, float] = (0.0, 0.0)
    focal: float = 1.0
    exposure: float = 0.0
    noise: float = 0.0
    vignetting: float = 0.0
    person: float = 0.0
    blur: tuple[float, float] = (0.0, 0.0)
    gloss: float = 0.0
    response: float = 0.0

    def __post_init__(self) -> None:
        numbers = {"degrees": self.pose[0], "millimetres": self.pose[1], "exposure": self.exposure, "noise": self.noise}
        for name, value in numbers.items():
            if not 0 <= value < math.inf:
                raise ConfigError(f"planted: {name} must be a finite number of at least 0, got {value}")
        shares = {"vignetting": self.vignetting, "the share of people": self.person, "of blurred photos": self.blur[0]}
        shares |= {"gloss": self.gloss, "response": self.response}
        for name, value in shares.items():
            if not 0 <= value <= 1:
                raise ConfigError(f"planted: {name} must be in 0 to 1, got {value}")
        if not 0 <= self.blur[1] <= 50:
            raise ConfigError(f"planted: a blur of {self.blur[1]} pixels: 0 to 50 are possible")
        if not 0.1 <= self.focal <= 10:
            raise ConfigError(f"planted: the focal length may be off by a factor of 0.1 to 10, got {self.focal}")


def plant(expressions: Iterable[str]) -> Planted:
    """The errors that texts as `pose:0.5:10` or `focal:1.05` name: a field of `Planted` and its numbers, in order.

    Raises ConfigError: an unknown name, one given twice, a wrong count of numbers, no number, or one out of range.
    """
    given: dict[str, float | tuple[float, ...]] = {}
    for text in expressions:
        name, *rest = text.split(":")
        if name not in FORMS:
            raise ConfigError(f"--plant {text}: nothing is called {name!r}", fix=f"one of {', '.join(FORMS.values())}")
        if name in given:
            raise ConfigError(f"--plant {text}: {name} is given twice", fix="leave one of them out")
        count = FORMS[name].count(":")
        numbers = _numbers(rest)
        if len(numbers) != count:
            raise ConfigError(f"--plant {text}: not of the form {FORMS[name]}", fix=f"for example {EXAMPLES[name]}")
        given[name] = numbers[0] if count == 1 else numbers
    return Planted(**given)  # pyright: ignore[reportArgumentType]  (FORMS and the fields agree: a test)


def _numbers(texts: list[str]) -> tuple[float, ...]:
    """The numbers, or none where a text is no number."""
    try:
        return tuple(float(text) for text in texts)
    except ValueError:
        return ()


FORMS = {
    "pose": "pose:DEGREES:MILLIMETRES",
    "focal": "focal:FACTOR",
    "exposure": "exposure:SPREAD",
    "noise": "noise:SIGMA",
    "vignetting": "vignetting:SHARE",
    "person": "person:SHARE",
    "blur": "blur:SHARE:PIXELS",
    "gloss": "gloss:SHARE",
    "response": "response:SHARE",
}
EXAMPLES = {
    "pose": "pose:0.5:10",
    "focal": "focal:1.05",
    "exposure": "exposure:0.3",
    "noise": "noise:0.01",
    "vignetting": "vignetting:0.3",
    "person": "person:0.2",
    "blur": "blur:0.33:4",
    "gloss": "gloss:0.3",
    "response": "response:0.4",
}
