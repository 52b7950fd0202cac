"""ISB angles and OpenSim coordinates: poses that a reader can check by hand, other formulae, and people who walk.

The rest pose faces -Y, its right is -X, up is Z. Turns are given for the right side, as rotation vectors in those axes.
"""

import tarfile
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from clapcap.errors import FitError
from retarget.ik import fit_motion
from retarget.joint_angles import HELD_DEG, isb_angles, opensim_coordinates, sequence_angles
from skeleton.formats import trc
from skeleton.hierarchy import SkeletonDefinition
from skeleton.keypoints import Keypoints3D
from skeleton.motion import Motion

# The T-pose in ISB's angles: the arms level, the palms down; it faces -Y, and pelvis and thorax are zero facing +Y.
T_POSE = {
    "pelvis_rotation": 180,
    "thorax_rotation": 180,
    **{f"shoulder_{side}_elevation": 90 for side in ("left", "right")},
    **{f"elbow_{side}_pronation": 90 for side in ("left", "right")},
}


def posed(humanoid: SkeletonDefinition, turns: dict[str, tuple[float, float, float]], root_m=(0, 0, 1)) -> Motion:
    """Return one frame of the rest pose with some joints turned by rotation vectors in degrees."""
    rotation = np.tile([0, 0, 0, 1.0], (1, len(humanoid.joints), 1))
    for joint, vector in turns.items():
        rotation[0, humanoid.index(joint)] = Rotation.from_rotvec(vector, degrees=True).as_quat()
    return Motion(
        humanoid.joint_names, humanoid.parents, humanoid.rest_offset_m, rotation, np.array([root_m]), np.zeros(1)
    )


def moving(humanoid: SkeletonDefinition, joints: dict[str, Rotation], time_s: np.ndarray) -> Motion:
    """Return the rest pose with some joints following rotations over time."""
    frames = len(time_s)
    rotation = np.tile([0, 0, 0, 1.0], (frames, len(humanoid.joints), 1))
    for joint, local in joints.items():
        rotation[:, humanoid.index(joint)] = local.as_quat()
    root_m = np.tile([0, 0, 1.0], (frames, 1))
    return Motion(humanoid.joint_names, humanoid.parents, humanoid.rest_offset_m, rotation, root_m, time_s)


def differs_from_t_pose(motion: Motion) -> dict[str, float]:
    """Return the angles that are not the T-pose's, to 0.001 degrees, without `_deg`."""
    table = isb_angles(motion)
    found = {name.removesuffix("_deg"): round(table[name][0], 3) for name in table.columns}
    return {name: angle for name, angle in found.items() if abs(angle - T_POSE.get(name, 0)) > 1e-3}


def test_the_t_pose_and_the_anatomical_position(humanoid):
    assert differs_from_t_pose(posed(humanoid, {})) == {}
    # Arms down beside the trunk, palms forward: all of shoulder, elbow and wrist are zero.
    hanging = {"right_upper_arm": (0, -90, 0), "left_upper_arm": (0, 90, 0)}
    supine = {"right_forearm": (-90, 0, 0), "left_forearm": (-90, 0, 0)}
    table = isb_angles(posed(humanoid, hanging | supine))
    arms = [name for name in table.columns if name.startswith(("shoulder", "elbow", "wrist"))]
    assert len(arms) == 16
    np.testing.assert_allclose([table[name][0] for name in arms], 0, atol=1e-6)


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize(
    ("joint", "turn", "tail", "points_to", "angles"),
    [
        ("thigh", (-30, 0, 0), "shin", (0, -0.5, -np.sqrt(0.75)), {"hip_flexion": 30}),  # the thigh forward
        ("thigh", (0, 30, 0), "shin", (-0.5, 0, -np.sqrt(0.75)), {"hip_adduction": -30}),  # outward
        ("thigh", (0, 0, 15), "shin", (0, 0, -1), {"hip_internal_rotation": 15}),  # the knee turns inward
        ("shin", (90, 0, 0), "foot", (0, 1, 0), {"knee_flexion": 90}),  # the shin backward
        ("shin", (0, -30, 0), "foot", (0.5, 0, -np.sqrt(0.75)), {"knee_adduction": 30}),
        ("shin", (0, 0, 10), "foot", (0, 0, -1), {"knee_internal_rotation": 10}),
        ("foot", (-20, 0, 0), None, None, {"ankle_dorsiflexion": 20}),  # toes up
        ("foot", (0, -12, 0), None, None, {"ankle_inversion": 12}),  # the sole faces the other foot
        ("foot", (0, 0, 9), None, None, {"ankle_internal_rotation": 9}),
        ("toe", (-25, 0, 0), None, None, {"toes_extension": 25}),
        ("upper_arm", (0, -60, 0), "forearm", (-0.5, 0, -np.sqrt(0.75)), {"shoulder_elevation": 30}),  # sideways down
        ("upper_arm", (0, 0, 90), "forearm", (0, -1, 0), {"shoulder_plane_of_elevation": 90}),  # level, forward
        ("upper_arm", (40, 0, 0), "forearm", (-1, 0, 0), {"shoulder_internal_rotation": 40}),  # elbow's pit goes down
        ("forearm", (0, 0, 90), "hand", (0, -1, 0), {"elbow_flexion": 90}),
        ("forearm", (30, 0, 0), "hand", (-1, 0, 0), {"elbow_pronation": 120}),  # the palm turns backward
        ("forearm", (-90, 0, 0), "hand", (-1, 0, 0), {"elbow_pronation": 0}),  # forward, as in anatomy
        ("hand", (0, -30, 0), "hand_end", (-np.sqrt(0.75), 0, -0.5), {"wrist_flexion": 30}),  # towards the palm
        ("hand", (0, 0, -15), None, None, {"wrist_ulnar_deviation": 15}),  # away from the thumb
    ],
)
def test_a_joint_alone_turned_about_an_anatomical_axis(humanoid, side, joint, turn, tail, points_to, angles):
    mirrored = 1 if side == "right" else -1  # at the sagittal plane x = 0; a turn's vector is axial
    x, y, z = turn
    motion = posed(humanoid, {f"{side}_{joint}": (x, mirrored * y, mirrored * z)})
    if tail is not None:
        position = motion.world_positions()[0]
        bone = position[humanoid.index(f"{side}_{tail}")] - position[humanoid.index(f"{side}_{joint}")]
        np.testing.assert_allclose(bone / np.linalg.norm(bone), np.multiply(points_to, (mirrored, 1, 1)), atol=1e-12)
    wanted = {f"{name.split('_', 1)[0]}_{side}_{name.split('_', 1)[1]}": angle for name, angle in angles.items()}
    assert differs_from_t_pose(motion) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("joint", "turn", "angles"),
    [
        ("hips", (10, 0, 0), {"pelvis_tilt": 10, "thorax_extension": -10}),  # the top forward
        ("hips", (0, 8, 0), {"pelvis_obliquity": 8, "thorax_bending": -8}),  # the right side up
        ("hips", (0, 0, -90), {"pelvis_rotation": 90, "thorax_rotation": 90}),  # from -Y to -X: a quarter left of +Y
        ("chest", (20, 0, 0), {"lumbar_extension": -20, "thorax_extension": -20}),  # forward
        ("chest", (0, -15, 0), {"lumbar_bending": 15, "thorax_bending": 15}),  # to the right
        ("spine", (0, 0, 20), {"lumbar_rotation": 20, "thorax_rotation": 200}),  # to the left
        ("neck", (-12, 0, 0), {"neck_extension": 12}),
        ("head", (0, -11, 0), {"neck_bending": 11}),
        ("head", (0, 0, 25), {"neck_rotation": 25}),
    ],
)
def test_pelvis_trunk_and_head(humanoid, joint, turn, angles):
    assert differs_from_t_pose(posed(humanoid, {joint: turn})) == pytest.approx(angles)


def isb_axes(motion: Motion, segment: str) -> np.ndarray:
    """Return X (forward), Y (up), Z (right) of legs and trunk in the world, as columns: (frames, 3, 3)."""
    turn = motion.world_rotations()[motion.joint_names.index(segment)]
    return np.stack([turn.apply(axis) for axis in ((0, -1, 0), (0, 0, 1), (-1, 0, 0))], axis=-1)


@pytest.mark.parametrize("side", ["right", "left"])
def test_grood_and_suntay_by_hand(humanoid, side):
    """Flexion about the proximal Z, rotation about the distal Y, adduction about the axis that floats between them."""
    rng = np.random.default_rng(3)
    frames = 200
    joints = ("hips", "left_thigh", "left_shin", "left_foot", "right_thigh", "right_shin", "right_foot")
    motion = moving(
        humanoid,
        {joint: Rotation.from_rotvec(rng.uniform(-0.6, 0.6, (frames, 3))) for joint in joints},
        np.arange(frames) / 60,
    )
    table = isb_angles(motion)
    inward = 1 if side == "right" else -1
    for proximal, distal, names, forward in (
        ("hips", "thigh", ("hip_{}_flexion", "hip_{}_adduction", "hip_{}_internal_rotation"), 1),
        ("thigh", "shin", ("knee_{}_flexion", "knee_{}_adduction", "knee_{}_internal_rotation"), -1),
        ("shin", "foot", ("ankle_{}_dorsiflexion", "ankle_{}_inversion", "ankle_{}_internal_rotation"), 1),
    ):
        p = isb_axes(motion, proximal if proximal == "hips" else f"{side}_{proximal}")
        d = isb_axes(motion, f"{side}_{distal}")
        first, last = p[..., 2], d[..., 1]
        floating = np.cross(last, first)
        floating /= np.linalg.norm(floating, axis=-1, keepdims=True)

        def along(a: np.ndarray, b: np.ndarray) -> np.ndarray:
            return (a * b).sum(axis=-1)

        flexion = forward * np.arctan2(along(floating, p[..., 1]), along(floating, p[..., 0]))
        adduction = inward * np.arcsin(along(first, last))
        rotation = inward * np.arctan2(along(floating, d[..., 2]), along(floating, d[..., 0]))
        for name, angle in zip(names, (flexion, adduction, rotation), strict=True):
            np.testing.assert_allclose(table[f"{name.format(side)}_deg"], np.degrees(angle), atol=1e-9)


@pytest.mark.parametrize("sequence", ["ZXY", "YXZ", "YXY"])
def test_sequences_agree_with_scipy(sequence):
    rotation = Rotation.random(500, random_state=1)
    ours = sequence_angles(rotation.as_matrix(), sequence, np.arange(500.0))
    a, b, c = rotation.as_euler(sequence).T
    if sequence == "YXY":  # scipy's b is positive
        a, b, c = a + np.pi, -b, c + np.pi
    regular = (np.sin(-b) if sequence == "YXY" else np.cos(b)) > np.sin(np.radians(HELD_DEG))
    assert 0.9 < regular.mean() < 1
    whole = 2 * np.pi
    difference = ours[regular] - np.stack([a, b, c], axis=1)[regular]
    np.testing.assert_allclose(difference - whole * np.round(difference / whole), 0, atol=1e-9)


@pytest.mark.parametrize("side", ["right", "left"])
def test_an_arm_that_swings_through_hanging_has_no_wild_plane_of_elevation(humanoid, side):
    """Held within 10 degrees of the trunk, the plane runs steadily from the front to the back, and so does noise."""
    time_s = np.arange(241) / 60
    swing = np.radians(40) * np.cos(np.pi * time_s / 2)  # forward and back twice
    outward = 1 if side == "right" else -1
    rng = np.random.default_rng(5)
    hang = Rotation.from_rotvec([0, -outward * np.pi / 2, 0])
    forward = Rotation.from_rotvec(-swing[:, None] * (1, 0, 0))
    noise = Rotation.from_rotvec(np.radians(1) * rng.normal(size=(241, 3)))
    table = isb_angles(moving(humanoid, {f"{side}_upper_arm": noise * forward * hang}, time_s))
    elevation, plane = (table[f"shoulder_{side}_{name}_deg"] for name in ("elevation", "plane_of_elevation"))
    np.testing.assert_allclose(elevation, np.abs(np.degrees(swing)), atol=5)
    away = np.abs(np.degrees(swing)) > 15
    np.testing.assert_allclose(plane[away], 90 * np.sign(swing[away]), atol=15)  # the same at every swing
    # 15 frames lie between front and back, 180 degrees apart; unheld, one frame takes all of it.
    assert np.abs(np.diff(plane)).max() < 25
    total = plane + table[f"shoulder_{side}_internal_rotation_deg"]  # what a hanging arm does have: the sum of both
    assert np.abs(total).max() < 20


def test_turns_add_up(humanoid):
    time_s = np.arange(300) / 100
    spin = Rotation.from_rotvec(np.outer(time_s, [0, 0, 2 * np.pi]))
    table = isb_angles(moving(humanoid, {"hips": spin}, time_s))
    np.testing.assert_allclose(np.diff(table["pelvis_rotation_deg"]), 3.6, atol=1e-9)
    np.testing.assert_allclose(table["thorax_rotation_deg"], table["pelvis_rotation_deg"], atol=1e-9)
    assert abs(np.median(table["pelvis_rotation_deg"])) <= 180


def test_opensims_coordinates_rebuild_the_pose(humanoid):
    """Put into the axes of Rajagopal 2016, in its order Z X Y, they give the segments' orientations again."""
    rng = np.random.default_rng(8)
    frames = 60
    joints = ("hips", "chest", "left_thigh", "right_thigh", "left_upper_arm", "right_upper_arm")
    motion = moving(
        humanoid,
        {joint: Rotation.from_rotvec(rng.uniform(-0.5, 0.5, (frames, 3))) for joint in joints},
        np.arange(frames) / 60,
    )
    table = opensim_coordinates(motion)
    # OpenSim's ground: X is our Y, Y our Z (up), Z our X.
    ground = np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]])
    pelvis = euler(table, "pelvis_tilt", "pelvis_list", "pelvis_rotation")
    np.testing.assert_allclose(pelvis, ground @ isb_axes(motion, "hips"), atol=1e-9)
    np.testing.assert_allclose(
        np.stack([table[f"pelvis_t{axis}"] for axis in "xyz"], axis=1), motion.root_m @ ground.T, atol=1e-12
    )
    torso = pelvis @ euler(table, "lumbar_extension", "lumbar_bending", "lumbar_rotation")
    np.testing.assert_allclose(torso, ground @ isb_axes(motion, "chest"), atol=1e-9)
    for side, inward in (("right", 1), ("left", -1)):
        thigh = pelvis @ euler(table, *(f"hip_{w}_{side[0]}" for w in ("flexion", "adduction", "rotation")), inward)
        np.testing.assert_allclose(thigh, ground @ isb_axes(motion, f"{side}_thigh"), atol=1e-9)
        upper_arm = torso @ euler(table, *(f"arm_{what}_{side[0]}" for what in ("flex", "add", "rot")), inward)
        raised = Rotation.from_rotvec([-inward * np.pi / 2, 0, 0]).as_matrix()  # from hanging to the T-pose's level
        regular = np.abs(table[f"arm_add_{side[0]}"] + 90) > HELD_DEG
        assert regular.sum() > 10
        wanted = ground @ isb_axes(motion, f"{side}_upper_arm") @ raised
        np.testing.assert_allclose(upper_arm[regular], wanted[regular], atol=1e-9)


def euler(table, flexion: str, adduction: str, rotation: str, inward: int = 1) -> np.ndarray:
    angles = np.stack([table[flexion], inward * table[adduction], inward * table[rotation]], axis=1)
    return Rotation.from_euler("ZXY", angles, degrees=True).as_matrix()


def test_opensims_knee_arm_and_names(humanoid):
    sideways_up = {"right_upper_arm": (0, 60, 0), "left_upper_arm": (0, -60, 0), "right_shin": (50, 0, 0)}
    table = opensim_coordinates(posed(humanoid, sideways_up, root_m=(0.3, -0.2, 0.9)))
    found = {name: round(table[name][0], 6) for name in table.columns if abs(table[name][0]) > 1e-6}
    assert found == {
        "pelvis_rotation": 180,
        "pelvis_tx": -0.2,
        "pelvis_ty": 0.9,
        "pelvis_tz": 0.3,
        "knee_angle_r": 50,
        "arm_add_r": -150,
        "pro_sup_r": 90,
        "arm_add_l": -150,
        "pro_sup_l": 90,
    }
    assert table.columns[:7] == (
        "pelvis_tilt", "pelvis_list", "pelvis_rotation", "pelvis_tx", "pelvis_ty", "pelvis_tz", "hip_flexion_r"
    )  # fmt: skip


def test_other_skeletons_and_other_rest_poses_are_refused(humanoid):
    motion = posed(humanoid, {})
    others = tuple(name.replace("shin", "calf") for name in motion.joint_names)
    renamed = Motion(others, motion.parents, motion.rest_offset_m, motion.rotation_xyzw, motion.root_m, motion.time_s)
    with pytest.raises(FitError, match="the motion has no left_shin, right_shin"):
        isb_angles(renamed)
    offset = motion.rest_offset_m.copy()
    offset[humanoid.index("left_forearm")] = (0.2, 0, -0.2)  # an A-pose
    a_pose = Motion(motion.joint_names, motion.parents, offset, motion.rotation_xyzw, motion.root_m, motion.time_s)
    with pytest.raises(FitError, match="the bone to left_forearm points 45 degrees elsewhere"):
        opensim_coordinates(a_pose)


@pytest.mark.data
def test_people_who_walk(data, humanoid, tmp_path):
    """Ranges of steady walking (Perry and Burnfield, Gait Analysis, 2nd ed.), and the points' own angle at the knee.

    The pelvis of the rest pose stands upright, while the plane through the hip bones' spines tilts forward by about 10
    degrees: so our hip flexion is about 10 degrees lower than that of marker sets.
    """
    points = accad(data, tmp_path, "male2/Male2-Walk", slice(60, 260))
    table = isb_angles(fit_motion(points, humanoid).motion)
    for side in ("left", "right"):
        knee = table[f"knee_{side}_flexion_deg"]
        assert -6 < knee.min() < 12
        assert 55 < knee.max() < 80
        hip = table[f"hip_{side}_flexion_deg"]
        assert -40 < hip.min() < -5
        assert 18 < hip.max() < 40
        assert 35 < np.ptp(hip) < 75
        assert np.ptp(table[f"ankle_{side}_dorsiflexion_deg"]) < 60
        assert 0 < np.median(table[f"elbow_{side}_flexion_deg"]) < 60
        assert np.median(table[f"shoulder_{side}_elevation_deg"]) < 35
        # The bent knee by the points alone: what lies between thigh and shin.
        place = {name: points.xyz_m[:, points.index(f"{side}_{name}")] for name in ("hip", "knee", "ankle")}
        thigh, shin = place["knee"] - place["hip"], place["ankle"] - place["knee"]
        cosine = (thigh * shin).sum(axis=1) / np.linalg.norm(thigh, axis=1) / np.linalg.norm(shin, axis=1)
        between = np.degrees(np.arccos(cosine))
        bent = between > 20  # a straight leg's bend is mostly sideways, and the fit's bones hardly bend there
        assert np.abs(knee - between)[bent].mean() < 4
    # Opposite legs swing in turn, arms against legs.
    hips = np.corrcoef(table["hip_left_flexion_deg"], table["hip_right_flexion_deg"])[0, 1]
    assert hips < -0.7
    assert np.ptp(table["pelvis_rotation_deg"]) < 40


def accad(data: Path, folder: Path, take: str, frames: slice) -> Keypoints3D:
    """Read joint centres under BlazePose's names."""
    with tarfile.open(data / "mocap" / "accad_joints.tar.xz") as archive:
        archive.extract(f"accad_joints/{take}.trc", folder, filter="data")
    theirs = trc.load(folder / f"accad_joints/{take}.trc")
    limbs = ("hip", "knee", "ankle", "heel", "toe", "shoulder", "elbow", "wrist")
    pairs = [(side, limb) for side in ("left", "right") for limb in limbs]
    xyz_m = theirs.xyz_m[frames][:, [theirs.index(f"{limb}_{side[0]}") for side, limb in pairs]]
    names = tuple(f"{side}_{limb.replace('toe', 'foot_index')}" for side, limb in pairs)
    shape = xyz_m.shape[:2]
    none = np.zeros(shape, dtype=bool)
    return Keypoints3D(names, xyz_m, np.zeros(shape), theirs.time_s[frames], np.empty((0, *shape)), (), none)
