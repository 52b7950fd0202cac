import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from calib.world.level import level_up


def ring(turns_deg=(0, 50, -50), pitch_deg=20.0, roll_deg=()):
    """T_cam_world of cameras that look inwards and down, each rolled about its own axis."""
    rolls = roll_deg or (0,) * len(turns_deg)
    T = np.tile(np.eye(4), (len(turns_deg), 1, 1))
    for place, (turn, roll) in enumerate(zip(turns_deg, rolls, strict=True)):
        # At turn 0 the camera stands at y = -2: x right, y down, z forward.
        R = Rotation.from_euler("z", turn, degrees=True) * Rotation.from_euler("x", -90 - pitch_deg, degrees=True)
        T[place, :3, :3] = (R * Rotation.from_euler("z", roll, degrees=True)).as_matrix()
        T[place, :3, 3] = Rotation.from_euler("z", turn, degrees=True).apply([0, -2, 1.5])
    return np.linalg.inv(T)


def off_deg(T_cam_world):
    return np.degrees(np.arccos(np.clip(level_up(T_cam_world)[2], -1, 1)))


@pytest.mark.parametrize("pitch", [-20, 0, 30, 85])
def test_up_is_at_right_angles_to_all_x_axes(pitch):
    assert off_deg(ring(pitch_deg=pitch)) < 1e-3


def test_up_of_cameras_that_look_the_same_way_is_their_own():
    assert off_deg(ring((0, 0), pitch_deg=0)) < 1e-3


def test_of_cameras_that_look_the_same_way_up_and_down_it_is_their_mean():
    T = np.concatenate([ring((0,), pitch_deg=10), ring((0,), pitch_deg=-10)])
    assert off_deg(T) < 1e-3


def test_the_horizon_is_their_mean():
    # Rolled by 3 and -3 degrees at right angles to one another: up is off by as much at most.
    assert off_deg(ring((0, 90, 45), roll_deg=(3, -3, 0))) < 4


@pytest.mark.parametrize("roll", [90, -90, 180])
def test_one_phone_that_does_not_say_how_it_was_held(roll):
    assert off_deg(ring((0, 50, -50, 110), roll_deg=(0, roll, 0, 0))) < 1e-3
    assert off_deg(ring((0, 50, -50, 110), roll_deg=(roll, 0, 0, 0))) < 1e-3


def test_of_three_phones_one_hangs_upside_down():
    assert off_deg(ring((0, 60, 100), roll_deg=(0, 180, 0))) < 1e-3


def test_a_phone_tilted_by_60_degrees_is_left_out():
    assert off_deg(ring((0, 50, -50, 110), roll_deg=(0, 60, 0, 0))) < 1e-3
