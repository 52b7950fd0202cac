"""The verdict on a take in words that a dancer understands: how good, why, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from session.report.page import listed, millimetres
from session.report.take_cameras import CameraCard
from session.report.take_findings import TakeFindings
from session.report.take_numbers import LIMBS, Joint, spans_of

GRADES = {"good": "good", "usable": "usable with care", "redo": "not usable"}

GOOD_M, USABLE_M = 0.02, 0.05
"""Median deviation of a coordinate up to which a limb is good, or usable. Seven millimetres is what four cameras give
on the embedded example (12 mm of distance from the truth); 20 mm is a wrist's width, 50 mm shows as a limb that
trembles."""

GOOD_MOST_M, USABLE_MOST_M = 0.04, 0.15
"""What 95 % of a limb's deviations are to be below, for the same."""

GOOD_GUESSED, USABLE_GUESSED = 0.05, 0.25
"""Share of a limb that fewer than two cameras see, for the same."""

GOOD_JUMPING, USABLE_JUMPING = 0.01, 0.2
"""Share of frames in which some point of a limb jumps, for the same."""

FEW_VIEWS = 2.5
"""Cameras that see a limb, mean: below that, one that looks away leaves it to chance."""

LEAST_FOUND = 0.6
"""Share of all points, below which the rest is no movement of a body any more."""

MOST_REASONS = 3
"""Limbs that are explained at the top; all are in the list below it."""

REMEDIES = {
    "pose off": "Calibrate again before the next take: {cameras} did not stand where the calibration says.",
    "displaced": "Fasten what holds {cameras}: the picture moved while you filmed.",
    "somebody else": "Keep other people out of the picture of {cameras}.",
    "detects badly": "Look at the light, the focus and the place of {cameras}.",
    "noisy": "Bring {cameras} closer, or make the picture sharper.",
}
"""What to do about what the triangulation found wrong with a camera, by kind."""

ORDER = ("good", "usable", "redo")


@dataclass(frozen=True)
class LimbVerdict:
    """How good one limb is.

    Attributes
    ----------
    name, grade
        The limb, and "good", "usable" or "redo".
    words
        A sentence or two.
    reasons
        What is not good, each a clause that goes on from the limb's name.
    median_m, guessed, views
        Median deviation of a coordinate, share that fewer than two cameras see, cameras that see it (mean).
    """

    name: str
    grade: str
    words: str
    reasons: tuple[str, ...]
    median_m: float
    guessed: float
    views: float


@dataclass(frozen=True)
class TakeVerdict:
    """How good a take is: the grade, what that rests on, and what to do next."""

    grade: str
    headline: str
    sentences: tuple[str, ...]
    next_steps: tuple[str, ...]
    limbs: tuple[LimbVerdict, ...]


def limb_verdicts(findings: TakeFindings, joints: Sequence[Joint]) -> list[LimbVerdict]:
    """Judge each limb that has points."""
    verdicts = []
    for limb in LIMBS:
        mine = [joint for joint in joints if joint.limb == limb]
        if mine:
            verdicts.append(_limb(findings, limb, mine))
    return verdicts


def _limb(findings: TakeFindings, limb: str, joints: Sequence[Joint]) -> LimbVerdict:
    places = [joint.place for joint in joints]
    sigma_m = findings.keypoints.sigma_m[:, places]
    known = sigma_m[np.isfinite(sigma_m) & (findings.found | findings.guessed)[:, places]]
    median_m = float(np.median(known)) if known.size else float("nan")
    most_m = float(np.percentile(known, 95)) if known.size else float("nan")
    unseen = ~findings.found[:, places]
    guessed = float(unseen.mean())
    views = float(findings.views[:, places].mean())
    frames = len(sigma_m)
    jumping = len({frame for joint in joints for frame in joint.jumps}) / frames
    if not known.size:
        return LimbVerdict(limb, "redo", "never found.", ("was never found",), median_m, 1.0, views)
    reasons, grade = [], "good"

    def judge(value: float, good: float, usable: float, reason: str) -> None:
        nonlocal grade
        if not value <= good:
            grade = max(grade, "usable" if value <= usable else "redo", key=ORDER.index)
            reasons.append(reason)

    judge(median_m, GOOD_M, USABLE_M, f"is known to {millimetres(median_m)} only")
    if not reasons:
        judge(most_m, GOOD_MOST_M, USABLE_MOST_M, f"is known to {millimetres(most_m)} only in its worst moments")
    precise = len(reasons)  # what the words say of precision anyway
    longest = max((last + 1 - first for first, last in spans_of(unseen.mean(axis=1) > 0.5)), default=0)
    lasting = f", once for {longest * findings.interval_s:.1f} s" if longest * findings.interval_s >= 0.2 else ""
    judge(guessed, GOOD_GUESSED, USABLE_GUESSED, f"was hidden for {100 * guessed:.0f} % of the take{lasting}")
    judge(jumping, GOOD_JUMPING, USABLE_JUMPING, f"jumps in {round(jumping * frames)} of {frames} frames")
    words = (
        f"known to {millimetres(median_m)}, 95 % of the time to {millimetres(most_m)}; {views:.1f} cameras see it on "
        "average."
    )
    if reasons[precise:]:
        words += f" It {listed(reasons[precise:])}."
    return LimbVerdict(limb, grade, words, tuple(reasons), median_m, guessed, views)


def take_verdict(findings: TakeFindings, joints: Sequence[Joint], cameras: Sequence[CameraCard]) -> TakeVerdict:
    """Judge the body, and say what to do next."""
    limbs = limb_verdicts(findings, joints)
    found = float(findings.found.mean())
    good = [limb for limb in limbs if limb.grade == "good"]
    bad = [limb for limb in limbs if limb.grade == "redo"]
    wrong = [source for source in findings.sources if source.grade == "redo"]
    weak = [card for card in cameras if card.grade == "redo"]
    if found < LEAST_FOUND or 2 * len(bad) > len(limbs):
        grade = "redo"
    else:
        # Cameras that stand elsewhere bend the space, which no deviation of a point tells.
        bent = any("pose off" in card.kinds for card in cameras)
        grade = "good" if len(good) == len(limbs) and not wrong and not bent else "usable"
    sigma_m = findings.keypoints.sigma_m[findings.found]
    median_m = float(np.median(sigma_m)) if sigma_m.size else float("nan")
    if grade == "good":
        headline = (
            f"The whole body is there; half of the time its points are known to {millimetres(median_m)} or better."
        )
    elif found < LEAST_FOUND:
        headline = f"Two cameras or more see the body in {100 * found:.0f} % of the take only."
    elif bad:
        headline = f"{_the(bad).capitalize()} {'is' if len(bad) == 1 else 'are'} not to be trusted in this take."
    elif len(good) < len(limbs):
        rest = [limb for limb in limbs if limb.grade != "good"]
        every = "Every limb needs" if not good else f"{_the(rest).capitalize()} {'needs' if len(rest) == 1 else 'need'}"
        headline = f"{every} a second look; points are known to {millimetres(median_m)} on the whole."
    else:
        headline = f"The points fit each other to {millimetres(median_m)}, but what they rest on is in doubt."
    doubted = sorted((limb for limb in limbs if limb.reasons), key=lambda limb: -ORDER.index(limb.grade))
    sentences = [f"The {limb.name} {listed(limb.reasons)}." for limb in doubted[:MOST_REASONS]]
    if good and len(good) < len(limbs):
        sentences.append(f"{_the(good).capitalize()} {'is' if len(good) == 1 else 'are'} good.")
    sentences += [f"{card.name} does not fit the other cameras." for card in weak]
    told = [sentence for card in cameras for _, sentence in card.findings]
    sentences += told[:MOST_REASONS]
    if len(told) > MOST_REASONS:
        sentences.append("More is said of the cameras below.")
    fair = [card.name for card in cameras if card.grade == "usable" and not card.findings]
    if fair:
        sentences.append(
            f"Of the cameras, {listed(fair)} {'was' if len(fair) == 1 else 'were'} not right all the time."
        )
    sentences += [f"The {source.title.lower()} is in doubt: {source.sentences[0]}" for source in wrong]
    return TakeVerdict(grade, headline, tuple(sentences), tuple(_next_steps(findings, limbs, cameras)), tuple(limbs))


def floor_in_words(fit: Mapping[str, Any]) -> list[str]:
    """Say which floor the fit held the feet on, and how well; empty where it recorded nothing of it."""
    floor_m, told_by = fit.get("floor_m"), fit.get("floor_from")
    if told_by is None:
        return []
    if told_by == "nothing" or floor_m is None:
        return ["The fit found no floor under the feet, so they are not held."]
    source = {
        "calibration": "the floor of the calibration",
        "feet": f"a floor that they tell themselves, at a height of {1000 * floor_m:+.0f} mm",
    }
    held = f"The fitted feet are held on {source.get(told_by, 'the floor')}"
    if fit.get("skating_mm") is None or fit.get("sinking_mm") is None:
        return [f"{held}."]
    skating, sinking = (millimetres(fit[key] / 1000) for key in ("skating_mm", "sinking_mm"))
    return [f"{held}: what stands strays from its place by {skating} at most, and nothing goes deeper than {sinking}."]


def people_in_words(report: Mapping[str, Any]) -> list[str]:
    """Say who was found in a take, from what the stage that tells people apart recorded; empty for one person."""
    persons = report.get("persons", ())
    if len(persons) < 2:
        return []
    who = [f"person {one['number']} from {one['from_s']:.1f} to {one['to_s']:.1f} s" for one in persons]
    said = [f"{len(persons)} people were found: {listed(who)}."]
    for one in report.get("appearances", ()):
        said.append(
            f"From {one['from_s']:.1f} to {one['to_s']:.1f} s {one['camera']} sees a figure that no other camera "
            "agrees on: a poster, a mirror image, or somebody whom it alone can see. It was not used."
        )
    return said


def _the(limbs: Sequence[LimbVerdict]) -> str:
    return listed([f"the {limb.name}" for limb in limbs])


def _next_steps(findings: TakeFindings, limbs: Sequence[LimbVerdict], cameras: Sequence[CameraCard]) -> list[str]:
    steps = []
    wrong = [source for source in findings.sources if source.grade == "redo"]
    for source in wrong:
        steps.append(f"Mend the {source.title.lower()} first; its page says how.")
    for kind, words in REMEDIES.items():
        named = [card.name for card in cameras if kind in card.kinds]
        if named:
            steps.append(words.format(cameras=listed(named)))
    for card in cameras:
        if card.grade == "redo" and not card.kinds & set(REMEDIES):
            steps.append(
                f"Look whether {card.name} was moved since the calibration (clapcap check {findings.session}), and "
                "whether its clock is right; if so, calibrate again, or take its video out of the take."
            )
    hidden = [
        limb for limb in limbs if limb.guessed > GOOD_GUESSED or (limb.grade != "good" and limb.views < FEW_VIEWS)
    ]
    if hidden:
        steps.append(
            f"For the next take, place a camera so that it sees {_the(hidden)} when the others do not: two cameras "
            "must see a limb at any time, three are better."
        )
    vague = [limb for limb in limbs if not limb.median_m <= GOOD_M and limb not in hidden]
    if vague:
        steps.append(
            f"To know {_the(vague)} better: cameras closer to the person, sharper pictures, more light, or another "
            "camera at a right angle."
        )
    if any("jumps" in reason for limb in limbs for reason in limb.reasons):
        steps.append("Look at the jumps listed below before you use those moments.")
    if not steps:
        steps.append("Nothing needs to be done: the files beside this page are ready for Blender and for a gait lab.")
    return steps
