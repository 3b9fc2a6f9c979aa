"""A run's outcome in words: the lines that the command line prints, and what the report and the figures share."""

from typing import Any

import numpy as np

from neuraltexgen.fall_off import FallOff
from neuraltexgen.metrics import Score
from neuraltexgen.pipeline import Outcome
from neuraltexgen.point_spread import SHARP, PointSpread
from neuraltexgen.refine.words import camera_rows
from neuraltexgen.response import Response


def summary(outcome: Outcome) -> tuple[tuple[str, str], ...]:
    """The main figures as (label, value)."""
    trained = outcome.trained
    rows = [
        ("capture", f"{outcome.scene.name} ({outcome.scene.format})"),
        (
            "views",
            f"{len(trained.train)} fitted, {len(trained.held)} held out, {len(outcome.scene.left_out)} left out",
        ),
        ("mesh", f"{len(outcome.mesh.faces):,} faces, uvs by {outcome.unwrapped_by}"),
        ("texture", f"{texture_words(outcome, ' x ')} texels"),
        ("surface seen", f"{1 - outcome.filled_texels / max(outcome.surface_texels, 1):.1%} of its texels"),
        ("seams", f"{255 * outcome.seam_step:.2f} of 255 colour levels between their two sides"),
    ]
    rows.append(("fitted by", solver_words(outcome)))
    for lens in fall_off_figures(outcome):
        size = f"{lens['width']} x {lens['height']}"
        rows.append(("fall-off", f"corners of {size} photos get {lens['corner']:.0%} of the centre's values"))
    for curve in response_figures(outcome):
        size = f"{curve['width']} x {curve['height']}"
        rows.append(("response", f"the curve of {size} photos moves values by up to {255 * curve['bend']:.0f} of 255"))
    of_stop = None if outcome.trained.equalised is None else outcome.trained.equalised.of_stop
    if of_stop is not None:
        rows.append(("EXIF", f"exposures agree with the photos: {np.exp(of_stop):.2f} times as bright a stop"))
    blurred = sum(blur != SHARP for *_, blur in exposure_rows(outcome))
    if blurred:
        rows.append(("blurred", f"{blurred} of {len(fitted_names(outcome))} photos, beside the others (metrics.json)"))
    if outcome.trained.scores:
        rows += score_rows(outcome.trained.mean)
    rows += camera_rows(outcome.refined, outcome.aligned)
    if trained.settings.style is not None:
        rows.append(("style", f"{trained.settings.style.picture.name}, put on after the texture was scored"))
    rows.append(("time", ", ".join(f"{name} {seconds:.0f} s" for name, seconds in outcome.seconds.items())))
    return tuple(rows)


def score_rows(mean: Score) -> list[tuple[str, str]]:
    """A score's figures as (label, value)."""
    return [
        ("held-out PSNR", f"{mean.psnr_fitted:.2f} dB after a colour fit per view, {mean.psnr:.2f} dB as it is"),
        ("held-out SSIM", f"{mean.ssim_fitted:.3f} after the colour fit, {mean.ssim:.3f} as it is"),
        ("sharpness", f"{mean.sharpness:.2f} of the photos'"),
    ]


def solver_words(outcome: Outcome) -> str:
    """How the texture was fitted."""
    if outcome.trained.settings.fit.solver == "direct":
        return "normal equations (--solver direct)"
    return "gradient descent (--solver adam)"


def texture_words(outcome: Outcome, by: str) -> str:
    """The texture's size, width first; `by` stands between width and height."""
    height, width = outcome.texture.shape[:2]
    pages = outcome.mesh.pages
    return f"{pages} pages of {width}{by}{height // pages}" if pages > 1 else f"{width}{by}{height}"


def fitted_names(outcome: Outcome) -> list[str]:
    """The names of the photos that the texture was fitted to."""
    return [outcome.scene.views[i].name for i in outcome.trained.fitted]


def fall_off_figures(outcome: Outcome) -> list[dict[str, Any]]:
    """Per size of photos the fall-off that was divided out of them; none where none was found."""
    found = outcome.trained.equalised
    return [] if found is None else [{**_of(size, own), "corner": own.corner} for size, own in found.fall_offs.items()]


def response_figures(outcome: Outcome) -> list[dict[str, Any]]:
    """Per size of photos the curve that they were straightened by; none where none was found."""
    found = outcome.trained.equalised
    return [] if found is None else [{**_of(size, own), "bend": own.bend} for size, own in found.responses.items()]


def _of(size: tuple[int, int], found: FallOff | Response) -> dict[str, Any]:
    """What was found of all photos of one size, rows first."""
    return {"width": size[1], "height": size[0], "coefficients": list(found.coefficients)}


def exposure_rows(outcome: Outcome) -> list[tuple[str, np.ndarray, np.ndarray, float, PointSpread]]:
    """(name, gain, offset, weight, blur) of each fitted photo; where blur was not looked for it is SHARP."""
    fitted, names, blurs = outcome.trained.result, fitted_names(outcome), outcome.trained.blurs
    blurs = [SHARP] * len(names) if blurs is None else blurs
    return list(zip(names, fitted.gains, fitted.offsets, fitted.view_weights.tolist(), blurs, strict=True))


def blur_figures(blur: PointSpread) -> dict[str, float]:
    """A photo's blur: standard deviations in pixels, and the direction of the largest, see `PointSpread`."""
    most, least = blur.axes
    return {"blur": blur.sigma, "blur_most": most, "blur_least": least, "blur_angle": blur.angle}
