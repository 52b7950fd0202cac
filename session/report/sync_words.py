"""The sync in words that a dancer understands: when a camera starts, and how well that is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from session.report.page import listed, milliseconds
from sync.fixed import RATE_STD
from sync.time_map import CameraClock, TimeMap

METHODS = {
    "reference": "its clock is session time",
    "clap": "sound",
    "motion": "how the person moves",
    "flash": "light",
    "timestamps": "a table of time stamps",
    "frames": "shutters joined by cable",
    "manual": "given by hand",
}

# From here on a hand at 5 m/s, which moves 17 cm in a frame at 30 fps, is seen at two places by two cameras.
GOOD_FRAMES, USABLE_FRAMES = 0.5, 2.0

# Upper limits of shares of a frame, and what they are called.
SHARES = (
    (0.005, "less than a hundredth of a frame"),
    (0.015, "a hundredth of a frame"),
    (0.035, "a fiftieth of a frame"),
    (0.075, "a twentieth of a frame"),
    (0.15, "a tenth of a frame"),
    (0.225, "a fifth of a frame"),
    (0.29, "a quarter of a frame"),
    (0.41, "a third of a frame"),
    (0.58, "half a frame"),
    (0.71, "two thirds of a frame"),
    (0.87, "most of a frame"),
    (1.25, "one frame"),
    (1.75, "one and a half frames"),
)


@dataclass(frozen=True)
class Verdict:
    """How good a sync is: "good", "usable" or "redo", what that rests on, and what to do."""

    grade: str
    headline: str
    sentences: tuple[str, ...]


def shares_of_frame(std_s: float, interval_s: float) -> str:
    """Put a time into frames: "a tenth of a frame"; "not known" for NaN."""
    share = std_s / interval_s
    if not np.isfinite(share):
        return "not known"
    return next((words for limit, words in SHARES if share < limit), f"{share:.0f} frames")


def camera_words(
    name: str, clock: CameraClock, reference: str | None, later_s: float, std_s: float, interval_s: float
) -> tuple[str, ...]:
    """Say when a camera starts against the reference, how well that is known, and how its clock runs.

    Parameters
    ----------
    name, clock
        The camera.
    reference
        The camera that others are compared with; None: there is none.
    later_s
        How much later than the reference it starts.
    std_s, interval_s
        The deviation of its time, NaN where that is not known, and the time between its frames.
    """
    if not clock.ok:
        return (f"{name} has no time: {clock.verdict}",)
    if name == reference:
        return (f"{name} is what the others are compared with.",)
    side = "after" if later_s >= 0 else "before"
    starts = f"{name} starts {abs(later_s):.3f} s {side} {reference}"
    if clock.method == "frames":
        return (f"{starts}; frames of the same number were taken at the same moment.",)
    if not np.isfinite(std_s):
        return (f"{starts}, as the table says; how exact that is, it does not say.",)
    known = f"{starts}, known to {milliseconds(std_s)}: {shares_of_frame(std_s, interval_s)}."
    if not rate_known(clock):
        return (known,)
    drift = clock.rate - 1
    if abs(drift) < 2 * clock.rate_std:
        return known, "Its clock runs as fast as session time, as far as can be told."
    return known, f"Its clock runs {'slow' if drift > 0 else 'fast'}, by {milliseconds(60 * abs(drift))} in a minute."


def rate_known(clock: CameraClock) -> bool:
    """Whether more is known of a clock's rate than what crystals do."""
    return clock.rate_std < 0.9 * RATE_STD


def verdict_of(time_map: TimeMap, known: Mapping[str, tuple[float, float]]) -> Verdict:
    """Judge a time map, with the deviation and the time between frames of each camera."""
    refused = list(time_map.refused)
    count = len(time_map.cameras)
    if refused:
        rest = count - len(refused)
        return Verdict(
            "redo",
            f"{listed(refused)} {'has' if len(refused) == 1 else 'have'} no time; {rest} of {count} cameras "
            f"{'is' if rest == 1 else 'are'} on one time line.",
            ("What is missing is said with each camera below. Nothing was guessed.",),
        )
    shares = {name: std_s / interval_s for name, (std_s, interval_s) in known.items() if np.isfinite(std_s)}
    headline = f"All {count} cameras are on one time line."
    if not shares:
        return Verdict("usable", headline, ("How exactly, its source does not say.",))
    worst = max(shares, key=lambda name: shares[name])
    std_s, interval_s = known[worst]
    words = shares_of_frame(std_s, interval_s)
    if shares[worst] <= GOOD_FRAMES:
        return Verdict("good", headline, (f"All to within {words} ({milliseconds(std_s)}).",) if std_s else ())
    grade = "usable" if shares[worst] <= USABLE_FRAMES else "redo"
    return Verdict(
        grade,
        headline,
        (
            f"{worst} is known to {words} only ({milliseconds(std_s)}). Clap twice at the start and twice at the end, "
            "where all cameras hear it, to know it better.",
        ),
    )
