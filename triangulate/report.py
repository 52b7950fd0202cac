"""What triangulation says about itself: what survived each step, how well the views agree, what to suspect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

# The joints that numbers are stated for, as in the field's benchmarks: limbs and trunk. Face, hands and feet of a
# detector are points of the surface.
BODY_JOINTS = tuple(
    f"{side}_{part}" for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle") for side in ("left", "right")
)


@dataclass(frozen=True)
class Finding:
    """Something wrong with a whole camera.

    Attributes
    ----------
    camera
        Its name; empty: about all cameras.
    kind
        "somebody else", "displaced", "nonsense", "detects badly", "noisy", "pose off" or "two cameras".
    start_s, end_s
        When, session time.
    text
        One sentence for people, without a full stop at its end.
    """

    camera: str
    kind: str
    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True)
class Survivors:
    """What is left after each step; points are counted once a frame.

    Attributes
    ----------
    observations
        Views x frames x points that there could be.
    detected, confident
        Observations that the detector gave; of those, with the least confidence or more.
    points
        Frames x points that there could be.
    in_one_view, in_two_views
        Points with a confident observation in at least one, at least two views.
    agreed
        Points with at least two views that agree on a place in front of them all.
    certain
        Of those, the ones whose standard deviation is within the limit: the points in the result.
    used
        Observations that the result rests on.
    """

    observations: int
    detected: int
    confident: int
    points: int
    in_one_view: int
    in_two_views: int
    agreed: int
    certain: int
    used: int

    def text(self) -> str:
        """Say the counts in one sentence."""
        return (
            f"of {self.observations} possible observations {self.detected} were detected and {self.confident} with "
            f"confidence; of {self.points} points {self.in_one_view} were seen by one camera or more, "
            f"{self.in_two_views} by two or more, {self.agreed} of these had two views that agree, {self.certain} a "
            "position that is certain enough"
        )

    def causes(self) -> list[str]:
        """Return what to suspect, the step that lost the largest share first; steps that lost little are left out."""
        steps = (
            (
                self.detected,
                self.observations,
                "nobody was detected: check that the person is in the picture, upright and well lit",
            ),
            (
                self.confident,
                self.detected,
                "the detector was not sure of what it saw: come closer, light the person, or film sharper pictures",
            ),
            (
                self.in_two_views,
                self.in_one_view,
                "the cameras do not see the person at the same time: check the offsets (clapcap sync), and that all "
                "cameras film the same space",
            ),
            (
                self.agreed,
                self.in_two_views,
                "the views contradict each other: a camera was moved after the calibration, two cameras' files are "
                "exchanged, the offsets are wrong, or the cameras follow different people",
            ),
            (
                self.certain,
                self.agreed,
                "the rays are nearly parallel: place the cameras further apart",
            ),
        )
        lost = [(1 - after / before, cause) for after, before, cause in steps if before and after < 0.5 * before]
        return [cause for _, cause in sorted(lost, key=lambda item: -item[0])]


@dataclass(frozen=True)
class CameraAgreement:
    """How one camera agrees with the points, over the body's joints.

    Attributes
    ----------
    median_px, rmse_px
        Reprojection error of its observations, used or not (median), and of those that are used (root mean square).
    bias_px
        Median of projection minus observation, x and y: a constant part that is large against `median_px` says that the
        camera's pose (or its lens) is off, by about this over the focal length in radians.
    noise_px
        The standard deviation of a coordinate at confidence 1 that the take itself shows.
    used_share
        Share of its confident observations that are used.
    swapped_frames
        The frames in which its left and right were exchanged.
    """

    median_px: float
    rmse_px: float
    bias_px: tuple[float, float]
    noise_px: float
    used_share: float
    swapped_frames: tuple[int, ...]


@dataclass(frozen=True)
class TriangulationReport:
    """The numbers of one take.

    Attributes
    ----------
    survivors
        The counts after each step, of all points.
    cameras
        Each camera's agreement, over the body's joints where the points have them, else over all points.
    median_px, rmse_px
        As in `CameraAgreement`, of all cameras.
    share
        Share of the body's joints x frames with a position.
    solver
        "clapcap" or "anipose".
    findings
        What is wrong with whole cameras, in words, with the times.
    """

    survivors: Survivors
    cameras: Mapping[str, CameraAgreement]
    median_px: float
    rmse_px: float
    share: float
    solver: str
    findings: tuple[Finding, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        from dataclasses import asdict

        return asdict(self)


def count_survivors(xy_px: Array, sigma_px: Array, agreed: Bools, certain: Bools, used: Bools) -> Survivors:
    """Count what is left after each step.

    Parameters
    ----------
    xy_px, sigma_px
        (cameras, frames, points, 2) and (cameras, frames, points), infinity where confidence is too small.
    agreed, certain
        (frames, points).
    used
        (cameras, frames, points).
    """
    detected = np.isfinite(xy_px).all(axis=-1)
    confident = detected & np.isfinite(sigma_px)
    views = confident.sum(axis=0)
    return Survivors(
        observations=detected.size,
        detected=int(detected.sum()),
        confident=int(confident.sum()),
        points=views.size,
        in_one_view=int((views >= 1).sum()),
        in_two_views=int((views >= 2).sum()),
        agreed=int(agreed.sum()),
        certain=int(certain.sum()),
        used=int(used.sum()),
    )


def make_report(
    names: tuple[str, ...],
    camera_names: tuple[str, ...],
    residual_px: Array,
    sigma_px: Array,
    used: Bools,
    noise_px: Array,
    swapped: Bools,
    survivors: Survivors,
    solver: str,
    findings: tuple[Finding, ...] = (),
) -> TriangulationReport:
    """Gather the numbers.

    Parameters
    ----------
    names, camera_names
        The points and the cameras, in the order of the arrays.
    residual_px
        (cameras, frames, points, 2), NaN where there is no observation or no point.
    sigma_px, used
        (cameras, frames, points).
    noise_px
        (cameras,).
    swapped
        (cameras, frames).
    """
    body = [i for i, name in enumerate(names) if name in BODY_JOINTS] or list(range(len(names)))
    residual, inside = residual_px[:, :, body], used[:, :, body]
    error = np.linalg.norm(residual, axis=-1)
    confident = np.isfinite(sigma_px[:, :, body]) & np.isfinite(error)
    cameras = {
        name: CameraAgreement(
            median_px=_median(error[c][confident[c]]),
            rmse_px=_rms(error[c][inside[c]]),
            bias_px=(_median(residual[c][confident[c]][:, 0]), _median(residual[c][confident[c]][:, 1])),
            noise_px=float(noise_px[c]),
            used_share=float(inside[c].sum() / max(confident[c].sum(), 1)),
            swapped_frames=tuple(np.flatnonzero(swapped[c]).tolist()),
        )
        for c, name in enumerate(camera_names)
    }
    return TriangulationReport(
        survivors=survivors,
        cameras=cameras,
        median_px=_median(error[confident]),
        rmse_px=_rms(error[inside]),
        share=float(inside.any(axis=0).mean()),
        solver=solver,
        findings=findings,
    )


def _median(values: Array) -> float:
    return float(np.median(values)) if values.size else float("nan")


def _rms(values: Array) -> float:
    return float(np.sqrt(np.mean(values**2))) if values.size else float("nan")
