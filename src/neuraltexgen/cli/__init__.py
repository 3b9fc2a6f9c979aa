"""The command line: one frozen dataclass per subcommand, progress bars, exit codes. The only room that prints."""

import os
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point `neuraltexgen`: runs one subcommand and exits (see `cli.run`)."""
    # PyTorch reads this once, when it is imported: textures on huge pages are a quarter faster to fit on Linux.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    from neuraltexgen.cli.run import run

    run(arguments)
