"""aniposelib's own calibration on the same corners, to compare with (P. Karashchuk et al., "Anipose", 2021)."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import numpy.typing as npt

from calib.boards.board import CharucoBoard
from calib.cameras import Camera, CameraGroup
from calib.intrinsics.coverage import coverage_of
from calib.solve.calibrate import CalibrationOptions, CalibrationResult
from calib.solve.diagnostics import Diagnostics
from calib.solve.extrinsics import board_poses, refuse_disconnected
from calib.solve.report import CalibrationReport, CameraReport
from calib.solve.shared_views import SharedViews, shared_view_matrix
from calib.world.frame import choose_world
from clapcap.errors import CalibrationError

Array = npt.NDArray[np.float64]


def calibrate_anipose(shared: SharedViews, options: CalibrationOptions | None = None) -> CalibrationResult:
    """Calibrate by aniposelib; only the world's frame is chosen by us.

    Standard deviations and lags, which it does not estimate, are NaN and 0; outliers are not marked.

    Parameters
    ----------
    shared
        The board's corners in all cameras at common moments.
    options
        Of these, `floor_time_s` and `look_for_floor` are used.

    Raises
    ------
    CalibrationError
        If the cameras are not connected, or aniposelib gives up.
    """
    from aniposelib.cameras import Camera as AniposeCamera
    from aniposelib.cameras import CameraGroup as AniposeGroup

    options = options or CalibrationOptions()
    refuse_disconnected(shared)
    shared = shared.at_moments()
    group = AniposeGroup(
        [
            AniposeCamera(name=name, size=(int(size[0]), int(size[1])))
            for name, size in zip(shared.camera_names, shared.image_size_px, strict=True)
        ]
    )
    rows = [_rows(shared, place) for place in range(len(shared.camera_names))]
    state = np.random.get_state()  # noqa: NPY002 - aniposelib draws samples from the global generator
    np.random.seed(0)  # noqa: NPY002
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints as it goes
            group.calibrate_rows(rows, _board(shared), verbose=False)
    except (ValueError, AssertionError, IndexError, KeyError, np.linalg.LinAlgError) as error:
        raise CalibrationError(
            f"aniposelib could not calibrate these cameras ({error!r}). It needs 9 corners or more in several frames "
            'of each camera. Use the "clapcap" solver, or record the board larger in the picture.'
        ) from error
    finally:
        np.random.set_state(state)  # noqa: NPY002
    solved = CameraGroup(tuple(_camera(camera) for camera in group.cameras))
    T_cam_old = np.stack([camera.T_cam_world for camera in solved])
    T_old_board = board_poses(shared, solved)
    known = np.flatnonzero(np.isfinite(T_old_board[:, 0, 0]))
    world = choose_world(
        T_cam_old,
        T_old_board[known],
        shared.usable[:, known].sum(axis=0),
        shared.time_s[known],
        shared.board.corners_m,
        options.floor_time_s,
        options.look_for_floor,
    )
    residual_px = np.stack([_residual(shared, c, camera, T_old_board) for c, camera in enumerate(solved)])
    distance_px = np.linalg.norm(residual_px, axis=-1)
    T_old_world = np.linalg.inv(world.T_world_old)
    cameras = tuple(
        Camera(camera.name, camera.size_px, camera.matrix, camera.distortion, camera.T_cam_world @ T_old_world)
        for camera in solved
    )
    seen = np.isfinite(distance_px)
    reports = tuple(
        CameraReport(
            name=name,
            views=int(shared.usable[c].sum()),
            corners=int(seen[c].sum()),
            outliers=0,
            rmse_px=float(np.sqrt(np.mean(distance_px[c][seen[c]] ** 2))),
            median_px=float(np.median(distance_px[c][seen[c]])),
            coverage=coverage_of(shared.xy_px[c], shared.image_size_px[c]).share,
            focal_std_px=np.nan,
            position_std_m=np.nan,
            lag_s=0.0,
            lag_std_s=np.nan,
        )
        for c, name in enumerate(shared.camera_names)
    )
    camera, moment = np.nonzero(seen.any(axis=-1))
    diagnostics = Diagnostics(
        camera_names=shared.camera_names,
        image_size_px=shared.image_size_px,
        board=str(shared.board),
        corners_m=shared.board.corners_m,
        camera=camera.astype(np.int64),
        moment=moment.astype(np.int64),
        frame_index=shared.frame_index[camera, moment],
        xy_px=shared.xy_px[camera, moment],
        residual_px=residual_px[camera, moment],
        inlier=seen[camera, moment],
        T_world_board=world.T_world_old @ T_old_board,
        shared_views=shared_view_matrix(shared),
        errors=None,
        noise_px=np.nan,
    )
    report = CalibrationReport(
        cameras=reports,
        rmse_px=float(np.sqrt(np.mean(distance_px[seen] ** 2))),
        moments=len(known),
        shared_views=diagnostics.shared_views,
        outliers=np.zeros((0, 3), dtype=np.intp),
        anchor=shared.camera_names[0],
        world=world.policy,
        solver="anipose",
        lenses=(),
        diagnostics=diagnostics,
        bend_m=0.0,
    )
    return CalibrationResult(CameraGroup(cameras), report)


def _board(shared: SharedViews) -> Any:
    """Return aniposelib's board: only the grid matters here, the corners are found already."""
    from aniposelib.boards import CharucoBoard as AniposeBoard

    board = shared.board
    if not isinstance(board, CharucoBoard):
        raise CalibrationError(
            f'The solver "anipose" takes ChArUco boards here, not a {board}. Use the solver "clapcap".'
        )
    return AniposeBoard(board.columns, board.rows, board.square_m, board.marker_m)


def _rows(shared: SharedViews, camera: int) -> list[dict[str, Any]]:
    """Return one camera's detections in aniposelib's form, which numbers corners as OpenCV does."""
    rows = []
    for moment in range(len(shared.time_s)):
        xy = shared.xy_px[camera, moment]
        ids = np.flatnonzero(np.isfinite(xy[:, 0]))
        if shared.usable[camera, moment]:
            filled = xy[:, None].copy()
            corners = xy[ids, None].copy()
            rows.append({"framenum": (0, moment), "corners": corners, "ids": ids[:, None], "filled": filled})
    return rows


def _camera(camera: Any) -> Camera:
    from scipy.spatial.transform import Rotation

    T_cam_world = np.eye(4)
    T_cam_world[:3, :3] = Rotation.from_rotvec(np.ravel(camera.get_rotation())).as_matrix()
    T_cam_world[:3, 3] = np.ravel(camera.get_translation())
    distortion = np.zeros(5)
    given = np.ravel(camera.get_distortions())
    distortion[: len(given)] = given
    return Camera(camera.get_name(), tuple(camera.get_size()), camera.get_camera_matrix(), distortion, T_cam_world)


def _residual(shared: SharedViews, place: int, camera: Camera, T_world_board: Array) -> Array:
    """Return (moments, corners, 2): the seen corners minus the projected board, pixels."""
    corners = shared.board.corners_m
    xyz_m = corners @ np.swapaxes(T_world_board[:, :3, :3], 1, 2) + T_world_board[:, None, :3, 3]
    residual: Array = shared.xy_px[place] - camera.project(xyz_m)
    return residual
