"""Where a photo was taken from, told by a finished texture alone: for views that no fit has seen or that come later."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float32

from neuraltexgen.fall_off import Correction
from neuraltexgen.geometry import invert_pose, project, transform
from neuraltexgen.images import read_photo
from neuraltexgen.kernels.packed import Places, look_up, pack_uv
from neuraltexgen.refine.adjust import Freedom, Prior, adjust
from neuraltexgen.refine.against import Shown, settle
from neuraltexgen.refine.cameras import FEWEST, GATE
from neuraltexgen.refine.features import Features, describe, grey, nearest
from neuraltexgen.refine.looks import OBLIQUE
from neuraltexgen.refine.matches import Matches
from neuraltexgen.refine.polish import SHIFT, TURN
from neuraltexgen.refine.pyramids import evened, photo_pyramid
from neuraltexgen.refine.through_mesh import Rig, ThroughMesh
from neuraltexgen.scene import Camera, View
from neuraltexgen.types import Image, Pose
from neuraltexgen.uvmap.maps import UVMap
from neuraltexgen.uvmap.render import Renderer
from neuraltexgen.view_cache import hidden_pixels
from neuraltexgen.visibility import depth_edges, dilate

LEVELS = 4
"""Levels of a photo that are compared with renders."""

RENDERS = 2
"""Renders that features are looked for in."""

SAMPLES = 2
"""Rays across a pixel of these renders: an aliased one has other features than a photo."""

AS_IT_IS = Correction()

AROUND, BEND = 2, 0.04
"""Pixels that a place must be away from where inverse depth bends by this share."""


@dataclass(frozen=True, eq=False)
class Aligned:
    """`pose`: where the view stands, None where its photo can't be told from one of something else.

    `spread`: how far photo and render differ there at `places`, in brightness [0, 1], robust. `matches`: of features
    that led there, 0 if the given pose was near enough. `moved`: how far the image moved, the median in pixels.
    """

    pose: Pose | None
    spread: float
    places: int
    matches: int
    moved: float


class Aligner:
    """A textured mesh that views are aligned to. The texture's rows run over all pages."""

    def __init__(self, surface: ThroughMesh, renderer: Renderer, texture: Image) -> None:
        self._surface, self._renderer = surface, renderer
        self._texture = torch.from_numpy(np.ascontiguousarray(texture))

    def align(self, view: View, far: bool = True, correction: Correction = AS_IT_IS) -> Aligned:
        """Where a view stands, its lens being right and its pose wrong by a fraction of the photo's size.

        The pose under which photo and render agree, see `against`, is looked for from the given pose; and, if it may be
        `far` or that leads nowhere, from where features of the photo are found in renders. The better one counts.
        `correction`: what the texture has not, its lens's fall-off and its camera's curve. Raises ImageError: no photo.
        """
        photo = evened(photo_pyramid(view, LEVELS), correction)
        found, matches = settle(photo, view.camera, view.cam_from_world, self._shown), 0
        if far or not found.alike:
            loaded = read_photo(view.photo, upright=view.exif_upright)
            start, matches = self._by_features(view, describe(grey(loaded.pixels), ~hidden_pixels(view, loaded)))
            other = found if start is None else settle(photo, view.camera, start, self._shown)
            if not found.spread <= other.spread:
                found = other
        if not found.alike:
            return Aligned(None, found.spread, found.places, matches, np.nan)
        return Aligned(found.pose, found.spread, found.places, matches, self._way(view, found.pose))

    def _shown(self, camera: Camera, pose: Pose) -> Shown:
        """The texture as a camera would show it, for `settle`."""
        uv_map = self._renderer.uv_map(camera, pose, 1)
        seen, cosine = uv_map.valid, np.abs(uv_map.cosine)
        usable = seen & (cosine > OBLIQUE) & ~dilate(depth_edges(uv_map, BEND), AROUND)
        return Shown(self._brightness(uv_map), uv_map.distance, usable)

    def _brightness(self, uv_map: UVMap) -> Float32[np.ndarray, "h w"]:
        shown = torch.from_numpy(np.asarray(uv_map.by_pixel(uv_map.valid).all(axis=2)).astype(np.uint8))
        places = Places(*pack_uv(torch.from_numpy(uv_map.by_pixel(uv_map.uv))), shown)
        return grey(look_up(self._texture, places).numpy())

    def _way(self, view: View, pose: Pose) -> float:
        """How far the image moved from the given pose, by a few rays through the mesh."""
        camera = view.camera
        grid = np.stack(np.meshgrid(*(np.linspace(0.1, 0.9, 9) * side for side in (camera.width, camera.height))), -1)
        rig = Rig((pose,), (camera,), (0,))
        hits = self._surface.hits(rig, np.zeros(81, np.int32), grid.reshape(-1, 2))
        met = hits.faces >= 0
        local = transform(view.cam_from_world @ invert_pose(pose), hits.points[met])
        way = np.linalg.norm(project(camera, local) - grid.reshape(-1, 2)[met], axis=1)
        return float(np.nanmedian(way)) if np.isfinite(way).any() else 0.0

    def _by_features(self, view: View, photo: Features) -> tuple[Pose | None, int]:
        """The pose by features of the photo found in renders, each from where the last one led; and how many agree."""
        pose, count = None, 0
        for _ in range(RENDERS):
            start = view.cam_from_world if pose is None else pose
            found, count = self._once(replace(view, cam_from_world=start), photo, view.cam_from_world)
            if found is None:
                break
            pose = found
        return pose, count

    def _once(self, view: View, photo: Features, given: Pose) -> tuple[Pose | None, int]:
        """The pose by the features of one render; None if fewer than FEWEST agree. And how many do."""
        uv_map = self._renderer.uv_map(view.camera, view.cam_from_world, SAMPLES)
        own = describe(self._brightness(uv_map), np.asarray(uv_map.by_pixel(uv_map.valid).all(axis=2)))
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
            return None, len(matches)
        hits = self._surface.hits(rig, matches.a, matches.source)
        prior = Prior(TURN, SHIFT * float(np.median(np.linalg.norm(hits.points, axis=1))))
        free = Freedom(np.array([False, True]), (np.zeros(len(view.camera.params), bool),))
        stated = Rig((view.cam_from_world, given), rig.cameras, rig.lens)
        done = adjust(self._surface, rig, stated, matches, free, prior)
        agreeing = int(done.agreeing.sum())
        return (done.rig.poses[1] if agreeing >= FEWEST else None), agreeing
