"""Clean-up of a take's points: spikes out, short gaps filled, a filter if one is wanted. What was measured is kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clapcap.errors import CleanupError, SessionError
from session.atomic import written_whole
from session.folder import Recording, Session
from session.manifest import Stage
from session.settings import CleanupSettings
from session.stages import Stages

if TYPE_CHECKING:
    from retarget.cleanup.points import Changes, CleanUp

STAGE = "clean up"


def measured_points_file(take: Recording) -> Path:
    """Return where the points go as they were measured: with their spikes and gaps, not filtered."""
    return take.results / "keypoints3d_raw.npz"


def clean_take(session: Session, take: Recording, stages: Stages) -> None:
    """Clean the points up; `keypoints3d_raw.npz` keeps what was measured.

    Raises
    ------
    SessionError
        If the filter cannot be had, with the settings that ask for it.
    """
    source, output = measured_points_file(take), take.results / "keypoints3d.npz"
    settings = session.settings.cleanup
    stage = Stage(STAGE, [source], [output], dataclasses.asdict(settings))

    def make() -> Mapping[str, Any]:
        from retarget.cleanup.points import clean_points
        from skeleton.formats.npz import load_keypoints3d, save_keypoints3d

        try:
            cleaned = clean_points(load_keypoints3d(source), clean_up_of(settings))
        except CleanupError as error:
            raise SessionError(f"{session.settings_file}, [cleanup]: {error}") from error
        with written_whole(output) as partial:
            save_keypoints3d(partial, cleaned.keypoints)
        return {"filter": settings.filter, "looked_for_spikes": settings.spikes, **changes_report(cleaned.changes)}

    stages.run(stage, make, cleaned_words)


def clean_up_of(settings: CleanupSettings) -> CleanUp:
    """Return what the settings ask for.

    Raises
    ------
    CleanupError
        If they name no filter, or a parameter that it does not have.
    """
    from retarget.cleanup.points import CleanUp

    return CleanUp(settings.max_gap_s, settings.spikes, settings.filter, settings.parameters)


def changes_report(changes: Changes) -> dict[str, Any]:
    """Return the numbers of a clean-up: counts of frames of points, as wholes and by point."""
    from triangulate.report import BODY_JOINTS

    body = [place for place, name in enumerate(changes.names) if name in BODY_JOINTS]
    joints = {}
    for place, name in enumerate(changes.names):
        moved = changes.moved_m[:, place]
        joints[name] = {
            "spikes": int(changes.spikes[:, place].sum()),
            "filled": int(changes.filled[:, place].sum()),
            "open": int(changes.open[:, place].sum()),
            "moved_most_mm": 1000 * float(np.nanmax(moved)) if np.isfinite(moved).any() else 0.0,
        }
    return {
        "of": int(changes.filled.size),
        "spikes": int(changes.spikes.sum()),
        "filled": int(changes.filled.sum()),
        "open": int(changes.open.sum()),
        "filled_share": float(changes.filled[:, body].mean()) if body else 0.0,
        "joints": joints,
    }


def cleaned_words(report: Mapping[str, Any]) -> str:
    """Put the numbers of a clean-up into words."""
    found = report["spikes"]
    spikes = f"{found} {'spike' if found == 1 else 'spikes'} taken out" if found else "no spikes"
    if not report["looked_for_spikes"]:
        spikes = "spikes not looked for"
    filled = f"{report['filled']} of {report['of']} points filled" if report["filled"] else "none filled"
    still = f", {report['open']} still missing" if report["open"] else ""
    smoothed = "no filter" if report["filter"] == "none" else f"filtered ({report['filter']})"
    return f"{spikes}, {filled}{still}, {smoothed}"
