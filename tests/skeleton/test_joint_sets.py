"""Joint sets: the packaged ones are sound, and mapping between them does the arithmetic that it declares."""

import warnings
from pathlib import Path

import numpy as np
import pytest

from clapcap.errors import FileFormatError
from skeleton.joint_sets import (
    JointSet,
    available_joint_sets,
    load_joint_set,
    map_keypoints2d,
    map_keypoints3d,
    read_joint_set,
)
from skeleton.keypoints import Keypoints2D, Keypoints3D

SETS = ("blazepose33", "body18", "coco17", "human36m17")


def test_the_four_sets_ship_and_the_hierarchies_beside_them_are_no_joint_sets():
    assert available_joint_sets() == SETS


@pytest.mark.parametrize(("name", "points"), [("blazepose33", 33), ("body18", 18), ("coco17", 17), ("human36m17", 17)])
def test_size_and_symmetry(name: str, points: int):
    joints = load_joint_set(name)
    assert len(joints.points) == points
    # Whatever says left or right in its name has a partner, and the partner's name is the mirrored one.
    mirrored = [point.replace("left", "*").replace("right", "left").replace("*", "right") for point in joints.points]
    swap = joints.swap_left_right_indices
    assert [joints.points[i] for i in swap] == mirrored
    np.testing.assert_array_equal(swap[swap], np.arange(points))
    # The drawing is as symmetric as the body, and leaves no point out.
    edges = {(joints.points[a], joints.points[b]) for a, b in joints.edge_indices}
    flip = dict(zip(joints.points, mirrored, strict=True))
    assert {frozenset((flip[a], flip[b])) for a, b in edges} == {frozenset(edge) for edge in edges}
    assert {point for edge in edges for point in edge} == set(joints.points)
    for edge in joints.edges:
        sides = {word for point in (edge.start, edge.end) for word in ("left", "right") if word in point}
        assert edge.side == ("middle" if len(sides) != 1 else sides.pop())


def test_blazepose_has_the_names_order_and_lines_of_mediapipe():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what mediapipe's own imports warn of
        from mediapipe.python.solutions.pose import POSE_CONNECTIONS, PoseLandmark
    joints = load_joint_set("blazepose33")
    assert joints.points == tuple(landmark.name.lower() for landmark in PoseLandmark)
    assert {frozenset(edge) for edge in joints.edge_indices.tolist()} == {frozenset(edge) for edge in POSE_CONNECTIONS}


def test_human36m_is_in_the_order_of_martinez():
    names = "Hip RHip RKnee RFoot LHip LKnee LFoot Spine Thorax Neck/Nose Head LShoulder LElbow LWrist RShoulder RElbow"
    ours = load_joint_set("human36m17").points
    for short, point in zip([*names.split(), "RWrist"], ours, strict=True):
        side = {"L": "left_", "R": "right_"}.get(short[0], "") if short[1].isupper() else ""
        assert point == side + short[bool(side) :].lower().replace("/", "_")


def keypoints2d(names: tuple[str, ...], xy: np.ndarray, confidence: np.ndarray) -> Keypoints2D:
    frames = len(xy)
    world = np.concatenate([xy, 2 * xy[..., :1]], axis=-1)
    return Keypoints2D(names, xy, confidence, np.arange(frames) / 30, np.array([640, 360]), world)


def keypoints3d(names: tuple[str, ...], xyz: np.ndarray, sigma: np.ndarray) -> Keypoints3D:
    frames, points = xyz.shape[:2]
    reprojection = np.broadcast_to(np.arange(points, dtype=float), (2, frames, points))
    return Keypoints3D(
        names, xyz, sigma, np.arange(frames) / 30, reprojection, ("cam1", "cam2"), np.zeros((frames, points), bool)
    )


def test_pelvis_is_the_middle_of_the_hips():
    coco, target = load_joint_set("coco17"), load_joint_set("human36m17")
    xyz = np.zeros((1, 17, 3))
    xyz[0, coco.index("left_hip")] = (1, 2, 3)
    xyz[0, coco.index("right_hip")] = (3, 0, 1)
    xyz[0, coco.index("left_ankle")] = (7, 8, 9)
    sigma = np.full((1, 17), 0.01)
    sigma[0, coco.index("left_hip")], sigma[0, coco.index("right_hip")] = 0.03, 0.04
    mapped = map_keypoints3d(keypoints3d(coco.points, xyz, sigma), target)
    assert mapped.names == target.points
    pelvis = target.index("hip")
    np.testing.assert_allclose(mapped.xyz_m[0, pelvis], (2, 1, 2))
    np.testing.assert_allclose(mapped.xyz_m[0, target.index("left_foot")], (7, 8, 9))
    assert mapped.sigma_m[0, pelvis] == pytest.approx(0.025)  # root of (0.03 / 2)^2 + (0.04 / 2)^2: 3-4-5
    assert mapped.sigma_m[0, target.index("right_knee")] == pytest.approx(0.01)
    hips = (coco.index("left_hip") + coco.index("right_hip")) / 2
    np.testing.assert_allclose(mapped.reprojection_px[:, 0, pelvis], hips)
    assert mapped.camera_names == ("cam1", "cam2")


def test_propagated_sigma_is_the_spread_of_noisy_points():
    rng = np.random.default_rng(0)
    source, target = load_joint_set("blazepose33"), load_joint_set("human36m17")
    frames = 4000
    sigma = rng.uniform(0.005, 0.05, 33)
    xyz = rng.normal(size=(1, 33, 3)) + sigma[:, None] * rng.normal(size=(frames, 33, 3))
    mapped = map_keypoints3d(keypoints3d(source.points, xyz, np.broadcast_to(sigma, (frames, 33))), target)
    spread = np.sqrt(mapped.xyz_m.var(axis=0).mean(axis=-1))
    # A standard deviation from 3 x 4000 samples is good to 1 / sqrt(2 x 12000) = 0.65 %; 17 joints: five times that.
    np.testing.assert_allclose(spread, mapped.sigma_m[0], rtol=0.033)


def test_missing_sources_make_only_what_needs_them_missing():
    source, target = load_joint_set("blazepose33"), load_joint_set("human36m17")
    xy = np.random.default_rng(1).uniform(0, 300, (2, 33, 2))
    xy[1, source.index("left_hip")] = np.nan
    confidence = np.linspace(0.2, 0.9, 33)[None].repeat(2, axis=0)
    confidence[1, source.index("left_hip")] = 0
    mapped = map_keypoints2d(keypoints2d(source.points, xy, confidence), target)
    lost = {"hip", "left_hip", "spine"}
    assert {name for name, gone in zip(target.points, np.isnan(mapped.xy_px[1]).all(-1), strict=True) if gone} == lost
    assert np.isfinite(mapped.xy_px[0]).all()
    np.testing.assert_array_equal(mapped.confidence[1] == 0, [name in lost for name in target.points])
    assert mapped.confidence[0, target.index("hip")] == confidence[0, source.index("left_hip")]  # the least of the two
    head = mapped.xy_px[0, target.index("head")]
    np.testing.assert_allclose(head, (xy[0, source.index("left_eye")] + xy[0, source.index("right_eye")]) / 2)
    assert mapped.world_m is not None
    np.testing.assert_allclose(mapped.world_m[..., 2], 2 * mapped.world_m[..., 0])


def test_filled_sources_make_filled_targets():
    coco, target = load_joint_set("coco17"), load_joint_set("human36m17")
    filled = np.zeros((1, 17), dtype=bool)
    filled[0, coco.index("left_shoulder")] = True
    points = Keypoints3D(coco.points, np.ones((1, 17, 3)), np.ones((1, 17)), [0.0], np.empty((0, 1, 17)), (), filled)
    mapped = map_keypoints3d(points, target)
    assert {n for n, f in zip(target.points, mapped.filled[0], strict=True) if f} == {
        "spine",
        "thorax",
        "left_shoulder",
    }


def test_same_set_and_other_order_and_further_points():
    coco = load_joint_set("coco17")
    names = (*reversed(coco.points), "hat")
    xyz = np.random.default_rng(2).normal(size=(3, 18, 3))
    mapped = map_keypoints3d(keypoints3d(names, xyz, np.full((3, 18), 0.01)), coco)
    np.testing.assert_array_equal(mapped.xyz_m, xyz[:, 16::-1])


def test_mirroring_and_mapping_commute():
    source, target = load_joint_set("blazepose33"), load_joint_set("human36m17")
    xyz = np.random.default_rng(3).normal(size=(4, 33, 3))
    sigma = np.full((4, 33), 0.01)
    mirrored = map_keypoints3d(keypoints3d(source.points, xyz[:, source.swap_left_right_indices], sigma), target)
    mapped = map_keypoints3d(keypoints3d(source.points, xyz, sigma), target)
    np.testing.assert_allclose(mirrored.xyz_m, mapped.xyz_m[:, target.swap_left_right_indices], atol=1e-15)


@pytest.mark.parametrize("target", SETS)
def test_every_declared_mapping_is_complete(target: str):
    joints = load_joint_set(target)
    for source in joints.sources:
        points = load_joint_set(source).points
        ones = keypoints3d(points, np.ones((1, len(points), 3)), np.ones((1, len(points))))
        np.testing.assert_allclose(map_keypoints3d(ones, joints).xyz_m, 1)


def test_no_way_from_these_points():
    three = ("nose", "left_hip", "right_hip")
    with pytest.raises(FileFormatError, match="coco17 lacks left_ankle"):
        map_keypoints3d(keypoints3d(three, np.ones((1, 3, 3)), np.ones((1, 3))), load_joint_set("human36m17"))


def test_unknown_set_says_which_there_are():
    with pytest.raises(FileFormatError, match="coco17, human36m17"):
        load_joint_set("coco18")


GOOD = """
format = "clapcap-joint-set"
version = 1
name = "tiny"
points = ["top", "left_toe", "right_toe"]
left_right = [["left_toe", "right_toe"]]
[edges]
left = [["top", "left_toe"]]
right = [["top", "right_toe"]]
[from.coco17]
top = { left_hip = 0.5, right_hip = 0.5 }
left_toe = "left_ankle"
right_toe = "right_ankle"
"""


def test_a_set_is_one_file(tmp_path: Path):
    path = tmp_path / "tiny.toml"
    path.write_text(GOOD)
    tiny = read_joint_set(path)
    coco = load_joint_set("coco17")
    mapped = map_keypoints3d(keypoints3d(coco.points, np.ones((1, 17, 3)), np.ones((1, 17))), tiny)
    assert mapped.names == ("top", "left_toe", "right_toe")
    assert isinstance(tiny, JointSet)
    np.testing.assert_array_equal(tiny.swap_left_right_indices, [0, 2, 1])


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("version = 1", "version = ", "not a TOML file"),
        ('format = "clapcap-joint-set"', "", "'format' is missing"),
        ("version = 1", "version = 2", "version is 2"),
        ('name = "tiny"', 'name = "huge"', "needed the file's stem 'tiny'"),
        ('["top", "left_toe", "right_toe"]', '["top", "top", "left_toe", "right_toe"]', r"points repeat: \['top'\]"),
        ('["top", "left_toe", "right_toe"]', "[]", "there are no points"),
        ('["top", "left_toe", "right_toe"]', "[1, 2]", "name is 1"),
        ("left_right = ", "pairs = ", "'left_right' is missing"),
        ('[["left_toe", "right_toe"]]', '[["left_toe"]]', "not a pair"),
        ('[["left_toe", "right_toe"]]', '[["left_toe", "right_heel"]]', "left_right names points .*right_heel"),
        ('left = [["top", "left_toe"]]', 'left = [["top", "hat"]]', "edges names points .*hat"),
        ('left = [["top", "left_toe"]]', 'above = [["top", "left_toe"]]', "sides .*above"),
        ("right_hip = 0.5", "right_hip = 0.6", "weights of top from coco17 sum to 1.1"),
        ("right_hip = 0.5", 'right_hip = "0.5"', "neither a point nor a table"),
        ('right_toe = "right_ankle"', 'hat = "right_ankle"', "from names points .*hat"),
    ],
)
def test_bad_toml_says_what_is_wrong(tmp_path: Path, old: str, new: str, complaint: str):
    path = tmp_path / "tiny.toml"
    assert old in GOOD
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(FileFormatError, match=complaint) as caught:
        read_joint_set(path)
    assert str(path) in str(caught.value)


def test_mapping_from_a_point_that_the_source_lacks(tmp_path: Path):
    path = tmp_path / "tiny.toml"
    path.write_text(GOOD.replace('left_toe = "left_ankle"', 'left_toe = "left_heel"'))
    coco = load_joint_set("coco17")
    points = keypoints3d(coco.points, np.ones((1, 17, 3)), np.ones((1, 17)))
    with pytest.raises(FileFormatError, match="left_toe needs 'left_heel', which coco17 does not have"):
        map_keypoints3d(points, read_joint_set(path))


def test_a_file_that_is_not_there(tmp_path: Path):
    with pytest.raises(FileFormatError, match="cannot be read: No such file"):
        read_joint_set(tmp_path / "none.toml")
