import tarfile
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from clapcap.errors import FileFormatError
from retarget.bvh import euler_zxy, read_bvh, write_bvh
from skeleton.motion import Motion

ELBOW = """HIERARCHY
ROOT Base
{
	OFFSET 0.0 0.0 0.0
	CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
	JOINT Tip
	{
		OFFSET 0.0 2.0 0.0
		CHANNELS 3 Zrotation Xrotation Yrotation
		End Site
		{
			OFFSET 0.0 1.0 0.0
		}
	}
}
MOTION
Frames: 2
Frame Time: 0.04
1 2 3 0 0 0 0 0 0
1 2 3 90 0 0 0 90 0
"""


def positions_by_matrix_products(text: str) -> dict[str, np.ndarray]:
    """Read a BVH by another way than ours: recursive descent, and products of 4 x 4 matrices; Y up, as the file says.

    Return every joint's positions (frames, 3), End Sites as `<parent>|end`.
    """
    words = text.split()
    motion = words.index("MOTION")
    frame_count = int(words[motion + 2])
    values = np.array(words[motion + 6 :], dtype=float).reshape(frame_count, -1)
    found: dict[str, np.ndarray] = {}
    used = 0

    def turn(axis: str, degrees: float) -> np.ndarray:
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        m = np.eye(4)
        i, j = {"X": (1, 2), "Y": (2, 0), "Z": (0, 1)}[axis]
        m[i, i] = m[j, j] = c
        m[i, j], m[j, i] = -s, s
        return m

    def joint(at: int, name: str, parents: list[np.ndarray]) -> int:
        nonlocal used
        assert words[at : at + 2] == ["{", "OFFSET"]
        offset = np.array(words[at + 2 : at + 5], dtype=float)
        at += 5
        worlds = []
        channels: list[str] = []
        if words[at] == "CHANNELS":
            channels = words[at + 2 : at + 2 + int(words[at + 1])]
            at += 2 + len(channels)
        for frame, parent in enumerate(parents):
            local = np.eye(4)
            local[:3, 3] = offset
            turned = np.eye(4)
            for k, channel in enumerate(channels):
                value = values[frame, used + k]
                if channel.endswith("position"):
                    local["XYZ".index(channel[0]), 3] = value
                else:
                    turned = turned @ turn(channel[0], value)
            worlds.append(parent @ local @ turned)
        used += len(channels)
        found[name] = np.array([w[:3, 3] for w in worlds])
        while words[at] != "}":
            child = f"{name}|end" if words[at] == "End" else words[at + 1]
            at = joint(at + 2, child, worlds)
        return at + 1

    assert words[:2] == ["HIERARCHY", "ROOT"]
    joint(3, words[2], [np.eye(4)] * frame_count)
    return found


def chain(rotvec: np.ndarray, root_m: np.ndarray, time_s: np.ndarray) -> Motion:
    """A body of five joints with a branch, an end and a leaf without one; rotvec (frames, 5, 3)."""
    names = ("hips", "spine", "spine_end", "left leg", "left_foot")
    offset = np.array([[0, 0, 0], [0.01, 0.02, 0.5], [0, -0.1, 0.3], [0.1, 0, 0], [0, 0.05, -0.8]])
    rotation = Rotation.from_rotvec(rotvec.reshape(-1, 3)).as_quat().reshape(len(time_s), 5, 4)
    rotation[:, 2] = (0, 0, 0, 1)  # an end's rotation moves nothing, and End Sites have none
    return Motion(names, np.array([-1, 0, 1, 0, 3]), offset, rotation, root_m, time_s)


def body_motion(actor) -> Motion:
    definition = actor.kinematics.skeleton
    quaternions = actor.kinematics.local_quaternions(actor.poses)
    names, parents = definition.joint_names, definition.parents
    return Motion(names, parents, actor.shape.offset_m, quaternions, actor.poses.root_m, actor.time_s)


def test_reading_an_elbow_by_hand(tmp_path):
    file = tmp_path / "elbow.bvh"
    file.write_text(ELBOW)
    motion = read_bvh(file, scale=10)
    assert motion.joint_names == ("Base", "Tip", "Tip_end")
    np.testing.assert_allclose(motion.time_s, [0, 0.04])
    # Y up becomes Z up: the file's (1, 2, 3) stands at (1, -3, 2), in tenths of a metre.
    np.testing.assert_allclose(motion.world_positions()[0] * 10, [[1, -3, 2], [1, -3, 4], [1, -3, 5]], atol=1e-12)
    # 90 degrees about z lay the bone along -x; then 90 about x, in the turned axes, bend its end towards z, our -y.
    np.testing.assert_allclose(motion.world_positions()[1] * 10, [[1, -3, 2], [-1, -3, 2], [-1, -4, 2]], atol=1e-12)
    upright = read_bvh(file, scale=10, up="Z")
    np.testing.assert_allclose(upright.world_positions()[0] * 10, [[1, 2, 3], [1, 4, 3], [1, 5, 3]], atol=1e-12)


def test_writing_an_elbow_by_hand(tmp_path):
    rotation = np.zeros((1, 3, 4))
    rotation[..., 3] = 1
    rotation[0, 1] = Rotation.from_euler("y", -90, degrees=True).as_quat()  # our -y is the file's z
    motion = Motion(
        ("base", "tip", "tip_end"),
        np.array([-1, 0, 1]),
        np.array([[0, 0, 0], [0, 0, 2.0], [0, -0.5, 0]]),
        rotation,
        np.array([[1.0, 2.0, 3.0]]),
        np.array([7.0]),
    )
    write_bvh(tmp_path / "a.bvh", motion)
    lines = [line.strip() for line in (tmp_path / "a.bvh").read_text().splitlines()]
    assert lines[5:8] == ["JOINT tip", "{", "OFFSET 0.00000000 2.00000000 0.00000000"]
    assert lines[9:12] == ["End Site", "{", "OFFSET 0.00000000 0.00000000 0.50000000"]
    root = "1.000000 3.000000 -2.000000 0.000000 0.000000 0.000000"
    assert lines[-1] == f"{root} 90.000000 0.000000 0.000000"


def test_an_independent_reader_finds_our_positions(actor, tmp_path):
    motion = body_motion(actor)
    write_bvh(tmp_path / "a.bvh", motion)
    found = positions_by_matrix_products((tmp_path / "a.bvh").read_text())
    position = motion.world_positions()
    for joint, name in enumerate(motion.joint_names):
        theirs = found[name.replace("_end", "|end")]
        ours = position[:, joint][:, [0, 2, 1]] * (1, 1, -1)
        assert np.abs(theirs - ours).max() < 1e-5, name  # 0.01 mm


@pytest.mark.parametrize("rate_hz", [23.976, 29.97, 59.94, 60.0, 240.0])
def test_the_package_bvh_reads_names_rates_and_channels(actor, tmp_path, rate_hz):
    package = pytest.importorskip("bvh", reason="an independent reader: pip install bvh")
    motion = body_motion(actor)
    frames = len(motion.time_s)
    motion = replace(motion, time_s=5 + np.arange(frames) / rate_hz)
    write_bvh(tmp_path / "a.bvh", motion, scale=100)
    document = package.Bvh((tmp_path / "a.bvh").read_text())
    bones = [name for name in motion.joint_names if not name.endswith("_end")]
    assert sorted(document.get_joints_names()) == sorted(bones)
    assert document.nframes == frames
    # An hour at this rate is off by less than a hundredth of a frame.
    assert abs(document.frame_time * rate_hz - 1) * 3600 * rate_hz < 0.01
    names = list(motion.joint_names)
    for bone in bones[1:]:
        joint = names.index(bone)
        assert document.joint_parent(bone).name == names[motion.parents[joint]]
        ours = 100 * motion.rest_offset_m[joint][[0, 2, 1]] * (1, 1, -1)
        np.testing.assert_allclose(document.joint_offset(bone), ours, atol=1e-6)
        angles = document.frames_joint_channels(bone, ["Zrotation", "Xrotation", "Yrotation"])
        theirs = Rotation.from_euler("ZXY", angles, degrees=True)
        turn = Rotation.from_matrix([[1, 0, 0], [0, 0, 1], [0, -1, 0]])
        wanted = turn * Rotation.from_quat(motion.rotation_xyzw[:, joint]) * turn.inv()
        assert np.degrees((theirs * wanted.inv()).magnitude()).max() < 1e-5, bone
    root = np.array(document.frames_joint_channels("hips", ["Xposition", "Yposition", "Zposition"]))
    np.testing.assert_allclose(root, 100 * motion.root_m[:, [0, 2, 1]] * (1, 1, -1), atol=1e-5)


vectors = st.lists(st.floats(-4, 4), min_size=45, max_size=45)


@settings(deadline=None)
@given(numbers=vectors, start=st.floats(-5, 5), rate=st.sampled_from([24.0, 29.97, 30.0, 60.0, 240.0]))
def test_what_is_written_is_read_again(tmp_path_factory, numbers, start, rate):
    file = tmp_path_factory.mktemp("bvh") / "a.bvh"
    rotvec = np.array(numbers).reshape(3, 5, 3)
    motion = chain(rotvec, rotvec[:, 0] * 2, start + np.arange(3) / rate)
    write_bvh(file, motion)
    back = read_bvh(file)
    assert back.joint_names == ("hips", "spine", "spine_end", "left_leg", "left_foot")
    np.testing.assert_array_equal(back.parents, motion.parents)
    np.testing.assert_allclose(back.world_positions(), motion.world_positions(), atol=1e-5)
    np.testing.assert_allclose(back.time_s, motion.time_s - motion.time_s[0], atol=1e-8)
    write_bvh(file, motion, scale=100)
    np.testing.assert_allclose(read_bvh(file, scale=100).world_positions(), motion.world_positions(), atol=1e-5)


@pytest.mark.parametrize("x_degrees", [90.0, -90.0, 89.9999999, 89.99])
def test_a_joint_in_gimbal_lock_keeps_its_rotation(x_degrees):
    rotation = Rotation.from_euler("ZXY", [[20.0, x_degrees, 30.0]], degrees=True)
    angles = euler_zxy(rotation.as_matrix()[:, None])[:, 0]
    again = Rotation.from_euler("ZXY", angles)
    assert (again * rotation.inv()).magnitude()[0] < 2e-7


def test_angles_do_not_jump(actor):
    # A joint turning twice round and over the pole: no channel moves further than the joint does, away from the pole.
    time_s = np.linspace(0, 1, 200)
    rotation = Rotation.from_rotvec(np.outer(time_s, [0, 0, 4 * np.pi])) * Rotation.from_euler("x", 0.5)
    angles = euler_zxy(rotation.as_matrix()[:, None])[:, 0]
    assert np.abs(np.diff(angles, axis=0)).max() < 1.01 * 4 * np.pi / 199
    over = Rotation.from_rotvec(np.outer(time_s, [np.pi, 0, 0]))  # x passes 90 degrees
    angles = euler_zxy(over.as_matrix()[:, None])[:, 0]
    assert np.abs(np.diff(angles, axis=0)).max() < 1.01 * np.pi / 199


def test_uneven_time_stamps_are_resampled_onto_an_even_line(tmp_path):
    # A body that turns and walks steadily: so slerp and linear interpolation are exact.
    time_s = 2.0 + np.array([0.0, 0.04, 0.08, 0.12, 0.17, 0.20, 0.24])
    rotvec = np.zeros((7, 5, 3))
    rotvec[:, 0, 2] = 3 * time_s
    write_bvh(tmp_path / "a.bvh", chain(rotvec, np.outer(time_s, [1, 2, 0]), time_s))
    back = read_bvh(tmp_path / "a.bvh")
    np.testing.assert_allclose(back.time_s, np.arange(7) * 0.04, atol=1e-9)
    even = np.zeros((7, 5, 3))
    even[:, 0, 2] = 3 * (2.0 + back.time_s)
    wanted = chain(even, np.outer(2.0 + back.time_s, [1, 2, 0]), back.time_s)
    np.testing.assert_allclose(back.world_positions(), wanted.world_positions(), atol=1e-5)


def test_other_channel_orders_names_with_spaces_and_windows_line_ends_are_read(tmp_path):
    text = ELBOW.replace("CHANNELS 3 Zrotation Xrotation Yrotation", "CHANNELS 3 Xrotation YROTATION Zrotation")
    text = text.replace("JOINT Tip", "JOINT Left Tip").replace("Frames: 2", "Frames:\t2").replace("\n", "\r\n")
    file = tmp_path / "other.bvh"
    file.write_bytes(b"\xef\xbb\xbf" + text.replace("0 90 0\r\n", "90 0 0\r\n").encode())
    motion = read_bvh(file)
    assert motion.joint_names[1] == "Left_Tip"
    np.testing.assert_allclose(motion.world_positions()[1, 2], [-1, -4, 2], atol=1e-12)


def test_position_channels_of_other_joints_must_stand_still(tmp_path):
    six = ELBOW.replace("CHANNELS 3 Z", "CHANNELS 6 Xposition Yposition Zposition Z")
    file = tmp_path / "six.bvh"
    file.write_text(
        six.replace("0 0 0 0 0 0\n", "0 0 0 0 2.5 0 0 0 0\n").replace(" 90 0 0 0 90 0\n", " 90 0 0 0 2.5 0 0 90 0\n")
    )
    motion = read_bvh(file)
    np.testing.assert_allclose(motion.rest_offset_m[1], [0, 0, 2.5])  # the channels replace the OFFSET
    file.write_text(
        six.replace("0 0 0 0 0 0\n", "0 0 0 0 2.5 0 0 0 0\n").replace(" 90 0 0 0 90 0\n", " 90 0 0 0 3.5 0 0 90 0\n")
    )
    with pytest.raises(FileFormatError, match=r"six.bvh, line 6: joint Tip moves by 0.5 m against its parent"):
        read_bvh(file)


@pytest.mark.parametrize(
    ("was", "becomes", "says"),
    [
        ("HIERARCHY", "HIERARCHIE", "line 1: 'HIERARCHIE' where HIERARCHY was expected"),
        ("OFFSET 0.0 2.0 0.0", "OFFSET 0.0 2,0 0.0", "line 8: '2,0' where a number of OFFSET was expected"),
        ("Xposition Yp", "Xposition Xposition Yp", "line 5: Base has unknown or repeated channels"),
        ("\t\tEnd Site", "\t\tEnd Sight", "line 10: 'Sight' where Site was expected"),
        ("CHANNELS 3", "CHANELS 3", "line 9: 'CHANELS' where OFFSET, CHANNELS, JOINT, End Site or } was expected"),
        ("\t}\n}\n", "\t}\n", "the file ends where OFFSET, CHANNELS, JOINT, End Site or } was expected"),
        ("\t}\n}\n", "\t}\n}\nROOT B\n{\n}\n", "line 16: 'ROOT' where MOTION was expected (one ROOT is read)"),
        ("MOTION\n", "", "no line MOTION"),
        ("Frames: 2", "Frames: two", "line 17: 'Frames: two' where 'Frames: <number>' was expected"),
        ("Frames: 2", "Frames: 3", "line 17: 3 frames are announced, but 2 follow"),
        ("Frame Time: 0.04", "Frame Time: 0", "line 18: the frame time is 0.0 s, needed more than 0"),
        ("0 0 0 0 0 0\n", "0 0 0 0 0\n", "line 19: 8 numbers, needed 9"),
        ("90 0 0 0 90 0", "90 0 0 0 nan 0", "line 20: 'nan' is no finite number"),
        ("90 0 0 0 90 0", "90 0 0 0 9O 0", "line 20: '9O' is no finite number"),
    ],
)
def test_a_malformed_file_is_named_with_its_line(tmp_path, was, becomes, says):
    assert was in ELBOW
    file = tmp_path / "bad.bvh"
    file.write_text(ELBOW.replace(was, becomes, 1))
    with pytest.raises(FileFormatError) as error:
        read_bvh(file)
    assert str(file) in str(error.value)
    assert says in str(error.value)


def test_a_missing_and_an_empty_file_are_errors(tmp_path):
    with pytest.raises(FileFormatError, match="cannot read the BVH file"):
        read_bvh(tmp_path / "none.bvh")
    (tmp_path / "empty.bvh").write_text("")
    with pytest.raises(FileFormatError, match="line 1: no line MOTION"):
        read_bvh(tmp_path / "empty.bvh")


@pytest.mark.data
@pytest.mark.parametrize(
    ("archive", "member", "unit_m"),
    [
        ("accad_bvh", "accad_bvh/male1/Male1_A13_Skipping.bvh", 0.01),  # channels Z X Y
        ("cmu_bvh", "cmu_bvh/06/06_01.bvh", 0.056444),  # channels Z Y X, hips and fingers without length
        ("cmu_bvh", "cmu_bvh/131/131_01.bvh", 0.056444),  # 3ds Max
        ("cmu_dance_bvh", "cmu_dance_bvh/60/60_01.bvh", 0.0104),  # a channel order a joint
    ],
)
def test_recordings_of_others_keep_their_positions(data, tmp_path, archive, member, unit_m):
    with tarfile.open(data / "mocap" / f"{archive}.tar.xz") as tar:
        text = tar.extractfile(member).read().decode()
    head, motion = text.split("MOTION")
    rows = motion.strip().splitlines()
    text = f"{head}MOTION\nFrames: 100\n{rows[1]}\n" + "\n".join(rows[2:102]) + "\n"
    (tmp_path / "theirs.bvh").write_text(text)
    motion = read_bvh(tmp_path / "theirs.bvh", scale=1 / unit_m)
    write_bvh(tmp_path / "ours.bvh", motion)
    again = read_bvh(tmp_path / "ours.bvh")
    assert np.abs(again.world_positions() - motion.world_positions()).max() < 1e-5
    independent = positions_by_matrix_products(text)
    position = motion.world_positions()
    assert set(motion.joint_names) <= {name.replace("|end", "_end") for name in independent}
    for joint, name in enumerate(motion.joint_names):
        theirs = independent[name if name in independent else name.replace("_end", "|end")] * unit_m
        assert np.abs(theirs - position[:, joint][:, [0, 2, 1]] * (1, 1, -1)).max() < 1e-5, name
