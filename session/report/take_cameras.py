"""What each camera gave to a take: when it was used, when it was left out, how well it fits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from session.report.page import capitalize_first
from session.report.take_findings import TakeFindings
from session.report.take_numbers import person_px, spans_in_words, spans_of

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

SEEN_SHARE = 0.2
"""Of the points, in a picture, below which it counts as showing nobody: a hand at the rim is no person."""

USED_SHARE = 0.3
"""Of the points seen, in a picture, below which the picture counts as left out."""

GOOD_ERROR, USABLE_ERROR = 0.025, 0.05
"""Median reprojection error over the person's height in the picture. Of a detector that errs by 1.5 % of it in a
coordinate, as measured on rendered people, half of the distances are below 1.8 %; a camera that was moved by 10 cm at
4 m is off by 6 % of a person of 1.7 m."""

GOOD_OUT, USABLE_OUT = 0.05, 0.4
"""Share of its frames in which a camera is left out or had left and right exchanged."""

BINS = 300
"""Of the chart of a camera's error over time."""

LEFT_OUT_KINDS = ("somebody else", "displaced", "nonsense", "detects badly")
"""Findings of the triangulation that say why a camera was left out."""

OFF_KINDS = ("pose off", "noisy")
"""Findings that say why a camera fits worse than a detector's own error."""

STATES = ("used", "partly", "out", "nobody")
PARTLY_SHARE = 0.7
"""Of the points seen, in a picture, below which the picture counts as used in part."""


@dataclass(frozen=True)
class CameraCard:
    """One camera.

    Attributes
    ----------
    place, name
        Its number, which is its colour, and its name.
    grade
        "good", "usable" or "redo".
    words
        What there is to say, sentences.
    findings
        What the triangulation found wrong with it: by kind, as `triangulate.report.Finding` has it, sentences.
    used
        Share of its observations that points rest on.
    median_px, most_px
        Reprojection error of those: half are below the first, 95 % below the second; NaN: none.
    person
        The first, as a share of the person's height in its picture.
    swapped
        Number of frames in which left and right were exchanged.
    out
        Share of frames in which it saw somebody and was left out.
    strip
        (state of `STATES`, x, width): what it did when, in thousandths of the take.
    swaps
        (x, width) of stretches in which left and right were exchanged, likewise.
    line, band
        Median error over time and up to what 90 % are below, as paths in a box of 1000 x 100.
    """

    place: int
    name: str
    grade: str
    words: tuple[str, ...]
    findings: tuple[tuple[str, str], ...]
    used: float
    median_px: float
    most_px: float
    person: float
    swapped: int
    out: float
    strip: tuple[tuple[str, float, float], ...]
    swaps: tuple[tuple[float, float], ...]
    line: str
    band: str

    @property
    def kinds(self) -> set[str]:
        """What kinds of things the triangulation found wrong with it."""
        return {kind for kind, _ in self.findings}


def camera_cards(findings: TakeFindings) -> tuple[list[CameraCard], float]:
    """Return the cameras, and how many pixels the charts of their errors reach."""
    tall_px = person_px(findings)
    error_px = np.where(findings.used, findings.keypoints.reprojection_px, np.nan)
    some = error_px[np.isfinite(error_px)]
    reach_px = max(1.1 * float(np.percentile(some, 99)) if some.size else 1.0, 0.1)
    seen, used = findings.observed.mean(axis=2), findings.used.mean(axis=2)
    states = np.select(
        [seen < SEEN_SHARE, used < USED_SHARE * seen, used < PARTLY_SHARE * seen],
        [STATES.index("nobody"), STATES.index("out"), STATES.index("partly")],
        STATES.index("used"),
    )
    triangulated = findings.reports.get("triangulate", {})
    reports = triangulated.get("cameras", {})
    cards = []
    for place, name in enumerate(findings.observations.camera_names):
        swapped = np.zeros(states.shape[1], dtype=bool)
        swapped[[frame for frame in reports.get(name, {}).get("swapped_frames", ()) if frame < len(swapped)]] = True
        wrong = findings_of(triangulated, name)
        cards.append(
            _card(findings, place, name, error_px[place], states[place], swapped, wrong, tall_px[place], reach_px)
            if not findings.lifted
            else _lone_card(findings, place, name, error_px[place], states[place], tall_px[place], reach_px)
        )
    return cards, reach_px


def findings_of(triangulated: Mapping[str, Any], camera: str) -> tuple[tuple[str, str], ...]:
    """Return (kind, sentence) of what the triangulation found wrong with a camera; "": with all of them together."""
    told = [(str(one["kind"]), str(one["text"])) for one in triangulated.get("findings", ()) if one["camera"] == camera]
    # A camera's name stays as its owner writes it.
    named = [(kind, text if camera and text.startswith(camera) else capitalize_first(text)) for kind, text in told]
    return tuple((kind, f"{text}.") for kind, text in named)


def _card(
    findings: TakeFindings,
    place: int,
    name: str,
    error_px: Array,
    state: npt.NDArray[np.int64],
    swapped: Mask,
    wrong: tuple[tuple[str, str], ...],
    tall_px: float,
    reach_px: float,
) -> CameraCard:
    some = error_px[np.isfinite(error_px)]
    median_px = float(np.median(some)) if some.size else float("nan")
    observed = int(findings.observed[place].sum())
    used = float(findings.used[place].sum() / max(observed, 1))
    out = state == STATES.index("out")
    person = median_px / float(tall_px)
    time_s = findings.keypoints.time_s
    grade, words = _words(time_s, median_px, person, used, state, out, swapped, wrong)
    line, band = _chart(error_px, reach_px)
    frames = len(state)
    return CameraCard(
        place=place,
        name=name,
        grade=grade,
        words=words,
        findings=wrong,
        used=used,
        median_px=median_px,
        most_px=float(np.percentile(some, 95)) if some.size else float("nan"),
        person=person,
        swapped=int(swapped.sum()),
        out=float(out.mean()),
        strip=tuple(
            (STATES[k], 1000 * first / frames, 1000 * (last + 1 - first) / frames)
            for k in range(len(STATES))
            for first, last in spans_of(state == k)
        ),
        swaps=tuple((1000 * first / frames, 1000 * (last + 1 - first) / frames) for first, last in spans_of(swapped)),
        line=line,
        band=band,
    )


def _lone_card(
    findings: TakeFindings,
    place: int,
    name: str,
    error_px: Array,
    state: npt.NDArray[np.int64],
    tall_px: float,
    reach_px: float,
) -> CameraCard:
    """Return the one camera that a body was lifted from, which agrees or disagrees with no other."""
    card = _card(findings, place, name, error_px, state, np.zeros(len(state), dtype=bool), (), tall_px, reach_px)
    if not np.isfinite(card.median_px):
        return card
    said = [
        f"the lifted body lies {card.median_px:.1f} px from what it shows (median), {100 * card.person:.1f} % of the "
        "person's height in its picture. How far away anything is, it cannot tell."
    ]
    nobody = state == STATES.index("nobody")
    if nobody.any():
        said.append(f"It has no picture of the person in {100 * nobody.mean():.0f} % of the take.")
    return replace(card, grade="usable", words=tuple(said))


def _words(
    time_s: Array,
    median_px: float,
    person: float,
    used: float,
    state: npt.NDArray[np.int64],
    out: Mask,
    swapped: Mask,
    found: tuple[tuple[str, str], ...],
) -> tuple[str, tuple[str, ...]]:
    """Judge a camera: its grade, and sentences."""
    nobody = state == STATES.index("nobody")
    if not np.isfinite(median_px):
        return "redo", ("nothing of what it saw could be used.",)
    said = [
        f"it agrees with the others to {median_px:.1f} px, {100 * person:.1f} % of the person's height in its picture; "
        f"{100 * used:.0f} % of what it saw is used."
    ]
    kinds = {kind for kind, _ in found}
    said += [sentence for _, sentence in found]
    if person > GOOD_ERROR and not kinds & set(OFF_KINDS):
        said.append(
            "That is more than a detector's own error: it was moved since the calibration, its clock is off, or the "
            "person is hard to see in it."
        )
    if swapped.any():
        count = int(swapped.sum())
        said.append(
            f"Left and right were exchanged in {count} frame{'s' if count > 1 else ''} "
            f"({spans_in_words(spans_of(swapped), time_s)}), and put right."
        )
    if out.any() and not kinds & set(LEFT_OUT_KINDS):
        said.append(
            f"Left out {'at' if out.sum() == 1 else 'from'} {spans_in_words(spans_of(out), time_s)}, because what it "
            "shows contradicts the other cameras."
        )
    if nobody.any():
        said.append(f"It has no picture of the person in {100 * nobody.mean():.0f} % of the take.")
    wrong = float(np.maximum(out, swapped).mean())
    if person > USABLE_ERROR or float(out.mean()) > USABLE_OUT:
        return "redo", tuple(said)
    good = person <= GOOD_ERROR and wrong <= GOOD_OUT and not found
    return "good" if good else "usable", tuple(said)


def _chart(error_px: Array, reach_px: float) -> tuple[str, str]:
    """Draw (frames, points) over time: the median, and from it to what nine tenths are below."""
    frames = len(error_px)
    edges = np.unique(np.linspace(0, frames, min(BINS, frames) + 1).astype(int))
    lines: list[list[str]] = []
    bands: list[tuple[list[str], list[str]]] = []
    begun = False
    for first, after in pairwise(edges.tolist()):
        values = error_px[first:after]
        values = values[np.isfinite(values)]
        if not values.size:
            begun = False
            continue
        if not begun:
            lines.append([])
            bands.append(([], []))
            begun = True
        x = 500 * (first + after) / frames
        middle, most = (_y(float(value), reach_px) for value in np.percentile(values, [50, 90]))
        lines[-1].append(f"{x:.1f} {middle:.1f}")
        bands[-1][0].append(f"{x:.1f} {middle:.1f}")
        bands[-1][1].append(f"{x:.1f} {most:.1f}")
    line = "".join("M" + "L".join(points) for points in lines)
    band = "".join("M" + "L".join([*low, *high[::-1]]) + "z" for low, high in bands)
    return line, band


def _y(value_px: float, reach_px: float) -> float:
    return 100 - 100 * min(value_px / reach_px, 1.0)
