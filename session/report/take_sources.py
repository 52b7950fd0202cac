"""What a take rests on, in words for its page: the calibration and the sync."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from session.report.page import listed, milliseconds
from session.report.sync_words import GOOD_FRAMES, METHODS, USABLE_FRAMES, shares_of_frame
from session.report.take_findings import Source
from sync.time_map import TimeMap


def calibration_source(solve: Mapping[str, Any], imported: str, link: str) -> Source:
    """Say how good the calibration is.

    Parameters
    ----------
    solve
        What the stage of that name recorded; empty for cameras that were calibrated elsewhere.
    imported
        The file that they were imported from; "" where that is not known.
    link
        The calibration's page, relative to the take's; "" without one.
    """
    from calib.quality.verdict import Verdict

    if not solve.get("verdict"):
        return Source(
            "Calibration",
            "",
            (f"The cameras were imported from {imported}." if imported else "The cameras were calibrated elsewhere.",),
            link,
        )
    verdict = Verdict.from_plain(solve["verdict"])
    # What to do next is said only where there is something to do.
    sentences = verdict.sentences[:-1] if verdict.grade == "good" else verdict.sentences
    rmse_px = solve.get("rmse_px")
    fit = (f"Corners of the board fit to {rmse_px:.2f} px.",) if rmse_px is not None else ()
    return Source("Calibration", verdict.grade, (*sentences, *fit), link)


def sync_source(time_map: TimeMap, middle_s: float, interval_s: float, link: str) -> Source:
    """Say how well the clocks are known in the middle of a take (session time), of frames so far apart."""
    cameras = time_map.cameras
    ways = list(dict.fromkeys(METHODS.get(c.method, c.method) for c in cameras.values() if c.method != "reference"))
    joined = f"All {len(cameras)} cameras are on one time line, by {listed(ways or ['one clock'])}."
    known = {
        name: float(clock.std_s(np.array([clock.to_camera(middle_s)]))[0])
        for name, clock in cameras.items()
        if clock.ok and clock.method not in ("reference", "timestamps", "frames")
    }
    if not known:
        return Source("Sync", "", (joined,), link)
    worst = max(known, key=lambda name: known[name])
    share = known[worst] / interval_s
    grade = "good" if share <= GOOD_FRAMES else "usable" if share <= USABLE_FRAMES else "redo"
    words = shares_of_frame(known[worst], interval_s)
    least = f"{worst}, which is known least, is known to {milliseconds(known[worst])}: {words}."
    return Source("Sync", grade, (joined, least), link)
