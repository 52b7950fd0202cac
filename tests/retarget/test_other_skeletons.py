"""Another skeleton is a data file: a dog-like body without clavicles, twists or toes, fitted on pixels."""

import numpy as np
import pytest

from benchmarks.synthetic_take import ring_of_cameras
from retarget.ik import fit_motion
from retarget.kinematics import Kinematics, Poses
from retarget.pixels import PixelViews
from skeleton.hierarchy_file import load_skeleton
from skeleton.keypoints import Keypoints3D, Observations2D

DOG = """
name = "dog"
height_m = 0.6
up = [0, 0, 1]
front = [0, -1, 0]

[[joint]]
name = "pelvis"
tail = "withers"
roll_axis = [0, 0, 1]

[[joint]]
name = "withers"
parent = "pelvis"
offset_m = [0, -0.5, 0.02]
tail = "skull"
roll_axis = [0, 0, 1]
limits_deg = [[-30, 30], [-20, 20], [-30, 30]]
rest_std_deg = [10, 10, 10]

[[joint]]
name = "skull"
parent = "withers"
offset_m = [0, -0.2, 0.2]
tail = "skull_end"
roll_axis = [0, 0, 1]
limits_deg = [[-50, 50], [-40, 40], [-50, 50]]

[[joint]]
name = "skull_end"
parent = "skull"
offset_m = [0, -0.2, 0]
length_group = "skull"

[[joint]]
name = "left_fore_leg"
parent = "withers"
offset_m = [0.09, 0, -0.1]
roll_axis = [0, -1, 0]
limits_deg = [[-60, 60], [0, 0], [-20, 20]]

[[joint]]
name = "left_fore_paw"
parent = "left_fore_leg"
offset_m = [0, 0, -0.24]
roll_axis = [0, -1, 0]
limits_deg = [[-10, 100], [0, 0], [0, 0]]

[[joint]]
name = "left_fore_paw_end"
parent = "left_fore_paw"
offset_m = [0, 0, -0.24]

[[joint]]
name = "left_hind_leg"
parent = "pelvis"
offset_m = [0.08, 0, -0.05]
roll_axis = [0, -1, 0]
limits_deg = [[-60, 60], [0, 0], [-20, 20]]

[[joint]]
name = "left_hind_paw"
parent = "left_hind_leg"
offset_m = [0, 0, -0.25]
roll_axis = [0, -1, 0]
limits_deg = [[-100, 10], [0, 0], [0, 0]]

[[joint]]
name = "left_hind_paw_end"
parent = "left_hind_paw"
offset_m = [0, 0, -0.26]

[[contact]]
name = "left_fore_paw"
joint = "left_fore_paw_end"

[[contact]]
name = "left_hind_paw"
joint = "left_hind_paw_end"

[landmarks.dog]
torso = ["left_shoulder", "right_shoulder", "left_hip", "right_hip"]
points = [
  { name = "left_shoulder", joint = "left_fore_leg", axes = "withers", offset_std_m = 0.01 },
  { name = "left_elbow", joint = "left_fore_paw", offset_std_m = 0.005 },
  { name = "left_fore_paw", joint = "left_fore_paw_end" },
  { name = "left_hip", joint = "left_hind_leg", axes = "pelvis", offset_std_m = 0.01 },
  { name = "left_knee", joint = "left_hind_paw", offset_std_m = 0.005 },
  { name = "left_hind_paw", joint = "left_hind_paw_end" },
  { name = "skull", joint = "skull", offset_std_m = 0.005 },
  { name = "nose", joint = "skull", offset_m = [0, -0.18, -0.02], offset_std_m = 0.02 },
  { name = "left_ear", joint = "skull", offset_m = [0.06, 0, 0.08], offset_std_m = 0.02 },
]
"""
NOISE_PX = 3.0


@pytest.fixture(scope="module")
def dog(tmp_path_factory):
    path = tmp_path_factory.mktemp("skeletons") / "dog.toml"
    path.write_text(DOG, encoding="utf-8")
    return load_skeleton(path)


def test_a_quadruped_is_fitted_on_pixels(dog):
    kinematics = Kinematics(dog, "dog")
    rng = np.random.default_rng(9)
    time_s = np.arange(180) / 60
    phase = rng.uniform(0, 2 * np.pi, dog.limits_rad.shape[:2])
    wave = np.sin(2 * np.pi * 0.8 * time_s[:, None, None] + phase)
    middle, half = dog.limits_rad.mean(axis=-1), np.ptp(dog.limits_rad, axis=-1) / 2
    angles = kinematics.clipped(middle + 0.6 * half * wave)
    root_m = np.stack([0 * time_s, -0.2 * time_s, 0.55 + 0 * time_s], axis=1)
    shape = kinematics.rest_shape(1.1)
    placed = kinematics.place(Poses(root_m, np.tile(np.eye(3), (180, 1, 1)), angles), shape)
    cameras = ring_of_cameras(3)
    points = placed.landmark_m
    size = points.shape[:2]
    xy = cameras.project(points) + NOISE_PX * rng.standard_normal((3, *size, 2))
    keypoints = Keypoints3D(
        kinematics.landmarks,
        points + 0.01 * rng.standard_normal(points.shape),
        np.full(size, 0.01),
        time_s,
        np.zeros((3, *size)),
        cameras.names,
        np.zeros(size, dtype=bool),
    )
    seen = Observations2D(cameras.names, kinematics.landmarks, xy, np.full((3, *size), NOISE_PX), time_s)
    fit = fit_motion(keypoints, dog, joint_set="dog", pixels=PixelViews(seen, cameras))
    assert fit.report.limits_kept_share == 1.0
    assert fit.motion.contact_names == ("left_fore_paw", "left_hind_paw", "right_fore_paw", "right_hind_paw")
    error = np.linalg.norm(fit.motion.world_positions() - placed.joint_m.swapaxes(0, 1), axis=-1)
    legs = [
        dog.index(f"{side}_{end}_{part}")
        for side in ("left", "right")
        for end in ("fore", "hind")
        for part in ("leg", "paw")
    ]
    # 3 px at 4 m and 1400 px are 9 mm in each of three views, so 9 mm in space before bones and smoothness.
    assert error[:, legs].mean() < 0.009
    for name, length in fit.report.bone_length_m.items():
        assert length == fit.report.bone_length_m[name.replace("left_", "right_")]
        assert length == pytest.approx(1.1 * np.linalg.norm(dog.rest_offset_m[dog.index(name)]), rel=0.06)
