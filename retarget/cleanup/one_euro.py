"""The 1-euro filter: smooth where it is slow, quick where it is fast."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from clapcap.errors import CleanupError
from retarget.cleanup.stretches import each_stretch, extended

Array = npt.NDArray[np.float64]

SPEED_CUTOFF_HZ = 1.0
"""Of the speed that the cutoff follows: the authors' own value."""

AROUND_S, END_S = 0.5, 0.1
"""How far a track is continued at its ends, and of how much of it, for the passes to begin and end outside."""


def one_euro(
    values: Array, time_s: Array, sigma: Array | None = None, *, cutoff_hz: float = 4.0, beta: float = 10.0
) -> Array:
    """Low-pass filter whose cutoff rises with the speed: cutoff_hz + beta x speed.

    G. Casiez, N. Roussel, D. Vogel, "1 € filter: a simple speed-based low-pass filter for noisy input in interactive
    systems", CHI 2012. Two things differ from theirs, which serves one coordinate on a live screen: the speed is that
    of the point and not of each coordinate, so the axes of the world do not matter; and the filter runs forwards, then
    backwards over the result, so there is no lag.

    Parameters
    ----------
    values
        (frames, ..., k), NaN where there is nothing: each stretch is filtered for itself.
    time_s
        (frames,), strictly increasing, even or not.
    sigma
        Not used: every frame counts the same.
    cutoff_hz
        At rest, of each of the two passes.
    beta
        Hertz for each metre a second.

    Raises
    ------
    CleanupError
        For parameters outside their range.
    """
    if cutoff_hz <= 0 or beta < 0:
        raise CleanupError(
            f"one-euro: the cutoff is {cutoff_hz:g} Hz and beta {beta:g}, needed more than 0 Hz and not less than 0."
        )

    def smooth(track: Array, at_s: Array) -> Array:
        if len(at_s) < 3:
            return track.copy()
        # Each pass lags where it ends, which is where the other begins: let that be outside.
        step_s = float(np.median(np.diff(at_s)))
        pad = int(np.ceil(AROUND_S / step_s))
        around = extended(track, pad, int(np.ceil(END_S / step_s)))
        around_s = np.pad(at_s, pad, mode="reflect", reflect_type="odd")
        forwards = one_euro_pass(around, around_s, cutoff_hz, beta)
        return one_euro_pass(forwards[::-1], -around_s[::-1], cutoff_hz, beta)[::-1][pad : pad + len(track)]

    return each_stretch(values, time_s, smooth)


def one_euro_pass(track: Array, time_s: Array, cutoff_hz: float, beta: float) -> Array:
    """Run the filter forwards, as live, over a track (frames, ..., k) without gaps."""
    result = track.copy()
    speed = np.zeros(track.shape[1:])
    for frame in range(1, len(track)):  # each frame depends on the one before
        step_s = float(time_s[frame] - time_s[frame - 1])
        keep = _smoothing(SPEED_CUTOFF_HZ, step_s)
        speed = speed + keep * ((track[frame] - result[frame - 1]) / step_s - speed)
        cutoff = cutoff_hz + beta * np.linalg.norm(speed, axis=-1, keepdims=True)
        result[frame] = result[frame - 1] + _smoothing(cutoff, step_s) * (track[frame] - result[frame - 1])
    return result


def _smoothing(cutoff_hz: npt.ArrayLike, step_s: float) -> Array:
    """Return the share of the new value in exponential smoothing: 1 / (1 + tau / step), tau = 1 / (2 pi cutoff)."""
    share: Array = 1 / (1 + 1 / (2 * np.pi * np.asarray(cutoff_hz) * step_s))
    return share
