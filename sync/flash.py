"""Every camera's clock from a light: a flash, or a lamp switched on or off, that changes all pictures at one moment.

What moves changes some parts of a picture; a light changes nearly all of them one way. A frame in which the light
changed while it was exposed lies between before and after, and its share tells where in the frame that was; how long
the frame was exposed, and the rows of a rolling shutter one after the other, are not known, which is most of the
deviation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from media.brightness import Brightness
from sync.fixed import RATE_STD
from sync.resample import nominal_interval_s
from sync.time_map import OK, CameraClock, TimeMap

Array = npt.NDArray[np.float64]

# Of 255 levels, in the middle of all blocks, and in how many of them the same way. People in the picture, even close
# ones, change fewer; automatic exposure takes many frames.
LEAST_STEP, LEAST_SHARE = 6.0, 0.7
# In deviations of the usual change from frame to frame: 50 Hz lamps flicker.
LEAST_DEVIATIONS = 8.0
# The exposure is somewhere in the frame's interval: uniform over one interval, or half of it where a frame caught the
# change half done.
UNSEEN, CAUGHT = 12**-0.5, 0.5 * 12**-0.5
# Frames in between: brighter than before and darker than after by at least this share of the change.
BETWEEN = 0.1
# Two lights are one if they agree within so many deviations.
AGREE_SIGMA = 3.0
NEEDED_PEAK_RATIO = 0.6
# One change in each of two videos may be anything; a flash or a lamp switched on and off are two.
NEEDED_CHANGES = 2
# Of an offset that was not found; finite, because JSON has no infinity.
UNKNOWN_STD_S = 1e6


@dataclass(frozen=True)
class LightChange:
    """All of a picture became brighter or darker.

    Attributes
    ----------
    time_s, std_s
        When, on the camera's clock, and the standard deviation.
    step
        By how many of 255 levels: positive for brighter.
    """

    time_s: float
    std_s: float
    step: float


def light_changes(brightness: Brightness) -> tuple[LightChange, ...]:
    """Find the moments at which the light in a video changes."""
    times, blocks = brightness.time_s, brightness.blocks
    if len(times) < 4:
        return ()
    interval_s = nominal_interval_s(times)
    change = np.diff(blocks, axis=0)
    step = np.median(change, axis=1)
    share = (np.sign(change) == np.sign(step)[:, None]).mean(axis=1)
    usual = 1.4826 * float(np.median(np.abs(step - np.median(step))))
    sharp = (np.abs(step) >= max(LEAST_STEP, LEAST_DEVIATIONS * usual) * BETWEEN) & (share >= LEAST_SHARE)
    found = []
    k = 0
    while k < len(step):
        if not sharp[k]:
            k += 1
            continue
        # A change is done within two steps, of which the frame between them caught it half done.
        two = k + 1 < len(step) and sharp[k + 1] and step[k + 1] * step[k] > 0
        size = float(step[k] + (step[k + 1] if two else 0.0))
        if abs(size) >= max(LEAST_STEP, LEAST_DEVIATIONS * usual):
            caught = two and BETWEEN < step[k] / size < 1 - BETWEEN
            if two and step[k] / size <= BETWEEN:
                middle = (times[k + 1] + times[k + 2]) / 2
            elif caught:
                # The earlier the change, the more of the frame is as after it.
                middle = times[k + 1] + (0.5 - step[k] / size) * (times[k + 2] - times[k + 1])
            else:
                middle = (times[k] + times[k + 1]) / 2
            found.append(LightChange(float(middle), (CAUGHT if caught else UNSEEN) * interval_s, size))
        k += 2 if two else 1
    return tuple(found)


@dataclass(frozen=True)
class _Match:
    """How two cameras' lights lie to each other: first = offset + second."""

    offset_s: float
    std_s: float
    lights: int
    peak_ratio: float

    @property
    def good(self) -> bool:
        return self.peak_ratio <= NEEDED_PEAK_RATIO and self.lights >= NEEDED_CHANGES


def sync_by_flash(changes: Mapping[str, Sequence[LightChange]]) -> TimeMap:
    """Find every camera's clock from changes of the light that all cameras saw.

    Parameters
    ----------
    changes
        By camera, from `light_changes`.

    Returns
    -------
    TimeMap
        Session time is that of the camera that agrees with most others. A camera that saw no change, or whose changes
        fit in several ways, has the reason as its verdict. Rates are taken as 1, give or take `RATE_STD`.
    """
    names = list(changes)
    matches: dict[tuple[str, str], _Match] = {}
    for first, second in combinations(names, 2):
        match = _match(changes[first], changes[second])
        if match is not None:
            matches[first, second] = match
            matches[second, first] = _Match(-match.offset_s, match.std_s, match.lights, match.peak_ratio)
    agreeing = {name: sum(match.good for key, match in matches.items() if key[0] == name) for name in names}
    reference = max(names, key=lambda name: agreeing[name])  # the first of several
    clocks = {}
    for name in names:
        match = matches.get((reference, name))
        if name == reference and agreeing[name]:
            clocks[name] = CameraClock(0.0, 1.0, 0.0, 0.0, "reference", 1.0)
        elif match is not None and match.good:
            middle_s = float(np.mean([change.time_s for change in changes[name]]))
            at_zero_s = float(np.hypot(match.std_s, RATE_STD * middle_s))
            confidence = float(1 - match.peak_ratio)
            clocks[name] = CameraClock(match.offset_s, 1.0, at_zero_s, RATE_STD, "flash", confidence, OK, middle_s)
        else:
            verdict = _verdict(name, changes[name], match)
            clocks[name] = CameraClock(0.0, 1.0, UNKNOWN_STD_S, RATE_STD, "flash", 0.0, verdict)
    return TimeMap(clocks)


def _match(first: Sequence[LightChange], second: Sequence[LightChange]) -> _Match | None:
    """Return the offset by which most changes of one camera are changes of the other; None where there is none."""
    tried = [
        (a.time_s - b.time_s, float(np.hypot(a.std_s, b.std_s))) for a in first for b in second if a.step * b.step > 0
    ]
    if not tried:
        return None
    scored = []
    for offset_s, std_s in tried:
        agreed = [
            (a.time_s - b.time_s, float(np.hypot(a.std_s, b.std_s)))
            for a in first
            for b in second
            if a.step * b.step > 0 and abs(a.time_s - b.time_s - offset_s) <= AGREE_SIGMA * std_s
        ]
        weight = np.array([std**-2 for _, std in agreed])
        mean_s = float(weight @ np.array([value for value, _ in agreed]) / weight.sum())
        # Exposures err alike in all lights of a camera: more of them are no surer.
        scored.append((len(agreed), mean_s, min(std for _, std in agreed)))
    best = max(scored, key=lambda entry: entry[0])
    others = [entry[0] for entry in scored if abs(entry[1] - best[1]) > 2 * AGREE_SIGMA * best[2]]
    return _Match(best[1], best[2], best[0], max(others, default=0) / best[0])


def _verdict(name: str, changes: Sequence[LightChange], match: _Match | None) -> str:
    """Say why a camera has no clock, and what to do."""
    remedy = f"Give its offset by hand: --offset {name}=SECONDS"
    if not changes:
        return f"no flash: no light changes the whole picture by {LEAST_STEP:.0f} of 255 levels at once. {remedy}"
    if match is None:
        return f"its {len(changes)} changes of light are not those of the other cameras. {remedy}"
    if match.lights < NEEDED_CHANGES:
        return (
            f"{match.lights} change of light is shared with another camera, needed {NEEDED_CHANGES}: a flash, or a "
            f"light that is switched off and on. {remedy}"
        )
    return (
        f"ambiguous: {match.peak_ratio:.2f} of the lights that fit best fit another way, too, needed at most "
        f"{NEEDED_PEAK_RATIO:.2f}. {remedy}"
    )
