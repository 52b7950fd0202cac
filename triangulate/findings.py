"""What is wrong with whole cameras, in words: who follows somebody else, whose pose is off, who detects badly."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from triangulate.pixel_noise import person_size_px
from triangulate.pose_offsets import PoseOffsets
from triangulate.report import Finding
from triangulate.views import Views

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

# Stretches shorter than this are not told of one by one, and breaks shorter than this do not end one.
STRETCH_S = 0.25
# Shares of the person's size in the picture. The same pose elsewhere: points scatter less than this around their offset
# (other people: 0.1 and more; the same person: 0.01 to 0.03). Somebody else: further away than this.
SAME_POSE, SAME_PLACE, ELSEWHERE = 0.06, 0.03, 0.2
# Or somebody in the same line of sight for longer than this, whose points move along rather than jump: from frame to
# frame by less than this share of how far they are off (bystanders: 0.1 to 0.2; detectors that fail: 1 and more).
LASTING_S, STEADY = 1.0, 0.5
# A stretch of this share of a camera's frames is all of them.
THROUGHOUT = 0.9
# A camera that shows nonsense in this share of its frames detects badly altogether.
BADLY = 0.15
# A camera that is so many times noisier than the median of the others (in shares of the person's size) is told of.
NOISY = 2.5


def find_troubles(
    views: Views, residual_px: Array, noise_px: Array, wrong: Bools, offsets: PoseOffsets
) -> tuple[Finding, ...]:
    """Say what is wrong with whole cameras.

    Parameters
    ----------
    views
        The views, left and right mended.
    residual_px
        (cameras, frames, points, 2): projection minus observation, used or not; NaN: unknown.
    noise_px
        (cameras,): each camera's noise.
    wrong
        (cameras, frames): the view shows something else than the others.
    offsets
        Of cameras whose pose is off.
    """
    sizes = person_size_px(views.xy_px)
    found = []
    for c, name in enumerate(views.cameras.names):
        seen = (views.confidence[c] > 0).any(axis=1)
        found += _wrong_times(name, views.time_s, residual_px[c] / sizes[c], wrong[c] & seen, int(seen.sum()))
    # A pose that is off is the reason for its noise.
    reasons = (wrong.mean(axis=1) > 0.5) | (offsets.px > 0)
    found += _noisy(views, noise_px / sizes, reasons)
    found += _poses_off(views, offsets.m, offsets.px)
    if len(views.cameras) == 2:
        found.append(
            Finding(
                "", "two cameras", float(views.time_s[0]), float(views.time_s[-1]),
                "with two cameras nobody can tell which of them is wrong: exchanged sides, another person and a pose "
                "that is off show only where the two contradict each other; a third camera tells",
            )
        )  # fmt: skip
    return tuple(found)


def _wrong_times(name: str, time_s: Array, residual: Array, wrong: Bools, seen: int) -> list[Finding]:
    """Say when one camera is wrong, and how: `residual` (frames, points, 2) in shares of the person's size."""
    found, nonsense = [], 0
    for start, stop in _stretches(wrong, time_s):
        inside = residual[start:stop][wrong[start:stop]].reshape(-1, 2)
        inside = inside[np.isfinite(inside).all(axis=1)]
        offset = np.median(inside, axis=0) if len(inside) else np.full(2, np.nan)
        away = float(np.linalg.norm(offset))
        scatter = float(np.median(np.linalg.norm(inside - offset, axis=1))) if len(inside) else np.nan
        times = f"from {time_s[start]:.1f} to {time_s[stop - 1]:.1f} s"
        same_pose = scatter < SAME_POSE and away > max(SAME_PLACE, scatter)
        if same_pose and wrong[start:stop].sum() > THROUGHOUT * seen:
            kind = "pose off"
            text = (
                f"{name}'s pose is off: throughout it sees the person {100 * away:.0f} % of the person's size away "
                "from where the others do. Calibrate again"
            )
        elif same_pose:
            kind = "displaced"
            text = (
                f"{name} sees the person {100 * away:.0f} % of the person's size away from where the others do {times}"
                ": was it bumped, or its picture moved?"
            )
        elif away > ELSEWHERE or (time_s[stop - 1] - time_s[start] > LASTING_S and _steady(residual[start:stop])):
            kind, text = "somebody else", f"{name} follows somebody else {times}"
        else:
            kind, text = "nonsense", f"{name} shows another pose than the other cameras {times}"
            nonsense += int(wrong[start:stop].sum())
        if time_s[stop - 1] - time_s[start] >= STRETCH_S:
            found.append(Finding(name, kind, float(time_s[start]), float(time_s[stop - 1]), text + "; not used there"))
    if nonsense > BADLY * seen:
        share = 100 * nonsense / seen
        text = (
            f"{name} detects badly: {share:.0f} % of its frames show another pose than the other cameras and are not "
            "used; look at its light, focus and place"
        )
        whole = Finding(name, "detects badly", float(time_s[0]), float(time_s[-1]), text)
        found = [whole, *(finding for finding in found if finding.kind != "nonsense")]
    return found


def _steady(residual: Array) -> bool:
    """Return whether points that are off (frames, points, 2) move along from frame to frame rather than jump."""
    off, step = np.linalg.norm(residual, axis=-1), np.linalg.norm(np.diff(residual, axis=0), axis=-1)
    off, step = off[np.isfinite(off)], step[np.isfinite(step)]
    return bool(len(step) and np.median(step) < STEADY * np.median(off))


def _stretches(wrong: Bools, time_s: Array) -> list[tuple[int, int]]:
    """Return start and stop of each stretch of wrong frames, short breaks bridged."""
    at = np.flatnonzero(wrong)
    if not len(at):
        return []
    # A break counts from the last wrong frame to the next; a bit more than a frame's own length is none.
    breaks = np.flatnonzero((np.diff(at) > 1) & (np.diff(time_s[at]) > STRETCH_S))
    starts, stops = at[np.r_[0, breaks + 1]], at[np.r_[breaks, len(at) - 1]] + 1
    return list(zip(starts.tolist(), stops.tolist(), strict=True))


def _noisy(views: Views, share: Array, explained: Bools) -> list[Finding]:
    """Name cameras that are much noisier than the others."""
    found = []
    names = views.cameras.names
    whole = float(views.time_s[0]), float(views.time_s[-1])
    for c, name in enumerate(names):
        others = float(np.median(np.delete(share, c))) if len(names) > 2 else np.inf
        if share[c] > NOISY * others and not explained[c]:
            text = f"{name} is {share[c] / others:.1f} times as far off as the other cameras and counts less by as much"
            found.append(Finding(name, "noisy", *whole, text))
    return found


def _poses_off(views: Views, offset_m: Array, offset_px: Array) -> list[Finding]:
    found = []
    for c in np.flatnonzero(offset_px > 0):
        camera = views.cameras.cameras[c]
        angle = offset_px[c] / camera.matrix[0, 0]
        text = (
            f"{camera.name}'s pose is off: it sees the person {offset_px[c]:.0f} px beside where the others do, as if "
            f"it was moved by about {100 * offset_m[c]:.0f} cm or turned by {np.degrees(angle):.1f} degrees. Calibrate "
            "again"
        )
        found.append(Finding(camera.name, "pose off", float(views.time_s[0]), float(views.time_s[-1]), text))
    return found
