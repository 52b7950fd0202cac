"""The clocks of all cameras from moments that pairs of them share: one robust least-squares problem."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

ITERATIONS = 25
# Cauchy's loss gives up 5 % of efficiency at this many deviations; of normal residuals it keeps this share of weight.
CAUCHY, KEPT = 2.385, 0.87
INLIER = 0.2
# What a room does to a sound it does to the next one from the same place, and to every beat of a loop: this share of a
# sound's deviation does not average out. Nor does what converters and resampling do. So 75 % of 1,045 clocks in 415
# random scenes of `benchmarks.sync` were within one deviation, and all within 3.2.
COMMON_SHARE, LEAST_COMMON_S = 0.6, 0.6e-6
# The raster of the waveforms' peaks: no moment is known better.
LEAST_STD_S = 0.3e-6


@dataclass(frozen=True, eq=False)
class SharedMoments:
    """Moments that two cameras have in common.

    Attributes
    ----------
    first, second
        (n,) which cameras.
    sound
        (n,) which sound: pairs that share one share its errors. Stretches of ambient sound are sounds of their own.
    first_s, second_s
        (n,) the moment on each camera's clock.
    std_s
        (n,) deviation of the difference, as the waveforms tell.
    coherence
        (n,) how alike the waveforms are, in [0, 1].
    ambient
        (n,) whether it is a stretch of ambient sound, which comes from another place than the claps.
    """

    first: Index
    second: Index
    sound: Index
    first_s: Array
    second_s: Array
    std_s: Array
    coherence: Array
    ambient: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.first)

    @classmethod
    def joined(cls, parts: list[SharedMoments]) -> SharedMoments:
        """Return several as one."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__dataclass_fields__))

    def only(self, kept: npt.NDArray[np.bool_]) -> SharedMoments:
        """Return those marked (n,)."""
        return SharedMoments(*(getattr(self, name)[kept] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class FittedClock:
    """reference time = offset_s + rate * camera time.

    Attributes
    ----------
    offset_s, rate
        At camera time 0.
    middle_s
        Camera time at which the errors of offset and rate are independent: where the clock is known best.
    middle_std_s, rate_std
        Deviation of the camera's reference time there, and of the rate.
    """

    offset_s: float
    rate: float
    middle_s: float
    middle_std_s: float
    rate_std: float

    @property
    def offset_std_s(self) -> float:
        """Deviation of the offset at camera time 0."""
        return float(np.hypot(self.middle_std_s, self.rate_std * self.middle_s))

    def std_s(self, camera_s: npt.ArrayLike) -> Array:
        """Return the deviation of the reference time at some times of the camera, seconds, any shape."""
        away_s = np.asarray(camera_s, dtype=np.float64) - self.middle_s
        return np.asarray(np.hypot(self.middle_std_s, self.rate_std * away_s))


@dataclass(frozen=True, eq=False)
class JointFit:
    """The clocks by camera, the reference's left out; each moment's residual and whether it counts (n,)."""

    clocks: Mapping[int, FittedClock]
    residual_s: Array
    inlier: npt.NDArray[np.bool_]
    scatter_s: float


def fit_jointly(
    moments: SharedMoments,
    reference: int,
    start: Mapping[int, tuple[float, float]],
    *,
    rate_std: float,
    jitter_s: float,
    jitter_dof: float,
    ambient_std_s: float,
    common_std_s: Mapping[int, float],
) -> JointFit:
    """Solve for the clocks of all cameras.

    Parameters
    ----------
    moments
        At least one for every camera of `start`.
    reference
        Whose clock the others are brought to.
    start
        By camera: offset and rate, near enough that the moments' residuals are linear (always, at 100 ppm).
    rate_std
        Prior deviation of the rates around 1.
    jitter_s, jitter_dof
        Prior deviation of what sounds scatter beyond their waveforms (they come from different places), and how many
        observations it is worth. With more moments, their own scatter takes over.
    ambient_std_s
        Prior deviation of a constant by which the ambient sound is early or late at each camera.
    common_std_s
        By camera: deviation of an error that all its moments share; none where it is not named.

    Returns
    -------
    fit
        Deviations are those of the posterior. Pairs of cameras that share a sound are not independent: of n cameras
        that hear it, the pairs together count n - 1 times.
    """
    cameras = sorted(set(start) - {reference})
    column = {camera: place for place, camera in enumerate(cameras)}
    size = len(cameras)
    middle = {
        camera: float(np.mean(_own_times(moments, camera))) if len(_own_times(moments, camera)) else 0.0
        for camera in cameras
    }
    # Unknowns by camera: offset at its middle, rate, lateness of the ambient sound.
    design = np.zeros((len(moments), 3 * size))
    constant = np.zeros(len(moments))
    row = np.arange(len(moments))
    for sign, who, time_s in ((1.0, moments.first, moments.first_s), (-1.0, moments.second, moments.second_s)):
        constant += sign * time_s
        for camera in cameras:
            mine = who == camera
            offset, rate = start[camera]
            constant[mine] += sign * (offset + (rate - 1) * time_s[mine])
            at = 3 * column[camera]
            design[row[mine], at] += sign
            design[row[mine], at + 1] += sign * (time_s[mine] - middle[camera])
            design[row[mine], at + 2] += sign * moments.ambient[mine]
    prior = np.zeros(3 * size)
    prior[1::3], prior[2::3] = 1 / rate_std**2, 1 / ambient_std_s**2
    pull = np.zeros(3 * size)
    pull[1::3] = [-(start[camera][1] - 1) / rate_std**2 for camera in cameras]

    share = _share(moments)
    own: Array = np.square(np.maximum(moments.std_s, LEAST_STD_S))
    residual = constant
    robust: Array = np.ones(len(moments))
    scatter = max(jitter_s, float(np.median(np.abs(constant - np.median(constant)))))
    unknown = np.zeros(3 * size)
    for _ in range(ITERATIONS):
        weight = share * robust / (own + scatter**2)
        normal = design.T @ (weight[:, None] * design) + np.diag(prior) + 1e-12 * np.eye(3 * size)
        unknown = np.linalg.solve(normal, pull - design.T @ (weight * constant))
        residual = constant + design @ unknown
        scatter = _scatter(residual, own, share * robust, scatter, 2 * size, jitter_s, jitter_dof)
        robust = 1 / (1 + residual**2 / (CAUCHY**2 * (own + scatter**2)))
    weight = share * np.minimum(robust / KEPT, 1.0) / (own + scatter**2)
    covariance = np.linalg.inv(design.T @ (weight[:, None] * design) + np.diag(prior) + 1e-12 * np.eye(3 * size))
    clocks = {}
    for camera in cameras:
        at = 3 * column[camera]
        block = covariance[at : at + 2, at : at + 2]
        shift, slope = unknown[at], unknown[at + 1]
        offset, rate = start[camera]
        known_at = middle[camera] - block[0, 1] / block[1, 1]
        mine = ((moments.first == camera) | (moments.second == camera)) & (robust > INLIER)
        common = COMMON_SHARE * float(np.median(moments.std_s[mine])) if mine.any() else 0.0
        std = np.sqrt(
            max(block[0, 0] - block[0, 1] ** 2 / block[1, 1], 0.0)
            + common**2
            + LEAST_COMMON_S**2
            + common_std_s.get(camera, 0.0) ** 2
        )
        clocks[camera] = FittedClock(
            float(offset + shift - slope * middle[camera]),
            float(rate + slope),
            float(known_at),
            float(std),
            float(np.sqrt(block[1, 1])),
        )
    return JointFit(clocks, residual, robust > INLIER, float(scatter))


def _own_times(moments: SharedMoments, camera: int) -> Array:
    return np.concatenate([moments.first_s[moments.first == camera], moments.second_s[moments.second == camera]])


def _share(moments: SharedMoments) -> Array:
    """Return what each pair counts (n,): n - 1 of the n (n - 1) / 2 pairs of n cameras that hear a sound."""
    share = np.ones(len(moments))
    for sound in np.unique(moments.sound):
        mine = moments.sound == sound
        heard = len(np.unique(np.concatenate([moments.first[mine], moments.second[mine]])))
        share[mine] = min(1.0, (heard - 1) / mine.sum())
    return share


def _scatter(
    residual: Array, own: Array, weight: Array, scatter: float, unknowns: int, jitter_s: float, jitter_dof: float
) -> float:
    """Return the deviation that moments have beyond their own, from their residuals and the prior's.

    An inverse-gamma prior on its square (Gelman, Bayesian Data Analysis, 2.6); the moments' own variance is taken off.
    Those that know themselves to be uncertain tell little of it: they count by how exact the others are (the variance
    of a variance is its square).
    """
    weight = weight * np.minimum(1.0, (np.median(own) + scatter**2) / (own + scatter**2)) ** 2
    freedom = max(float(weight.sum()) - unknowns, 0.0)
    # Of the residuals' squares, the fit has taken its share away.
    grown = float(weight.sum()) / max(freedom, 1e-9) if freedom > 0 else 0.0
    beyond = max(float((weight * (residual**2 * grown - own)).sum()), 0.0) * freedom / max(weight.sum(), 1e-9)
    return float(np.sqrt((jitter_dof * jitter_s**2 + beyond) / (jitter_dof + freedom)))
