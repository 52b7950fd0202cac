import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from retarget.kinematics import ROOT_DOFS, Poses, joint_angles
from skeleton.motion import Motion


def rest(kinematics, frames=1):
    joints = len(kinematics.skeleton.joints)
    return Poses(np.zeros((frames, 3)), np.tile(np.eye(3), (frames, 1, 1)), np.zeros((frames, joints, 3)))


@pytest.mark.parametrize(
    ("joint", "angle", "degrees", "tail", "points_to"),
    [
        ("left_shin", 0, -90, "left_foot", (0, 1, 0)),  # a bent knee: the shin points backwards
        ("left_thigh", 0, 90, "left_shin", (0, -1, 0)),  # the hip flexed: the thigh points forwards
        ("right_thigh", 2, -40, "right_shin", (-np.sin(np.radians(40)), 0, -np.cos(np.radians(40)))),  # outwards
        ("left_forearm", 0, 90, "left_hand", (0, -1, 0)),  # a bent elbow in the T-pose: forwards
        ("right_forearm", 0, 90, "right_hand", (0, -1, 0)),
        ("left_upper_arm", 2, -90, "left_forearm", (0, 0, -1)),  # the arm hangs down
        ("right_upper_arm", 2, 90, "right_forearm", (0, 0, -1)),
        ("spine", 0, 30, "chest", None),  # a forward bend: checked below by its sign
    ],
)
def test_one_angle_at_a_time_points_where_the_definition_says(kinematics, joint, angle, degrees, tail, points_to):
    poses = rest(kinematics)
    index = kinematics.skeleton.index
    poses.angles[0, index(joint), angle] = np.radians(degrees)
    placed = kinematics.place(poses, kinematics.rest_shape())
    bone = placed.joint_m[index(tail), 0] - placed.joint_m[index(joint), 0]
    bone /= np.linalg.norm(bone)
    if points_to is None:
        assert bone[1] < -0.4
    else:
        np.testing.assert_allclose(bone, points_to, atol=1e-12)


def test_motion_places_the_joints_alike_and_gives_the_angles_back(actor, humanoid):
    quaternions = actor.kinematics.local_quaternions(actor.poses)
    motion = Motion(
        humanoid.joint_names, humanoid.parents, actor.shape.offset_m, quaternions, actor.poses.root_m, actor.time_s
    )
    np.testing.assert_allclose(motion.world_positions(), actor.joint_m, atol=1e-12)
    np.testing.assert_allclose(joint_angles(humanoid, quaternions), actor.poses.angles, atol=1e-9)


def test_a_step_past_a_limit_stops_there(kinematics):
    poses = rest(kinematics)
    moved = kinematics.moved(poses, np.full((1, kinematics.dofs), 10.0))
    assert (kinematics.vector(moved)[:, ROOT_DOFS:] == kinematics.high[ROOT_DOFS:]).all()
    np.testing.assert_allclose(moved.root_m, 10.0)
    turned = Rotation.from_rotvec([10.0, 10.0, 10.0]).as_matrix()
    np.testing.assert_allclose(moved.root_matrix[0], turned, atol=1e-12)
