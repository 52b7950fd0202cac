"""Scenes of the made-up people: who moves how before which camera, drawn by chance; the same number, the same scene."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.seen_body import EAR_MIDDLE, NEEDED, Habits, Placed, build_for, placed
from benchmarks.seen_draw import Image, Studio
from benchmarks.seen_looks import Figure, Room, draw_girth, draw_room, dress
from blender.armature import REST
from blender.person import Body
from lift.batches import sequence_shares
from lift.bodies import mirrored, of_stature, proportioned, random_factors
from lift.cameras import CameraSettings, draw_cameras
from lift.mocap.archives import Motions
from lift.points import FEET, POINTS, SHOULDERS, STATURE_M, root

Array = npt.NDArray[np.float64]

FRAMES = 96
"""Of a clip, at 60 Hz: 1.6 s."""
SHORTEST = 60
FAST_SHARE = 0.3
"""The share of clips whose pictures come at 60 Hz, not at 30."""
TRAIN_SHARE = 0.85
CUT_SHARE = 0.1
"""The share of clips in which the picture's edge cuts the person."""
BLURRED_SHARE = 0.25
"""The share of clips in which pictures are exposed for up to half of the time between them."""
INSIDE = 0.99
CUT_INSIDE = (0.6, 0.95)
LEAST_FILL = 0.3
"""Of the picture's height or width that the person fills in the middle of a clip's frames."""
CAMERAS = CameraSettings(focal=(0.5, 2.0), height_m=(0.2, 2.8), fill=(0.35, 1.0), distance_m=(1.6, 14.0))
TRIES = 256
PERSON_PX = (200.0, 560.0)
"""How large people are in the pictures. MediaPipe looks at squares of 256 pixels: much larger ones show it no more."""
LONGER_PX = (480.0, 1280.0)
BALANCE = 0.5
PROPORTIONS = 0.05
GAINS = (0.6, 3.0)
SPARE_PX = 64
LOOKING_DOWN_DEG = 6.0
SOLE_M = 0.032
"""The sole below the points of heel and toes."""
_NEEDED = [POINTS.index(name) for name in NEEDED]


@dataclass(frozen=True, eq=False)
class Scene:
    """One clip before it is drawn.

    placed: the bones at the exposures of all pictures, each picture's behind each other; exposures: how many a picture.
    truth_m: (frames at 60 Hz, points, 3) in the camera's frame. step: frames at 60 Hz from picture to picture.
    """

    figure: Figure
    room: Room
    placed: Placed
    exposures: int
    step: int
    truth_m: Array
    matrix: Array
    rotation: Array
    center_m: Array
    size_px: tuple[int, int]
    split: str
    source: str
    activity: str
    film: Film


@dataclass(frozen=True, eq=False)
class Film:
    """What lens, sensor and coder do.

    blur_px and noise (of 255): deviations. exposure: what the first picture's mean becomes, of 1. tint (3,): of the
    white balance. gamma, and JPEG's quality.
    """

    blur_px: float
    noise: float
    exposure: float
    tint: Array
    gamma: float
    quality: int
    seed: int

    def gain(self, picture: Image) -> Array:
        """Return the gain of each colour (3,) that the first picture needs."""
        wanted = self.exposure / max(float(picture.mean()) / 255, 0.02)
        return float(np.clip(wanted, *GAINS)) * self.tint

    def grain(self, size_px: tuple[int, int]) -> npt.NDArray[np.int16]:
        """Return noise that is larger than pictures of a size: each takes another part of it."""
        rng = np.random.default_rng(self.seed)
        shape = (size_px[1] + SPARE_PX, size_px[0] + SPARE_PX, 3)
        return np.rint(self.noise * rng.standard_normal(shape, dtype=np.float32)).astype(np.int16)

    def develop(self, picture: Image, gain: Array, grain: npt.NDArray[np.int16], number: int) -> Image:
        """Return a picture (height, width, 3), RGB, as it comes out of the file."""
        rng = np.random.default_rng([self.seed, number])
        levels = np.arange(256)[:, None] / 255
        curve = np.round(255 * np.clip(levels * gain, 0, 1) ** self.gamma).astype(np.uint8)
        image = cv2.LUT(cv2.GaussianBlur(picture, (0, 0), self.blur_px), curve[None])
        top, left = rng.integers(0, SPARE_PX, 2)
        cut = np.ascontiguousarray(grain[top : top + image.shape[0], left : left + image.shape[1]])
        noisy = cv2.add(image, cut, dtype=cv2.CV_8U)
        coded = cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, self.quality])[1]
        decoded: Image = cv2.imdecode(coded, cv2.IMREAD_COLOR)
        return decoded


def draw_scene(seed: int, number: int, motions: Motions, body: Body) -> Scene:
    """Draw the scene of a number."""
    rng = np.random.default_rng([seed, number])
    split = "train" if rng.random() < TRAIN_SHARE else "val"
    fast = rng.random() < FAST_SHARE
    cut = rng.random() < CUT_SHARE
    while True:  # until a window is whole and a camera sees the person as wanted
        sequence, window, recorded = _draw_window(rng, motions, split)
        factors = random_factors(rng, 1, PROPORTIONS)
        xyz = of_stature(proportioned(window[None], factors))[0][0].astype(np.float64)
        # The person may stand anywhere in the room; near the origin numbers are exact.
        xyz[..., :2] -= root(xyz)[:, :2].mean(axis=0)
        build = build_for(xyz, draw_girth(rng))
        habits = Habits(
            look_deg=(float(rng.normal(0, 20)), float(rng.normal(0, 10))),
            twist_deg=(float(rng.normal(0, 45)), float(rng.normal(0, 45))),
            wrist_deg=(float(rng.normal(0, 15)), float(rng.normal(0, 15))),
            nod_deg=recorded.nod_deg,
            foot_pitch_deg=recorded.foot_pitch_deg,
        )
        whole = placed(build, xyz, habits)
        camera = _draw_camera(rng, whole.truth_m, cut)
        if camera is not None:
            break
    size_px, matrix, rotation, center = camera
    step = 1 if fast else 2
    pictures = np.arange(0, len(xyz), step)
    shutter = step * rng.uniform(0, 0.5) if rng.random() < BLURRED_SHARE else 0.0
    exposures = 3 if shutter > 0.1 else 1
    times = (pictures[:, None] + shutter * np.linspace(-0.5, 0.5, exposures) * (exposures > 1)).ravel()
    floor = float(np.nanmin(whole.truth_m[:, FEET, 2])) - SOLE_M
    middle = root(whole.truth_m).mean(axis=0)
    reach = float(np.linalg.norm(whole.truth_m[..., :2] - middle[:2], axis=-1).max())
    center[2] = max(center[2], floor + 0.12)
    return Scene(
        figure=dress(rng, body, build),
        room=draw_room(rng, middle, center, reach, floor),
        placed=placed(build, _at(xyz, times), habits),
        exposures=exposures,
        step=step,
        truth_m=(whole.truth_m - center) @ rotation.T,
        matrix=matrix,
        rotation=rotation,
        center_m=center,
        size_px=size_px,
        split=split,
        source=str(motions.path[sequence]),
        activity=str(motions.activity[sequence]),
        film=Film(
            blur_px=float(rng.uniform(0.5, 1.1)),
            noise=float(rng.exponential(2.5)) + 0.5,
            exposure=float(rng.uniform(0.3, 0.58)),
            tint=np.exp(rng.normal(0, 0.04, 3)),
            gamma=float(rng.uniform(0.8, 1.2)),
            quality=int(rng.integers(45, 96)),
            seed=int(rng.integers(2**31)),
        ),
    )


def pictures(scene: Scene, context: Any) -> Iterator[Image]:
    """Yield the pictures of a scene, RGB, in order."""
    studio = Studio(context, scene.figure, scene.room, scene.size_px, scene.matrix, scene.rotation, scene.center_m)
    gain, grain = None, scene.film.grain(scene.size_px)
    try:
        for start in range(0, len(scene.placed.rotation), scene.exposures):
            drawn = [
                studio.picture(scene.placed.rotation[k], scene.placed.shift_m[k])
                for k in range(start, start + scene.exposures)
            ]
            mean = np.mean(drawn, axis=0, dtype=np.float32).astype(np.uint8) if len(drawn) > 1 else drawn[0]
            gain = scene.film.gain(mean) if gain is None else gain
            yield scene.film.develop(mean, gain, grain, start)
    finally:
        studio.close()


def _draw_window(rng: np.random.Generator, motions: Motions, split: str) -> tuple[int, npt.NDArray[np.float32], Habits]:
    """Draw a sequence and a piece of it (frames, points, 3), and how its skeleton's head and feet point."""
    sequences = motions.of(split)
    share = sequence_shares(motions, sequences, BALANCE)
    while True:
        sequence = int(rng.choice(sequences, p=share))
        frames = motions.frames(sequence)
        xyz, contact = motions.xyz_m[frames], motions.contact[frames]
        length = min(FRAMES, len(xyz))
        if length < SHORTEST:
            continue
        broken = ~np.isfinite(xyz[:, _NEEDED]).all(axis=(1, 2))
        count = np.concatenate([[0], np.cumsum(broken)])
        whole = np.flatnonzero(count[length:] == count[:-length])
        if not len(whole):
            continue
        if rng.random() < 0.5:
            xyz, contact = mirrored(xyz, contact)
        start = int(rng.choice(whole))
        left, right = (_foot_pitch(xyz, contact[:, k], side) for k, side in enumerate(("left", "right")))
        return sequence, xyz[start : start + length], Habits(nod_deg=_nod(xyz), foot_pitch_deg=(left, right))


def _nod(xyz: npt.NDArray[np.float32]) -> float:
    """Return by how many degrees the recorded nose lies lower than the person's while the body is upright.

    People look ahead, or some degrees down, more often than not.
    """
    ahead = xyz[:, POINTS.index("nose")] - xyz[:, POINTS.index("head")]
    trunk = xyz[:, SHOULDERS].mean(axis=1) - root(xyz)
    down = np.degrees(np.arctan2(-ahead[:, 2], np.linalg.norm(ahead[:, :2], axis=1)))
    upright = down[(trunk[:, 2] > 0.85 * np.linalg.norm(trunk, axis=1)) & np.isfinite(down)]
    own = REST["nose"] - EAR_MIDDLE
    own_down = np.degrees(np.arctan2(-own[2], np.hypot(own[0], own[1]))) + LOOKING_DOWN_DEG
    return float(np.clip(np.median(upright) - own_down, -40, 40)) if len(upright) >= 10 else 0.0


def _foot_pitch(xyz: npt.NDArray[np.float32], contact: npt.NDArray[np.int8], side: str) -> float:
    """Return by how many degrees the recorded toes point lower than the person's do while the foot stands.

    Skeletons put ankle and toes in different places; a standing foot is flat more often than not.
    """
    ahead = xyz[:, POINTS.index(f"{side}_foot_index")] - xyz[:, POINTS.index(f"{side}_ankle")]
    down = np.degrees(np.arctan2(-ahead[:, 2], np.linalg.norm(ahead[:, :2], axis=1)))
    standing = down[(contact == 1) & np.isfinite(down)]
    own = REST[f"{side}_foot_index"] - REST[f"{side}_ankle"]
    own_down = np.degrees(np.arctan2(-own[2], np.hypot(own[0], own[1])))
    return float(np.clip(np.median(standing) - own_down, -40, 40)) if len(standing) >= 10 else 0.0


def _draw_camera(rng: np.random.Generator, xyz: Array, cut: bool) -> tuple[tuple[int, int], Array, Array, Array] | None:
    """Return size, matrix, rotation and place of a camera that sees the person as wanted; None if none of many does."""
    many = np.broadcast_to(root(xyz)[None], (TRIES, len(xyz), 3)).astype(np.float32)
    cameras = draw_cameras(rng, many, CAMERAS, STATURE_M)
    some = xyz[::6]
    cam = cameras.to_camera(np.broadcast_to(some, (TRIES, *some.shape)).astype(np.float32))
    ray = cam[..., :2] / np.maximum(cam[..., 2:], 1e-3) / cameras.half_size[:, None, None]
    inside = (np.abs(ray) < 0.98).all(axis=-1).mean(axis=(1, 2))
    filled = np.median(np.ptp(ray, axis=2), axis=1) / 2  # of width and height
    fill, higher = filled.max(axis=-1), filled.argmax(axis=-1)
    low, high = CUT_INSIDE if cut else (INSIDE, 1.0)
    good = (inside >= low) & (inside <= high) & (fill >= LEAST_FILL) & (cam[..., 2].min(axis=(1, 2)) > 0.4)
    if not good.any():
        return None
    chosen = int(np.flatnonzero(good)[0])
    half = cameras.half_size[chosen].astype(np.float64)
    person_px = np.exp(rng.uniform(*np.log(PERSON_PX)))
    longer = np.clip(person_px / (fill[chosen] * half[int(higher[chosen])] / half.max()), *LONGER_PX)
    width, height = (2 * round(longer * side / half.max() / 2) for side in half)
    focal = width / (2 * half[0])
    matrix = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])
    rotation, center = (value[chosen].astype(np.float64) for value in (cameras.rotation, cameras.center_m))
    return (width, height), matrix, _orthonormal(rotation), center


def _orthonormal(rotation: Array) -> Array:
    """Return the nearest rotation in double precision."""
    u, _, v = np.linalg.svd(rotation)
    nearest: Array = u @ v
    return nearest


def _at(xyz: Array, frames: Array) -> Array:
    """Return points (times, points, 3) at fractions of frames; the ends are held."""
    time = np.clip(frames, 0, len(xyz) - 1)
    before = np.minimum(time.astype(np.int64), len(xyz) - 2)
    part = (time - before)[:, None, None]
    mixed: Array = xyz[before] * (1 - part) + xyz[before + 1] * part
    return mixed
