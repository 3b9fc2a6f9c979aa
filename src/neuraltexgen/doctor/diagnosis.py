"""The doctor: a scene in, a verdict on its conventions out, with what speaks for it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from neuraltexgen.doctor.agreement import Judge
from neuraltexgen.doctor.candidate import Candidate, as_read
from neuraltexgen.doctor.evidence import Detail, gather
from neuraltexgen.doctor.hypotheses import Hypothesis
from neuraltexgen.doctor.search import (
    LENS_GROUPS,
    SURE,
    Shift,
    Trial,
    applied,
    blocks,
    choose,
    clearly_better,
    name_of,
    nearby,
    refine,
    search_widely,
    standard_errors,
)
from neuraltexgen.doctor.table import HYPOTHESES, LENS
from neuraltexgen.errors import ConfigError
from neuraltexgen.scene import Scene
from neuraltexgen.types import Progress, no_progress
from neuraltexgen.uvmap.hits import FirstHits

Verdict = Literal["right", "misread", "unknown"]

WIDE = Detail(views=16, patches=24, longest=200, partners=3)
FINE = Detail(views=120, patches=96, longest=2048, partners=5)

PIXELS = 100_000_000
"""Photos are held in memory up to about so many pixels (5 bytes each); beyond it fewer views are looked at closely."""

FEWEST, LEAST = 30, 0.1
"""With fewer textured patches, or less agreement than this under every reading, nothing can be told."""


@dataclass(frozen=True)
class Row:
    """A reading of the conventions. `agreement` is the mean correlation of patches over views, `margin` and `z` (in
    standard errors) are its gain over the scene as read."""

    name: str
    sentence: str
    agreement: float
    seen: float
    margin: float
    z: float


@dataclass(frozen=True)
class FineRow:
    """Another lens than the best reading's. `pixels`: how far it moves patches (root mean square).

    `gain`: of the mean cost, from 0 to 1, of the distances at which patches are found; `z`: that in standard errors.
    Below 0 it fits worse.
    """

    name: str
    sentence: str
    pixels: float
    gain: float
    z: float


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What the doctor says. `names`: the hypotheses to apply, none unless the verdict is "misread".

    `z`: standard errors by which the best reading fits better than the scene as read; for "right", 0. `rows`: every
    trial, best first. `fine`: other lenses against the best reading. `undecided`: hypotheses that fit about as well.
    `why`: plain sentences. `candidate`: the scene as the verdict understands it.
    """

    verdict: Verdict
    names: tuple[str, ...]
    z: float
    why: tuple[str, ...]
    rows: tuple[Row, ...]
    fine: tuple[FineRow, ...]
    undecided: tuple[str, ...]
    views: int
    patches: int
    candidate: Candidate

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists, numbers and strings."""
        keys = ("verdict", "names", "z", "why", "undecided", "views", "patches")
        tables = {"rows": [asdict(row) for row in self.rows], "fine": [asdict(row) for row in self.fine]}
        return {key: getattr(self, key) for key in keys} | tables


def diagnose(scene: Scene, seed: int = 0, progress: Progress = no_progress) -> Diagnosis:
    """Tries every hypothesis on the scene, and combinations, and says which reading the photos agree with.

    One seed, one result. Raises ConfigError: the scene has no mesh; ImageError: a photo that can't be read.
    """
    return examine(as_read(scene), prepare(scene, seed, progress), progress)


def prepare(scene: Scene, seed: int = 0, progress: Progress = no_progress) -> tuple[Judge, ...]:
    """Judges at rising resolution, the first for the wide search. Raises as `diagnose`."""
    if scene.mesh is None:
        raise ConfigError(f"{scene.name} has no mesh, which the doctor needs to compare photos", fix="--mesh M")
    hits = FirstHits(scene.mesh)
    return tuple(Judge(gather(scene, detail, seed, progress), scene.mesh, hits) for detail in _details(scene))


def examine(read: Candidate, judges: Sequence[Judge], progress: Progress = no_progress) -> Diagnosis:
    """The diagnosis of a reading, by the judges that `prepare` makes."""
    wide = judges[0]
    if reason := _too_little(wide):
        return _unknown(read, wide, [reason], [])
    trials = search_widely(read, wide, progress)
    chosen = choose(trials, wide.evidence)
    if chosen.agreement.score < LEAST:
        reason = f"no reading makes the photos agree: {trials[0].agreement.score:.2f} at best, of 1"
        return _unknown(read, wide, [reason, *_unseen(trials)], trials)
    hypotheses, shifts = chosen.hypotheses, []
    for judge in judges[1:]:
        hypotheses, shifts = refine(read, hypotheses, judge)
    return _judged(read, trials, chosen, (wide, judges[-1]), hypotheses, shifts)


def named(names: Sequence[str]) -> tuple[Hypothesis, ...]:
    """Hypotheses by name. Raises ConfigError: an unknown name."""
    unknown = [name for name in names if name not in HYPOTHESES]
    if unknown:
        raise ConfigError(f"no hypothesis '{unknown[0]}'", fix="a name from the table that doctor prints, or its docs")
    return tuple(HYPOTHESES[name] for name in names)


def corrected(scene: Scene, names: Sequence[str]) -> Candidate:
    """The scene with the named hypotheses applied. Raises ConfigError: unknown, or one makes no sense for it."""
    result = applied(as_read(scene), named(names))
    if result is None:
        raise ConfigError(f"{name_of(named(names))} changes nothing in {scene.name}, or does not apply to its lenses")
    return result


def _judged(
    read: Candidate,
    trials: list[Trial],
    chosen: Trial,
    judges: tuple[Judge, Judge],
    hypotheses: tuple[Hypothesis, ...],
    shifts: list[Shift],
) -> Diagnosis:
    wide, close = judges
    best = applied(read, hypotheses)
    assert best is not None
    plain = next(trial for trial in trials if not trial.hypotheses)
    z = 0.0
    if hypotheses:
        against = nearby(best, [()], read, close)
        z = -against[0].z if against else _agreement_gain(best, read, close)
    if hypotheses and z < SURE:
        # Seen from the reading that it leads to, the last step was not sure after all.
        hypotheses, best, z = (), read, 0.0
        shifts = nearby(read, [(row,) for row in LENS], read, close)
    ties = [t for t in trials if _rivals(t, chosen) and not clearly_better(chosen, t, wide.evidence)]
    undecided = [t.name for t in ties] + [name_of(s.hypotheses) for s in shifts if s.z > -SURE]
    return Diagnosis(
        verdict="misread" if hypotheses else "right",
        names=tuple(h.name for h in hypotheses),
        z=z,
        why=tuple(f"probably, {h.sentence}" for h in hypotheses) or ("no other reading fits better",),
        rows=_rows(trials, plain, wide),
        fine=tuple(FineRow(name_of(s.hypotheses), _sentence(s.hypotheses), s.pixels, s.gain, s.z) for s in shifts),
        undecided=tuple(dict.fromkeys(undecided)),
        views=len(close.evidence.views),
        patches=len(close.evidence.view),
        candidate=best,
    )


def _unknown(read: Candidate, judge: Judge, why: list[str], trials: list[Trial]) -> Diagnosis:
    evidence, plain = judge.evidence, next((trial for trial in trials if not trial.hypotheses), None)
    rows = () if plain is None else _rows(trials, plain, judge)
    return Diagnosis("unknown", (), 0.0, tuple(why), rows, (), (), len(evidence.views), len(evidence.view), read)


def _too_little(judge: Judge) -> str | None:
    evidence = judge.evidence
    if len(evidence.views) < 2:
        return f"{len(evidence.views)} views: photos can be compared from two on"
    if len(evidence.view) < FEWEST:
        return f"only {len(evidence.view)} places in {len(evidence.views)} photos have texture enough to be compared"
    return None


def _unseen(trials: list[Trial]) -> list[str]:
    most = max(trial.agreement.seen for trial in trials)
    if most > 0.2:
        return []
    return [f"at most {most:.0%} of the places looked at are in two photos: the views overlap too little"]


def _rivals(trial: Trial, chosen: Trial) -> bool:
    """Whether a trial says something else about poses, axes, photos or units, and is no mere addition."""
    gross, other = ({h.name for h in t.hypotheses if h.group not in LENS_GROUPS} for t in (chosen, trial))
    return other != gross and not gross < other


def _details(scene: Scene) -> list[Detail]:
    """The wide search's; then, for all but small photos, at a third of their size; then in full."""
    camera = scene.views[0].camera
    longest = min(FINE.longest, max(camera.width, camera.height))
    views = max(2, min(FINE.views, PIXELS // min(camera.width * camera.height, longest**2)))
    third = Detail(min(views, 3 * WIDE.views), FINE.patches // 2, longest // 3, FINE.partners)
    full = Detail(views, FINE.patches, longest, FINE.partners)
    return [WIDE, third, full] if third.longest > WIDE.longest else [WIDE, full]


def _rows(trials: list[Trial], plain: Trial, judge: Judge) -> tuple[Row, ...]:
    rows = []
    for trial in trials:
        margin = trial.agreement.score - plain.agreement.score
        sentence = _sentence(trial.hypotheses)
        rows.append(
            Row(trial.name, sentence, trial.agreement.score, trial.agreement.seen, margin, _gain(trial, plain, judge))
        )
    return tuple(rows)


def _gain(a: Trial, b: Trial, judge: Judge) -> float:
    return standard_errors(a.agreement.scores - b.agreement.scores, blocks(judge.evidence))


def _agreement_gain(a: Candidate, b: Candidate, judge: Judge) -> float:
    """Standard errors by which reading a makes photos agree better than b does."""
    return standard_errors(judge.agreement(a).scores - judge.agreement(b).scores, blocks(judge.evidence))


def _sentence(hypotheses: Sequence[Hypothesis]) -> str:
    return "; ".join(hypothesis.sentence for hypothesis in hypotheses) or "the conventions are as read"
