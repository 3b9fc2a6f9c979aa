"""Seams: both places of each surface point are found, the tie is the gradient of its penalty, and it closes steps."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neuraltexgen.scene import Mesh
from neuraltexgen.seam_tie import STRIDE, SeamTie, find_seam_tie

SIZE = (32, 48)
QUAD = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
FACES = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
UVS = np.array([[0.1, 0.1], [0.4, 0.1], [0.4, 0.4], [0.9, 0.6], [0.6, 0.6], [0.6, 0.9]])
"""Two triangles of a square, each in a chart of its own: the diagonal is a seam, and longer in the first."""
UV_FACES = np.array([[0, 1, 2], [3, 4, 5]], np.int32)


def two_charts() -> Mesh:
    return Mesh(QUAD, FACES, UVS, UV_FACES)


def surface(uv: np.ndarray, face: int) -> np.ndarray:
    """The surface point that a place in a face's chart shows."""
    corners = UVS[UV_FACES[face]]
    weights = np.linalg.solve(np.vstack([corners.T, np.ones(3)]), np.vstack([uv.T, np.ones(len(uv))]))
    return weights.T @ QUAD[FACES[face]]


def test_both_places_show_one_point_of_the_surface_on_the_cut_edge() -> None:
    tie = find_seam_tie(two_charts(), SIZE)
    one, other = (surface(tie.uv[side].astype(np.float64), side) for side in (0, 1))
    np.testing.assert_allclose(one, other, atol=1e-6)
    np.testing.assert_allclose(one[:, 0], one[:, 1], atol=1e-6)  # on the diagonal


def test_there_is_a_place_a_texel_of_the_longer_side() -> None:
    edges = [(UVS[b] - UVS[a]) * (SIZE[1], SIZE[0]) for a, b in ((0, 2), (3, 4))]
    assert len(find_seam_tie(two_charts(), SIZE)) == int(np.ceil(max(np.linalg.norm(edge) for edge in edges)))


def test_a_mesh_in_one_chart_has_no_seams() -> None:
    whole = Mesh(QUAD, FACES, QUAD[:, :2].copy(), FACES)
    tie = find_seam_tie(whole, SIZE)
    assert len(tie) == 0
    assert tie.step(np.random.default_rng(0).random((*SIZE, 3)).astype(np.float32)) == 0
    result = torch.zeros(*SIZE, 3)
    tie.add_gradient(torch.rand(*SIZE, 3), result, 0, 1.0)
    assert not result.any()


@pytest.mark.parametrize(("angle", "tied"), [(0, True), (50, True), (70, False), (120, False), (179, False)])
@pytest.mark.parametrize("flip", [False, True])
def test_creases_are_not_tied(angle: float, tied: bool, flip: bool) -> None:
    bend = np.deg2rad(angle)
    middle, away = np.array([0.5, 0.5, 0]), np.array([-0.5, 0.5, 0])
    bent = QUAD.copy()
    bent[3] = middle + np.cos(bend) * away + np.sin(bend) * np.array([0, 0, np.sqrt(0.5)])
    faces, uv_faces = FACES.copy(), UV_FACES.copy()
    if flip:
        faces[1], uv_faces[1] = faces[1, ::-1], uv_faces[1, ::-1]
    assert (len(find_seam_tie(Mesh(bent, faces, UVS, uv_faces), SIZE)) > 0) == tied


def test_vertices_at_one_position_count_as_one() -> None:
    doubled = Mesh(QUAD[FACES].reshape(-1, 3), np.arange(6, dtype=np.int32).reshape(2, 3), UVS, UV_FACES)
    np.testing.assert_allclose(find_seam_tie(doubled, SIZE).uv, find_seam_tie(two_charts(), SIZE).uv)


@pytest.mark.parametrize("flip", [False, True])
def test_how_faces_are_wound_changes_nothing(flip: bool) -> None:
    turn = [0, 2, 1] if flip else [1, 2, 0]
    turned = Mesh(QUAD, FACES[:, turn].copy(), UVS, UV_FACES[:, turn].copy())
    both = [find_seam_tie(mesh, SIZE).uv for mesh in (turned, two_charts())]
    np.testing.assert_allclose(*(np.sort(uv, axis=1) for uv in both))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 12))
def test_a_cycle_of_steps_adds_the_gradient_of_the_penalty(seed: int, count: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    tie = SeamTie(torch.rand(2, count, 2, generator=rng).numpy())
    texture = torch.rand(*SIZE, 2, generator=rng)
    found = torch.zeros(*SIZE, 2)
    for step in range(STRIDE):
        tie.add_gradient(texture, found, step, 0.5)
    wanted = texture.clone().requires_grad_()
    planes = wanted.permute(2, 0, 1)[None].double()
    grid = torch.from_numpy(tie.uv)[:, None].double() * 2 - 1
    a, b = (
        torch.nn.functional.grid_sample(planes, grid[side][None], align_corners=False, padding_mode="border")
        for side in (0, 1)
    )
    (0.5 * STRIDE * (a - b).square().sum()).backward()
    assert wanted.grad is not None
    torch.testing.assert_close(found, wanted.grad, rtol=1e-4, atol=1e-4)


def test_descent_closes_the_step() -> None:
    tie = find_seam_tie(two_charts(), SIZE)
    texture = torch.rand(*SIZE, 3, generator=torch.Generator().manual_seed(0))
    before = tie.step(texture.numpy())
    for step in range(400):
        gradient = torch.zeros_like(texture)
        tie.add_gradient(texture, gradient, step, 0.05)
        texture -= gradient
    assert tie.step(texture.numpy()) < 0.02 * before
