"""What every benchmark row says about where it was made."""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numba
import torch

RESULTS = Path(__file__).parent / "results"


def provenance() -> dict[str, Any]:
    """Commit (with + if files were changed), machine, threads and versions."""
    root = Path(__file__).parent.parent

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], capture_output=True, text=True, cwd=root, check=False).stdout.strip()

    changed = "+" if git("status", "--porcelain", "--untracked-files=no") else ""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{numba.get_num_threads()} CPU threads"
    packages = {name: version(name) for name in ("torch", "numba", "numpy")}
    return {
        "commit": git("rev-parse", "--short", "HEAD") + changed,
        "machine": platform.machine(),
        "device": device,
        **packages,
    }
