"""A camera's clock from moments that are known on it and on the reference's clock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ClockFit:
    """session time = offset_s + rate * camera time, with standard deviations."""

    offset_s: float
    rate: float
    offset_std_s: float
    rate_std: float


def fit_clock(camera_s: Array, session_s: Array, std_s: Array, *, rate_std: float, common_std_s: float) -> ClockFit:
    """Fit offset and rate by weighted least squares, the rate drawn towards 1.

    Moments that are close together say nothing of the rate: the prior then keeps it at 1. As they lie further apart
    they take over by themselves.

    Parameters
    ----------
    camera_s, session_s
        (moments,), the same moments on the camera's clock and in session time.
    std_s
        (moments,), standard deviation of their difference, independent between moments.
    rate_std
        Prior standard deviation of the rate around 1.
    common_std_s
        Standard deviation of an error that all moments share; it is added to the offset's.

    Returns
    -------
    fit
        Its offset is that at camera time 0; its standard deviation includes what the rate's does there.
    """
    # Unknowns: the offset at the weighted middle of the moments, and rate - 1; there they are independent.
    weight = 1 / np.square(std_s)
    middle = float(np.average(camera_s, weights=weight))
    lever = camera_s - middle
    difference = session_s - camera_s
    at_middle = float(np.average(difference, weights=weight))
    information = float((weight * lever**2).sum()) + 1 / rate_std**2
    slope = float((weight * lever * difference).sum()) / information
    slope_std = information**-0.5
    offset_std = np.sqrt(1 / weight.sum() + (slope_std * middle) ** 2 + common_std_s**2)
    return ClockFit(at_middle - slope * middle, 1 + slope, float(offset_std), slope_std)
