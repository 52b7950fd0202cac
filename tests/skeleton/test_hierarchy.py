import numpy as np
import pytest

from clapcap.errors import FileFormatError
from skeleton.hierarchy_file import load_skeleton

MINIMAL = """
name = "arm"
height_m = 1.0
front = [0, -1, 0]

[[joint]]
name = "base"
roll_axis = [0, -1, 0]

[[joint]]
name = "tip"
parent = "base"
offset_m = [0, 0, 1]
roll_axis = [0, -1, 0]
limits_deg = [[-90, 90], [0, 0], [0, 0]]

[[joint]]
name = "tip_end"
parent = "tip"
offset_m = [0, 0, 1]
"""


@pytest.fixture(scope="module")
def humanoid():
    return load_skeleton("humanoid")


def test_the_humanoid_stands_upright_at_its_height_with_its_left_at_plus_x(humanoid):
    position = np.zeros((len(humanoid.joints), 3))
    for joint, parent in enumerate(humanoid.parents):
        if parent >= 0:
            position[joint] = position[parent] + humanoid.rest_offset_m[joint]
    at = dict(zip(humanoid.joint_names, position, strict=True))
    # The soles are 2 cm below the toe joints.
    assert at["head_end"][2] - at["left_toe"][2] + 0.02 == pytest.approx(humanoid.height_m, abs=0.01)
    assert at["left_hand_end"][0] > 0.8
    assert at["left_toe_end"][1] < at["left_foot"][1]  # it faces -Y
    for left, right in humanoid.twins:
        np.testing.assert_allclose(position[left] * (-1, 1, 1), position[right], atol=1e-12)
    assert len(humanoid.twins) == 10


def test_bone_axes_of_the_left_thigh_and_the_right_forearm_by_hand(humanoid):
    # Down, z to the front (-Y): x = y cross z = (-Z) cross (-Y) = -X.
    thigh = humanoid.bone_axes[humanoid.index("left_thigh")]
    np.testing.assert_allclose(thigh.T, [[-1, 0, 0], [0, 0, -1], [0, -1, 0]], atol=1e-12)
    # To the right (-X), z to the front: x = (-X) cross (-Y) = Z: a positive turn about it bends the elbow forwards.
    forearm = humanoid.bone_axes[humanoid.index("right_forearm")]
    np.testing.assert_allclose(forearm.T, [[0, 0, 1], [-1, 0, 0], [0, -1, 0]], atol=1e-12)


def test_bone_axes_are_rotations_along_their_bones(humanoid):
    axes = humanoid.bone_axes
    np.testing.assert_allclose(axes.swapaxes(1, 2) @ axes, np.broadcast_to(np.eye(3), axes.shape), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(axes), 1.0)
    for joint, name in enumerate(humanoid.joint_names):
        tail = humanoid.joints[joint].tail
        if tail is not None:
            bone = humanoid.rest_offset_m[humanoid.index(tail)]
            assert axes[joint, :, 1] @ bone == pytest.approx(np.linalg.norm(bone)), name


def test_limits_of_twins_mirror_each_other(humanoid):
    left, right = (humanoid.joints[humanoid.index(f"{side}_upper_arm")] for side in ("left", "right"))
    assert left.limits_deg == ((-80, 135), (-90, 90), (-110, 100))
    assert right.limits_deg == ((-80, 135), (-90, 90), (-100, 110))
    assert right.neutral_deg == (0, 0, 75)
    assert left.length_group == right.length_group


def test_each_joint_set_has_landmarks_on_both_sides(humanoid):
    blaze = humanoid.landmark_sets["blazepose33"]
    assert len(blaze.landmarks) == 33
    coco = humanoid.landmark_sets["coco17"]
    assert len(coco.landmarks) == 17
    by_name = {m.name: m for m in blaze.landmarks}
    assert by_name["right_heel"].joint == "right_foot"
    assert by_name["right_ear"].offset_m == (-0.075, 0, 0.03)


@pytest.mark.parametrize(("name", "points"), [("blazepose33", 33), ("coco17", 17), ("human36m17", 17)])
def test_landmarks_are_named_as_the_joint_set_names_its_points(humanoid, name, points):
    from skeleton.joint_sets import load_joint_set

    names = {m.name for m in humanoid.landmark_sets[name].landmarks}
    assert names == set(load_joint_set(name).points)
    assert len(names) == points


def test_another_skeleton_is_one_file(tmp_path):
    file = tmp_path / "arm.toml"
    file.write_text(MINIMAL)
    arm = load_skeleton(file)
    assert arm.joint_names == ("base", "tip", "tip_end")
    assert arm.parents.tolist() == [-1, 0, 1]
    assert arm.joints[0].tail == "tip"
    np.testing.assert_allclose(np.degrees(arm.limits_rad[1]), [[-90, 90], [0, 0], [0, 0]])


@pytest.mark.parametrize(
    ("was", "becomes", "says"),
    [
        ('parent = "base"', 'parent = "bse"', "joint tip: parent 'bse' is not defined"),
        ('parent = "base"', "", "joint tip: parent None"),
        ("[[-90, 90]", "[[90, -90]", "joint tip: a limit's low exceeds its high"),
        ("[[-90, 90]", "[[-190, 190]", "the swing limits allow 190 degrees, needed at most 179"),
        ("[[-90, 90], [0, 0], [0, 0]]", "[[-90, 90]]", "joint tip: limits_deg has 1 ranges, needed 3"),
        ("limits_deg = [", "rest_std_deg = [1, 0, 1]\nlimits_deg = [", "joint tip: rest_std_deg is (1.0, 0.0, 1.0)"),
        ("limits_deg = [", "neutral_deg = [0, 5, 0]\nlimits_deg = [", "joint tip: neutral_deg"),
        ("roll_axis = [0, -1, 0]\nlimits", "roll_axis = [0, 0, 2]\nlimits", "joint tip: roll_axis is parallel"),
        ('name = "tip_end"', 'name = "tip"', "joints repeat"),
        ("height_m = 1.0", "height_m = 0", "height_m is 0.0, needed more than 0"),
        ("height_m = 1.0", "", "'height_m' is missing"),
        ("height_m = 1.0", "height_m = 1.0\nup = [0, 1, 0]", "up is"),
        ("limits_deg", "limts_deg", "joint tip: unknown ['limts_deg']"),
        ('name = "arm"', "name = arm", "not a skeleton definition"),
    ],
)
def test_a_broken_file_is_named_with_joint_and_value(tmp_path, was, becomes, says):
    assert was in MINIMAL
    file = tmp_path / "arm.toml"
    file.write_text(MINIMAL.replace(was, becomes))
    with pytest.raises(FileFormatError) as error:
        load_skeleton(file)
    assert str(file) in str(error.value)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("points", "says"),
    [
        ('[{ name = "a", joint = "hand" }]', "a sits on 'hand', which is no joint"),
        ('[{ name = "a", joint = "tip" }, { name = "a", joint = "tip" }]', "['a'] repeat"),
        ('[{ name = "a", joint = "tip", std_m = 0 }]', "a needs std_m > 0"),
        ('[{ name = "a", joint = "tip" }]', "torso needs three or more of the points"),
    ],
)
def test_broken_landmarks_are_named(tmp_path, points, says):
    file = tmp_path / "arm.toml"
    file.write_text(MINIMAL + f'[landmarks.mine]\ntorso = ["a", "b", "c"]\npoints = {points}\n')
    with pytest.raises(FileFormatError) as error:
        load_skeleton(file)
    assert says in str(error.value)


def test_an_unknown_skeleton_and_a_missing_file_say_what_to_do(tmp_path):
    with pytest.raises(FileFormatError, match="use 'humanoid'"):
        load_skeleton("humanoids")
    with pytest.raises(FileFormatError, match="cannot read the skeleton definition"):
        load_skeleton(tmp_path / "none.toml")
