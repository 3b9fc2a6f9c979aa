"""The subcommand that says where further photos would help most."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from neuraltexgen.cli.options import Capture, Reading
from neuraltexgen.cli.rows import left_out, notes
from neuraltexgen.cli.talk import Talk
from neuraltexgen.errors import ConfigError, ReaderError
from neuraltexgen.readers import read_capture
from neuraltexgen.suggest import Suggestion, suggest, survey, write_suggestions
from neuraltexgen.suggest.write import figures

SMALL = 0.05
"""A part of a move that is smaller than this share of its largest one is not worth a word."""


@dataclass(frozen=True)
class Suggest:
    """Say where further photos would help the texture most, and how much of the mesh the photos show."""

    capture: Capture
    """A capture's folder, or the file that defines it."""
    count: int = 8
    """Photos to suggest, at most; fewer where more would hardly help."""
    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="DIR")] = None
    """Also write suggestions.json, with poses, and known.ply, the mesh coloured by how much is known of it."""
    reading: Reading = field(default_factory=Reading)
    talk: Talk = field(default_factory=Talk)

    def run(self) -> None:
        if self.count < 1:
            raise ConfigError(f"--count {self.count}: at least 1")
        scene = read_capture(self.capture, self.reading.settings())
        if scene.mesh is None:
            raise ReaderError(f"{scene.format}: {scene.name} has no mesh", fix="--mesh FILE")
        known = survey(scene.mesh, scene.views, self.talk.progress)
        found = suggest(known, scene.views, self.count, self.talk.progress)
        written = () if self.out is None else write_suggestions(self.out, known, found)
        left = sum(s.fall for s in found)
        rows = [
            ("surface", f"{1 - known.unseen:.1%} seen, {known.once:.1%} by a single photo"),
            ("suggested", f"{len(found)} photos, which take away {left:.1%} of what is uncertain"),
        ]
        rows += [(f"photo {number}", _words(suggestion)) for number, suggestion in enumerate(found, 1)]
        rows += [*left_out(scene.left_out), *notes(scene.notes), *self.talk.files(written)]
        self.talk.rows(rows, figures(known, found))


def _words(s: Suggestion) -> str:
    """One photo in words: where from, how to move and turn, what for."""
    moves = zip(s.moved, ("right", "down", "forward"), ("left", "up", "back"))
    moved = [
        f"{abs(m):.2g} {plus if m > 0 else minus}"
        for m, plus, minus in moves
        if abs(m) > SMALL * max(map(abs, s.moved))
    ]
    turns = zip(s.turned, ("right", "up"), ("left", "down"))
    turned = [f"{abs(t):.0f}° {plus if t > 0 else minus}" for t, plus, minus in turns if abs(t) >= 1]
    steps = [" and ".join(filter(None, [", ".join(moved[:-1]), *moved[-1:]]))] if moved else ["stay"]
    steps += [f"turn {' and '.join(turned)}"] if turned else []
    return f"from {s.near} {', '.join(steps)}: {s.fall:.1%} less uncertain, {s.unseen:.2g} newly seen"
