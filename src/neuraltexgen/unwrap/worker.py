"""Back ends in a process of their own, because they may crash, hang, or change the state of their process."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Float

from neuraltexgen.errors import UnwrapError
from neuraltexgen.unwrap.manifold import Manifold

FOLDER = Path(__file__).parent / "workers"
"""The programs. They import nothing of ours, so that a foreign Python, such as Blender's, can run them too."""

TOLD = 3
"""Lines of what a failed program said that an error repeats."""


def require(package: str, method: str, extra: str) -> None:
    """Raises UnwrapError, with the command that installs it, if a method's package is missing. It is not imported."""
    if find_spec(package) is None:
        raise UnwrapError(
            f"unwrap {method}: the package {package} is missing", fix=f"pip install 'neuraltexgen[{extra}]'"
        )


def run_worker(
    method: str, program: str, manifold: Manifold, options: Mapping[str, str | int | float], seconds: float
) -> Float[np.ndarray, "g 3 2"]:
    """The uvs of a manifold's corners, from the program `workers/PROGRAM.py` in this Python.

    Raises UnwrapError: it fails, crashes, takes more than `seconds`, or gives anything but one finite uv per corner.
    """
    return run_command(method, [sys.executable, str(FOLDER / f"{program}.py")], manifold, options, seconds)


def run_command(
    method: str, command: list[str], manifold: Manifold, options: Mapping[str, str | int | float], seconds: float
) -> Float[np.ndarray, "g 3 2"]:
    """The same with any command; the paths of the job and of the answer are added to it."""
    count = len(manifold.faces)
    with tempfile.TemporaryDirectory() as folder:
        job, answer = Path(folder) / "job.npz", Path(folder) / "answer.npz"
        told = np.array(json.dumps(dict(options)))
        np.savez(job, vertices=manifold.vertices, faces=manifold.faces, options=told)
        # What this Python can import here, it can in the other process; a foreign one has packages of its own.
        own = command[0] == sys.executable
        environment = os.environ | ({"PYTHONPATH": os.pathsep.join(filter(None, sys.path))} if own else {})
        try:
            ran = subprocess.run(
                [*command, str(job), str(answer)],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=seconds,
                env=environment,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise UnwrapError(
                f"unwrap {method}: no result for {count} faces within {seconds:g} s",
                fix="--time-limit SECONDS, fewer faces with --simplify, or --method xatlas",
            ) from error
        try:
            with np.load(answer, allow_pickle=False) as data:
                uvs = data["uvs"].astype(np.float64)
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            said = " / ".join((ran.stderr or ran.stdout).strip().splitlines()[-TOLD:]) or "it said nothing"
            ended = f"signal {-ran.returncode}" if ran.returncode < 0 else f"exit code {ran.returncode}"
            raise UnwrapError(
                f"unwrap {method} failed on {count} faces ({ended}): {said}",
                fix="another --method, such as xatlas, or a larger --resolution",
            ) from error
    infinite = int(np.count_nonzero(~np.isfinite(uvs)))
    if uvs.shape != (count, 3, 2) or infinite:
        bad = f"{infinite} numbers that are not finite" if infinite else f"their shape is {uvs.shape}"
        raise UnwrapError(f"unwrap {method} gave unusable uvs for {count} faces: {bad}", fix="--method xatlas")
    return uvs
