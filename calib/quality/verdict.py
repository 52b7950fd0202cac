"""How good a calibration is, in words that say what to do: the same for the terminal, the report and the manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from calib.intrinsics.lens_warnings import lens_notes
from calib.quality.board_looks import TILTED_DEG, board_tilts, name_unseen, seen_regions
from calib.solve.calibrate import CalibrationResult
from calib.solve.report import CalibrationReport
from calib.solve.shared_views import SharedViews

GRADES = ("good", "usable", "redo")

GOOD_M, USABLE_M = 0.005, 0.015
"""Uncertainty that makes a calibration good, or usable. Keypoints of the embedded example are 12 mm (mean) from the
truth with cameras that are off by 2: 5 mm more in quadrature is 8 % worse and not seen in an animation, 15 mm is as
much as the detector's own error."""

WANTED_VIEWS = 20
"""Of the board by each camera. In 18 calibrations from random moments of a real recording (four webcams), cameras with
fewer than 8 views came out 3 to 81 mm (median 16) from where all 111 moments put them, with 8 to 12 views 3 to 31
(median 10), with 13 to 19 views 2 to 31 (median 6), with 20 and more 0.5 to 9 (median 4)."""

WANTED_SHARED_VIEWS = 10
"""Moments that a camera shares with the one it shares most with: in the same calibrations, cameras with fewer were 3 to
81 mm off (median 14)."""

FOCAL_SHARE = 0.015
"""Standard deviation of the focal length as a share of it: in the same calibrations, cameras beyond it were 11 to 81 mm
off (median 23), the others 0.5 to 52 (median 8)."""

POSITION_M = 0.01
"""Standard deviation of a camera's place: between `GOOD_M` and `USABLE_M`, for a camera that others make up for."""

OUTLIER_SHARE = 0.1
"""Of a camera's corners. The real recording loses 0 to 6 %; more is reflections, blur or a clock."""

RMSE_RATIO = 2.0
"""A camera's reprojection error over the median camera's: within one rig they differ by 0.7 to 1.1 (the real
recording); by far more where a camera was moved or its clock is wrong."""

NO_FLOOR = "The floor is not known: lay the board flat on it, print up, at the end of the recording."

MOST_TILTS = 200
"""Views of a camera whose tilts are looked at, spread over all: enough for the twentieth that exceeds the rest."""

NEVER_TILTED, ONLY_MIDDLE, EDGE_UNSEEN = 1.5, 1.2, 0.9
"""Weakness of what has no measure. A picture's edge that was never seen matters where people come near it only: it is
named beside other reasons, and is none by itself."""


@dataclass(frozen=True)
class CameraVerdict:
    """What is weak about one camera.

    Attributes
    ----------
    name
        The camera.
    reasons
        What is weak, worst first, each a clause that goes on from "cam2 is weak because".
    weakness
        How far its worst measure is beyond what is wanted: above 1 the camera is weak.
    remedy
        What to film to better the worst; "" where there are no reasons.
    """

    name: str
    reasons: tuple[str, ...]
    weakness: float
    remedy: str

    @property
    def weak(self) -> bool:
        """Whether something is worse than wanted."""
        return self.weakness > 1


@dataclass(frozen=True)
class Verdict:
    """How good a calibration is.

    Attributes
    ----------
    grade
        "good", "usable" or "redo".
    headline
        One sentence: how good, in millimetres.
    cameras
        One by one.
    weakest
        The weakest camera's name; "" where none is weak.
    notes
        Sentences about the calibration as a whole, such as that no floor was found.
    next_step
        What to do now, a sentence.
    """

    grade: str
    headline: str
    cameras: tuple[CameraVerdict, ...]
    weakest: str
    notes: tuple[str, ...]
    next_step: str

    @property
    def sentences(self) -> tuple[str, ...]:
        """All of it: headline, weakest camera, the other weak cameras, notes, next step."""
        weak = sorted((camera for camera in self.cameras if camera.weak), key=lambda camera: -camera.weakness)
        said = []
        for camera in weak:
            is_weak = "is the weak one" if len(weak) == 1 else "is the weakest" if camera is weak[0] else "is weak too"
            said.append(f"{camera.name} {is_weak}, because {_listed(camera.reasons)}.")
        return (self.headline, *said, *self.notes, self.next_step)

    @classmethod
    def from_plain(cls, document: Mapping[str, Any]) -> Verdict:
        """Read what `dataclasses.asdict` made of a verdict, by way of JSON."""
        cameras = tuple(
            CameraVerdict(camera["name"], tuple(camera["reasons"]), camera["weakness"], camera["remedy"])
            for camera in document["cameras"]
        )
        return cls(
            document["grade"], document["headline"], cameras, document["weakest"], tuple(document["notes"]),
            document["next_step"],
        )  # fmt: skip


def judge(shared: SharedViews, result: CalibrationResult, middle_std_m: float | None = None) -> Verdict:
    """Put a calibration into words.

    Parameters
    ----------
    shared
        What it was made from.
    result
        What came out.
    middle_std_m
        Standard deviation, metres, of a point in the middle of the capture volume that all its cameras see; None:
        judged by the least certain camera's place.
    """
    report = result.report
    focal_px = {camera.name: float(camera.matrix[0, 0]) for camera in result.cameras}
    cameras = tuple(
        _judge_camera(shared, report, place, focal_px[camera.name]) for place, camera in enumerate(report.cameras)
    )
    weak = [camera for camera in cameras if camera.weak]
    weakest = max(weak, key=lambda camera: camera.weakness) if weak else None
    grade, headline = _grade(report, middle_std_m, bool(weak))
    floor = () if report.world.startswith("floor") else (NO_FLOOR,)
    lenses = lens_notes([camera.name for camera in cameras], report.lenses) if report.lenses else ()
    notes = (*floor, *lenses)
    return Verdict(grade, headline, cameras, weakest.name if weakest else "", notes, _next_step(grade, weakest))


def _grade(report: CalibrationReport, middle_std_m: float | None, any_weak: bool) -> tuple[str, str]:
    """Return grade and headline; without an uncertainty (another solver), residuals alone cannot make it good."""
    places = [camera.position_std_m for camera in report.cameras if np.isfinite(camera.position_std_m)]
    if middle_std_m is not None and np.isfinite(middle_std_m):
        std_m, of = middle_std_m, "in the middle of your space"
    elif places:
        std_m, of = max(places), "in the places of the cameras"
    else:
        return "usable", f"Usable, with a reprojection error of {report.rmse_px:.2f} px; millimetres are not known."
    grade = "good" if std_m <= GOOD_M else "usable" if std_m <= USABLE_M else "redo"
    about = f"about {_millimetres(std_m)} mm {of}"
    if grade == "good" and any_weak:
        return "usable", f"Good to {about}, with a weakness."
    if grade == "good":
        return grade, f"Good to {about}."
    if grade == "usable":
        return grade, f"Usable: good to {about}; {_millimetres(GOOD_M)} mm can be had."
    return grade, f"Not good enough: it is only good to {about} (wanted: {_millimetres(USABLE_M)} mm or better)."


def _next_step(grade: str, weakest: CameraVerdict | None) -> str:
    if weakest is None and grade == "redo":
        return "Film the board again: closer to the cameras, longer, in more light, and tilted in all directions."
    if weakest is None and grade == "usable":
        return (
            "You can go on with it: record your take, without touching the cameras. To better it, film the board "
            "again, longer and closer."
        )
    if weakest is None:
        return "Next: record your take, without touching the cameras."
    if grade == "usable":
        return f"You can go on with it. To better it, film the board again: {weakest.remedy}."
    return f"Film the board again: {weakest.remedy}."


def _judge_camera(shared: SharedViews, report: CalibrationReport, place: int, focal_px: float) -> CameraVerdict:
    """Measure one camera against what is wanted."""
    camera = report.cameras[place]
    found: list[tuple[float, str, str]] = []  # weakness, reason, remedy

    def weak(weakness: float, reason: str, remedy: str) -> None:
        if weakness > 1:
            found.append((weakness, reason, remedy))

    name, views, links = camera.name, camera.views, np.delete(report.shared_views[place], place)
    focal_share = camera.focal_std_px / focal_px
    outlier_share = camera.outliers / max(camera.corners, 1)
    usual_px = float(np.median([other.rmse_px for other in report.cameras]))
    more = f"carry the board through more of what {name} sees"
    weak(
        WANTED_VIEWS / max(views, 1),
        f"it saw the board only {_times(views)} ({WANTED_VIEWS} are wanted)",
        more,
    )
    weak(
        WANTED_SHARED_VIEWS / max(int(links.max()), 1),
        f"it saw the board together with another camera only {_times(links.max())} ({WANTED_SHARED_VIEWS} are wanted)",
        f"hold the board where {name} and another camera both see it",
    )
    weak(
        focal_share / FOCAL_SHARE,
        f"its focal length is uncertain by {100 * focal_share:.0f} %",
        f"bring the board closer to {name} and tilt it there",
    )
    weak(
        camera.position_std_m / POSITION_M, f"its place is uncertain by {_millimetres(camera.position_std_m)} mm", more
    )
    weak(
        outlier_share / OUTLIER_SHARE,
        f"{100 * outlier_share:.0f} % of its corners did not fit and were left out",
        f"move the board more slowly before {name}, without reflections",
    )
    weak(
        camera.rmse_px / usual_px / RMSE_RATIO,
        f"its corners miss by {camera.rmse_px:.1f} px, those of the others by {usual_px:.1f}",
        f"check that {name} was not moved, zoomed or refocused",
    )
    found += _unseen(shared, name, place)
    found.sort(key=lambda weakness: -weakness[0])
    return CameraVerdict(
        name, tuple(reason for _, reason, _ in found), found[0][0] if found else 0.0, found[0][2] if found else ""
    )


def _unseen(shared: SharedViews, name: str, place: int) -> list[tuple[float, str, str]]:
    """Return weaknesses, reasons and remedies by where in the picture the board was, and how it was tilted there."""
    views = shared.xy_px[place][shared.usable[place]]
    size_px = shared.image_size_px[place]
    said = []
    seen = seen_regions(views, size_px)
    edges = name_unseen(seen)
    if edges:
        weakness = EDGE_UNSEEN if (np.delete(seen.ravel(), 4)).any() else ONLY_MIDDLE
        said.append((weakness, f"the board was never near {edges}", f"carry the board to {edges} of {name}'s picture"))
    tilt = _most_tilt_deg(views, shared.board.corners_m, size_px)
    if tilt < TILTED_DEG:
        said.append(
            (
                NEVER_TILTED,
                f"the board was never tilted towards it by more than {tilt:.0f} degrees",
                f"tilt the board by 30 degrees and more before {name}, in all directions",
            )
        )
    return said


def _most_tilt_deg(
    views: npt.NDArray[np.float64], corners_m: npt.NDArray[np.float64], size_px: npt.NDArray[np.int64]
) -> float:
    """Return the tilt that a twentieth of the views exceed: single views may be far off."""
    some = np.unique(np.linspace(0, len(views) - 1, MOST_TILTS).round().astype(int)) if len(views) else []
    angle = board_tilts(views[some], corners_m, size_px).angle_deg
    known = angle[np.isfinite(angle)]
    return float(np.percentile(known, 95)) if len(known) else 0.0


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _millimetres(length_m: float) -> str:
    """Whole millimetres, tenths below two: more is not known."""
    return f"{1000 * length_m:.1f}" if length_m < 0.00195 else f"{1000 * length_m:.0f}"


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
