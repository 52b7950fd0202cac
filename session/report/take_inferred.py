"""What the page says of a take that was lifted from one view: that depth is inferred, and on what that rests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from session.report.page import listed, millimetres
from session.report.take_findings import Source, TakeFindings
from session.report.take_numbers import LIMBS, Joint

if TYPE_CHECKING:
    from session.report.take_words import LimbVerdict, TakeVerdict

LEAST_SEEN, USABLE_SEEN = 0.6, 0.95
"""Share of the frames in which somebody is seen, below which the rest is no movement of a body any more, or has holes
to look at."""

CLEAR_M = 0.08
"""The network's deviation of a joint up to which a limb is said to be as clear as one view allows: the median on
recorded motion is below it, that of limbs behind the body above."""

TILTED_DEG = 8.0
"""Deviation of up from which on leaning bodies may be nothing but a tilted world."""


def notice(lifted: Mapping[str, Any]) -> list[str]:
    """Return the sentences at the top of the page."""
    return [
        f"Depth is inferred from one view ({lifted['camera']}) by a network that has learned how people move. It is "
        "not measured: distances from the camera, and what the body hides, may be wrong without looking wrong.",
        f"Scale: {lifted['scale']}.",
        f"Lens: {lifted['lens']}.",
    ]


def inferred_sources(lifted: Mapping[str, Any]) -> tuple[Source, ...]:
    """Return what a lifted take rests on, in place of calibration and sync."""
    scale = [f"The size comes from {lifted['scale']}."]
    if not lifted["height_given"]:
        scale.append("A subject of another height is off by the same share in every length, speed and distance.")
    lens = [f"The lens is {lifted['lens']}; its focal length is {lifted['focal_px']:.0f} px."]
    if lifted["lens_from"] in ("default", "metadata"):
        lens.append(
            "Where it is really longer or shorter, the subject stands farther or nearer by the same share, and walks "
            "as much more or less along the ray."
        )
    told = {name: share for name, share in lifted["gravity_told_by"].items() if share >= 0.05}
    if lifted["gravity_sigma_deg"] is None:
        up, grade = ["Up and the floor are those of the calibration."], ""
    else:
        by = listed([f"{name} ({100 * share:.0f} %)" for name, share in told.items()]) if told else "nothing"
        up = [
            f"Up is estimated to {lifted['gravity_sigma_deg']:.0f}°, by {by}. The camera looks "
            f"{abs(lifted['pitch_deg']):.0f}° {'down' if lifted['pitch_deg'] < 0 else 'up'} and is rolled by "
            f"{abs(lifted['roll_deg']):.0f}°."
        ]
        grade = "usable" if lifted["gravity_sigma_deg"] <= TILTED_DEG else "redo"
    floors = {
        "feet": "The floor is where the feet stand.",
        "lowest": "No foot stands anywhere: the floor is taken to be at the body's lowest points.",
        "calibration": "The floor is that of the calibration.",
    }
    up.append(floors[lifted["floor_from"]])
    return (
        Source("Scale", "usable", tuple(scale), ""),
        Source("Lens", "good" if lifted["lens_from"] == "calibration" else "usable", tuple(lens), ""),
        Source("Up and floor", grade, tuple(up), ""),
    )


def inferred_verdict(findings: TakeFindings, joints: Sequence[Joint]) -> TakeVerdict:
    """Judge a lifted body, and say what to do next: never better than usable, as nothing has measured it."""
    from session.report.take_words import TakeVerdict

    lifted = findings.lifted
    by_limb = {limb: [joint for joint in joints if joint.limb == limb] for limb in LIMBS}
    limbs = [_limb(findings, limb, its) for limb, its in by_limb.items() if its]
    seen = float(lifted["seen_share"])
    grade = "usable" if seen >= LEAST_SEEN else "redo"
    unclear = [limb for limb in limbs if limb.reasons]
    if grade == "redo":
        headline = f"Somebody is seen in {100 * seen:.0f} % of the take only."
    else:
        headline = "A movement inferred from one view: plausible, to be looked at before it is used, not measured."
    sentences = [f"The {limb.name} {listed(limb.reasons)}." for limb in unclear]
    if LEAST_SEEN <= seen < USABLE_SEEN:
        sentences.append(f"Nobody is seen in {100 - 100 * seen:.0f} % of the frames, which are bridged or missing.")
    sigma = lifted["gravity_sigma_deg"]
    if sigma is not None and sigma > TILTED_DEG:
        sentences.append(f"Which way is up is known to {sigma:.0f}° only: the body may lean as a whole.")
    return TakeVerdict(grade, headline, tuple(sentences), tuple(_next_steps(lifted, seen)), tuple(limbs))


def _limb(findings: TakeFindings, limb: str, joints: Sequence[Joint]) -> LimbVerdict:
    from session.report.take_words import LimbVerdict

    places = [joint.place for joint in joints]
    sigma_m = findings.keypoints.sigma_m[:, places]
    known = sigma_m[np.isfinite(sigma_m)]
    median_m = float(np.median(known)) if known.size else float("nan")
    views = float(findings.views[:, places].mean())
    reasons = []
    if not median_m <= CLEAR_M:
        reasons.append(f"is known to {millimetres(median_m)} only, by the network's own account")
    if views < USABLE_SEEN:
        reasons.append(f"is not clear in the picture for {100 - 100 * views:.0f} % of the take")
    words = (
        f"inferred to {millimetres(median_m)}, by the network's own account; clear in the picture for "
        f"{100 * views:.0f} % of the take."
    )
    return LimbVerdict(limb, "usable", words, tuple(reasons), median_m, 1 - views, views)


def _next_steps(lifted: Mapping[str, Any], seen: float) -> list[str]:
    steps = []
    if seen < USABLE_SEEN:
        steps.append("Film so that the whole person is in the picture all the time, upright and well lit.")
    if not lifted["height_given"]:
        steps.append("Give the subject's height (--height 1.72, in metres): every length follows it.")
    if lifted["lens_from"] == "default":
        steps.append("Give the lens (--focal-mm with its focal length on 35 mm film), or a calibration of the camera.")
    steps.append("For distances to rely on, film with two cameras or more, a printed board and a clap: clapcap new.")
    return steps
