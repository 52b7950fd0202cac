"""How a detector errs: the noise that virtual detections get, with parameters fitted to MediaPipe.

An error is a sum of what the body's pose explains (`bias`, in axes of the trunk), what stays the same over a recording
(`clip`) and what comes and goes (`sigma`). The last is an autoregressive process of first order whose size itself
wanders, so that its values have heavy tails, and of which the confidence knows a part. Before, the detector's
smoothing delays the truth (`lag`). Then sides are swapped and points drop out for a while; beyond the picture's edge
errors grow and confidences fall.

All lengths are metres at the subject, of a body of 1.75 m: in the picture they shrink with the distance.
`benchmarks/lifter_noise.py` fits the parameters; `lift/data/noise.toml` holds the result.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, fields
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

from clapcap.errors import FileFormatError
from lift.bodies import torso_axes
from lift.cameras import Cameras, rays
from lift.mocap.convert import RATE_HZ
from lift.points import CHAIN, HIPS, MIRROR, POINTS, SHOULDERS, root

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Array = npt.NDArray[np.float32]

ARMS = np.array([k for k, name in enumerate(POINTS) if name.endswith(("elbow", "wrist", "shoulder"))])
LEGS = np.array([k for k, name in enumerate(POINTS) if name.endswith(("hip", "knee", "ankle", "heel", "foot_index"))])
HANGS_ON = tuple(
    (POINTS.index(point), -1 if parent == "shoulders" else POINTS.index(parent)) for point, parent, _ in CHAIN
)
"""Each point and the one it hangs on, parents first; -1: the shoulders' middle."""


@dataclass(frozen=True, eq=False)
class NoiseModel:
    """The parameters; (points,) or (points, 3) where each point has its own, both sides alike.

    Attributes
    ----------
    bias_m
        (points, 3): outwards to the point's own side, up the trunk, to the front.
    bias_spread
        Deviation of the factor of a recording's bias about 1.
    clip_m
        (points,): median deviation of what stays the same over a recording, per axis of the picture.
    clip_tail
        Deviation of the logarithm of its size between recordings.
    sigma_m
        (points,): median deviation of what comes and goes, per axis.
    correlation_s
        How long that lasts.
    tail
        Deviation of the logarithm of its size, which wanders.
    tail_s
        How long a size lasts.
    confidence, confidence_slope, confidence_spread
        (points,), scalar, scalar: mean confidence; how much it falls per e-fold of the size; deviation of the rest.
    lag_s
        The time constant of the detector's smoothing.
    arm_swaps_per_s, leg_swaps_per_s, body_swaps_per_s, swap_s
        How often sides are swapped, of arms, legs or the whole body, and for how long on average: most for a frame or
        two, some for far longer.
    dropouts_per_s, dropout_s
        How often a point is lost, and for how long on average.
    outside
        Factor of the errors of points beyond the picture's edge.
    lost_outside
        Points farther outside than this share of half the picture are not seen at all.
    world_scale, world_scale_spread
        Size of the detector's own 3D over the standard body's, and the deviation of its logarithm between recordings.
    world_depth, world_depth_spread
        How deep its bodies are along the ray over how deep they should be, likewise: detectors flatten.
    world_lateral_m, world_depth_m, world_clip_lateral_m, world_clip_depth_m, world_correlation_s
        (points,): deviations of its errors across and along the ray, of what comes and goes and of what stays over a
        recording, and how long the former lasts. Errors hang together as bones do: each is on top of the error of the
        joint that the point hangs on; of shoulders, both together.
    world_clip_tail
        Deviation of the logarithm of the size of what stays, between recordings.
    world_shoulders
        Correlation of the errors of the two shoulders.
    """

    bias_m: Array
    bias_spread: float
    clip_m: Array
    clip_tail: float
    sigma_m: Array
    correlation_s: float
    tail: float
    tail_s: float
    confidence: Array
    confidence_slope: float
    confidence_spread: float
    lag_s: float
    arm_swaps_per_s: float
    leg_swaps_per_s: float
    body_swaps_per_s: float
    swap_s: float
    dropouts_per_s: float
    dropout_s: float
    outside: float
    lost_outside: float
    world_scale: float
    world_scale_spread: float
    world_depth: float
    world_depth_spread: float
    world_lateral_m: Array
    world_depth_m: Array
    world_clip_lateral_m: Array
    world_clip_depth_m: Array
    world_clip_tail: float
    world_shoulders: float
    world_correlation_s: float


@dataclass(frozen=True, eq=False)
class Detections:
    """What the detector makes of windows.

    Attributes
    ----------
    ray
        (windows, frames, points, 2): x / z, y / z by the focal length that is told; NaN: not seen.
    confidence
        (windows, frames, points), in [0, 1]; 0 where not seen.
    world_m
        (windows, frames, points, 3) or None: the detector's own 3D about the hips, along the ray to them; NaN: not
        recorded.
    """

    ray: Array
    confidence: Array
    world_m: Array | None


def detect(
    rng: np.random.Generator, xyz_m: Array, cameras: Cameras, model: NoiseModel, turn: Array | None = None
) -> Detections:
    """Return noisy detections of bodies.

    Parameters
    ----------
    rng
        The source of chance.
    xyz_m
        (windows, frames, points, 3), world, metres, bodies of the standard height; NaN: not recorded, so not seen.
    cameras
        One a window.
    model
        The detector.
    turn
        (windows, frames, 3, 3): from the camera's frame to the one in which `world_m` is given; None: without
        `world_m`.
    """
    windows, frames, points = xyz_m.shape[:3]
    seen_m = xyz_m + _bias(rng, xyz_m, model)
    cam = cameras.to_camera(_lagged(seen_m, model.lag_s))
    ray = rays(cam)
    per_metre = 1 / np.maximum(np.nan_to_num(root(cam)[..., 2], nan=1.0), 0.3)
    shape = (windows, frames, points)
    size = model.tail * _wandering(rng, shape, model.tail_s)
    outside = np.abs(ray) / cameras.half_size[:, None, None] - 1
    beyond = np.nan_to_num(outside.max(axis=-1), nan=np.inf)
    size = size + np.log(model.outside) * (beyond > 0)
    error = np.exp(size)[..., None] * _wandering(rng, (*shape, 2), model.correlation_s) * model.sigma_m[:, None]
    error += model.clip_m[:, None] * _staying(rng, (windows, 1, points, 2), model.clip_tail)
    ray = ray + error * per_metre[..., None, None]
    confidence = model.confidence - model.confidence_slope * size
    confidence = confidence + model.confidence_spread * _wandering(rng, shape, model.tail_s)
    confidence = np.clip(confidence, 0.02, 1.0)
    taken = _swaps(rng, shape, model)
    ray = np.take_along_axis(ray, taken[..., None], axis=-2)
    confidence = np.take_along_axis(confidence, taken, axis=-1)
    lost = _episodes(rng, shape, model.dropouts_per_s, model.dropout_s) | (beyond > model.lost_outside)
    lost |= np.isnan(ray).any(axis=-1)
    ray = np.where(lost[..., None], np.nan, ray * cameras.focal_ratio[:, None, None, None])
    world = None
    if turn is not None:
        world = np.take_along_axis(_world(rng, cameras.to_camera(xyz_m), turn, model), taken[..., None], axis=-2)
        world = world.astype(np.float32)  # a detector tells all points in space, also those it does not see
    return Detections(ray.astype(np.float32), np.where(lost, 0, confidence).astype(np.float32), world)


def _world(rng: np.random.Generator, cam_m: Array, turn: Array, model: NoiseModel) -> Array:
    """Return the detector's own 3D: the truth, straight ahead, flattened, with errors larger along the ray."""
    world = (cam_m - root(cam_m)[..., None, :]) @ np.swapaxes(turn, -1, -2)
    windows = len(world)
    scale = model.world_scale * np.exp(model.world_scale_spread * rng.standard_normal(windows))
    depth = model.world_depth * np.exp(model.world_depth_spread * rng.standard_normal(windows))
    world = world * np.stack([scale, scale, scale * depth], axis=-1)[:, None, None].astype(np.float32)
    moving = np.stack([model.world_lateral_m, model.world_lateral_m, model.world_depth_m], axis=-1)
    staying = np.stack([model.world_clip_lateral_m, model.world_clip_lateral_m, model.world_clip_depth_m], axis=-1)
    error = moving * _wandering(rng, world.shape, model.world_correlation_s)
    error = error + staying * _staying(rng, (windows, 1, *world.shape[2:]), model.world_clip_tail)
    result: Array = world + hung_together(error, model.world_shoulders)
    return result


def _staying(rng: np.random.Generator, shape: tuple[int, ...], tail: float) -> Array:
    """Return noise of median deviation 1 whose size differs between recordings and points."""
    size = np.exp(tail * rng.standard_normal((*shape[:-1], 1), dtype=np.float32))
    noise: Array = size * rng.standard_normal(shape, dtype=np.float32)
    return noise


def hung_together(error: Array, shoulders: float) -> Array:
    """Return errors (..., points, 3) of joints from those of the bones that they end: sums along the chain.

    The hips' are opposite, since all is about their middle; the shoulders' have the given correlation.
    """
    whole = error.copy()
    whole[..., HIPS[1], :] = -whole[..., HIPS[0], :]
    left, right = SHOULDERS
    whole[..., right, :] = shoulders * whole[..., left, :] + np.sqrt(1 - shoulders**2) * whole[..., right, :]
    for point, parent in HANGS_ON:
        above = whole[..., SHOULDERS, :].mean(axis=-2) if parent < 0 else whole[..., parent, :]
        whole[..., point, :] += above
    return whole


def taken_apart(error: Array) -> Array:
    """Return the errors of bones from those of joints: the inverse of `hung_together` but for hips and shoulders."""
    own = error.copy()
    for point, parent in HANGS_ON:
        own[..., point, :] -= error[..., SHOULDERS, :].mean(axis=-2) if parent < 0 else error[..., parent, :]
    return own


def _bias(rng: np.random.Generator, xyz_m: Array, model: NoiseModel) -> Array:
    factor = 1 + model.bias_spread * rng.standard_normal((len(xyz_m), 1, len(POINTS), 1))
    outwards = np.array([-1.0 if name.startswith("right") else 1.0 for name in POINTS])
    bias = model.bias_m * np.stack([outwards, np.ones(len(POINTS)), np.ones(len(POINTS))], axis=-1)
    turned: Array = (factor * bias).astype(np.float32) @ np.swapaxes(torso_axes(xyz_m), -1, -2)
    return turned


def _lagged(xyz: Array, lag_s: float) -> Array:
    """Return paths (windows, frames, ...) behind a low pass of first order; NaN stays where it was."""
    if lag_s <= 0:
        return xyz
    keep = np.exp(-1 / (RATE_HZ * lag_s))
    known = np.isfinite(xyz)
    filled = np.where(known, xyz, 0)
    state = keep * filled[:, :1]
    smooth, _ = lfilter([1 - keep], [1, -keep], filled, axis=1, zi=state)
    # Where a path has gaps the low pass has no past: the path stands as it is.
    whole = known.all(axis=1, keepdims=True)
    result: Array = np.where(whole, smooth, xyz)
    return result


def _wandering(rng: np.random.Generator, shape: tuple[int, ...], lasting_s: float) -> Array:
    """Return noise of deviation 1 along axis 1, an autoregressive process of first order."""
    keep = np.exp(-1 / (RATE_HZ * lasting_s)) if lasting_s > 0 else 0.0
    white = rng.standard_normal(shape, dtype=np.float32)
    white[:, 1:] *= np.sqrt(1 - keep**2)
    noise: Array = lfilter([np.float32(1)], np.array([1, -keep], np.float32), white, axis=1)
    return noise


def _episodes(
    rng: np.random.Generator, shape: tuple[int, ...], per_s: float, lasting_s: float, uneven: bool = False
) -> npt.NDArray[np.bool_]:
    """Return where (windows, frames, ...) something that comes by chance and lasts a while is going on.

    A Markov chain of two states, sampled as the times at which it last began: episodes are exponentially long, or
    uneven: half the square of that, with the same mean.
    """
    frames = shape[1]
    begins = rng.random(shape, dtype=np.float32) < per_s / RATE_HZ
    length = rng.standard_exponential(shape, dtype=np.float32)
    lengths = np.ceil(lasting_s * RATE_HZ * (length**2 / 2 if uneven else length))
    begins[:, 0] |= rng.random(begins[:, 0].shape) < per_s * lasting_s  # what began before the window
    time = np.arange(frames).reshape(1, frames, *([1] * (len(shape) - 2)))
    ends = np.maximum.accumulate(np.where(begins, time + lengths, -1), axis=1)
    going: npt.NDArray[np.bool_] = time < ends
    return going


def _swaps(rng: np.random.Generator, shape: tuple[int, ...], model: NoiseModel) -> npt.NDArray[np.int64]:
    """Return which point (windows, frames, points) each one is taken for: itself, or that of the other side."""
    taken = np.broadcast_to(np.arange(len(POINTS)), shape)
    rates = (model.arm_swaps_per_s, model.leg_swaps_per_s, model.body_swaps_per_s)
    for limbs, per_s in zip((ARMS, LEGS, np.arange(len(POINTS))), rates, strict=True):
        now = np.zeros(shape, dtype=bool)
        now[..., limbs] = _episodes(rng, shape[:2], per_s, model.swap_s, uneven=True)[..., None]
        taken = np.where(now, MIRROR[taken], taken)
    return taken


def load_noise(path: Path | None = None) -> NoiseModel:
    """Read a noise model; by default the one that ships, fitted to MediaPipe.

    Raises
    ------
    FileFormatError
        The file breaks the layout.
    """
    file = path or resources.files("lift") / "data" / "noise.toml"
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
        values: dict[str, Any] = {}
        for name in (field.name for field in fields(NoiseModel)):
            if name in _BY_POINT:
                table = document[name]
                values[name] = np.array([table[_both(point)] for point in POINTS], dtype=np.float32)
            else:
                values[name] = float(document[name])
        return NoiseModel(**values)
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise FileFormatError(f"{file} is no noise model: {error!r}.") from error


_BY_POINT = (
    *("bias_m", "clip_m", "sigma_m", "confidence"),
    *("world_lateral_m", "world_depth_m", "world_clip_lateral_m", "world_clip_depth_m"),
)


def _both(point: str) -> str:
    return point.removeprefix("left_").removeprefix("right_")
