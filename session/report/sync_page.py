"""The page of a sync: whether the cameras run on one time line, how well that is known, and what it looks like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from clapcap.progress import Progress, silent
from session.report.page import listed, render
from session.report.pictures import frames_of, jpeg
from session.report.sync_charts import dots, outline, rows_of, wave
from session.report.sync_sounds import Arrivals, Drift, Track, arrivals_of, drift_of, read_tracks, shown_sounds
from session.report.sync_words import METHODS, camera_words, rate_known, shares_of_frame, verdict_of
from sync.time_map import CameraClock, TimeMap

if TYPE_CHECKING:
    from session.frame_clocks import FrameClocks
    from sync.clap import SyncResult

Array = npt.NDArray[np.float64]

PICTURE_PX = 340
"""Three side by side fill the page."""

AROUND = (-1, 0, 1)
"""Frames shown of each moment, counted from the nearest one."""

MOST_MOMENTS = 2
"""Moments at which frames are shown."""

HAND_M_PER_S = 5.0
"""How fast a hand moves in a dance."""


@dataclass(frozen=True, eq=False)
class SyncFindings:
    """What the page is made from.

    Attributes
    ----------
    session, recording
        Their names.
    made
        When, in words that follow "made".
    time_map
        The clocks, as `clapcap sync` found them.
    heard
        The sounds that they rest on; None where they rest on something else.
    videos
        By camera.
    times
        Of the frames of each camera.
    refined
        What the stage `clocks` of processing recorded since, if it did.
    """

    session: str
    recording: str
    made: str
    time_map: TimeMap
    heard: SyncResult | None
    videos: Mapping[str, Path]
    times: FrameClocks
    refined: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class CameraCard:
    """One camera, as the page shows it.

    Attributes
    ----------
    place, name, clock
        Its number, which is its colour, its name and its clock.
    words
        Sentences on when it starts and how well that is known.
    method
        What its clock is from, in words.
    start_s, end_s
        Of its pictures, session time; NaN without a clock.
    std_s
        The deviation of its time where it is known worst; NaN where it is not known.
    interval_s
        Between its frames.
    frames
        How long `std_s` is in frames.
    """

    place: int
    name: str
    clock: CameraClock
    words: tuple[str, ...]
    method: str
    start_s: float
    end_s: float
    std_s: float
    interval_s: float
    frames: str


@dataclass(frozen=True)
class Still:
    """One picture at a moment: its data URI, its session time, and how much later than the moment it is."""

    image: str
    time_s: float
    late_s: float


@dataclass(frozen=True)
class Moment:
    """Pictures of all cameras at one moment of session time; None where a camera has none."""

    title: str
    time_s: float
    rows: tuple[tuple[int, tuple[Still | None, ...]], ...]


def sync_page(findings: SyncFindings, progress: Progress = silent) -> str:
    """Make the page.

    Parameters
    ----------
    findings
        What was found.
    progress
        Told after each video that was listened to, and after each whose pictures were taken.
    """
    clocks = findings.times.sound
    arrivals = arrivals_of(findings.heard, clocks)
    sounds = shown_sounds(arrivals)
    count = len(findings.videos)
    tracks = read_tracks(findings.videos, clocks, arrivals, sounds, lambda done, _: progress(done, 2 * count))
    cards = _cards(findings)
    verdict = verdict_of(findings.time_map, {card.name: (card.std_s, card.interval_s) for card in cards})
    known = [card for card in cards if card.clock.ok]
    span_s = np.array([min((c.start_s for c in known), default=0.0), max((c.end_s for c in known), default=1.0)])
    moments = _moments(findings, arrivals, sounds, lambda done, _: progress(count + done, 2 * count))
    drifts = {
        card.place: drift_of(card.place, findings.heard, arrivals, clocks, span_s)
        for card in known
        if card.clock.method != "reference"
    }
    worst = max((card for card in known if np.isfinite(card.std_s)), key=lambda c: c.std_s / c.interval_s, default=None)
    return render(
        "sync.html",
        title=f"Sync of {findings.recording}",
        findings=findings,
        verdict=verdict,
        cards=cards,
        free_clocks=[card.name for card in known if not rate_known(card.clock)],
        methods=listed(list(dict.fromkeys(c.method for c in known if c.clock.method != "reference")) or ["nothing"]),
        worst=worst,
        hand_m=HAND_M_PER_S * worst.std_s if worst else None,
        hand_m_per_s=HAND_M_PER_S,
        shared_s=_shared_s(known),
        heard_sounds=len(arrivals.time_s),
        overview=_overview(cards, tracks, arrivals, clocks),
        sounds=_sound_charts(cards, tracks, arrivals, sounds),
        residuals=_residuals(cards, arrivals, span_s),
        drift=_drift_chart(cards, drifts, span_s),
        moments=moments,
        refined=_refined(findings),
    )


def _cards(findings: SyncFindings) -> list[CameraCard]:
    cameras = findings.time_map.cameras
    starts = {name: float(session_s[0]) for name, session_s in findings.times.session_s.items() if len(session_s)}
    known = [name for name, clock in cameras.items() if clock.ok]
    reference = next((name for name in known if cameras[name].method == "reference"), known[0] if known else None)
    cards = []
    for place, (name, clock) in enumerate(cameras.items()):
        frame_s, session_s = findings.times.frame_s[name], findings.times.session_s[name]
        interval_s = findings.times.interval_s(name)
        std_s = float(clock.std_s(frame_s[[0, -1]]).max()) if clock.ok and len(frame_s) else float("nan")
        if clock.method == "timestamps":
            std_s = float("nan")
        later_s = starts[name] - starts[reference] if reference and name in starts else float("nan")
        cards.append(
            CameraCard(
                place=place,
                name=name,
                clock=clock,
                words=camera_words(name, clock, reference, later_s, std_s, interval_s),
                method=METHODS.get(clock.method, clock.method),
                start_s=float(session_s[0]) if len(session_s) else float("nan"),
                end_s=float(session_s[-1]) + interval_s if len(session_s) else float("nan"),
                std_s=std_s,
                interval_s=interval_s,
                frames=shares_of_frame(std_s, interval_s),
            )
        )
    return cards


def _shared_s(cards: list[CameraCard]) -> float:
    """Return how long all cameras that have a clock record together."""
    if len(cards) < 2:
        return 0.0
    return max(0.0, min(card.end_s for card in cards) - max(card.start_s for card in cards))


def _overview(
    cards: list[CameraCard], tracks: Mapping[str, Track | None], arrivals: Arrivals, clocks: TimeMap
) -> dict[str, Any] | None:
    """Lay the whole tracks over each other, as recorded and on session time."""
    drawn = [(card, track) for card in cards if (track := tracks[card.name]) is not None]
    if not drawn:
        return None
    before = [
        (card.place, track.start_s, track.end_s, arrivals.camera_s[:, card.place].tolist()) for card, track in drawn
    ]
    after = []
    for card, track in drawn:
        if card.clock.ok:
            start_s, end_s = clocks.cameras[card.name].to_session([track.start_s, track.end_s]).tolist()
            after.append((card.place, start_s, end_s, arrivals.session_s[:, card.place].tolist()))
    return {
        "outlines": [(card.place, outline(track.envelope)) for card, track in drawn],
        "charts": [
            ("As the cameras recorded it, each from its own start", rows_of(before)),
            ("On session time", rows_of(after)),
        ],
        "silent": [card.name for card in cards if tracks[card.name] is None],
    }


def _sound_charts(
    cards: list[CameraCard], tracks: Mapping[str, Track | None], arrivals: Arrivals, sounds: tuple[int, ...]
) -> list[dict[str, Any]]:
    """Draw the waveforms around each sound that is shown."""
    charts = []
    for number, k in enumerate(sounds):
        rows = []
        for card in cards:
            track = tracks[card.name]
            wide, close = (track.wide[number], track.close[number]) if track is not None else (None, None)
            if wide is None and close is None:
                continue
            late_s = float(arrivals.residual_s[k, card.place])
            rows.append(
                {
                    "place": card.place,
                    "name": card.name,
                    "late_s": late_s if np.isfinite(late_s) else None,
                    "wide": wave(wide, float(arrivals.time_s[k]), late_s, wide=True),
                    "close": wave(close, float(arrivals.time_s[k]), late_s, wide=False),
                }
            )
        if rows:
            charts.append({"number": number + 1, "time_s": float(arrivals.time_s[k]), "rows": rows})
    return charts


def _residuals(cards: list[CameraCard], arrivals: Arrivals, span_s: Array) -> dict[str, Any] | None:
    """Draw how far each camera's sounds are from those of the others."""
    residual_ms = 1000 * arrivals.residual_s
    if np.isfinite(residual_ms).any(axis=1).sum() < 2:  # of one sound, the charts around it tell as much
        return None
    reach_ms = max(1.2 * float(np.nanmax(np.abs(residual_ms))), 0.05)
    rows = []
    for card in cards:
        there = np.isfinite(residual_ms[:, card.place])
        if there.any():
            own = residual_ms[there, card.place]
            rows.append(
                {
                    "place": card.place,
                    "name": card.name,
                    "dots": dots(arrivals.time_s[there], own, span_s, reach_ms),
                    "rms_ms": float(np.sqrt(np.mean(own**2))),
                    "sounds": int(there.sum()),
                }
            )
    return {"rows": rows, "reach_ms": reach_ms, "span_s": span_s.tolist()}


def _drift_chart(cards: list[CameraCard], drifts: Mapping[int, Drift], span_s: Array) -> dict[str, Any] | None:
    """Draw how each camera's clock runs away, where something tells its rate."""
    told = {place: drift for place, drift in drifts.items() if len(drift.time_s) >= 2}
    if not told:
        return None
    reach_ms = max(
        0.1,
        *(1200 * float(np.abs(d.line_away_s).max() + np.median(d.line_std_s)) for d in told.values()),
        *(1200 * float(np.percentile(np.abs(d.away_s), 90)) for d in told.values()),
    )
    rows = []
    for card in cards:
        if card.place not in told:
            continue
        drift = told[card.place]
        rows.append(
            {
                "place": card.place,
                "name": card.name,
                "ppm": 1e6 * (card.clock.rate - 1),
                "std_ppm": 1e6 * card.clock.rate_std,
                "line": dots(drift.line_s, 1000 * drift.line_away_s, span_s, reach_ms, joined=True),
                "band": dots(
                    np.concatenate([drift.line_s, drift.line_s[::-1]]),
                    1000
                    * np.concatenate(
                        [drift.line_away_s - drift.line_std_s, (drift.line_away_s + drift.line_std_s)[::-1]]
                    ),
                    span_s,
                    reach_ms,
                    joined=True,
                ),
                "sounds": dots(drift.time_s[~drift.ambient], 1000 * drift.away_s[~drift.ambient], span_s, reach_ms),
                "ambient": dots(drift.time_s[drift.ambient], 1000 * drift.away_s[drift.ambient], span_s, reach_ms),
            }
        )
    return {"rows": rows, "reach_ms": reach_ms, "span_s": span_s.tolist()}


def _moments(
    findings: SyncFindings, arrivals: Arrivals, sounds: tuple[int, ...], progress: Progress
) -> tuple[Moment, ...]:
    """Take the frames of all cameras around a few moments: sounds, or moments of the take where there is none."""
    known = {
        name: session_s
        for name, session_s in findings.times.session_s.items()
        if findings.time_map.cameras[name].ok and len(session_s)
    }
    if len(known) < 2:
        return ()
    first_s, last_s = (
        float(np.sort([session_s[end] for session_s in known.values()])[place]) for end, place in ((0, 1), (-1, -2))
    )
    wanted = [
        (f"The pictures at the sound of {arrivals.time_s[k]:.3f} s", float(arrivals.time_s[k]))
        for k in sounds
        if first_s <= arrivals.time_s[k] <= last_s
    ]
    if not wanted:
        wanted = [
            (f"The pictures at {moment_s:.3f} s", moment_s)
            for moment_s in (first_s + (last_s - first_s) * np.array([1, 2]) / 3)
        ]
    wanted = wanted[:: max(1, len(wanted) - 1)][:MOST_MOMENTS]
    nearest = {
        name: [int(np.abs(session_s - moment_s).argmin()) for _, moment_s in wanted]
        for name, session_s in known.items()
    }
    numbers = {
        name: {at + step for at in nearest[name] for step in AROUND if 0 <= at + step < len(known[name])}
        for name in known
    }
    pictures = frames_of(findings.videos, numbers, progress)

    def still(name: str, number: int, moment_s: float) -> Still | None:
        if (name, number) not in pictures:
            return None
        time_s = float(known[name][number])
        return Still(jpeg(pictures[name, number], PICTURE_PX), time_s, time_s - moment_s)

    places = {name: place for place, name in enumerate(findings.time_map.cameras)}
    return tuple(
        Moment(
            title,
            moment_s,
            tuple(
                (places[name], tuple(still(name, nearest[name][m] + step, moment_s) for step in AROUND))
                for name in known
            ),
        )
        for m, (title, moment_s) in enumerate(wanted)
    )


def _refined(findings: SyncFindings) -> list[tuple[str, float, float, float]]:
    """Return what the calibration and the motion have added since: camera, sound's way, shift and deviation, ms."""
    cameras, travel_s = findings.refined.get("cameras", {}), findings.refined.get("travel_s", {})
    return [
        (name, 1000 * travel_s.get(name, 0.0), 1000 * found["motion_s"], 1000 * found["std_s"])
        for name, found in cameras.items()
        if name in findings.time_map.cameras
    ]
