"""Clocks refined on the reprojection error of a moving person: the use case, start to end.

Once cameras are calibrated, a clock that is late shows in every joint that moves: its view disagrees with the others by
the joint's velocity times the lateness. All cameras are solved together by Gauss-Newton (`triangulate.time_shift`),
which needs a start within about a tenth of a second, such as a clap or `sync.motion` gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from calib.cameras import CameraGroup
from clapcap.progress import Progress, silent
from skeleton.keypoints import Keypoints2D
from sync.resample import common_timeline, nominal_interval_s, resample_keypoints
from sync.time_map import CameraClock
from triangulate.left_right import exchange, find_swaps, mirror_order
from triangulate.pixel_noise import estimate_noise_px, observation_sigma_px, person_size_px
from triangulate.robust import triangulate_robust
from triangulate.time_shift import TimeInformation, time_information, velocities
from triangulate.views import Views, gather_views

Array = npt.NDArray[np.float64]

# Of a take so many stretches are looked at: more makes the rates no better than clocks keep them. What stays constant
# in a stretch of a joint is no time; over one second that takes half of the motion with it (walk4: errors of 2.5 ms in
# place of 1.2).
STRETCH_S, MOST_STRETCHES = 2.0, 20
MOST_STEPS, FULL_STEPS, SETTLED_S = 12, 3, 5e-5
# Left, right and noise are judged anew while the clocks still move by more than this.
COARSE_S = 2e-3
# While clocks are estimated from motion alone, rates may differ by what no pair of crystals does, and no more.
LOOSE_RATE_STD = 1e-3
# Surer than this motion never makes a clock: a detector sees a moving limb ahead of where it is, or behind, by a share
# of its blur, which no scatter tells.
FLOOR_STD_S = 3e-4
# Errors of figures with known delays (3 and 4 cameras, noise that lasts for three frames) were up to 1.7 times what
# the scatter of their scores says. By PROBE_S to both sides the score's real slope is measured, which noise flattens.
SCATTER, PROBE_S, LEAST_SLOPE = 1.7, 0.003, 0.2
# Disagreements of motion and the clock before, beyond which they are no chance: the camera has a lag.
CERTAIN_SIGMA = 4.0
# Further than this no camera's sound is from its picture; a joint-by-joint motion that says so is not believed.
MOST_LAG_S = 0.3
# Errors of clocks that all compare with one reference share that one's error.
SHARED_ERROR = 0.5
# Moments between frames are interpolated, so that other views are used than at the frames themselves: on walk4 the
# error changes by 5 % either way.
WORSE = 1.1
# Points of a face add nothing but their number.
FACE = ("eye", "mouth")


@dataclass(frozen=True)
class RefinedClock:
    """What motion says of one camera's clock.

    Attributes
    ----------
    motion_s, motion_std_s
        By how much the session time of its frames has to grow by motion alone, at the middle of the take, relative to
        the reference, and the standard deviation.
    shift_s, std_s, rate_shift, rate_std
        What is applied: motion and the clock before together, or motion alone where the two disagree beyond chance.
        Session time grows by shift_s + rate_shift * (session time - middle_s).
    middle_s
        Session time at which shift and rate are given.
    certain
        Whether motion disagrees with the clock before beyond the chance of both.
    """

    motion_s: float
    motion_std_s: float
    shift_s: float
    std_s: float
    rate_shift: float
    rate_std: float
    middle_s: float
    certain: bool

    def applied_to(self, clock: CameraClock) -> CameraClock:
        """Return the clock, corrected."""
        rate = clock.rate * (1 + self.rate_shift)
        offset_s = clock.offset_s + self.shift_s + self.rate_shift * (clock.offset_s - self.middle_s)
        middle_s = (self.middle_s - clock.offset_s) / clock.rate
        at_zero_s = float(np.hypot(self.std_s, self.rate_std * middle_s))
        return replace(
            clock,
            offset_s=offset_s,
            rate=rate,
            offset_std_s=at_zero_s,
            rate_std=self.rate_std,
            middle_s=middle_s,
        )


@dataclass(frozen=True)
class ClockRefinement:
    """Clocks refined on motion.

    Attributes
    ----------
    clocks
        By camera, without the reference; empty where `refused` says why nothing is applied.
    reference
        Whose clock stays.
    refused
        The reason, or empty.
    before_px, after_px
        Median reprojection error with the clocks before and after, without each joint's mean over a stretch: what time
        can change.
    """

    clocks: Mapping[str, RefinedClock]
    reference: str
    refused: str
    before_px: float
    after_px: float


def refine_clocks(
    views: Mapping[str, Keypoints2D],
    cameras: CameraGroup,
    known: Mapping[str, CameraClock],
    *,
    most_shift_s: float = MOST_LAG_S,
    progress: Progress = silent,
) -> ClockRefinement:
    """Refine the clocks of calibrated cameras on one moving person.

    Parameters
    ----------
    views
        Each camera's keypoints; `time_s` in session time by the clocks as they are, good to about 0.1 s.
    cameras
        The calibration.
    known
        The clocks: their deviations are what is believed of them beforehand.
    most_shift_s
        Where motion wants more than this of a camera, nothing is believed.
    progress
        Told steps.

    Returns
    -------
    ClockRefinement
        Never worse founded than before: `refused` says so where nobody moves enough, or motion contradicts itself.

    Raises
    ------
    SyncError, TriangulationError
        If the views share no time, or do not fit the calibration.
    """
    names = tuple(views)
    reference = next((name for name in names if known[name].method == "reference"), names[0])
    take = _Take.of(views, cameras)
    free = np.array([i for i, name in enumerate(names) if name != reference])
    both = np.concatenate([free, free + len(names)])
    total = np.zeros(2 * len(names))
    loose = np.diag(np.repeat([1.0, LOOSE_RATE_STD**-2], len(free)))
    errors_px: list[float] = []
    judged: _Judged | None = None
    moved_s = np.inf
    for step in range(MOST_STEPS):
        given = take.at(total)
        if judged is None or moved_s > COARSE_S:
            judged = _judge(given)
        said, error_px = _information(given, judged, take)
        errors_px.append(error_px)
        H, g = said.H[np.ix_(both, both)] + loose, said.g[both] - loose @ total[both]
        change = np.linalg.solve(H, g)
        moved_s = float(np.abs(change[: len(free)]).max())
        progress(step + 1, MOST_STEPS)
        if moved_s < SETTLED_S:
            break
        # Interpolation has a kink at every frame, across which full steps may swing to and fro.
        total[both] += change if step < FULL_STEPS else change / 2
        if np.abs(total[free]).max() > 2 * most_shift_s:
            break
    assert judged is not None
    motion = total[both]
    refused = _refusal(motion[: len(free)], [names[i] for i in free], moved_s, errors_px, most_shift_s)
    clocks = {}
    if not refused:
        inverse = np.linalg.inv(H) * (SCATTER / _slope(take, total, judged, said.H, free))
        scatter = inverse @ (said.S[np.ix_(both, both)] + loose) @ inverse
        scatter[: len(free), : len(free)] += FLOOR_STD_S**2 * _shared(np.ones(len(free)))
        prior = _prior([known[names[i]] for i in free], take.middle_s)
        clocks = _combined([names[i] for i in free], motion, scatter, prior, take.middle_s)
    return ClockRefinement(clocks, reference, refused, errors_px[0], errors_px[-1])


@dataclass(frozen=True, eq=False)
class _Take:
    """The views, and the moments at which they are looked at."""

    views: Mapping[str, Keypoints2D]
    cameras: CameraGroup
    timeline_s: Array
    interval_s: float
    middle_s: float

    @classmethod
    def of(cls, views: Mapping[str, Keypoints2D], cameras: CameraGroup) -> _Take:
        """Choose the moments."""
        whole_s = common_timeline({name: view.time_s for name, view in views.items()})
        timeline_s = _moving_moments(views, whole_s)
        return cls(views, cameras, timeline_s, nominal_interval_s(whole_s), float(timeline_s.mean()))

    def at(self, total: Array) -> Views:
        """Return the views at these moments, after shifts and changes of rate (2 * cameras,) of their clocks."""
        moved = {
            name: replace(
                view,
                time_s=view.time_s + total[i] + total[i + len(self.views)] * (view.time_s - self.middle_s),
            )
            for i, (name, view) in enumerate(self.views.items())
        }
        return gather_views(
            {name: resample_keypoints(view, self.timeline_s) for name, view in moved.items()}, self.cameras
        )


def _slope(take: _Take, total: Array, judged: _Judged, H: Array, free: npt.NDArray[np.intp]) -> float:
    """Return how much of the normal matrix is motion and not noise of the velocities, in (0, 1].

    What the score really changes by when clocks are moved, over what the normal matrix says.
    """
    step = np.zeros(len(total))
    step[free] = PROBE_S * np.where(np.arange(len(free)) % 2, -1.0, 1.0)
    ahead, _ = _information(take.at(total + step), judged, take)
    behind, _ = _information(take.at(total - step), judged, take)
    changed = float(step @ (behind.g - ahead.g)) / 2
    return float(np.clip(changed / max(float(step @ H @ step), 1e-12), LEAST_SLOPE, 1.0))


@dataclass(frozen=True, eq=False)
class _Judged:
    """What holds for all steps once the clocks are nearly right: the swapped frames, and each camera's noise."""

    swapped: npt.NDArray[np.bool_]
    noise_px: Array


def _judge(given: Views) -> _Judged:
    xy, confidence = given.xy_px, given.confidence
    mirror = mirror_order(given.names)
    swapped = find_swaps(given.cameras, xy, confidence, person_size_px(xy), mirror).swapped
    noise_px = estimate_noise_px(given.cameras, exchange(xy, swapped, mirror), exchange(confidence, swapped, mirror))
    return _Judged(swapped, noise_px)


def _information(given: Views, judged: _Judged, take: _Take) -> tuple[TimeInformation, float]:
    """Return what all stretches say together, and the median of what time can change of the reprojection error."""
    interval_s = take.interval_s
    mirror = mirror_order(given.names)
    telling = [i for i, name in enumerate(given.names) if not any(part in name for part in FACE)]
    xy = exchange(given.xy_px, judged.swapped, mirror)[:, :, telling]
    confidence = exchange(given.confidence, judged.swapped, mirror)[:, :, telling]
    sigma_px = observation_sigma_px(confidence, judged.noise_px)
    count, frames, points = sigma_px.shape
    robust = triangulate_robust(given.cameras, xy.reshape(count, -1, 2), sigma_px.reshape(count, -1))
    xyz_m = robust.points.xyz_m.reshape(frames, points, 3)
    residual_px = robust.points.residual_px.reshape(count, frames, points, 2)
    used = robust.used.reshape(count, frames, points)
    sigma_px = np.where(used, sigma_px, np.inf)
    starts = np.flatnonzero(np.diff(given.time_s, prepend=-np.inf) > 1.5 * interval_s)
    parts, errors_px = [], []
    residual_px = np.where(used[..., None], residual_px, np.nan)
    for part in np.split(np.arange(frames), starts[1:]):
        # A stretch that is short of two is one.
        pieces = max(1, round(len(part) * interval_s / STRETCH_S))
        velocity = velocities(xyz_m[part], interval_s)
        for piece in np.array_split(np.arange(len(part)), pieces):
            at = part[piece]
            errors_px.append(_moving_error_px(residual_px[:, at]))
            parts.append(
                time_information(
                    given.cameras,
                    xyz_m[at],
                    residual_px[:, at],
                    sigma_px[:, at],
                    velocity[piece],
                    given.time_s[at] - take.middle_s,
                    interval_s,
                )
            )
    said = TimeInformation(
        np.sum([part.H for part in parts], axis=0),
        np.sum([part.g for part in parts], axis=0),
        np.sum([part.S for part in parts], axis=0),
    )
    error_px = np.concatenate(errors_px)
    return said, float(np.median(error_px)) if len(error_px) else float("inf")


def _moving_error_px(residual_px: Array) -> Array:
    """Return reprojection errors (n,) without what stays: (cameras, frames, points, 2), NaN where not used."""
    known = np.isfinite(residual_px)
    mean = np.where(known, residual_px, 0.0).sum(axis=1, keepdims=True) / np.maximum(known.sum(1, keepdims=True), 1)
    error_px = np.linalg.norm(residual_px - mean, axis=-1)
    return np.asarray(error_px[np.isfinite(error_px)])


def _moving_moments(views: Mapping[str, Keypoints2D], timeline_s: Array) -> Array:
    """Return the moments to look at: of a long take, the most moving stretch of each of `MOST_STRETCHES` parts."""
    pieces = max(1, round((timeline_s[-1] - timeline_s[0]) / STRETCH_S))
    if pieces <= MOST_STRETCHES:
        return timeline_s
    stretches = np.array_split(timeline_s, pieces)
    edges = np.array([stretch[0] for stretch in stretches[1:]])
    energy = np.zeros(pieces)
    for view in views.values():
        size_px = person_size_px(view.xy_px[None])[0]
        step = np.linalg.norm(np.diff(view.xy_px, axis=0), axis=-1) / (size_px * np.diff(view.time_s)[:, None])
        # Ten body heights a second are a wrong detection.
        speed = np.where(np.isfinite(step) & (step < 10), step, 0.0).mean(axis=1)
        energy += np.bincount(np.searchsorted(edges, view.time_s[1:], side="right"), speed, minlength=pieces)
    chosen = [part[energy[part].argmax()] for part in np.array_split(np.arange(pieces), MOST_STRETCHES)]
    return np.concatenate([stretches[i] for i in chosen])


def _shared(std: Array) -> Array:
    """Return the covariance of errors with the given deviations (n,) that share the reference's error."""
    return np.outer(std, std) * (SHARED_ERROR + (1 - SHARED_ERROR) * np.eye(len(std)))


def _prior(known: list[CameraClock], middle_s: float) -> Array:
    """Return the covariance of the clocks before: of the shifts at `middle_s`, then of the rates."""
    rate_std = np.array([max(clock.rate_std, 1e-9) for clock in known])
    away_s = np.array([float(clock.to_camera(middle_s)) - clock.middle_s for clock in known])
    best_std_s = np.array([max(float(clock.std_s(clock.middle_s)), 1e-6) for clock in known])
    rates = _shared(rate_std)
    across = away_s[:, None] * rates
    return np.block([[_shared(best_std_s) + across * away_s, across], [across.T, rates]])


def _refusal(motion_s: Array, names: list[str], moved_s: float, errors_px: list[float], most_shift_s: float) -> str:
    furthest = int(np.abs(motion_s).argmax())
    if abs(motion_s[furthest]) > most_shift_s:
        return (
            f"motion would move {names[furthest]} by {1000 * motion_s[furthest]:+.0f} ms, more than "
            f"{1000 * most_shift_s:.0f} ms: nobody moves enough, or the calibration does not fit"
        )
    if moved_s > COARSE_S:
        return f"motion does not settle: the last step still moved a clock by {1000 * moved_s:.0f} ms"
    if errors_px[-1] > WORSE * errors_px[0]:
        return f"the views would agree less: {errors_px[-1]:.2f} px instead of {errors_px[0]:.2f} px"
    return ""


def _combined(
    names: list[str], motion: Array, scatter: Array, prior: Array, middle_s: float
) -> dict[str, RefinedClock]:
    """Weigh motion against the clocks before; where they disagree beyond chance, the camera's prior falls."""
    count = len(names)
    difference_std = np.sqrt(np.diag(scatter + prior)[:count])
    certain = np.abs(motion[:count]) > CERTAIN_SIGMA * difference_std
    lag = np.concatenate([certain, np.zeros(count, dtype=bool)])
    # The rate stays known; only how far the sound is from the picture is not.
    prior = prior + np.diag(np.where(lag, 1.0, 0.0))
    gain = prior @ np.linalg.inv(prior + scatter)
    mean, covariance = gain @ motion, prior - gain @ prior
    std = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    return {
        name: RefinedClock(
            motion_s=float(motion[i]),
            motion_std_s=float(np.sqrt(scatter[i, i])),
            shift_s=float(mean[i]),
            std_s=float(std[i]),
            rate_shift=float(mean[count + i]),
            rate_std=float(std[count + i]),
            middle_s=middle_s,
            certain=bool(certain[i]),
        )
        for i, name in enumerate(names)
    }
