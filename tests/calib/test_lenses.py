import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calib.lenses import brown, fisheye
from calib.lenses.catalogue import lens_named, lens_names
from clapcap.errors import CalibrationError

DISTORTION = {
    name: np.array(lens_named(name).usual_spread) * np.resize([-0.5, 0.2, 0.3], len(lens_named(name).parameters))
    for name in lens_names()
}
"""One lens of each model, with every parameter in use."""

every_lens = pytest.mark.parametrize("lens", [lens_named(name) for name in lens_names()], ids=lens_names())


def test_the_models_are_the_files_of_the_folder():
    assert {"brown", "fisheye"} <= set(lens_names())
    assert lens_named("brown") is brown.LENS
    with pytest.raises(CalibrationError, match="needed one of brown, "):
        lens_named("catalogue")


@every_lens
def test_each_parameter_has_a_usual_spread(lens):
    assert len(lens.usual_spread) == len(lens.parameters) == len(DISTORTION[lens.name])
    assert min(lens.usual_spread) > 0


def test_brown_by_hand():
    # r^2 = 0.25, x = 0.3, y = 0.4: x (1 + 0.2 * 0.25) + 2 * 0.01 * 0.12 + 0.02 * (0.25 + 0.18)
    found = brown.LENS.distort(np.array([0.3, 0.4]), np.array([0.2, 0, 0.01, 0.02, 0]))
    np.testing.assert_allclose(found, [0.315 + 0.0024 + 0.0086, 0.42 + 0.0057 + 0.0048])


def test_fisheye_by_hand():
    # 45 degrees: r = 1, theta = pi / 4; 0.6 and 0.8 of it.
    theta = np.pi / 4
    found = fisheye.LENS.distort(np.array([0.6, 0.8]), np.array([0.1, 0, 0, 0]))
    np.testing.assert_allclose(found, np.array([0.6, 0.8]) * (theta + 0.1 * theta**3))


@every_lens
def test_the_centre_stays_and_its_surroundings_are_kept(lens):
    distortion = np.array(DISTORTION[lens.name])
    tiny = np.array([[0.0, 0.0], [1e-9, -2e-9], [3e-6, 0.0]])
    np.testing.assert_allclose(lens.distort(tiny, distortion), tiny, atol=1e-12)
    np.testing.assert_allclose(lens.undistort(tiny, distortion), tiny, atol=1e-12)
    by_xy, by_distortion = lens.distort_jacobians(tiny, distortion)
    np.testing.assert_allclose(by_xy, np.broadcast_to(np.eye(2), (3, 2, 2)), atol=1e-6)
    np.testing.assert_allclose(by_distortion, 0, atol=1e-9)


def _opencv(lens, xy, distortion):
    xyz = np.concatenate([xy, np.ones((len(xy), 1))], axis=1)[:, None]
    project = {"brown": cv2.projectPoints, "fisheye": cv2.fisheye.projectPoints}[lens.name]
    return project(xyz, np.zeros(3), np.zeros(3), np.eye(3), distortion)[0].reshape(-1, 2)


@pytest.mark.parametrize("lens", [brown.LENS, fisheye.LENS], ids=["brown", "fisheye"])
def test_opencv_distorts_alike(lens):
    xy = np.random.default_rng(1).uniform(-0.8, 0.8, (50, 2))
    distortion = np.array(DISTORTION[lens.name])
    np.testing.assert_allclose(lens.distort(xy, distortion), _opencv(lens, xy, distortion), atol=1e-12)


@every_lens
def test_the_derivatives_are_those_of_the_model(lens):
    """Central differences: their error is some step^2 = 1e-12 and rounding / step = 1e-10."""
    xy = np.random.default_rng(2).uniform(-1.2, 1.2, (20, 2))
    distortion, step = np.array(DISTORTION[lens.name]), 1e-6
    by_xy, by_distortion = lens.distort_jacobians(xy, distortion)
    for axis in range(2):
        h = step * np.eye(2)[axis]
        difference = (lens.distort(xy + h, distortion) - lens.distort(xy - h, distortion)) / (2 * step)
        np.testing.assert_allclose(by_xy[..., axis], difference, atol=1e-8)
    for place in range(len(distortion)):
        h = step * np.eye(len(distortion))[place]
        difference = (lens.distort(xy, distortion + h) - lens.distort(xy, distortion - h)) / (2 * step)
        np.testing.assert_allclose(by_distortion[..., place], difference, atol=1e-8)


@every_lens
def test_a_turned_lens_draws_the_turned_picture(lens):
    """By 90 degrees clockwise, (x, y) goes to (-y, x)."""
    xy, distortion = np.random.default_rng(4).uniform(-0.6, 0.6, (20, 2)), np.array(DISTORTION[lens.name])
    turn = np.array([[0.0, -1.0], [1.0, 0.0]])
    found = lens.distort(xy @ turn.T, lens.turned(distortion))
    np.testing.assert_allclose(found, lens.distort(xy, distortion) @ turn.T, atol=1e-12)


@every_lens
def test_several_lenses_at_once_are_the_lenses_one_by_one(lens):
    xy = np.random.default_rng(3).uniform(-0.5, 0.5, (3, 7, 2))
    many = np.array(DISTORTION[lens.name]) * np.array([[0.5], [1.0], [-0.3]])
    by_xy, by_distortion = lens.distort_jacobians(xy, many.T[..., None])
    for place, one in enumerate(many):
        np.testing.assert_array_equal(lens.distort(xy, many.T[..., None])[place], lens.distort(xy[place], one))
        np.testing.assert_array_equal(by_xy[place], lens.distort_jacobians(xy[place], one)[0])
        np.testing.assert_array_equal(by_distortion[place], lens.distort_jacobians(xy[place], one)[1])


@given(
    st.floats(-0.3, 0.3), st.floats(-0.1, 0.1), st.floats(-0.01, 0.01), st.floats(-0.01, 0.01),
    st.floats(-0.4, 0.4), st.floats(-0.4, 0.4),
)  # fmt: skip
def test_brown_is_inverted(k1, k2, p1, p2, x, y):
    distortion, xy = np.array([k1, k2, p1, p2, 0.02]), np.array([x, y])
    np.testing.assert_allclose(brown.LENS.undistort(brown.LENS.distort(xy, distortion), distortion), xy, atol=1e-9)


@given(st.floats(-0.05, 0.05), st.floats(-0.02, 0.02), st.floats(0, 85), st.floats(0, 360))
def test_the_fisheye_is_inverted_up_to_85_degrees(k1, k2, away_deg, around_deg):
    """k1 and k2 are such that theta_d grows all the way: 1 - 0.15 theta^2 - 0.1 theta^4 > 0 at 85 degrees."""
    distortion, around = np.array([k1, k2, 0, 0]), np.radians(around_deg)
    xy = np.tan(np.radians(away_deg)) * np.array([np.cos(around), np.sin(around)])
    found = fisheye.LENS.undistort(fisheye.LENS.distort(xy, distortion), distortion)
    np.testing.assert_allclose(found, xy, atol=1e-6, rtol=1e-7)  # d xy / d theta is 130 at 85 degrees


def test_where_there_is_no_inverse_there_is_no_number():
    # x (1 - 0.5 x^2) is largest at x = sqrt(2 / 3): 0.544.
    barrel = np.array([-0.5, 0, 0, 0, 0])
    inside, outside = np.array([0.54, 0.0]), np.array([0.55, 0.0])
    assert np.isfinite(brown.LENS.undistort(inside, barrel)).all()
    assert np.isnan(brown.LENS.undistort(outside, barrel)).all()
    # An equidistant lens sees 90 degrees at a radius of pi / 2.
    assert np.isfinite(fisheye.LENS.undistort(np.array([1.57, 0.0]), np.zeros(4))).all()
    assert np.isnan(fisheye.LENS.undistort(np.array([1.58, 0.0]), np.zeros(4))).all()


@every_lens
def test_what_was_not_seen_stays_unseen(lens):
    distortion = np.array(DISTORTION[lens.name])
    xy = np.array([[np.nan, np.nan], [0.1, 0.2]])
    assert np.isnan(lens.undistort(xy, distortion)[0]).all()
    np.testing.assert_allclose(lens.undistort(lens.distort(xy, distortion), distortion)[1], xy[1])
