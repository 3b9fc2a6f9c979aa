"""The command line in a process that has everything imported: each run is a fork of it, so starting costs nothing.

Starting the installed command takes seconds, nearly all of them imports, and hundreds of tests run it. What a fork
can't show (another environment, another folder, signals, the entry point itself) is tested with the installed command.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

SETTLED = {"COLUMNS": "200", "NO_COLOR": "1"}
"""What the tests' command lines have in their environment."""


def run_warm(arguments: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    """What `neuraltexgen ARGUMENTS` prints, and its exit code."""
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    with tempfile.TemporaryDirectory() as folder:
        said = [Path(folder) / name for name in ("out", "error")]
        server.stdin.write(json.dumps([list(arguments), *map(str, said)]) + "\n")
        server.stdin.flush()
        code = int(server.stdout.readline())
        out, error = (path.read_text() for path in said)
    return subprocess.CompletedProcess(list(arguments), code, out, error)


@lru_cache(maxsize=1)
def _server() -> "subprocess.Popen[str]":
    """Ends by itself when its input closes, with the tests' own process."""
    return subprocess.Popen(
        [sys.executable, __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **SETTLED},
    )


def _serve() -> None:
    sys.path.pop(0)  # the tests' own folder, which the installed command does not see
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # as the entry point does before its imports
    import neuraltexgen.cli.run  # noqa: F401

    while line := sys.stdin.readline():
        arguments, out, error = json.loads(line)
        child = os.fork()
        if child == 0:
            _be_the_command(arguments, out, error)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _be_the_command(arguments: list[str], out: str, error: str) -> None:
    from neuraltexgen.cli import main

    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for descriptor, path in ((1, out), (2, error)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), descriptor)
    sys.argv = ["neuraltexgen", *arguments]
    main()
    sys.exit(0)


if __name__ == "__main__":
    _serve()
