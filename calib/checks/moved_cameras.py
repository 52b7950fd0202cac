"""Whether calibrated cameras still stand where they stood, told from a later recording of the board.

The cameras are solved anew with the lenses that they have, and compared with where they stood
(`calib.checks.pose_change`). Before that, each focal length is let go: a camera that was zoomed would otherwise look as
if it had been moved.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from calib.cameras import Camera, CameraGroup
from calib.checks.pose_change import CERTAIN_SIGMA, PoseChange, cameras_that_stand, pose_changes
from calib.intrinsics.lens_prior import LensPrior
from calib.quality.uncertainty import CameraCovariance
from calib.solve.calibrate import CalibrationOptions, CalibrationResult, calibrate
from calib.solve.shared_views import SharedViews
from clapcap.errors import CalibrationError

Array = npt.NDArray[np.float64]

ZOOM_STD = 0.5
"""Standard deviation of the focal length's logarithm while it is let go: zooms reach from half to twice."""

ZOOMED = 0.02
"""A share of the focal length: a smaller change is that of the autofocus, and of the estimate (1 % between the even and
the odd frames of charuco4)."""


@dataclass(frozen=True, eq=False)
class CameraCheck:
    """What became of one camera.

    Attributes
    ----------
    name
        The camera.
    verdict
        "in place", "moved", "zoomed" (and perhaps moved), "picture changed" (size or orientation: nothing else can be
        told), "not seen" (it has no view of the board), or "undecided" (as many cameras say so as not).
    words
        The same for people, with numbers.
    change
        How its pose changed; None where that cannot be told.
    focal_change, focal_change_std
        Focal length now over that of the calibration, less 1, and its standard deviation; NaN where not known.
    """

    name: str
    verdict: str
    words: str
    change: PoseChange | None
    focal_change: float
    focal_change_std: float


@dataclass(frozen=True, eq=False)
class CheckResult:
    """What became of the cameras.

    Attributes
    ----------
    cameras
        One by one, in the order of the calibration; those of which there was no video are left out.
    moments, rmse_px
        How many moments of the board took part, and how far their corners are off.
    advice
        What to do now.
    """

    cameras: tuple[CameraCheck, ...]
    moments: int
    rmse_px: float
    advice: str

    @property
    def unchanged(self) -> bool:
        """Whether every camera is where it was, as it was."""
        return all(camera.verdict == "in place" for camera in self.cameras)


def check_cameras(
    calibrated: CameraGroup,
    later: SharedViews,
    errors: CameraCovariance | None = None,
    lag_s_std: float = 0.1,
) -> CheckResult:
    """Tell which cameras were moved or zoomed since they were calibrated.

    Parameters
    ----------
    calibrated
        All calibrated cameras.
    later
        What two or more of them saw of the board later.
    errors
        The calibration's own covariance, of all cameras in their order; None: not known, taken as 0.
    lag_s_std
        Of the clocks of the later recording, seconds; 0 for a board that stands still.

    Raises
    ------
    CalibrationError
        If a video belongs to no calibrated camera, fewer than two cameras can be compared, or their views contradict
        each other.
    """
    unknown = [name for name in later.camera_names if name not in calibrated.names]
    if unknown:
        raise CalibrationError(
            f"{', '.join(unknown)} is not among the calibrated cameras ({', '.join(calibrated.names)}). A camera is "
            "named by its video's stem: rename the videos as they were called in the calibration."
        )
    order = [name for name in calibrated.names if name in later.camera_names]
    aside = _set_aside(calibrated, later, order)
    names = [name for name in order if name not in aside]
    if len(names) < 2:
        said = " ".join(f"{name}: {check.words}." for name, check in aside.items())
        raise CalibrationError(
            f"{len(names)} camera{'s' if len(names) != 1 else ''} can be compared, needed 2: cameras are checked "
            f"against each other. {said} Hold the board where two cameras see it at the same time."
        )
    before = calibrated.subset(tuple(names))
    later = _of_cameras(later, names)
    free = _solve(before, later, dict.fromkeys(names, ZOOM_STD), lag_s_std)
    focal = {name: _focal_change(before[name], free, place) for place, name in enumerate(names)}
    changed = {name for name, (change, std) in focal.items() if abs(change) > CERTAIN_SIGMA * std}
    result = _solve(before, later, dict.fromkeys(changed, ZOOM_STD), lag_s_std)
    known = [(result.cameras, _errors(result))] + ([(calibrated, errors)] if errors is not None else [])
    sets = cameras_that_stand(before, result.cameras, known)
    changes = pose_changes(before, result.cameras, known, sets[0])
    checks = dict(aside)
    for place, name in enumerate(names):
        undecided = len(sets) > 1 and any((place in found) != (place in sets[0]) for found in sets)
        undecided |= len(sets[0]) == 1
        checks[name] = _judge(name, changes[place], focal[name], name in changed, undecided)
    cameras = tuple(checks[name] for name in order)
    return CheckResult(cameras, result.report.moments, result.report.rmse_px, _advice(cameras, names, sets))


def _set_aside(calibrated: CameraGroup, later: SharedViews, order: list[str]) -> dict[str, CameraCheck]:
    """Return the cameras that cannot be compared, with the reason."""
    aside = {}
    for name in order:
        place = later.camera_names.index(name)
        size, was = tuple(int(n) for n in later.image_size_px[place]), calibrated[name].size_px
        if size != was:
            turned = " (turned on its side)" if size == was[::-1] else ""
            words = f"its picture is {size[0]} x {size[1]}{turned}, but was {was[0]} x {was[1]} in the calibration"
            aside[name] = CameraCheck(name, "picture changed", words, None, np.nan, np.nan)
        elif not later.usable[place].any():
            aside[name] = CameraCheck(name, "not seen", "it does not see the board", None, np.nan, np.nan)
    return aside


def _of_cameras(shared: SharedViews, names: list[str]) -> SharedViews:
    """Return the views of some cameras: all arrays but the moments' times are by camera first."""
    chosen = [shared.camera_names.index(name) for name in names]
    by_camera = {field.name for field in fields(shared)} - {"camera_names", "board", "time_s"}
    return replace(shared, camera_names=tuple(names), **{name: getattr(shared, name)[chosen] for name in by_camera})


def _solve(before: CameraGroup, later: SharedViews, focal_std: dict[str, float], lag_s_std: float) -> CalibrationResult:
    """Solve with the lenses held, but for the focal lengths of the cameras that `focal_std` names."""
    lenses = {}
    for camera in before:
        K = camera.matrix
        mean = np.array([K[0, 0], K[1, 1] / K[0, 0], K[0, 2], K[1, 2], *camera.distortion])
        std = np.zeros(len(mean))
        std[0] = focal_std.get(camera.name, 0.0) * mean[0]
        lenses[camera.name] = LensPrior(camera.lens, mean, std, "the calibration")
    return calibrate(later, CalibrationOptions(look_for_floor=False, lenses=lenses, lag_s_std=lag_s_std))


def _errors(result: CalibrationResult) -> CameraCovariance:
    errors = result.report.diagnostics.errors
    assert errors is not None  # our own solver always tells
    return errors


def _focal_change(before: Camera, free: CalibrationResult, place: int) -> tuple[float, float]:
    was = before.matrix[0, 0]
    now = free.cameras.cameras[place].matrix[0, 0]
    return float(now / was - 1), free.report.cameras[place].focal_std_px / was


def _judge(
    name: str, change: PoseChange, focal: tuple[float, float], lens_changed: bool, undecided: bool
) -> CameraCheck:
    step = f"{_rounded(1e3 * change.moved_m, 1e3 * change.moved_std_m)} mm"
    turn = f"{_rounded(change.turned_deg, change.turned_std_deg)} degrees"
    zoom = f"its focal length is {100 * focal[0]:+.1f} ± {100 * focal[1]:.1f} % of what it was"
    if lens_changed and abs(focal[0]) > ZOOMED:
        moved = f", and it was moved by {step} and turned by {turn}" if change.moved else ""
        return CameraCheck(name, "zoomed", f"was zoomed or refocused: {zoom}{moved}", change, *focal)
    lens = f"; {zoom} (autofocus)" if lens_changed else ""
    if undecided and change.moved:
        return CameraCheck(name, "undecided", f"it, or the others, were moved: {step}, {turn}{lens}", change, *focal)
    if undecided:
        return CameraCheck(name, "undecided", f"it, or the others, were moved{lens}", change, *focal)
    if change.moved:
        return CameraCheck(name, "moved", f"was moved: {step}, {turn}{lens}", change, *focal)
    within_mm = 1e3 * (change.moved_m + 2 * change.moved_std_m)
    within_deg = change.turned_deg + 2 * change.turned_std_deg
    words = f"where it was (within {within_mm:.1f} mm and {within_deg:.2f} degrees){lens}"
    return CameraCheck(name, "in place", words, change, *focal)


def _rounded(value: float, std: float) -> str:
    """Return a value and its standard deviation with two digits of the latter, one where it is large."""
    digits = int(np.clip(1 - np.floor(np.log10(max(std, 1e-9))), 0, 2))
    return f"{value:.{digits}f} ± {std:.{digits}f}"


def _advice(cameras: tuple[CameraCheck, ...], names: list[str], sets: list[list[int]]) -> str:
    changed = [camera.name for camera in cameras if camera.verdict in ("moved", "zoomed", "picture changed")]
    blind = [camera.name for camera in cameras if camera.verdict == "not seen"]
    if any(camera.verdict == "undecided" for camera in cameras):
        groups = " or ".join(" with ".join(names[place] for place in found) for found in sets)
        return (
            f"Which of them were moved cannot be told: equally many cameras stand to each other as they did ({groups})"
            ". Film the board with more of the cameras, or calibrate again."
        )
    if changed:
        it = "it" if len(changed) == 1 else "them"
        return (
            f"Calibrate again before the next take, or leave {', '.join(changed)} out of takes filmed since (move the "
            f"videos out of the take's folder). Or put {it} back as before and check again."
        )
    if blind:
        return f"Hold the board where {', '.join(blind)} and another camera see it, and check again."
    return "The calibration still holds."
