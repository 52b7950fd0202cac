"""A made-up person in motion, whose every joint is known."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from retarget.kinematics import Kinematics, Placed, Poses, Shape
from retarget.shape_model import ShapeModel
from skeleton.hierarchy import SkeletonDefinition
from skeleton.hierarchy_file import load_skeleton
from skeleton.keypoints import Keypoints3D


@dataclass(frozen=True)
class Actor:
    """A subject of other proportions than the definition's, moving all joints within their limits."""

    kinematics: Kinematics
    shape: Shape
    time_s: np.ndarray
    poses: Poses
    placed: Placed

    @property
    def joint_m(self) -> np.ndarray:
        return self.placed.joint_m.swapaxes(0, 1)

    def keypoints(self, noise_m: float, rng: np.random.Generator) -> Keypoints3D:
        xyz = self.placed.landmark_m + rng.normal(size=self.placed.landmark_m.shape) * noise_m
        return keypoints3d(self.kinematics.landmarks, xyz, self.time_s, noise_m)


def keypoints3d(names: tuple[str, ...], xyz: np.ndarray, time_s: np.ndarray, sigma_m: float) -> Keypoints3D:
    frames, points = xyz.shape[:2]
    none = np.zeros((frames, points), dtype=bool)
    return Keypoints3D(
        names, xyz, np.full((frames, points), sigma_m), time_s, np.zeros((0, frames, points)), (), filled=none
    )


def act(kinematics: Kinematics, frames: int, rate_hz: float, rng: np.random.Generator) -> Actor:
    """Swing every joint by slow sines within half of its limits, around its neutral pose, while walking a curve."""
    skeleton = kinematics.skeleton
    time_s = np.arange(frames) / rate_hz
    frequency_hz = np.array([0.3, 0.7, 1.1])
    phase = rng.uniform(0, 2 * np.pi, (3, len(skeleton.joints), 3))
    wave = np.sin(2 * np.pi * frequency_hz * time_s[:, None])[..., None, None] * np.cos(phase)
    wave = (wave + np.cos(2 * np.pi * frequency_hz * time_s[:, None])[..., None, None] * np.sin(phase)).mean(axis=1)
    neutral, limits = kinematics.neutral, skeleton.limits_rad
    room = np.where(wave > 0, limits[..., 1] - neutral, neutral - limits[..., 0])
    angles = kinematics.clipped(neutral + 0.8 * room * wave)
    turn = Rotation.from_euler("zx", np.stack([0.8 * np.sin(time_s), 0.1 * np.sin(3 * time_s)], axis=1))
    root_m = np.stack([np.sin(0.5 * time_s), 0.4 * time_s, 0.95 + 0.03 * np.sin(6 * time_s)], axis=1)
    poses = Poses(root_m, turn.as_matrix(), angles)
    model = ShapeModel(kinematics)
    mean, _ = model.prior(1.06)
    mean[: len(model.groups)] *= rng.uniform(0.95, 1.05, len(model.groups))
    shape = model.shape(mean, 1.06)
    return Actor(kinematics, shape, time_s, poses, kinematics.place(poses, shape))


@pytest.fixture(scope="session")
def humanoid() -> SkeletonDefinition:
    return load_skeleton("humanoid")


@pytest.fixture(scope="session")
def kinematics(humanoid) -> Kinematics:
    return Kinematics(humanoid, "blazepose33")


@pytest.fixture(scope="session")
def actor_at(kinematics) -> Callable[[int, float], Actor]:
    """Return a maker of actors: so many frames at so many a second."""
    return lambda frames, rate_hz: act(kinematics, frames, rate_hz, np.random.default_rng(7))


@pytest.fixture(scope="session")
def actor(kinematics) -> Actor:
    return act(kinematics, 240, 60.0, np.random.default_rng(7))
