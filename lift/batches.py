"""Batches to learn from: windows of recorded motion, changed, seen by a virtual camera, and detected with errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from lift.bodies import mirrored, of_stature, proportioned, random_factors, with_other_arms
from lift.cameras import Cameras, CameraSettings, draw_cameras, rays
from lift.geometry import Centred, centred, features, root_code, turn_ahead
from lift.mocap.archives import Motions
from lift.noise import Detections, NoiseModel, detect
from lift.points import HIPS, STATURE_M, root

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class WindowSettings:
    """How windows are drawn.

    Attributes
    ----------
    frames
        Of a window, at 60 Hz.
    windows
        In a batch.
    speed
        The range of factors of the speed, drawn evenly in its logarithm.
    mirror
        The share that is mirrored.
    proportions
        Deviation of the logarithms of bone lengths.
    other_arms
        The share that holds arms and head as the bodies of other windows do.
    balance
        Activities are drawn by their length to this power: 1 as recorded, 0 all alike.
    world_share
        The share of windows in which the detector's own 3D is given to a network that takes it.
    seen_share
        The share of windows that a detector really saw, where a folder of such is given.
    """

    frames: int = 96
    windows: int = 32
    speed: tuple[float, float] = (0.7, 1.4)
    mirror: float = 0.5
    proportions: float = 0.06
    other_arms: float = 0.3
    balance: float = 0.7
    world_share: float = 0.8
    seen_share: float = 0.3


@dataclass(frozen=True, eq=False)
class Batch:
    """Inputs and targets; see `geometry.features` and `losses.Targets` for shapes and units."""

    features: Array
    joints_m: Array
    root_code: Array
    contact: Array


class BatchSource(Protocol):
    """Gives batches by their numbers."""

    def batch(self, number: int) -> Batch:
        """Return the batch of that number: the same whenever it is asked for."""


class Sampler:
    """Draws batches of one set of subjects; a batch depends on the seed and its number only."""

    def __init__(
        self,
        motions: Motions,
        split: str,
        windows: WindowSettings,
        cameras: CameraSettings,
        noise: NoiseModel,
        world_landmarks: bool,
        seed: int,
    ) -> None:
        self.motions, self.windows, self.cameras, self.noise = motions, windows, cameras, noise
        self.world_landmarks, self.seed = world_landmarks, seed
        self.sequences = motions.of(split)
        if not len(self.sequences):
            raise ValueError(f"there are no sequences of the set {split!r}")
        self.share = sequence_shares(motions, self.sequences, windows.balance)

    def batch(self, number: int) -> Batch:
        """Return the batch of that number."""
        rng = np.random.default_rng([self.seed, number])
        xyz, contact = self._windows(rng)
        return make_batch(rng, xyz, contact, self.cameras, self.noise, self._world(rng))

    def _world(self, rng: np.random.Generator) -> npt.NDArray[np.bool_] | None:
        """Return in which windows the detector's 3D is given; None where the network does not take it."""
        if not self.world_landmarks:
            return None
        return rng.random(self.windows.windows) < self.windows.world_share

    def _windows(self, rng: np.random.Generator) -> tuple[Array, npt.NDArray[np.int8]]:
        settings, motions = self.windows, self.motions
        chosen = rng.choice(self.sequences, settings.windows, p=self.share)
        first, length = motions.start[chosen], np.diff(motions.start)[chosen]
        low, high = settings.speed
        speed = np.exp(rng.uniform(np.log(low), np.log(high), settings.windows))
        spare = np.maximum(length - 1 - speed * (settings.frames - 1), 0)
        # Where a sequence is shorter than a window, its last frame is held: nobody moves, which happens.
        time = np.minimum(
            rng.random(settings.windows)[:, None] * spare[:, None] + speed[:, None] * np.arange(settings.frames),
            length[:, None] - 1,
        )
        before = np.minimum(time.astype(np.int64), length[:, None] - 2)
        part = (time - before).astype(np.float32)[..., None, None]
        place = first[:, None] + before
        xyz = motions.xyz_m[place] * (1 - part) + motions.xyz_m[place + 1] * part
        contact = motions.contact[first[:, None] + np.rint(time).astype(np.int64)]
        flip = rng.random(settings.windows) < settings.mirror
        xyz[flip], contact[flip] = mirrored(xyz[flip], contact[flip])
        if settings.proportions > 0:
            xyz = proportioned(xyz, random_factors(rng, settings.windows, settings.proportions))
        xyz = of_stature(xyz)[0]
        if settings.other_arms > 0:
            own = np.arange(settings.windows)
            xyz = with_other_arms(
                xyz, np.where(rng.random(settings.windows) < settings.other_arms, np.roll(own, 1), own)
            )
        return xyz, contact


def sequence_shares(motions: Motions, sequences: npt.NDArray[np.int64], balance: float) -> npt.NDArray[np.float64]:
    """Return how probable each sequence is: by its length, and by how rare its activity is.

    All sequences of an activity together count by their length to the power `balance`.
    """
    length = np.diff(motions.start)[sequences].astype(np.float64)
    _, activity = np.unique(motions.activity[sequences], return_inverse=True)
    whole = np.bincount(activity, length)
    share = length * (whole ** (balance - 1))[activity]
    normalised: npt.NDArray[np.float64] = share / share.sum()
    return normalised


def make_batch(
    rng: np.random.Generator,
    xyz_m: Array,
    contact: npt.NDArray[np.int8],
    camera_settings: CameraSettings,
    noise: NoiseModel,
    world: npt.NDArray[np.bool_] | None,
) -> Batch:
    """Return a batch of bodies of standard height (windows, frames, points, 3), each before a camera of its own."""
    cameras = draw_cameras(rng, root(xyz_m), camera_settings, STATURE_M)
    seen, view = observe(rng, xyz_m, cameras, noise, world is not None)
    given = None
    if world is not None and seen.world_m is not None:
        given = np.where(world[:, None, None, None], seen.world_m, np.float32(np.nan))
    joints, code = truth_in(view, xyz_m, cameras)
    return Batch(features(view, seen.confidence, given), joints, code, contact.astype(np.float32))


def observe(
    rng: np.random.Generator, xyz_m: Array, cameras: Cameras, noise: NoiseModel, with_world: bool
) -> tuple[Detections, Centred]:
    """Return what the detector sees of bodies, its own 3D only if wanted, and the rays straight ahead."""
    turn = None
    if with_world:
        turn = turn_ahead(np.nan_to_num(rays(cameras.to_camera(root(xyz_m)[..., None, :]))[..., 0, :]))
    seen = detect(rng, xyz_m, cameras, noise, turn)
    return seen, centred(seen.ray, seen.confidence)


def truth_in(view: Centred, xyz_m: Array, cameras: Cameras) -> tuple[Array, Array]:
    """Return joints about the hips and the root's code in the centred frames; NaN where not recorded.

    Where the focal length is guessed, the root is where that camera sees a body of this size: nearer by as much as the
    focal length is taken too short.
    """
    cam = cameras.to_camera(xyz_m)
    hips = cam[..., HIPS, :].mean(axis=-2)
    joints = (cam - hips[..., None, :]) @ np.swapaxes(view.turn, -1, -2)
    told = np.concatenate([hips[..., :2], hips[..., 2:] / cameras.focal_ratio[:, None, None]], axis=-1)
    code = root_code(np.einsum("bfij,bfj->bfi", view.turn, told), view)
    return joints.astype(np.float32), code.astype(np.float32)
