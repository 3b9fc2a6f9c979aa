"""The subcommand that lists the image losses."""

from dataclasses import dataclass, field

from neuraltexgen.cli.talk import Talk
from neuraltexgen.losses import HEADS, LOSSES, PRESETS, describe, plugins


@dataclass(frozen=True)
class Losses:
    """List the image losses, the presets, and those that installed packages offer."""

    talk: Talk = field(default_factory=Talk)

    def run(self) -> None:
        own = {name: describe(name) for name in sorted([*LOSSES, *HEADS])}
        presets = {name: f"{' + '.join(parts)}: {line}" for name, (parts, line) in PRESETS.items()}
        offered = {name: entry.value for name, entry in plugins().items()}
        figures = {"losses": own, "presets": presets, "plug-ins": offered}
        if not self.talk.plain:
            self.talk.rows([], figures)
            return
        for title, rows in (("--loss NAME=WEIGHT", own), ("presets: --loss NAME", presets), ("plug-ins", offered)):
            if rows:
                self.talk.table(title, ("name", ""), list(rows.items()))
