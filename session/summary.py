"""The table at the end of `process`: how good every step was, and where the files are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from session.folder import Recording, Session
from session.manifest import Manifest
from session.one_view import HINTS, tell_what_it_rests_on
from session.processing.cleanup import STAGE as CLEAN_UP
from session.processing.lifting import STAGE as LIFT
from session.processing.report import people_folders

if TYPE_CHECKING:
    from session.terminal import Terminal


def summary_table(session: Session, takes: Sequence[Recording], terminal: Terminal) -> None:
    """Print one column a take, from what the stages recorded."""
    calibration = Manifest(session.calibration.results, session.root)
    solve = calibration.report("solve")
    columns = []
    people = [(take, *person) for take in takes for person in people_folders(take)]
    several = {take.name for take in takes if len(people_folders(take)) > 1}
    for take, _, folder in people:
        sync = Manifest(take.results, session.root).report("sync")
        manifest = Manifest(folder, session.root)
        points, bones = manifest.report("triangulate"), manifest.report("fit")
        cleaned, lifted = manifest.report(CLEAN_UP), manifest.report(LIFT)
        worst = min(sync, key=lambda camera: float(sync[camera][1]), default="")
        measured = (
            [
                f"{sync[worst][1]:.2f} ({worst})",
                f"{solve['rmse_px']:.2f} px" if "rmse_px" in solve else "imported",
                f"{points['median_px']:.1f} / {points['rmse_px']:.1f} px",
                f"{100 * points['share']:.1f} %",
            ]
            if not lifted
            else [
                f"one view ({lifted['camera']})",
                "used" if lifted["lens_from"] == "calibration" else "none",
                "none: depth inferred",
                f"{100 * lifted['seen_share']:.1f} %",
            ]
        )
        columns.append(
            [
                *measured,
                f"{100 * cleaned['filled_share']:.1f} %",
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
    heads = (f"{take.name}, {name.lower()}" if take.name in several else take.name for take, name, _ in people)
    terminal.table("How good it is", ("", *heads), table)
    for take in takes:
        lifted = Manifest(take.results, session.root).report(LIFT)
        if lifted:
            terminal.say(f"{take.name} is lifted from one view:")
            tell_what_it_rests_on(lifted, HINTS, terminal)
    for take, name, folder in people:
        terminal.say(f"{take.name}, {name.lower()}: {folder}/" if take.name in several else f"{take.name}: {folder}/")
        names = ", ".join(Manifest(folder, session.root).report("files")["files"])
        terminal.say(f"  {names}, keypoints3d.npz, motion.npz; look at report.html and overlay.png")
