"""What may be wrong about the intrinsics, one row each: pixel centres, principal point, focal length, distortion."""

from collections.abc import Callable
from dataclasses import replace

from neuraltexgen.doctor.candidate import Candidate
from neuraltexgen.doctor.hypotheses import Hypothesis
from neuraltexgen.errors import CameraError
from neuraltexgen.geometry import check_camera, colmap_camera
from neuraltexgen.scene import Camera

Change = Callable[[Camera, dict[str, float]], dict[str, float]]
"""From a camera and its parameters by name to the ones that differ."""


def lens_hypotheses() -> tuple[Hypothesis, ...]:
    """Every row of LENS_ROWS as a hypothesis."""
    return tuple(
        Hypothesis(f"{group.replace(' ', '-')}:{name}", group, sentence, _changed(change))
        for group, name, sentence, change in LENS_ROWS
    )


def parameter_names(camera: Camera) -> tuple[str, ...]:
    """COLMAP's names of the model's parameters, in order."""
    return tuple(name.strip() for name in colmap_camera(camera).params_info.split(","))


def _changed(change: Change) -> Callable[[Candidate], Candidate | None]:
    def apply(candidate: Candidate) -> Candidate | None:
        try:
            by_camera = {camera: _camera(camera, change) for camera in set(candidate.cameras)}
        except (CameraError, KeyError):
            return None  # the model has no such parameter, or the result is no lens
        if all(old == new for old, new in by_camera.items()):
            return None
        return replace(candidate, cameras=tuple(by_camera[camera] for camera in candidate.cameras))

    return apply


def _camera(camera: Camera, change: Change) -> Camera:
    names = parameter_names(camera)
    values = dict(zip(names, camera.params, strict=True))
    values |= change(camera, values)
    result = replace(camera, params=tuple(values[name] for name in names))
    check_camera(result)
    return result


def _shifted(by: float) -> Change:
    return lambda camera, v: {"cx": v["cx"] + by, "cy": v["cy"] + by}


def _scaled(names: tuple[str, ...], factor: Callable[[Camera], float]) -> Change:
    return lambda camera, v: {name: v[name] * factor(camera) for name in names if name in v}


def _radial(v: dict[str, float]) -> list[str]:
    return [name for name in v if name.startswith("k") and name[1:] in ("", "0", "1", "2", "3", "4", "5", "6")]


def _coefficients(v: dict[str, float]) -> list[str]:
    return [*_radial(v), *(name for name in ("p1", "p2") if name in v)]


def _tangential(change: Callable[[float, float], tuple[float, float]]) -> Change:
    return lambda camera, v: dict(zip(("p1", "p2"), change(v["p1"], v["p2"])))


FOCAL, SIZE = ("f", "fx", "fy"), ("f", "fx", "fy", "cx", "cy")
FACTORS = (("half", 0.5), ("double", 2.0), ("quarter", 0.25), ("fourfold", 4.0), ("third", 1 / 3), ("threefold", 3.0))

LENS_ROWS: tuple[tuple[str, str, str, Change], ...] = (
    (
        "pixel centres",
        "plus-half",
        "the centre of the top-left pixel was counted as (0, 0): half a pixel is to be added",
        _shifted(0.5),
    ),
    (
        "pixel centres",
        "minus-half",
        "half a pixel was added to the principal point that already had it",
        _shifted(-0.5),
    ),
    (
        "principal point",
        "centre",
        "the principal point stated is that of another photo; the photo's centre fits better",
        lambda c, v: {"cx": c.width / 2, "cy": c.height / 2},
    ),
    (
        "principal point",
        "swapped",
        "cx and cy are exchanged",
        lambda c, v: {"cx": v["cy"], "cy": v["cx"]},
    ),
    (
        "principal point",
        "from-below",
        "cy is counted from the photo's lower edge",
        lambda c, v: {"cx": v["cx"], "cy": c.height - v["cy"]},
    ),
    (
        "principal point",
        "from-right",
        "cx is counted from the photo's right edge",
        lambda c, v: {"cx": c.width - v["cx"], "cy": v["cy"]},
    ),
    (
        "principal point",
        "from-far-corner",
        "cx and cy are counted from the photo's lower right corner",
        lambda c, v: {"cx": c.width - v["cx"], "cy": c.height - v["cy"]},
    ),
    (
        "principal point",
        "from-centre",
        "cx and cy are offsets from the photo's centre",
        lambda c, v: {"cx": v["cx"] + c.width / 2, "cy": v["cy"] + c.height / 2},
    ),
    (
        "principal point",
        "from-centre-y-up",
        "cx and cy are offsets from the photo's centre, y up",
        lambda c, v: {"cx": v["cx"] + c.width / 2, "cy": c.height / 2 - v["cy"]},
    ),
    *(
        (
            "intrinsics size",
            name,
            f"the intrinsics are for photos of another size: all of them times {factor:.3g}",
            _scaled(SIZE, lambda c, factor=factor: factor),
        )
        for name, factor in FACTORS
    ),
    *(
        (
            "focal length",
            name,
            f"the focal length alone is times {factor:.3g}",
            _scaled(FOCAL, lambda c, factor=factor: factor),
        )
        for name, factor in FACTORS[:2]
    ),
    (
        "focal length",
        "swapped",
        "fx and fy are exchanged",
        lambda c, v: {"fx": v["fy"], "fy": v["fx"]},
    ),
    (
        "focal length",
        "by-width",
        "the field of view is across the width where the height was taken",
        _scaled(FOCAL, lambda c: c.width / c.height),
    ),
    (
        "focal length",
        "by-height",
        "the field of view is across the height where the width was taken",
        _scaled(FOCAL, lambda c: c.height / c.width),
    ),
    (
        "distortion",
        "none",
        "the photos are undistorted already: all coefficients are 0",
        lambda c, v: dict.fromkeys(_coefficients(v), 0.0),
    ),
    ("distortion", "p-swapped", "p1 and p2 are exchanged", _tangential(lambda a, b: (b, a))),
    ("distortion", "p-negated", "p1 and p2 have the other sign", _tangential(lambda a, b: (-a, -b))),
    (
        "distortion",
        "p-swapped-negated",
        "p1 and p2 are exchanged, with the other sign",
        _tangential(lambda a, b: (-b, -a)),
    ),
    ("distortion", "p1-negated", "p1 has the other sign", _tangential(lambda a, b: (-a, b))),
    ("distortion", "p2-negated", "p2 has the other sign", _tangential(lambda a, b: (a, -b))),
    (
        "distortion",
        "k-negated",
        "the radial coefficients have the other sign",
        lambda c, v: {k: -v[k] for k in _radial(v)},
    ),
    (
        "distortion",
        "negated",
        "all coefficients have the other sign",
        lambda c, v: {name: -v[name] for name in _coefficients(v)},
    ),
)
"""Group, name, sentence, change."""
