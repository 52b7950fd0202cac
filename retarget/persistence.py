"""How long the views' errors last: what a hundred frames tell is less than a hundred times what one does.

A detector's errors follow the pose and the light: they last from a few frames to seconds. Both are read from what
the views of one moment disagree about, which no smoothing has touched: the residuals of points triangulated frame by
frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from retarget.observations import Observations
from triangulate.linear import solve3

Array = npt.NDArray[np.float64]

_BLOCK_S = 0.2
"""Errors are averaged over blocks of this duration, within which a body's limbs move along simple arcs, and compared
from block to block (D. W. Allan, "Statistics of atomic frequency standards", Proc. IEEE 54, 1966)."""

_SLOW_S = 0.5
"""What is left of an error after so long counts as lasting."""

FORGOTTEN_S = 2.0
"""Errors that last are new after about so long, when the pose and the place are. On the rendered example and on walk4,
0.45 and 0.40 of the variance are left after 0.5 s, and 0.25 to 0.4 after 1 s."""

_USUAL_LASTING = 0.4
"""What lasts where it cannot be measured: as on the rendered example and on walk4."""

_LEAST_LASTING = 0.2
"""What lasts at least, where a shape is concerned: joints are no hinges, and skin slides over them."""

_LEAST_SHARE = 1 / 30
_MOST_DEVIATIONS = 4.0
_FEWEST = 200


@dataclass(frozen=True)
class Persistence:
    """How the errors of observations last.

    Attributes
    ----------
    data_share
        What an observation counts in a fit over time: 1 for errors that are new in every frame, or nearly the same in
        many, less for errors that come and go as fast as the body moves.
    lasting
        The share of the errors' variance that stays for longer than a movement.
    """

    data_share: float = 1.0
    lasting: float = _USUAL_LASTING

    def looks(self, frames: int, duration_s: float) -> float:
        """Return as how many independent looks at something constant so many frames of a take of a duration count.

        The lasting share of the variance averages out over moments `FORGOTTEN_S` apart, the rest over frames.
        """
        moments = max(duration_s / FORGOTTEN_S, 1.0)
        lasting = max(self.lasting, _LEAST_LASTING)
        return 1.0 / (lasting / moments + (1.0 - lasting) / (frames * self.data_share))


INFERRED = Persistence(data_share=0.3, lasting=0.9)
"""Of points that a network infers from one view: its errors follow the pose, and hardly change while that does."""


def persistence(observed: Observations, time_s: Array) -> Persistence:
    """Measure how long the errors of the views last; without three views of anything, errors count as new."""
    if observed.pixels is None or len(time_s) < 3:
        return Persistence()
    residual, left = _disagreements(observed)
    if np.isfinite(residual).sum() < _FEWEST:
        return Persistence()
    variance = float(np.nanmean(residual**2))
    step = float(np.median(np.diff(time_s)))
    block, slow = max(1, round(_BLOCK_S / step)), max(1, round(_SLOW_S / step))
    rows, frames, marks = residual.shape
    if frames < 2 * max(block, slow) or variance == 0.0:
        return Persistence()
    blocks = residual[:, : frames // block * block].reshape(rows, -1, block, marks).mean(axis=2)
    change = np.diff(blocks, axis=1)
    if not np.isfinite(change).any():
        return Persistence()
    # 1 for white noise of the size that the observations say.
    inflation = 0.5 * block * float(np.nanmean(change**2)) / float(np.nanmean(left))
    later = float(np.nanmean(residual[:, slow:] * residual[:, :-slow]))
    return Persistence(
        float(np.clip(1.0 / max(inflation, 1e-6), _LEAST_SHARE, 1.0)), float(np.clip(later / variance, 0.0, 1.0))
    )


def _disagreements(observed: Observations) -> tuple[Array, Array]:
    """Return residuals (rows, frames, landmarks) in deviations, NaN where less than three views see the landmark.

    And 1 - leverage of each: the variance it would have if the observation erred by one deviation.
    """
    pixels = observed.pixels
    assert pixels is not None
    residual, rows = pixels.linearised(observed.xyz_m)  # (2 views, n), (2 views, 3, n)
    H = np.einsum("kin,kjn->nij", rows, rows)
    with np.errstate(invalid="ignore"):
        step = solve3(H, np.einsum("kin,kn->ni", rows, residual))
        carried = np.stack([solve3(H, row.T) for row in rows])  # (2 views, n, 3)
    residual = residual - np.einsum("kin,ni->kn", rows, step)
    left = 1.0 - np.einsum("kin,kni->kn", rows, carried)
    shape = (len(residual), *observed.information.shape)
    told = np.repeat(pixels.whitening[..., 0, 0] != 0, 2, axis=0)
    told &= ((pixels.views >= 3) & observed.located)[None]
    told &= np.isfinite(residual.reshape(shape))
    clipped = np.clip(residual.reshape(shape), -_MOST_DEVIATIONS, _MOST_DEVIATIONS)
    return np.where(told, clipped, np.nan), np.where(told, left.reshape(shape), np.nan)
