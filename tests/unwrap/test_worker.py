"""A back end in a process of its own may say no, crash, hang, or answer nonsense: each is an error that says which."""

import sys
from pathlib import Path

import numpy as np
import pytest

from neuraltexgen.errors import UnwrapError
from neuraltexgen.unwrap.manifold import make_manifold
from neuraltexgen.unwrap.worker import FOLDER, require, run_command
from surfaces import tetrahedron

JOB = make_manifold(tetrahedron())


def answer(tmp_path: Path, body: str, seconds: float = 60.0) -> np.ndarray:
    """What comes back from a program with this body; it has `job`, the job's arrays, and `out`, where to answer."""
    head = "import sys, os, json, time, numpy as np\njob, out = dict(np.load(sys.argv[1])), sys.argv[2]\n"
    program = tmp_path / "program.py"
    program.write_text(head + body)
    return run_command("test", [sys.executable, str(program)], JOB, {"size": 7, "kind": "x"}, seconds)


def test_mesh_and_options_go_out_and_uvs_come_back(tmp_path: Path) -> None:
    uvs = answer(
        tmp_path,
        "options = json.loads(str(job['options']))\n"
        "assert options == {'size': 7, 'kind': 'x'}\n"
        "np.savez(out, uvs=job['vertices'][job['faces']][..., :2])\n",
    )
    assert np.array_equal(uvs, JOB.vertices[JOB.faces][..., :2])


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise ValueError('no such luck')", r"4 faces \(exit code 1\): .*no such luck"),
        ("os.abort()", "signal 6"),
        ("sys.exit(0)", r"exit code 0\): it said nothing"),
        ("open(out, 'wb').write(b'PK')", "failed on 4 faces"),
        ("np.savez(out, other=np.zeros(3))", "failed on 4 faces"),
        ("np.savez(out, uvs=np.array([{}], dtype=object))", "failed on 4 faces"),
        ("np.savez(out, uvs=np.zeros((3, 3, 2)))", r"unusable uvs for 4 faces: their shape is \(3, 3, 2\)"),
        ("np.savez(out, uvs=np.full((4, 3, 2), np.nan))", "24 numbers that are not finite"),
    ],
)
def test_what_goes_wrong_is_told(tmp_path: Path, body: str, said: str) -> None:
    with pytest.raises(UnwrapError, match=said) as caught:
        answer(tmp_path, body)
    assert caught.value.fix


def test_a_program_that_hangs_is_ended(tmp_path: Path) -> None:
    with pytest.raises(UnwrapError, match=r"within 1.5 s") as caught:
        answer(tmp_path, "time.sleep(600)", seconds=1.5)
    assert "--time-limit" in (caught.value.fix or "")


def test_programs_shadow_no_package_that_they_import() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} == {"run_blender", "run_open3d", "run_pymeshlab"}


def test_a_package_that_is_there_is_not_asked_for() -> None:
    require("numpy", "test", "test")
    with pytest.raises(UnwrapError, match="not_there is missing"):
        require("not_there", "test", "test")
