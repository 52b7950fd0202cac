import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from retarget.rotations import (
    exp_and_jacobian,
    inverse_left_jacobian,
    log,
    swing_twist_matrix,
    to_swing_twist,
)

ANGLES = st.floats(-1.5, 1.5)
TINY = np.array([1e-9, -2e-7, 3e-6])


def test_a_quarter_turn_about_z_takes_x_to_y():
    rotation, _ = exp_and_jacobian(np.array([0, 0, np.pi / 2]))
    np.testing.assert_allclose(rotation @ [1, 0, 0], [0, 1, 0], atol=1e-15)


@pytest.mark.parametrize("vector", [np.zeros(3), TINY, np.array([0.3, -0.5, 0.8]), np.array([2.0, 1.0, -1.5])])
def test_exp_agrees_with_scipy_and_the_left_jacobian_with_differences(vector):
    rotation, jacobian = exp_and_jacobian(vector)
    np.testing.assert_allclose(rotation, Rotation.from_rotvec(vector).as_matrix(), atol=1e-14)
    step = 1e-6
    for k in range(3):
        ahead, _ = exp_and_jacobian(vector + step * np.eye(3)[k])
        back, _ = exp_and_jacobian(vector - step * np.eye(3)[k])
        turned = log((ahead @ back.T)[None])[0] / (2 * step)
        np.testing.assert_allclose(turned, jacobian[:, k], atol=1e-8)
    np.testing.assert_allclose(inverse_left_jacobian(vector) @ jacobian, np.eye(3), atol=1e-9)


def test_a_bent_and_twisted_bone_by_hand():
    # Twist by 90 degrees about the bone (y) takes z to x; the swing by 90 degrees about z then takes x to y.
    matrix = swing_twist_matrix(np.array([0, np.pi / 2, np.pi / 2]))
    np.testing.assert_allclose(matrix @ [0, 0, 1], [0, 1, 0], atol=1e-15)
    np.testing.assert_allclose(matrix @ [0, 1, 0], [-1, 0, 0], atol=1e-15)  # where the bone points: twist is no matter


@given(x=ANGLES, twist=st.floats(-3.1, 3.1), z=ANGLES)
def test_swing_and_twist_come_back_from_their_rotation(x, twist, z):
    q = np.array([[x, twist, z]])
    back = to_swing_twist(Rotation.from_matrix(swing_twist_matrix(q)))
    np.testing.assert_allclose(back, q, atol=1e-7)


def test_a_half_turn_of_swing_leaves_the_twist_at_zero():
    np.testing.assert_allclose(to_swing_twist(Rotation.from_rotvec([[np.pi, 0, 0]])), [[np.pi, 0, 0]], atol=1e-12)
