"""The table at the end of `process`: how good every step was, and where the files are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from session.folder import Recording, Session
from session.manifest import Manifest

if TYPE_CHECKING:
    from session.terminal import Terminal


def summary_table(session: Session, takes: Sequence[Recording], terminal: Terminal) -> None:
    """Print one column a take, from what the stages recorded."""
    calibration = Manifest(session.calibration.results, session.root)
    solve = calibration.report("solve")
    columns = []
    for take in takes:
        manifest = Manifest(take.results, session.root)
        sync, points, bones = (manifest.report(stage) for stage in ("sync", "triangulate", "fit"))
        worst = min(sync, key=lambda camera: float(sync[camera][1]))
        columns.append(
            [
                f"{sync[worst][1]:.2f} ({worst})",
                f"{solve['rmse_px']:.2f} px" if "rmse_px" in solve else "imported",
                f"{points['median_px']:.1f} / {points['rmse_px']:.1f} px",
                f"{100 * points['share']:.1f} %",
                f"{100 * points['filled_share']:.1f} %",
                f"{100 * bones['spread_before']:.2f} %",
                f"{100 * bones['spread_after']:.2f} %",
            ]
        )
    rows = (
        "sync confidence, weakest camera",
        "calibration, reprojection rmse",
        "triangulation, median / rmse",
        "body joints found",
        "of them filled over gaps",
        "bone-length spread before IK",
        "bone-length spread after IK",
    )
    table = [(row, *(column[place] for column in columns)) for place, row in enumerate(rows)]
    terminal.table("How good it is", ("", *(take.name for take in takes)), table)
    for take in takes:
        terminal.say(f"{take.name}: {take.results}/")
        names = ", ".join(Manifest(take.results, session.root).report("files")["files"])
        terminal.say(f"  {names}, keypoints3d.npz, motion.npz; look at report.html and overlay.png")
