"""The page of a calibration: how good it is, where, and which camera or corner is to blame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from calib.cameras import CameraGroup
from calib.quality.verdict import Verdict
from calib.solve.diagnostics import Diagnostics
from clapcap.progress import Progress, silent
from session.report import charts, outliers, scene
from session.report.page import camera_colour, render
from session.report.pictures import frames_of, jpeg
from sync.time_map import TimeMap

if TYPE_CHECKING:
    from pathlib import Path

    from calib.quality.capture_volume import Slice
    from calib.quality.comparison import Comparison
    from calib.quality.uncertainty import CameraCovariance
    from session.report.pictures import Picture

Array = npt.NDArray[np.float64]

KEYPOINT_PX = 1.0
"""Noise of a keypoint in a picture for the second map: the best that detectors of bodies reach; errors grow with it."""

PICTURE_PX = 640
"""Width of a camera's picture in the page: it is a backdrop."""


@dataclass(frozen=True, eq=False)
class CalibrationFindings:
    """What the page is made from.

    Attributes
    ----------
    session
        The session's name.
    made
        When, in words that follow "made".
    cameras, diagnostics
        The result, and how the corners fit it; the same cameras in the same order, and the same world.
    world
        How the world was chosen, in words.
    solve
        What the stage of that name recorded: plain values, of which any may be lacking.
    clocks
        The cameras' clocks; None where frames of one number were taken at one time.
    comparison, before
        With the previous calibration, and that itself; None without one.
    before_words
        What the previous calibration is, for people: its file, when it was made.
    settings
        (what, value): everything else that decided the result.
    videos
        By camera, to take pictures from.
    """

    session: str
    made: str
    cameras: CameraGroup
    diagnostics: Diagnostics
    world: str
    solve: Mapping[str, Any]
    clocks: TimeMap | None
    comparison: Comparison | None
    before: CameraGroup | None
    before_words: str
    settings: Sequence[tuple[str, str]]
    videos: Mapping[str, Path]


@dataclass(frozen=True, eq=False)
class CameraCard:
    """One camera over its picture, and in the table; lengths of the picture in its pixels."""

    name: str
    place: int
    width: int
    height: int
    picture: str
    coverage: charts.Coverage
    vectors: charts.Vectors
    views: int
    corners: int
    left_out: int
    rmse_px: float
    focal_px: float
    focal_std_px: float | None
    place_m: float | None


@dataclass(frozen=True)
class Maps:
    """Uncertainty over the capture volume.

    Attributes
    ----------
    board_noise_px, keypoint_px
        The noises of the two sets of maps.
    middle_board_m, middle_keypoint_m, middle_cameras_m
        In the middle, for either noise, and for pixels without any.
    board, keypoint
        The maps, one a height.
    board_bands, keypoint_bands
        Their colours.
    visited
        Path of the ground plan's outline in which the board was.
    cameras
        (x, y, place): where the cameras stand, in the drawing.
    """

    board_noise_px: float
    keypoint_px: float
    middle_board_m: float
    middle_keypoint_m: float
    middle_cameras_m: float
    board: tuple[charts.Map, ...]
    keypoint: tuple[charts.Map, ...]
    board_bands: tuple[charts.Band, ...]
    keypoint_bands: tuple[charts.Band, ...]
    visited: str
    cameras: tuple[tuple[float, float, int], ...]


def calibration_page(findings: CalibrationFindings, progress: Progress = silent) -> str:
    """Make the page; `progress` is told of the videos gone through.

    Raises
    ------
    MediaError
        If a video that pictures are to be taken from cannot be read.
    """
    diagnostics, cameras = findings.diagnostics, findings.cameras
    if cameras.names != diagnostics.camera_names:
        raise ValueError(f"cameras {cameras.names} are not those of the diagnostics, {diagnostics.camera_names}")
    worst = outliers.worst_outliers(diagnostics)
    backdrop = _backdrops(diagnostics)
    wanted = {name: {index} for name, index in backdrop.items()}
    for view in worst[:, 0].tolist():
        wanted.setdefault(diagnostics.camera_names[diagnostics.camera[view]], set()).add(
            int(diagnostics.frame_index[view])
        )
    frames = frames_of(findings.videos, wanted, progress)
    distance, inlier = diagnostics.distance_px, diagnostics.inlier
    verdict = findings.solve.get("verdict")
    return render(
        "calibration.html",
        title=f"Calibration of {findings.session}",
        findings=findings,
        diagnostics=diagnostics,
        verdict=Verdict.from_plain(verdict) if verdict else None,
        maps=_maps(cameras, diagnostics) if diagnostics.errors is not None else None,
        cards=_cards(cameras, diagnostics, backdrop, frames),
        scene=_scene(findings),
        histogram=charts.histogram(
            distance[inlier], np.broadcast_to(diagnostics.camera[:, None], inlier.shape)[inlier], len(cameras)
        ),
        rmse_px=float(np.sqrt(np.mean(distance[inlier] ** 2))),
        left_out=int((diagnostics.seen & ~inlier).sum()),
        corners=int(diagnostics.seen.sum()),
        outliers=outliers.show_outliers(diagnostics, worst, frames),
        clocks=_clocks(findings),
    )


def _backdrops(diagnostics: Diagnostics) -> dict[str, int]:
    """Choose each camera's frame with the most corners that fit."""
    fitting = diagnostics.inlier.sum(axis=1)
    chosen = {}
    for place, name in enumerate(diagnostics.camera_names):
        own = np.flatnonzero((diagnostics.camera == place) & (diagnostics.frame_index >= 0))
        if len(own):
            chosen[name] = int(diagnostics.frame_index[own[fitting[own].argmax()]])
    return chosen


def _cards(
    cameras: CameraGroup,
    diagnostics: Diagnostics,
    backdrop: Mapping[str, int],
    frames: Mapping[tuple[str, int], Picture],
) -> list[CameraCard]:
    errors = diagnostics.errors
    place_m = None if errors is None else _place_std(cameras, diagnostics, errors)
    seen, inlier = diagnostics.seen, diagnostics.inlier
    typical_px = float(np.percentile(diagnostics.distance_px[inlier], 95))
    rng = np.random.default_rng(0)
    cards = []
    for place, camera in enumerate(cameras):
        own = diagnostics.camera == place
        here, size_px = seen[own], diagnostics.image_size_px[place]
        xy_px, residual_px, fits = diagnostics.xy_px[own][here], diagnostics.residual_px[own][here], inlier[own][here]
        picture = frames.get((camera.name, backdrop.get(camera.name, -1)))
        focal = None
        if errors is not None and "focal" in errors.parameters:
            entry = errors.parameters.index("focal")
            focal = float(np.sqrt(errors.covariance[place, entry, place, entry]))
        cards.append(
            CameraCard(
                name=camera.name,
                place=place,
                width=int(size_px[0]),
                height=int(size_px[1]),
                picture="" if picture is None else jpeg(picture, PICTURE_PX),
                coverage=charts.coverage(xy_px, size_px),
                vectors=charts.vectors(xy_px, residual_px, fits, size_px, typical_px, rng),
                views=int(own.sum()),
                corners=int(here.sum()),
                left_out=int((~fits).sum()),
                rmse_px=float(np.sqrt(np.mean((residual_px[fits] ** 2).sum(axis=1)))) if fits.any() else np.nan,
                focal_px=float(camera.matrix[0, 0]),
                focal_std_px=focal,
                place_m=None if place_m is None else float(place_m[place]),
            )
        )
    return cards


def _place_std(cameras: CameraGroup, diagnostics: Diagnostics, errors: CameraCovariance) -> Array:
    std: Array = np.sqrt(np.trace(_center_covariance(cameras, diagnostics, errors), axis1=1, axis2=2))
    return std


def _center_covariance(cameras: CameraGroup, diagnostics: Diagnostics, errors: CameraCovariance) -> Array:
    from calib.quality.capture_volume import visited_points
    from calib.quality.uncertainty import center_covariance_m2

    visited = visited_points(cameras, diagnostics.T_world_board, diagnostics.corners_m)
    return center_covariance_m2(cameras, errors, visited)


def _scene(findings: CalibrationFindings) -> dict[str, Any]:
    diagnostics, cameras = findings.diagnostics, findings.cameras
    before = None
    if findings.before is not None and findings.comparison is not None and findings.comparison.moved:
        T_before_now = np.linalg.inv(findings.comparison.T_now_before)
        moved = [move.name for move in findings.comparison.moved]
        before = _in_world(findings.before.subset(tuple(moved)), T_before_now)
    errors = diagnostics.errors
    return scene.calibration_scene(
        cameras,
        scene.outlines(diagnostics.T_world_board, diagnostics.corners_m),
        None if errors is None else _center_covariance(cameras, diagnostics, errors),
        before,
    )


def _in_world(cameras: CameraGroup, T_old_new: Array) -> CameraGroup:
    from dataclasses import replace

    return CameraGroup(tuple(replace(camera, T_cam_world=camera.T_cam_world @ T_old_new) for camera in cameras))


def _maps(cameras: CameraGroup, diagnostics: Diagnostics) -> Maps:
    from calib.quality.capture_volume import heights_worth_showing, middle_uncertainty, slices, visited_points

    errors = diagnostics.errors
    assert errors is not None
    T_world_board, corners_m = diagnostics.T_world_board, diagnostics.corners_m
    board_px = diagnostics.coordinate_rms_px
    visited = visited_points(cameras, T_world_board, corners_m)
    layers = slices(cameras, errors, visited, heights_worth_showing(visited))
    middle = middle_uncertainty(cameras, errors, T_world_board, corners_m)
    drawn, colours = [], []
    for noise_px in (board_px, KEYPOINT_PX):
        values = [layer.uncertainty.total_m(noise_px) for layer in layers]
        together = np.concatenate(values)
        drawn.append(
            tuple(
                charts.draw_map(_height(layer), layer, own, together) for layer, own in zip(layers, values, strict=True)
            )
        )
        colours.append(charts.bands(together))
    outline = _ground_outline(visited)
    return Maps(
        board_noise_px=board_px,
        keypoint_px=KEYPOINT_PX,
        middle_board_m=float(middle.total_m(board_px)[0]),
        middle_keypoint_m=float(middle.total_m(KEYPOINT_PX)[0]),
        middle_cameras_m=float(middle.from_cameras_m[0]),
        board=drawn[0],
        keypoint=drawn[1],
        board_bands=colours[0],
        keypoint_bands=colours[1],
        visited="M" + "L".join(f"{x:.2f} {-y:.2f}" for x, y in outline.tolist()) + "z",
        cameras=tuple((float(c.center_m[0]), -float(c.center_m[1]), place) for place, c in enumerate(cameras)),
    )


def _height(layer: Slice) -> str:
    """Name a slice; where there is no floor, or it is of no use, by its place on the z axis."""
    return f"{layer.name.capitalize()}, {layer.z_m:g} m" if layer.name else f"z = {layer.z_m:g} m"


def _ground_outline(points_m: Array) -> Array:
    """Return the convex hull (n, 2) of points seen from above; what is flat has none, and its points are returned."""
    from scipy.spatial import ConvexHull, QhullError

    try:
        hull: Array = points_m[ConvexHull(points_m[:, :2]).vertices, :2]
    except QhullError:
        return points_m[:, :2]
    return hull


def _clocks(findings: CalibrationFindings) -> list[dict[str, Any]]:
    """Return a row a camera: offset and lag with their standard deviations, milliseconds; None where not known."""
    lags = {camera["name"]: camera for camera in findings.solve.get("cameras", ())}
    rows = []
    for place, name in enumerate(findings.cameras.names):
        clock = findings.clocks.cameras.get(name) if findings.clocks is not None else None
        lag = lags.get(name, {})
        rows.append(
            {
                "name": name,
                "colour": camera_colour(place),
                "offset_s": None if clock is None else clock.offset_s,
                "offset_std_ms": None if clock is None else _ms(clock.offset_std_s),
                "drift_ppm": None if clock is None else 1e6 * (clock.rate - 1),
                "method": "" if clock is None else clock.method,
                "lag_ms": _ms(lag.get("lag_s")),
                "lag_std_ms": _ms(lag.get("lag_std_s")),
            }
        )
    return rows


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None or not np.isfinite(seconds) else 1e3 * seconds
