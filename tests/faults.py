"""Wrong conventions to plant in a right scene, for the doctor's tests."""

from collections.abc import Sequence

import numpy as np

from neuraltexgen.doctor import HYPOTHESES
from neuraltexgen.doctor.candidate import Candidate, as_read
from neuraltexgen.doctor.hypotheses import signed_axes
from neuraltexgen.doctor.search import applied
from neuraltexgen.scene import Scene

OPPOSITE = {
    "poses:centre": "poses:no-centre",
    "poses:xyzw": "poses:wxyz",
    "poses:xyzw-inverted": "poses:wxyz-inverted",
    "photos:turned-right": "photos:turned-left",
    "mesh-scale:0.001": "mesh-scale:1000",
    "mesh-scale:0.01": "mesh-scale:100",
    "mesh-scale:0.1": "mesh-scale:10",
    "mesh-scale:inch-to-m": "mesh-scale:m-to-inch",
    "mesh-scale:foot-to-m": "mesh-scale:m-to-foot",
    "mesh-scale:inch-to-cm": "mesh-scale:cm-to-inch",
    "pixel-centres:plus-half": "pixel-centres:minus-half",
    "intrinsics-size:half": "intrinsics-size:double",
    "intrinsics-size:quarter": "intrinsics-size:fourfold",
    "intrinsics-size:third": "intrinsics-size:threefold",
    "focal-length:half": "focal-length:double",
    "focal-length:by-width": "focal-length:by-height",
}
OPPOSITE |= {b: a for a, b in OPPOSITE.items()}
"""What plants a fault, where it is not the hypothesis itself."""


def opposite(name: str) -> str:
    """The hypothesis that plants the fault which `name` puts right."""
    kind, _, rest = name.partition(":")
    if kind in ("camera-axes", "mesh-axes"):
        table = signed_axes()
        return f"{kind}:{next(n for n, axes in table.items() if np.array_equal(axes, table[rest].T))}"
    return OPPOSITE.get(name, name)


def plant(scene: Scene, names: Sequence[str]) -> Candidate:
    result = applied(as_read(scene), [HYPOTHESES[opposite(name)] for name in reversed(names)])
    assert result is not None
    return result


def same_reading(a: Candidate, b: Candidate) -> bool:
    """Whether two readings show the same: cameras see the mesh's points at the same places (a common scale aside)."""
    for i in range(len(a.poses)):
        x, y = a.cam_from_mesh(i), b.cam_from_mesh(i)
        if not np.allclose(x / np.linalg.norm(x[:3, :3]), y / np.linalg.norm(y[:3, :3]), atol=1e-6):
            return False
        if not np.allclose(a.cameras[i].params, b.cameras[i].params, rtol=1e-9, atol=1e-9):
            return False
    return a.turn == b.turn
