"""From evidence to the reading that fits best: a wide search at low resolution, then the lens at higher ones."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from jaxtyping import Float64, Int64

from neuraltexgen.doctor.agreement import Agreement, Judge
from neuraltexgen.doctor.candidate import Candidate
from neuraltexgen.doctor.evidence import Evidence
from neuraltexgen.doctor.hypotheses import Hypothesis
from neuraltexgen.doctor.table import GROSS, LENS
from neuraltexgen.types import Progress, no_progress

CONVINCING = 0.6
"""Patches that are this like in the views that see them leave no room for another fault of poses, axes or units."""

LIGHT, KEPT = 4, 40
"""Combinations are tried with every so many patches first; so many of them with all."""

SURE = 3.0
"""Standard errors by which a hypothesis must fit better to be believed."""

MARGIN = 0.02
"""Agreement that a hypothesis must add besides, in the wide search."""

NEAR = 3.0
"""Shifts of up to so many shrunk pixels (root mean square) are judged by where patches are found."""


@dataclass(frozen=True, eq=False)
class Trial:
    """Some hypotheses, none for the scene as read, and how well the photos agree if they hold."""

    hypotheses: tuple[Hypothesis, ...]
    candidate: Candidate
    agreement: Agreement

    @property
    def name(self) -> str:
        return name_of(self.hypotheses)


@dataclass(frozen=True, eq=False)
class Shift:
    """A lens hypothesis beside the reading that it is compared with, by where patches are found in other views.

    `hypotheses`: all that would hold. `pixels`: how far, in the photo's pixels, it moves patches (root mean square).
    `gain`: of the mean robust cost of the distances, positive if it fits better; `z`: that in standard errors.
    """

    hypotheses: tuple[Hypothesis, ...]
    candidate: Candidate
    pixels: float
    gain: float
    z: float


def name_of(hypotheses: Iterable[Hypothesis]) -> str:
    """The names joined by commas; "as-read" for none."""
    return ",".join(hypothesis.name for hypothesis in hypotheses) or "as-read"


def applied(candidate: Candidate, hypotheses: Iterable[Hypothesis]) -> Candidate | None:
    """The candidate with the hypotheses' corrections, in their order; None if one makes no sense for it."""
    for hypothesis in hypotheses:
        changed = hypothesis.apply(candidate)
        if changed is None:
            return None
        candidate = changed
    return candidate


def search_widely(read: Candidate, judge: Judge, progress: Progress = no_progress) -> list[Trial]:
    """Trials of the scene as read, every hypothesis alone, and combinations as far as they are needed; best first.

    Pairs are tried only if nothing single convinces, and the common triples only if no pair does. Then further
    hypotheses are added to the best as long as one makes the photos agree clearly better.
    """
    rows = (*GROSS, *LENS)
    trials = _try(read, judge, [(), *((row,) for row in rows)], "conventions", progress)
    for combined in (_pairs, _common):
        if not _convincing(_best(trials)):
            light = _try(read, judge.lighter(LIGHT), combined(), "combinations", progress)
            light.sort(key=lambda trial: -trial.agreement.score)
            trials += _try(read, judge, [trial.hypotheses for trial in light[:KEPT]], "combinations", progress)
    while len(_best(trials).hypotheses) < 4:
        best = _best(trials)
        used = {hypothesis.group for hypothesis in best.hypotheses}
        likely = LENS if _convincing(best) else rows
        further = [(*best.hypotheses, row) for row in likely if row.group not in used] if best.hypotheses else []
        known = {frozenset(h.name for h in trial.hypotheses) for trial in trials}
        further = [chosen for chosen in further if frozenset(h.name for h in chosen) not in known]
        added = _try(read, judge, further, "combinations", progress)
        trials += added
        if not added or not clearly_better(_best(added), best, judge.evidence):
            break
    return sorted(trials, key=lambda trial: -trial.agreement.score)


def choose(trials: Sequence[Trial], evidence: Evidence) -> Trial:
    """The simplest trial that none is clearly better than; trials are in `search_widely`'s order."""
    for fewest in range(5):
        simple = [trial for trial in trials if len(trial.hypotheses) <= fewest]
        if simple and not clearly_better(trials[0], simple[0], evidence):
            return simple[0]
    return trials[0]


def clearly_better(a: Trial, b: Trial, evidence: Evidence) -> bool:
    """Whether trial a's photos agree better than b's by a margin that neither chance nor a trifle explains."""
    gain = a.agreement.scores - b.agreement.scores
    return float(gain.mean()) > MARGIN and standard_errors(gain, blocks(evidence)) > SURE


def nearby(current: Candidate, options: Sequence[tuple[Hypothesis, ...]], read: Candidate, judge: Judge) -> list[Shift]:
    """The options that move patches by little from where `current` has them, as shifts, the best first.

    Offsets are measured once, for `current`; an option's cost is that of the offsets less how far it moves patches.
    Options that move nothing by 0.02 pixels are left out: nothing could tell them.
    """
    evidence, pairs = judge.evidence, judge.pairs(current)
    offsets = judge.offsets(pairs)
    found = np.isfinite(offsets).all(axis=1)
    scale = evidence.shrink[pairs.place]
    shifts = []
    for hypotheses in options:
        candidate = applied(read, hypotheses)
        if candidate is None:
            continue
        moves = judge.moved(candidate, pairs)
        good = found & np.isfinite(moves).all(axis=1)
        if good.sum() < 0.5 * found.sum() or good.sum() < 50:
            continue
        far = float(np.sqrt(((moves[good] / scale[good, None]) ** 2).sum(axis=1).mean()))
        pixels = float(np.sqrt((moves[good] ** 2).sum(axis=1).mean()))
        if pixels < 0.02 or far > NEAR:
            continue
        gain = _cost(offsets[good] / scale[good, None]) - _cost((offsets - moves)[good] / scale[good, None])
        z = standard_errors(gain, blocks(evidence)[pairs.patch[good]])
        shifts.append(Shift(hypotheses, candidate, pixels, float(gain.mean()), z))
    return sorted(shifts, key=lambda shift: -shift.gain)


def refine(read: Candidate, chosen: tuple[Hypothesis, ...], judge: Judge) -> tuple[tuple[Hypothesis, ...], list[Shift]]:
    """The hypotheses with those about the lens replaced or extended as the offsets ask, and the last shifts."""
    shifts: list[Shift] = []
    for _ in range(4):
        gross = tuple(h for h in chosen if h.group not in LENS_GROUPS)
        lens = tuple(h for h in chosen if h.group in LENS_GROUPS)
        options = [gross, *((*gross, row) for row in LENS)]
        if lens:
            options += [(*chosen, row) for row in LENS if row.group not in {h.group for h in lens}]
        current = applied(read, chosen)
        assert current is not None
        shifts = nearby(current, [option for option in options if option != chosen], read, judge)
        if not shifts or shifts[0].z < SURE or shifts[0].gain <= 0:
            break
        chosen = shifts[0].hypotheses
    return chosen, shifts


def blocks(evidence: Evidence) -> Int64[np.ndarray, " k"]:
    """A number that the patches in one quarter of one photo share: what goes wrong there, goes wrong together."""
    right = evidence.centre > evidence.sizes[evidence.view] / 2
    return evidence.view * 4 + right[:, 0] * 2 + right[:, 1]


def standard_errors(gains: Float64[np.ndarray, " n"], block: Int64[np.ndarray, " n"]) -> float:
    """The sum of paired gains over its standard error, which is taken from the sums of whole blocks; 0 for none."""
    sums = np.bincount(block, gains)[np.unique(block)] if len(gains) else np.zeros(0)
    spread = float(np.sqrt((sums**2).sum()))
    return float(sums.sum()) / spread if spread > 0 else 0.0


def _try(
    read: Candidate, judge: Judge, combined: Sequence[tuple[Hypothesis, ...]], what: str, progress: Progress
) -> list[Trial]:
    trials = []
    for hypotheses in progress(combined, what, len(combined)):
        candidate = applied(read, hypotheses)
        if candidate is not None:
            trials.append(Trial(hypotheses, candidate, judge.agreement(candidate)))
    return trials


def _best(trials: Sequence[Trial]) -> Trial:
    return max(trials, key=lambda trial: trial.agreement.score)


def _convincing(trial: Trial) -> bool:
    return trial.agreement.likeness > CONVINCING and trial.agreement.score > CONVINCING / 4


def _pairs() -> list[tuple[Hypothesis, ...]]:
    """Two faults of different kinds, at least one of them not about the lens."""
    return [(a, b) for a, b in combinations((*GROSS, *LENS), 2) if a.group != b.group and a in GROSS]


def _common() -> list[tuple[Hypothesis, ...]]:
    """Three or four common faults of different kinds."""
    groups = list(dict.fromkeys(row.group for row in GROSS if row.common))
    choices = [(None, *(row for row in GROSS if row.common and row.group == group)) for group in groups]
    combined = (tuple(row for row in rows if row is not None) for rows in product(*choices))
    return [rows for rows in combined if len(rows) >= 3]


def _cost(offsets: Float64[np.ndarray, "n 2"]) -> Float64[np.ndarray, " n"]:
    """From 0 to 1, half at one pixel: what is far off is wrong for another reason (Geman and McClure's function)."""
    square = (offsets**2).sum(axis=1)
    return square / (1 + square)


LENS_GROUPS = frozenset(row.group for row in LENS)
