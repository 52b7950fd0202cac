"""Windows of what a detector really saw, to learn from beside those whose detections are made up."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lift.batches import Batch, Sampler, WindowSettings
from lift.cameras import CameraSettings
from lift.geometry import centred, features, root_code
from lift.points import HIPS, MIRROR, STATURE_M, stature
from lift.seen import SeenClips

Array = npt.NDArray[np.float32]


class SeenSampler:
    """Draws windows of seen clips, mirrored, rolled and with a guessed focal length by the same shares as virtual ones.

    Clips shorter than a window are held at their last frame, as recorded motion is.
    """

    def __init__(
        self, clips: SeenClips, windows: WindowSettings, cameras: CameraSettings, world_landmarks: bool
    ) -> None:
        if not len(clips):
            raise ValueError("there are no clips")
        self.windows, self.cameras, self.world_landmarks = windows, cameras, world_landmarks
        longest = max(len(clip.ray) for clip in clips)
        self.length = np.array([len(clip.ray) for clip in clips])

        def stacked(name: str) -> Array:
            held = [getattr(clip, name) for clip in clips]
            return np.stack([np.concatenate([v, np.repeat(v[-1:], longest - len(v), axis=0)]) for v in held])

        self.ray, self.confidence, self.world_m = stacked("ray"), stacked("confidence"), stacked("world_m")
        truth = stacked("truth_m")
        scale = STATURE_M / np.nanmedian(stature(truth), axis=1)
        self.truth_m: Array = (truth * scale[:, None, None, None]).astype(np.float32)

    def batch(self, rng: np.random.Generator, count: int) -> Batch:
        """Return a batch of that many windows; contacts are not known."""
        frames = self.windows.frames
        chosen = rng.integers(0, len(self.ray), count)
        first = rng.integers(0, np.maximum(self.length[chosen] - frames, 0) + 1)
        time = np.minimum(first[:, None] + np.arange(frames), self.length[chosen, None] - 1)
        place = (chosen[:, None], time)
        ray, confidence, world, truth = (v[place] for v in (self.ray, self.confidence, self.world_m, self.truth_m))
        flip = rng.random(count) < self.windows.mirror
        for values in (ray, world, truth):
            values[flip] = values[flip][..., MIRROR, :]
            values[flip, ..., 0] *= -1
        confidence[flip] = confidence[flip][..., MIRROR]
        angle = np.radians(self.cameras.roll_deg) * rng.standard_normal(count)
        ray, world, truth = (rolled(values, angle) for values in (ray, world, truth))
        guessed = rng.random(count) < self.cameras.guessed_share
        ratio = np.where(guessed, np.exp(self.cameras.focal_error * rng.standard_normal(count)), 1.0)
        ray = (ray * ratio[:, None, None, None]).astype(np.float32)
        given = None
        if self.world_landmarks:
            without = rng.random(count) >= self.windows.world_share
            given = np.where(without[:, None, None, None], np.float32(np.nan), world)
        view = centred(ray, confidence)
        hips = truth[..., HIPS, :].mean(axis=-2)
        joints = (truth - hips[..., None, :]) @ np.swapaxes(view.turn, -1, -2)
        told = hips.copy()
        told[..., 2] /= ratio[:, None]
        code = root_code(np.einsum("bfij,bfj->bfi", view.turn, told), view)
        unknown = np.full((count, frames, 2), -1, dtype=np.float32)
        return Batch(features(view, confidence, given), joints.astype(np.float32), code.astype(np.float32), unknown)


def rolled(values: Array, angle: npt.NDArray[np.float64]) -> Array:
    """Return points (windows, ..., 2 or 3) of cameras turned about their axes by angles (windows,), radians."""
    shape = (-1, *([1] * (values.ndim - 2)))
    cos, sin = np.cos(angle).reshape(shape), np.sin(angle).reshape(shape)
    turned = values.copy()
    turned[..., 0] = cos * values[..., 0] - sin * values[..., 1]
    turned[..., 1] = sin * values[..., 0] + cos * values[..., 1]
    return turned


def joined(first: Batch, second: Batch) -> Batch:
    """Return the windows of both."""
    pairs = ((getattr(first, name), getattr(second, name)) for name in ("features", "joints_m", "root_code", "contact"))
    return Batch(*(np.concatenate(pair) for pair in pairs))


class MixedSampler:
    """Draws batches that are partly virtual and partly seen; a batch depends on the seed and its number only."""

    def __init__(self, virtual: Sampler, seen: SeenSampler, share: float) -> None:
        self.virtual, self.seen = virtual, seen
        self.count = round(share * virtual.windows.windows)

    def batch(self, number: int) -> Batch:
        """Return the batch of that number."""
        rng = np.random.default_rng([self.virtual.seed, number, 1])
        batch = self.virtual.batch(number)
        if not self.count:
            return batch
        kept = len(batch.features) - self.count
        names = ("features", "joints_m", "root_code", "contact")
        return joined(Batch(*(getattr(batch, name)[:kept] for name in names)), self.seen.batch(rng, self.count))
