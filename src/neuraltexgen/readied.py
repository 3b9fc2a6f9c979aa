"""Views as they are fitted: photos put right, exposures and blur known, what stands in one photo alone left out."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from neuraltexgen.equalise import TERMS, Equalised, Terms, corrections, find_blurs, find_exposures, find_spreads
from neuraltexgen.fall_off import Correction
from neuraltexgen.fit_types import Exposures
from neuraltexgen.point_spread import SHARP, PointSpread
from neuraltexgen.transients import Transients, find_transients
from neuraltexgen.types import Progress, no_progress
from neuraltexgen.views import Views

Stage = Callable[[str], AbstractContextManager[None]]


@dataclass(frozen=True)
class Readying:
    """`size`: the texture's, (H, W). `exposure`: find exposures among the photos, `fall_off`: and the lens's fall-off,
    `response`: and the camera's response curve. `blur`: find how blurred each photo is, and let it count less for that
    (needs `exposure`); `around`: its pixels look as far around, too. `transients`: leave out what stands in one photo
    alone.
    """

    size: tuple[int, int]
    exposure: bool = True
    fall_off: bool = True
    response: bool = True
    blur: bool = True
    around: bool = True
    transients: bool = False


@dataclass(frozen=True, eq=False)
class Readied:
    """All views, of which the fitted ones decided; what was found of these, None where it was not looked for. `blurs`:
    point-spreads, see `equalise.find_spreads`.
    """

    views: Views
    equalised: Equalised | None
    transients: Transients | None
    blurs: tuple[PointSpread, ...] | None = None

    def exposures(self) -> Exposures | None:
        """Gains and offsets of the fitted views, for `fit.Beside`."""
        return None if self.equalised is None else (self.equalised.gains, self.equalised.offsets)


def ready(
    views: Views, fitted: Sequence[int], settings: Readying, stage: Stage, progress: Progress = no_progress
) -> Readied:
    """Readies the views by those at `fitted`; held-out ones get what a camera's photos share."""
    views = views.hiding({}).correcting({}) if views.hidden or views.corrections else views
    found, left_out, blurs = None, None, None
    if settings.exposure:
        with stage("exposures"):
            wanted = Terms(settings.fall_off * TERMS.fall_off, settings.response * TERMS.response)
            found = find_exposures(views.subset(fitted), wanted, progress)
            right = corrections(found, views, list(fitted))
        views = views.correcting(right) if right else views
    if settings.transients:
        with stage("transients"):
            # Photos that are fitted as they are still differ in exposure.
            known = found or find_exposures(views.subset(fitted), Terms())
            exposures = (known.gains, known.offsets)
            left_out = find_transients(views.subset(fitted), settings.size, exposures, progress)
        views = views.hiding({views.files[i]: mask for i, mask in zip(fitted, left_out.masks, strict=True)})
    if found is not None and settings.blur:
        # Of what is left: who walks by is as blurred as they please.
        with stage("blur"):
            lost = find_blurs(views.subset(fitted), found.gains, progress)
            exposures = (found.gains, found.offsets)
            blurs = find_spreads(views.subset(fitted), exposures, lost, settings.size, progress)
        views = _blurred(views, fitted, blurs, settings.around)
    return Readied(views, found, left_out, blurs)


def _blurred(views: Views, fitted: Sequence[int], blurs: Sequence[PointSpread], around: bool) -> Views:
    """The views, of which the blurred ones are known to be."""
    right = dict(views.corrections)
    for index, blur in zip(fitted, blurs, strict=True):
        if blur != SHARP:
            path = views.files[index]
            right[path] = replace(right.get(path, Correction()), blur=blur, around=around)
    return views.correcting(right) if right != views.corrections else views
