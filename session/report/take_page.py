"""The page of a take: whether it is good, the moving body, and everything that an engineer asks of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from session.report.page import camera_colour, render
from session.report.take_cameras import camera_cards, findings_of
from session.report.take_charts import limb_maps, line_over_time, ruler, sigma_bands, view_bands
from session.report.take_feet import feet_of
from session.report.take_findings import TakeFindings
from session.report.take_inferred import inferred_verdict, notice
from session.report.take_motion import UNSURE_M, take_motion, take_scene
from session.report.take_numbers import (
    JUMP_M,
    LIMBS,
    Bone,
    Joint,
    bones_of,
    find_jumps,
    fitted_joints,
    joints_of,
    mended_jumps,
)
from session.report.take_words import GRADES, floor_in_words, people_in_words, take_verdict

MOST_JUMPS = 8
"""Jumps in the list: the largest; the charts mark all."""

BONE_REACH = (0.03, 0.15)
"""Top and bottom of the charts of bone lengths, as shares of the length: at least, so that rounding is not blown up,
and at most, so that a lost joint does not hide the rest."""


@dataclass(frozen=True)
class Jump:
    """One jump: the point, when, in which of the frames carried, how far, and whether clean-up has mended it."""

    place: int
    words: str
    time_s: float
    frame: int
    off_m: float
    mended: bool


@dataclass(frozen=True)
class BoneRow:
    """A bone with its lengths over time, left and right, as paths in a box of 1000 x 100."""

    bone: Bone
    left: str
    right: str


def take_page(findings: TakeFindings) -> str:
    """Make the page."""
    joints = joints_of(findings)
    cards, reach_px = camera_cards(findings)
    verdict = inferred_verdict(findings, joints) if findings.lifted else take_verdict(findings, joints, cards)
    motion = take_motion(findings, joints)
    known = findings.keypoints.sigma_m[findings.found]
    triangulated = findings.reports.get("triangulate", {})
    fit = findings.reports.get("fit", {})
    used_px = findings.keypoints.reprojection_px[findings.used]
    used_px = used_px[np.isfinite(used_px)]
    time_s = findings.keypoints.time_s
    bones = bones_of(findings.keypoints, findings.motion)
    bone_reach = _bone_reach(bones)
    return render(
        "take.html",
        title=_title(findings),
        findings=findings,
        verdict=verdict,
        notice=notice(findings.lifted) if findings.lifted else [],
        grades=GRADES,
        cards=cards,
        reach_px=reach_px,
        colours=[camera_colour(card.place) for card in cards],
        said=[sentence for _, sentence in findings_of(triangulated, "")],
        people=people_in_words(findings.reports.get("people", {})),
        scene=take_scene(findings),
        motion=motion,
        joints=joints,
        limbs=[limb for limb in LIMBS if any(joint.limb == limb for joint in joints)],
        chosen=_first_shown(joints),
        maps=limb_maps(findings, joints),
        sigma_bands=sigma_bands(bool(findings.lifted)),
        view_bands=view_bands(len(cards)),
        most_m=_bar_reach(joints),
        fitted=fitted_joints(findings.motion),
        jumps=_jumps(findings, joints, motion["stride"]),
        all_jumps=sum(len(joint.jumps) for joint in joints),
        all_mended=int((mended_jumps(findings) > 0).sum()),
        cleaned=findings.reports.get("clean up", {}),
        jump_m=JUMP_M,
        unsure_m=UNSURE_M,
        bones=[BoneRow(bone, *(line_over_time(off, -bone_reach, bone_reach) for off in bone.off)) for bone in bones],
        bone_reach=bone_reach,
        feet=feet_of(findings),
        floor=floor_in_words(fit),
        fit=fit,
        ruler=ruler(time_s),
        rate_hz=1 / findings.interval_s,
        length_s=float(time_s[-1] - time_s[0]) + findings.interval_s,
        median_m=float(np.median(known)) if known.size else float("nan"),
        most_sigma_m=float(np.percentile(known, 95)) if known.size else float("nan"),
        found=float(findings.found.mean()),
        median_px=float(np.median(used_px)) if used_px.size else float("nan"),
    )


def _title(findings: TakeFindings) -> str:
    shown = next((person.name for person in findings.people if person.shown), "")
    return f"Take {findings.take}, {shown[:1].lower()}{shown[1:]}" if shown else f"Take {findings.take}"


def _first_shown(joints: list[Joint]) -> int:
    """Choose the point to begin with: a wrist, as what moves most is what people look at."""
    wrists = [joint for joint in joints if joint.name.endswith("wrist")]
    return max(wrists or joints, key=lambda joint: np.nan_to_num(joint.fastest_m_per_s)).place


def _bar_reach(joints: list[Joint]) -> float:
    """Return what the longest bar stands for, metres."""
    most = [joint.most_m for joint in joints if np.isfinite(joint.most_m)]
    return max(float(np.percentile(most, 97)) if most else 0.0, 0.01)


def _jumps(findings: TakeFindings, joints: list[Joint], stride: int) -> list[Jump]:
    left_m, mended_m = find_jumps(findings.keypoints), mended_jumps(findings)
    found = [
        Jump(
            joint.place,
            joint.words,
            float(findings.keypoints.time_s[frame]),
            frame // stride,
            float(max(left_m[frame, joint.place], mended_m[frame, joint.place])),
            left_m[frame, joint.place] == 0,
        )
        for joint in joints
        for frame in np.flatnonzero(left_m[:, joint.place] + mended_m[:, joint.place]).tolist()
    ]
    return sorted(found, key=lambda jump: (jump.mended, -jump.off_m))[:MOST_JUMPS]


def _bone_reach(bones: list[Bone]) -> float:
    """Return what the charts of bone lengths hold, in whole per cent of the length."""
    off = np.abs(np.concatenate([bone.off.ravel() for bone in bones])) if bones else np.zeros(0)
    known = off[np.isfinite(off)]
    most = float(np.percentile(known, 99)) if known.size else 0.0
    return float(np.clip(np.ceil(100 * most) / 100, *BONE_REACH))
