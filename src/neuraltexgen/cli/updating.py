"""The subcommand that adds photos to a finished texture, or removes some."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from neuraltexgen.cli.options import Maybe, Resources
from neuraltexgen.cli.rows import left_out, notes
from neuraltexgen.cli.talk import Talk
from neuraltexgen.outcome import metrics, summary, write_outcome
from neuraltexgen.update import UpdateSettings, update_run

Names = Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAMES")]


@dataclass(frozen=True)
class Update:
    """Add photos to a finished texture, or remove some, without looking at the others again."""

    run_folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """What `texture --keep-state` wrote."""
    add: Names = ()
    """Photos to add: names or text files of names; all that the run has never had, if nothing is said."""
    remove: Names = ()
    """Photos to take out again."""
    capture: Maybe = None
    """The capture with the run's photos and the new ones; the one that the run was made of, if not given."""
    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="DIR")] = None
    """Where everything is written, if the run is to stay as it is."""
    resources: Resources = field(default_factory=Resources)
    talk: Talk = field(default_factory=Talk)

    def run(self) -> None:
        settings = UpdateSettings(
            add=self.add,
            remove=self.remove,
            capture=self.capture,
            out=self.out,
            device=self.resources.device,
            memory=self.resources.memory,
            cache=self.resources.cache,
        )
        out = self.out or self.run_folder
        outcome = update_run(self.run_folder, settings, self.talk.progress)
        files = (*outcome.files, *write_outcome(out, outcome))
        if self.resources.cache is None:
            shutil.rmtree(out / ".cache", ignore_errors=True)
        rows = (*summary(outcome), *left_out(outcome.scene.left_out), *notes(outcome.scene.notes))
        self.talk.rows((*rows, *self.talk.files(files)), metrics(outcome))
