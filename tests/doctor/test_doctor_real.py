"""Wrong conventions planted in a real capture are found; the capture itself is called right."""

from pathlib import Path

import pytest

from faults import plant, same_reading
from neuraltexgen.doctor.agreement import Judge
from neuraltexgen.doctor.candidate import as_read
from neuraltexgen.doctor.diagnosis import examine, prepare
from neuraltexgen.readers import read_capture
from neuraltexgen.scene import Scene

SCENES = Path(__file__).parents[3] / "shared" / "scenes"

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.skipif(not SCENES.is_dir(), reason="the real captures are not beside this repository"),
]


@pytest.fixture(scope="module")
def fox() -> tuple[Scene, tuple[Judge, ...]]:
    scene = read_capture(SCENES / "fox")
    return scene, prepare(scene)


def test_a_real_capture_is_called_right(fox: tuple[Scene, tuple[Judge, ...]]) -> None:
    scene, judges = fox
    assert examine(as_read(scene), judges).verdict == "right"


@pytest.mark.parametrize(
    "names",
    [
        ("poses:inverted",),
        ("poses:centre",),
        ("camera-axes:+x-y-z",),
        ("mesh-axes:+x-z+y",),
        ("mesh-axes:-x+y+z",),
        ("mesh-scale:0.001",),
        ("principal-point:from-below",),
        ("pixel-centres:plus-half",),
        ("pixel-centres:minus-half",),
        ("distortion:p-swapped",),
        ("distortion:p-negated",),
    ],
    ids="+".join,
)
def test_planted_faults_of_a_real_capture_are_found(
    names: tuple[str, ...], fox: tuple[Scene, tuple[Judge, ...]]
) -> None:
    scene, judges = fox
    found = examine(plant(scene, names), judges)
    assert same_reading(found.candidate, as_read(scene)), found.names
