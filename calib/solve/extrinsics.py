"""Where the cameras stand, to start the bundle adjustment: relative poses over the graph of shared views.

One view of a plane has two poses that explain it almost equally well (T. Collins, A. Bartoli, "Infinitesimal
plane-based pose estimation", 2014). Both are kept: between two cameras, the relative pose is taken that explains all
moments they share, and the board's pose in a moment is the one that all cameras agree on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

from calib.cameras import CameraGroup
from calib.intrinsics.estimate import LensEstimate
from calib.lenses.lens import Lens
from calib.solve.shared_views import SharedViews, connected_cameras, format_matrix
from clapcap.errors import CalibrationError

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

CAP = 0.1
"""Disagreement counts up to this share of the picture's larger side: beyond it, a hypothesis is simply wrong."""

MOST_HYPOTHESES = 24
"""Moments whose four combinations of planar poses are tried for a pair of cameras; spread over those they share."""

MOST_JUDGES = 60
"""Moments on which each hypothesis is judged; likewise."""


@dataclass(frozen=True, eq=False)
class InitialPoses:
    """Where to start.

    Attributes
    ----------
    T_cam_world
        (cameras, 4, 4), metres; the world is the frame of the anchor camera.
    T_world_board
        (moments, 4, 4); NaN in moments that no camera can use.
    anchor
        The camera in the middle of the graph: that which shares most views.
    """

    T_cam_world: Array
    T_world_board: Array
    anchor: int


def initial_poses(shared: SharedViews, lenses: list[LensEstimate]) -> InitialPoses:
    """Chain the cameras along the strongest shared views.

    Raises
    ------
    CalibrationError
        If shared views do not connect the cameras; names the missing link.
    """
    refuse_disconnected(shared)
    usable = shared.usable
    undistorted = np.stack(
        [_undistort(xy, own.matrix, own.distortion, own.lens) for xy, own in zip(shared.xy_px, lenses, strict=True)]
    )
    cameras = len(lenses)
    pairs = [(a, b) for a in range(cameras) for b in range(a + 1, cameras)]
    together = {(a, b): np.flatnonzero(usable[a] & usable[b]) for a, b in pairs}
    judges = {pair: both[_spread(len(both), MOST_JUDGES)] for pair, both in together.items() if len(both)}
    wanted = _best_views(shared)
    for (a, b), moments in judges.items():
        wanted[a, moments] = wanted[b, moments] = True
    T_cam_board = _planar_poses(undistorted, wanted, shared.board.corners_m)
    focal_px = np.array([lens.matrix[0, 0] for lens in lenses])
    cap = CAP * shared.image_size_px.max(axis=1) / focal_px

    support = np.zeros((cameras, cameras))
    relative = np.full((cameras, cameras, 4, 4), np.nan)
    for (a, b), moments in judges.items():
        T_ba, agreement = _relative_pose(
            T_cam_board[[a, b]][:, moments], undistorted[[a, b]][:, moments], shared.board.corners_m, cap[[a, b]]
        )
        relative[b, a], relative[a, b] = T_ba, np.linalg.inv(T_ba)
        # A pair that shares views without agreement still connects, but only if nothing else does.
        support[a, b] = support[b, a] = len(together[a, b]) * agreement + 1e-3
    anchor = int(support.sum(axis=1).argmax())
    tree = minimum_spanning_tree(np.where(support > 0, 1 / np.where(support > 0, support, 1), 0))
    order, before = breadth_first_order(tree, anchor, directed=False)
    T_cam_world = np.tile(np.eye(4), (cameras, 1, 1))
    for camera in order[1:]:
        T_cam_world[camera] = relative[camera, before[camera]] @ T_cam_world[before[camera]]
    T_world_board = _board_poses(T_cam_world, T_cam_board, undistorted, shared.board.corners_m, cap)
    return InitialPoses(T_cam_world, T_world_board, anchor)


def refuse_disconnected(shared: SharedViews) -> None:
    """Stop where shared views do not connect all cameras.

    Raises
    ------
    CalibrationError
        With the shared-view matrix, and what to film.
    """
    groups = connected_cameras(shared)
    if len(groups) > 1:
        named = "; ".join(" with ".join(group) if len(group) > 1 else f"{group[0]} alone" for group in groups)
        raise CalibrationError(
            f"The cameras are not connected by shared views of the board: {named}. Moments in which two cameras saw "
            f"the board together (on the diagonal, one camera):\n{format_matrix(shared)}\nHold the board where one of "
            f"{', '.join(groups[0])} and one of {', '.join(groups[1])} see it at the same time, or check that these "
            "cameras are in sync."
        )


def board_poses(shared: SharedViews, cameras: CameraGroup) -> Array:
    """Return (moments, 4, 4): the board's pose in the world of the cameras, by planar poses alone; NaN where unseen."""
    undistorted = np.stack(
        [_undistort(xy, own.matrix, own.distortion, own.lens) for xy, own in zip(shared.xy_px, cameras, strict=True)]
    )
    T_cam_board = _planar_poses(undistorted, _best_views(shared), shared.board.corners_m)
    T_cam_world = np.stack([camera.T_cam_world for camera in cameras])
    cap = CAP * shared.image_size_px.max(axis=1) / [camera.matrix[0, 0] for camera in cameras]
    return _board_poses(T_cam_world, T_cam_board, undistorted, shared.board.corners_m, cap)


def _best_views(shared: SharedViews) -> Mask:
    """Return (cameras, moments): of each moment's usable views, the two of most corners."""
    corners = np.where(shared.usable, np.isfinite(shared.xy_px[..., 0]).sum(axis=2), 0)
    rank = np.argsort(np.argsort(-corners, axis=0, kind="stable"), axis=0)
    best: Mask = shared.usable & (rank < 2)
    return best


def _undistort(xy_px: Array, K: Array, distortion: Array, lens: Lens) -> Array:
    """Return undistorted normalised coordinates, NaN where not seen or where the lens model has no inverse."""
    seen = np.isfinite(xy_px[..., 0])
    xy = np.full_like(xy_px, np.nan)
    distorted = (xy_px[seen] - [K[0, 2], K[1, 2]]) / [K[0, 0], K[1, 1]]
    xy[seen] = lens.undistort(distorted, distortion)
    return xy


def _planar_poses(undistorted: Array, usable: Mask, corners_m: Array) -> Array:
    """Return (cameras, moments, 2, 4, 4): both poses of the board in each usable view, NaN elsewhere."""
    import cv2

    # OpenCV's solver wants the board as it sees it: y down, z into the board.
    flip = np.diag([1.0, -1.0, -1.0, 1.0])
    T_cam_board = np.full((*usable.shape, 2, 4, 4), np.nan)
    for camera, moment in np.argwhere(usable):  # OpenCV solves one view at a time
        xy = undistorted[camera, moment]
        seen = np.isfinite(xy[:, 0])
        if seen.sum() < 4:
            continue
        _, rotations, translations, _ = cv2.solvePnPGeneric(
            corners_m[seen] * [1, -1, 1], xy[seen], np.eye(3), np.zeros(5), flags=cv2.SOLVEPNP_IPPE
        )
        if not rotations:  # corners on one line
            continue
        for place in range(2 if len(rotations) else 0):  # it finds none in the picture of a plane seen edge on
            T = np.eye(4)
            pick = min(place, len(rotations) - 1)
            T[:3, :3] = cv2.Rodrigues(rotations[pick])[0]
            T[:3, 3] = np.ravel(translations[pick])
            T_cam_board[camera, moment, place] = T @ flip
    return T_cam_board


def _disagreement(T_cam_board: Array, undistorted: Array, corners_m: Array, cap: float) -> Array:
    """Return (...) the mean distance between projected and seen corners, each capped, in normalised coordinates.

    T_cam_board is (..., 4, 4), undistorted (..., corners, 2). Where a pose is unknown or puts the corners behind the
    camera, they count as the cap; so does a view of no corner.
    """
    xyz = corners_m @ np.swapaxes(T_cam_board[..., :3, :3], -1, -2) + T_cam_board[..., None, :3, 3]
    with np.errstate(invalid="ignore", divide="ignore"):
        distance = np.linalg.norm(xyz[..., :2] / xyz[..., 2:] - undistorted, axis=-1)
        distance = np.where((xyz[..., 2] > 0) & (distance < cap), distance, cap)
    seen = np.isfinite(undistorted[..., 0])
    count = seen.sum(axis=-1)
    mean: Array = np.where(count > 0, (distance * seen).sum(axis=-1) / np.maximum(count, 1), cap)
    return mean


def _relative_pose(T_cam_board: Array, undistorted: Array, corners_m: Array, cap: Array) -> tuple[Array, float]:
    """Return T_ba, and its support in [0, 1], from both planar poses (2, moments, 2, 4, 4) in cameras a and b."""
    tried = _spread(T_cam_board.shape[1], MOST_HYPOTHESES)
    T_ba = T_cam_board[1, tried][:, :, None] @ np.linalg.inv(T_cam_board[0, tried])[:, None, :]
    T_ba = T_ba.reshape(-1, 4, 4)
    T_ba = T_ba[np.isfinite(T_ba).all(axis=(1, 2))]
    # Hypotheses x judges x the two poses that camera a leaves open: what each costs in a and in b; the cheaper counts.
    in_a = _disagreement(T_cam_board[0], undistorted[0][:, None], corners_m, cap[0]) / cap[0]
    predicted = T_ba[:, None, None] @ T_cam_board[0][None]
    in_b = _disagreement(predicted, undistorted[1][None, :, None], corners_m, cap[1]) / cap[1]
    disagreement = (in_a + in_b).min(axis=-1).mean(axis=1)
    best = int(disagreement.argmin())
    return T_ba[best], max(0.0, float(1 - disagreement[best]))


def _spread(count: int, most: int) -> npt.NDArray[np.intp]:
    """Return up to `most` of `count` places, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.intp))


def _board_poses(T_cam_world: Array, T_cam_board: Array, undistorted: Array, corners_m: Array, cap: Array) -> Array:
    """Return (moments, 4, 4): of all cameras' planar poses, the one that all cameras agree on most."""
    cameras, moments = T_cam_board.shape[:2]
    T_world_board = np.linalg.inv(T_cam_world)[:, None, None] @ T_cam_board
    candidates = np.moveaxis(T_world_board, 0, 1).reshape(moments, cameras * 2, 4, 4)
    total = np.zeros((moments, cameras * 2))
    for camera in range(cameras):
        predicted = T_cam_world[camera] @ candidates
        share = _disagreement(predicted, undistorted[camera][:, None], corners_m, cap[camera]) / cap[camera]
        total += np.where(np.isfinite(undistorted[camera, :, :, 0]).any(axis=1)[:, None], share, 0.0)
    total[~np.isfinite(candidates).all(axis=(2, 3))] = np.inf
    best: Array = candidates[np.arange(moments), total.argmin(axis=1)]
    return best
