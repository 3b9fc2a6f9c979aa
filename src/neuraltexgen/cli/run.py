"""From arguments to a subcommand, and from what it raises to an exit code."""

import sys
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, Union

import tyro

from neuraltexgen.cli.benching import Bench
from neuraltexgen.cli.commands import Evaluate, Fit, Info, Texture, UVMaps
from neuraltexgen.cli.converting import Convert
from neuraltexgen.cli.demonstrating import Demo
from neuraltexgen.cli.doctoring import Doctor
from neuraltexgen.cli.enhancing import Enhance
from neuraltexgen.cli.losses import Losses
from neuraltexgen.cli.reconstructing import Reconstruct
from neuraltexgen.cli.suggesting import Suggest
from neuraltexgen.cli.unwrapping import Unwrap
from neuraltexgen.cli.updating import Update
from neuraltexgen.errors import NeuralTexGenError

EXIT_USER, EXIT_INTERRUPTED = 2, 130

Command = Union[  # noqa: UP007  (tyro reads the subcommands from the union's members)
    Annotated[Texture, tyro.conf.subcommand("texture")],
    Annotated[Update, tyro.conf.subcommand("update")],
    Annotated[Demo, tyro.conf.subcommand("demo")],
    Annotated[Info, tyro.conf.subcommand("info")],
    Annotated[Doctor, tyro.conf.subcommand("doctor")],
    Annotated[Convert, tyro.conf.subcommand("convert")],
    Annotated[Enhance, tyro.conf.subcommand("enhance")],
    Annotated[Reconstruct, tyro.conf.subcommand("reconstruct")],
    Annotated[Unwrap, tyro.conf.subcommand("unwrap")],
    Annotated[UVMaps, tyro.conf.subcommand("uvmap")],
    Annotated[Fit, tyro.conf.subcommand("fit")],
    Annotated[Evaluate, tyro.conf.subcommand("evaluate")],
    Annotated[Suggest, tyro.conf.subcommand("suggest")],
    Annotated[Losses, tyro.conf.subcommand("losses")],
    Annotated[Bench, tyro.conf.subcommand("bench")],
]


def run(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and exits: 0 when it worked, 2 for input that can't be used, 130 when interrupted.

    `doctor` has codes of its own for what it finds (`doctoring.EXIT_CODES`).
    """
    if (sys.argv[1:] if arguments is None else list(arguments)) == ["--version"]:
        print(version("neuraltexgen"))
        return
    command = tyro.cli(
        Command,
        prog="neuraltexgen",
        description="Image-space texture optimisation: from a mesh and posed photos to the best texture.",
        args=arguments,
        config=(tyro.conf.OmitArgPrefixes,),
    )
    warnings.filterwarnings("ignore", module="PIL")  # damaged EXIF is told by our own notes, where it matters
    # Open3D brings a TBB that numba finds too old, and then does without: no news to anyone.
    warnings.filterwarnings("ignore", message="The TBB threading layer")
    try:
        command.run()
    except NeuralTexGenError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(EXIT_USER)
    except OSError as error:  # a folder that can't be written, a full disk, a closed pipe
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(EXIT_USER)
    except KeyboardInterrupt:
        print("interrupted: the same command goes on where this one stopped", file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)
