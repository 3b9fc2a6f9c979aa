"""The subcommand that writes a capture in another format."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from neuraltexgen.cli.options import Capture, Reading
from neuraltexgen.cli.rows import left_out, notes
from neuraltexgen.cli.talk import Talk
from neuraltexgen.convert import Target, convert_capture


@dataclass(frozen=True)
class Convert:
    """Write a capture as a COLMAP text model or a transforms.json, with its photos, masks and mesh."""

    capture: Capture
    """A capture's folder, or the file that defines it."""
    out: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")]
    """A new folder, or a .json file in one, which means transforms."""
    to: Target = "auto"
    """The format: by OUT's suffix if not given, and COLMAP for a folder."""
    reading: Reading = field(default_factory=Reading)
    talk: Talk = field(default_factory=Talk)

    def run(self) -> None:
        scene = convert_capture(self.capture, self.out, self.to, self.reading.settings(), self.talk.progress)
        rows = [("views", f"{len(scene.views)} of {scene.name} ({scene.format}) converted")]
        rows += [*left_out(scene.left_out), *notes(scene.notes), *self.talk.files([self.out])]
        self.talk.rows(rows, {"views": len(scene.views), "format": scene.format, "out": str(self.out)})
