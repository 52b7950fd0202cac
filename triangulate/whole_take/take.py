"""The use case: all points of a take refined at once, in windows, with what they rest on and how certain they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calib.cameras import CameraGroup
from clapcap.errors import TriangulationError
from clapcap.progress import Progress, silent
from skeleton.keypoints import Observations2D
from triangulate.whole_take.banded import groups_of
from triangulate.whole_take.bones import Bones, bones_of
from triangulate.whole_take.covariance import certainty
from triangulate.whole_take.lasting import ErrorMemory, measure_memory
from triangulate.whole_take.lengths import Lengths, solve_lengths
from triangulate.whole_take.stretch import Model, Stretch
from triangulate.whole_take.windows import Window, sample, windows

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

# Deviations (of the distance in the picture) beyond which a view does not count as one that a point rests on.
OUTLIER_DEVIATIONS = 5.0
# An acceleration takes three.
FEWEST_FRAMES = 3
# Enough for a median length to start from.
FRAMES_FOR_LENGTHS = 2000


@dataclass(frozen=True)
class RefinementOptions:
    """What can be chosen.

    Attributes
    ----------
    acceleration_density
        (m/s^2)^2/Hz of a coordinate's acceleration, as white noise.
    bone_deviation_m
        Of a bone's length from frame to frame.
    max_sigma_m
        Positions less certain than this are left out.
    """

    # Mean error of the rendered dance after constant offsets at 5, 20, 100, 400: 10.1, 10.3, 10.5, 10.6 mm; of
    # synthetic takes (hands and feet accelerate by 20 m/s^2) with white errors: 9.8, 9.2, 10.8, 13.1 mm, with errors
    # that last 0.1 s: 18.7, 18.4, 19.0, 19.6 mm. At 1: 20 and 25 mm.
    acceleration_density: float = 20.0
    # The rendered dance at 1, 3, 6, 15 mm: 10.3, 10.3, 10.4, 11.1 mm.
    bone_deviation_m: float = 0.005
    max_sigma_m: float = 0.25


@dataclass(frozen=True, eq=False)
class RefinedTake:
    """The points of a take at the minimum of the whole problem.

    Attributes
    ----------
    xyz_m
        (frames, points, 3), world, metres; NaN where too little is known.
    covariance_m2
        (frames, points, 3, 3), with what bones and smoothness know, and with errors that last; NaN where `xyz_m` is.
    filled
        (frames, points): positions that rest on no view of that frame, but on bones and on frames before and after.
    used
        (cameras, frames, points): observations within 5 deviations of the position, which rests on them.
    residual_px
        (cameras, frames, points, 2): projection minus observation, used or not; NaN without an observation.
    bones
        Names of the ends of each bone whose length was held.
    lengths
        The bones' lengths and how certain they are, in the order of `bones`.
    memory
        How long the detector's errors last.
    cameras
        The cameras that the residuals belong to.
    """

    xyz_m: Array
    covariance_m2: Array
    filled: Bools
    used: Bools
    residual_px: Array
    bones: tuple[tuple[str, str], ...]
    lengths: Lengths
    memory: ErrorMemory
    cameras: CameraGroup

    @property
    def sigma_m(self) -> Array:
        """(frames, points): root of the mean of each covariance's three variances; NaN where there is no position."""
        sigma: Array = np.sqrt(np.trace(self.covariance_m2, axis1=2, axis2=3) / 3)
        return sigma


def refine_take(
    cameras: CameraGroup,
    observations: Observations2D,
    start_m: Array,
    options: RefinementOptions | None = None,
    progress: Progress = silent,
    window_frames: int | None = None,
) -> RefinedTake:
    """Refine all points of a take at once.

    Minimises the robust reprojection error in all views, the bones' departures from lengths that are constant over the
    take, and accelerations. Cost and memory: a window's, times their number. Points that no frame has a start for are
    left out.

    Parameters
    ----------
    cameras
        The views, in the order of the observations.
    observations
        What was seen, left and right mended. Gross errors may be among them as long as most views are right: the loss
        forgets what lies far off.
    start_m
        (frames, points, 3): triangulated frame by frame; NaN: not known.
    options
        None: the defaults.
    progress
        Told frames.
    window_frames
        Frames solved at once, besides their overlap; None: enough to be quick.

    Raises
    ------
    TriangulationError
        If there are fewer than three frames or no start at all.
    """
    options = options or RefinementOptions()
    time_s = observations.time_s
    frames = len(time_s)
    known = np.isfinite(start_m).all(axis=-1)
    if frames < FEWEST_FRAMES or not known.any():
        raise TriangulationError(
            f"a take of {frames} frames with {int(known.sum())} positions cannot be refined as a whole, needed "
            f"{FEWEST_FRAMES} frames and a position: turn it off (refine = false)."
        )
    problem = _Problem(cameras, observations, start_m, known, options)
    for window in windows(time_s, window_frames):
        problem.solve(window)
        progress(window.core.stop, frames)
    return problem.finished()


class _Problem:
    """The take with its model (points that take part, bones, lengths, memory of errors), solved window by window."""

    def __init__(
        self,
        cameras: CameraGroup,
        observations: Observations2D,
        start_m: Array,
        known: Bools,
        options: RefinementOptions,
    ) -> None:
        self.seen = observations
        self.options = options
        self.known = known
        self.start_m = start_m
        self.points = np.flatnonzero(known.any(axis=0))
        self.xyz_m = np.full(start_m.shape, np.nan)
        self.covariance_m2 = np.full((*start_m.shape, 3), np.nan)
        bones = bones_of(observations.names).among(known.any(axis=0))
        length = _median_lengths(start_m, bones.ends)
        self.bones = bones.taken(np.isfinite(length))
        place = np.cumsum(known.any(axis=0)) - 1
        inner = Bones(place[self.bones.ends], self.bones.twin)
        self.model = Model(
            cameras,
            inner,
            tuple(groups_of(np.arange(len(self.points)), inner.ends)),
            np.full(len(inner), options.bone_deviation_m),
            np.full(len(self.points), options.acceleration_density),
        )
        self.memory = measure_memory(cameras, observations.xy_px, observations.sigma_px, start_m, observations.time_s)
        pieces = sample(observations.time_s)
        self.lengths, _ = solve_lengths(
            [self.stretch(piece) for piece in pieces],
            [self.start(piece) for piece in pieces],
            length[np.isfinite(length)],
        )

    def stretch(self, part: slice) -> Stretch:
        """Return the observations of some frames."""
        seen = self.seen
        return Stretch(
            self.model,
            seen.xy_px[:, part][:, :, self.points],
            seen.sigma_px[:, part][:, :, self.points],
            seen.time_s[part],
        )

    def start(self, part: slice) -> Array:
        """Return where to start from: what is solved already, what is known, or between what is known."""
        time_s = self.seen.time_s
        xyz = self.start_m[part][:, self.points].copy()
        for place, point in enumerate(self.points):  # every point has gaps of its own
            missing = ~self.known[part, point]
            if missing.any():
                at = np.flatnonzero(self.known[:, point])
                for axis in range(3):
                    xyz[missing, place, axis] = np.interp(
                        time_s[part][missing], time_s[at], self.start_m[at, point, axis]
                    )
        solved = self.xyz_m[part][:, self.points]
        return np.where(np.isfinite(solved), solved, xyz)

    def solve(self, window: Window) -> None:
        """Solve a window and keep its core."""
        stretch = self.stretch(window.all)
        xyz, there = stretch.settle(self.start(window.all), self.lengths.length_m)
        covariance = certainty(stretch, there).covariance_m2
        variance = np.trace(covariance, axis1=2, axis2=3) / 3
        growth = self.memory.growth(variance, self.options.acceleration_density)
        core = slice(window.core.start - window.all.start, window.core.stop - window.all.start)
        self.xyz_m[window.core, self.points] = xyz[core]
        self.covariance_m2[window.core, self.points] = (covariance * growth[..., None, None])[core]

    def finished(self) -> RefinedTake:
        """Leave out what is too uncertain, and mark what rests on no view."""
        variance = np.trace(self.covariance_m2, axis1=2, axis2=3) / 3
        with np.errstate(invalid="ignore"):
            lost = ~((variance > 0) & (variance <= self.options.max_sigma_m**2))
        self.xyz_m[lost] = np.nan
        self.covariance_m2[lost] = np.nan
        residual = np.empty(self.seen.xy_px.shape)
        used = np.zeros(self.seen.sigma_px.shape, dtype=bool)
        for c, camera in enumerate(self.model.cameras):
            residual[c] = camera.project(self.xyz_m) - self.seen.xy_px[c]
            error = np.sqrt((residual[c] ** 2).sum(axis=-1))
            with np.errstate(invalid="ignore"):
                used[c] = np.isfinite(self.seen.sigma_px[c]) & (error <= OUTLIER_DEVIATIONS * self.seen.sigma_px[c])
        names = self.seen.names
        return RefinedTake(
            xyz_m=self.xyz_m,
            covariance_m2=self.covariance_m2,
            filled=~lost & ~used.any(axis=0),
            used=used,
            residual_px=residual,
            bones=tuple((names[a], names[b]) for a, b in self.bones.ends),
            lengths=self.lengths,
            memory=self.memory,
            cameras=self.model.cameras,
        )


def _median_lengths(xyz_m: Array, ends: Ints) -> Array:
    """Return the median distance of each pair of points (bones,); NaN for those that are never both there."""
    some = xyz_m[:: max(1, len(xyz_m) // FRAMES_FOR_LENGTHS)]
    length = np.linalg.norm(some[:, ends[:, 1]] - some[:, ends[:, 0]], axis=-1)
    known = np.isfinite(length).any(axis=0)
    median = np.full(len(ends), np.nan)
    median[known] = np.nanmedian(length[:, known], axis=0)
    return median
