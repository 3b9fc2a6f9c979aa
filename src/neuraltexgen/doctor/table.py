"""All hypotheses, in the order in which they are listed."""

from neuraltexgen.doctor.hypotheses import (
    Hypothesis,
    camera_axis_hypotheses,
    mesh_axis_hypotheses,
    mesh_scale_hypotheses,
    photo_hypotheses,
    pose_hypotheses,
)
from neuraltexgen.doctor.lens import lens_hypotheses

GROSS: tuple[Hypothesis, ...] = (
    *pose_hypotheses(),
    *camera_axis_hypotheses(),
    *photo_hypotheses(),
    *mesh_scale_hypotheses(),
    *mesh_axis_hypotheses(),
)
"""About poses, axes, photos and units: wrong ones leave nothing that fits."""

LENS: tuple[Hypothesis, ...] = lens_hypotheses()
"""About intrinsics: wrong ones may fit nearly."""

HYPOTHESES: dict[str, Hypothesis] = {row.name: row for row in (*GROSS, *LENS)}
"""All of them by name."""
