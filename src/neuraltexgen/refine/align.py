"""Where a photo was taken from, told by a finished texture alone: for views that no fit has seen or that come later."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float32

from neuraltexgen.images import read_photo
from neuraltexgen.kernels.packed import Places, look_up, pack_uv
from neuraltexgen.refine.adjust import Freedom, Prior, adjust
from neuraltexgen.refine.cameras import FEWEST, GATE
from neuraltexgen.refine.features import Features, describe, grey, nearest
from neuraltexgen.refine.matches import Matches
from neuraltexgen.refine.polish import SHIFT, TURN
from neuraltexgen.refine.through_mesh import Rig, ThroughMesh
from neuraltexgen.scene import View
from neuraltexgen.types import Image, Mask, Pose
from neuraltexgen.uvmap.render import Renderer
from neuraltexgen.view_cache import hidden_pixels

RENDERS, STILL = 4, 0.2
"""Renders of a view at most; and the usual move of a match, in pixels, below which no further one is made."""

SAMPLES = 2
"""Rays across a pixel of these renders: an aliased one has other features than a photo."""


@dataclass(frozen=True, eq=False)
class Aligned:
    """`pose`: where the view stands, None where too few features of its photo were found in the renders.

    `matches`: how many agree. `spread`: of their distances in pixels. `moved`: usual way of a match, in pixels.
    """

    pose: Pose | None
    matches: int
    spread: float
    moved: float


class Aligner:
    """A textured mesh that views are aligned to. The texture's rows run over all pages."""

    def __init__(self, surface: ThroughMesh, renderer: Renderer, texture: Image) -> None:
        self._surface, self._renderer = surface, renderer
        self._texture = torch.from_numpy(np.ascontiguousarray(texture))

    def align(self, view: View) -> Aligned:
        """Where a view stands, its lens being right and its pose wrong by a fraction of the photo's size.

        Features of the photo are found in a render from where the view is thought to stand, which tells the pose under
        which the mesh shows them where the photo has them; then again from there. Raises ImageError: no photo.
        """
        loaded = read_photo(view.photo, upright=view.exif_upright)
        photo = describe(grey(loaded.pixels), ~hidden_pixels(view, loaded))
        pose, first, found = view.cam_from_world, None, None
        for _ in range(RENDERS):
            found = self._once(replace(view, cam_from_world=pose), photo, view.cam_from_world)
            if found.pose is None:
                break
            pose = found.pose
            first = first or found
            if found.moved < STILL:
                break
        if found is None or found.pose is None or first is None:
            return Aligned(None, 0 if found is None else found.matches, np.nan, np.nan)
        return replace(found, moved=first.moved)

    def _once(self, view: View, photo: Features, given: Pose) -> Aligned:
        render, shown = self._render(view)
        own = describe(render, shown)
        pairs = nearest(own, photo)
        zeros = np.zeros(len(pairs), np.int32)
        matches = Matches(zeros, zeros + 1, own.points[pairs[:, 0]], photo.points[pairs[:, 1]])
        # The render's camera is the first, which is known; the photo's the second, which starts there.
        rig = Rig((view.cam_from_world, view.cam_from_world), (view.camera,), (0, 0))
        matches = matches.only(self._surface.steady(rig, matches))
        before = self._surface.residuals(rig, matches)[0]
        with np.errstate(invalid="ignore"):
            near = np.linalg.norm(before, axis=1) < GATE * max(view.camera.width, view.camera.height)
        matches = matches.only(near)
        if len(matches) < FEWEST:
            return Aligned(None, len(matches), np.nan, np.nan)
        hits = self._surface.hits(rig, matches.a, matches.source)
        prior = Prior(TURN, SHIFT * float(np.median(np.linalg.norm(hits.points, axis=1))))
        free = Freedom(np.array([False, True]), (np.zeros(len(view.camera.params), bool),))
        stated = Rig((view.cam_from_world, given), rig.cameras, rig.lens)
        done = adjust(self._surface, rig, stated, matches, free, prior)
        agreeing = int(done.agreeing.sum())
        if agreeing < FEWEST:
            return Aligned(None, agreeing, np.nan, np.nan)
        way = np.linalg.norm(done.residuals - before[near], axis=1)[done.agreeing]
        return Aligned(done.rig.poses[1], agreeing, done.spread, float(np.median(way)))

    def _render(self, view: View) -> tuple[Float32[np.ndarray, "h w"], Mask]:
        """The texture as the view would show it, as brightness; and where it shows the mesh with the whole pixel."""
        uv_map = self._renderer.uv_map(view.camera, view.cam_from_world, SAMPLES)
        shown = np.asarray(uv_map.by_pixel(uv_map.valid).all(axis=2))
        places = Places(
            *pack_uv(torch.from_numpy(uv_map.by_pixel(uv_map.uv))), torch.from_numpy(shown.astype(np.uint8))
        )
        return grey(look_up(self._texture, places).numpy()), shown
