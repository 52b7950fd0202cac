"""The person's body: solids, and the skin on its bones. Needs scikit-image, like Blender a part of the extra."""

import sys

import numpy as np
import pytest

from blender import dance, person
from blender.armature import BONE_NAMES
from blender.distance_field import capsule, ellipsoid, polygonise, smooth_minimum
from clapcap.errors import ClapcapError


def volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    """Sum of the tetrahedra from the origin: positive where faces turn counter-clockwise seen from outside."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    return float((np.cross(a, b) * c).sum() / 6)


def test_distances_on_the_axes():
    points = np.array([[0.0, 0, 0], [2.0, 0, 0], [0, 0, 5.0]])
    np.testing.assert_allclose(ellipsoid((0, 0, 0), (1, 1, 1))(points[1:]), [1, 4])
    # A cone-like rod from 1 m to 0.5 m thickness: in the middle of its length 0.75 m.
    np.testing.assert_allclose(capsule((0, 0, -1), (0, 0, 1), 1.0, 0.5)(points), [-0.75, 1.25, 3.5])


def test_the_smooth_minimum_is_the_minimum_away_from_the_seam():
    a, b = np.array([0.0, 1.0, 0.5]), np.array([1.0, 0.0, 0.5])
    np.testing.assert_allclose(smooth_minimum(a, b, 0.2), [0.0, 0.0, 0.5 - 0.2 / 4])


def test_a_triangulated_ball_has_the_volume_of_a_ball():
    pytest.importorskip("skimage", reason="scikit-image comes with clapcap[blender]")
    surface = polygonise([ellipsoid((0.1, 0, 0), (1, 1, 1))], (-1.2,) * 3, (1.3,) * 3, 0.05, 0.1)
    assert volume(surface.vertices, surface.faces) == pytest.approx(4 / 3 * np.pi, rel=0.01)


@pytest.fixture(scope="module")
def body():
    pytest.importorskip("skimage", reason="scikit-image comes with clapcap[blender]")
    return person.build(voxel_m=0.022)


def test_the_body_stands_on_the_floor_and_measures_162_cm(body):
    low, high = body.mesh.vertices_m.min(axis=0), body.mesh.vertices_m.max(axis=0)
    assert low[2] == pytest.approx(0.0, abs=0.01)
    assert high[2] == pytest.approx(1.63, abs=0.03)
    np.testing.assert_allclose(body.weights.sum(axis=1), 1.0)


def test_each_hand_follows_its_own_side(body):
    reach = np.abs(body.mesh.vertices_m[:, 0]) > 0.5
    for side, sign in (("left", 1), ("right", -1)):
        hand = reach & (sign * body.mesh.vertices_m[:, 0] > 0)
        assert hand.sum() > 20
        assert body.weights[hand][:, BONE_NAMES.index(f"{side}_hand")].min() > 0.5


def test_moving_keeps_the_persons_volume_and_feet_on_the_floor(body):
    faces = body.mesh.faces
    resting = volume(body.mesh.vertices_m, faces)
    assert resting > 0.03
    for time_s in (0.0, 1.0, 3.9, 6.8, 7.7):
        vertices = body.deform(dance.pose(time_s))
        assert volume(vertices, faces) == pytest.approx(resting, rel=0.12), time_s
        assert vertices[:, 2].min() > -0.012, time_s


def test_the_shadows_double_fits_inside(body):
    from scipy.spatial import cKDTree

    double = person.build_shadow_caster(body)
    for time_s in (0.0, 3.9):
        pose = dance.pose(time_s)
        inner, outer = double.deform(pose), body.deform(pose)
        distance, _ = cKDTree(outer).query(inner)
        assert np.median(distance) > 0.005
        assert (inner.max(axis=0) < outer.max(axis=0) + 0.005).all()
        assert (inner.min(axis=0) > outer.min(axis=0) - 0.005).all()


def test_without_scikit_image_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(ClapcapError, match=r'pip install "clapcap\[blender\]"'):
        person.build()
