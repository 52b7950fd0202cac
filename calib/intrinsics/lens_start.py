"""Where to start fitting a lens: a focal length that explains the views, and the board's poses at it.

For a given focal length and no distortion, each view of the board gives a homography, and that a pose (Z. Zhang, "A
flexible new technique for camera calibration", 2000, section 3.1). Focal lengths are tried from fisheye to telephoto;
the one whose poses explain the corners best is taken.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from calib.intrinsics.lens_prior import LensPrior
from calib.intrinsics.single_camera import Fit, Seen, minimise_poses
from calib.lenses.lens import Lens

Array = npt.NDArray[np.float64]

FOCAL_STEPS = np.exp(np.linspace(np.log(0.25), np.log(4.0), 10))
"""Focal lengths tried, in larger sides of the picture. Steps of 1.36: the solver closes gaps of more than that."""

CAP = 0.05
"""Distances count up to this share of the picture's larger side: a view that a focal length cannot explain says no."""


WELL_KNOWN = 0.1
"""A standard deviation, as a share of the focal length, below which no other focal lengths are tried."""

JUDGES = 15
"""Views, spread over all, that decide between focal lengths."""


def start(seen: Seen, prior: LensPrior, size_px: tuple[int, int]) -> Fit:
    """Return a lens without distortion, and the poses of all views.

    Parameters
    ----------
    seen
        The views, all of which must see four corners or more that form no line.
    prior
        Of the lens: where its focal length is well known, no others are tried.
    size_px
        Width and height.
    """
    side = float(max(size_px))
    parameters = np.array([np.log(prior.mean[0]), *prior.mean[1:]])
    if prior.std[0] > WELL_KNOWN * prior.mean[0]:
        judges = seen.views(np.unique(np.linspace(0, len(seen.xy_px) - 1, JUDGES).round().astype(np.intp)))
        costs = []
        for focal in FOCAL_STEPS * side:
            parameters[0] = np.log(focal)
            distance = judges.distances(Fit(prior.lens, parameters, poses_at(judges, prior.lens, parameters)))
            costs.append(np.nansum(np.minimum(distance / (CAP * side), 1) ** 2))
        parameters[0] = np.log(FOCAL_STEPS[int(np.argmin(costs))] * side)
    return Fit(prior.lens, parameters, poses_at(seen, prior.lens, parameters))


def choose_poses(seen: Seen, fit: Fit) -> Fit:
    """Let each view take the better one of its two planar poses, both adjusted to the lens as it is.

    A board seen from afar looks almost the same when its depth is mirrored (T. Collins, A. Bartoli, "Infinitesimal
    plane-based pose estimation", 2014): mirror it at the plane through its middle across the line of sight.
    """
    first = minimise_poses(seen, fit, most=5)
    T = first.T_cam_board
    seen_corner = np.isfinite(seen.xy_px[..., :1])
    middle = (seen.corners_m * seen_corner).sum(axis=1) / seen_corner.sum(axis=1)
    place = (T[:, :3, :3] @ middle[..., None])[..., 0] + T[:, :3, 3]
    sight = place / np.linalg.norm(place, axis=1, keepdims=True)
    mirror = np.eye(3) - 2 * sight[:, :, None] * sight[:, None, :]
    other = T.copy()
    other[:, :3, :3] = mirror @ T[:, :3, :3] * np.array([1.0, 1.0, -1.0])
    other[:, :3, 3] = place - (other[:, :3, :3] @ middle[..., None])[..., 0]
    second = minimise_poses(seen, Fit(fit.lens, fit.parameters, other), most=5)
    better = seen.costs(second, robust=True) < seen.costs(first, robust=True)
    return Fit(fit.lens, fit.parameters, np.where(better[:, None, None], second.T_cam_board, T))


def poses_at(seen: Seen, lens: Lens, parameters: Array) -> Array:
    """Return (views, 4, 4): the board's pose in each view, by its homography to the undistorted corners.

    `parameters` are those of `Fit`.
    """
    focal = np.exp(parameters[0]) * np.array([1.0, parameters[1]])
    xy = lens.undistort((seen.xy_px - parameters[2:4]) / focal, parameters[4:])
    H = homographies(seen.corners_m[:, :2], xy)
    scale = np.sqrt(np.linalg.norm(H[:, :, 0], axis=1) * np.linalg.norm(H[:, :, 1], axis=1))
    known = np.isfinite(scale) & (scale > 1e-6 * np.abs(H).max(axis=(1, 2)))
    H, scale = np.where(known[:, None, None], H, np.eye(3)), np.where(known, scale, 1.0)
    H = H / (scale * np.where(H[:, 2, 2] < 0, -1, 1))[:, None, None]  # the board is in front of the camera
    R = np.stack([H[:, :, 0], H[:, :, 1], np.cross(H[:, :, 0], H[:, :, 1])], axis=-1)
    U, _, Vt = np.linalg.svd(R)
    T = np.tile(np.eye(4), (len(H), 1, 1))
    T[:, :3, :3] = U * np.linalg.det(U @ Vt)[:, None, None] ** np.array([0, 0, 1]) @ Vt
    T[:, :3, 3] = H[:, :, 2]
    T[~known, :3, 3] = [0, 0, 1]
    return T


def homographies(plane: Array, xy: Array) -> Array:
    """Return (views, 3, 3): from the plane's points (points, 2) to where they are seen (views, points, 2).

    By the direct linear transformation on shifted and scaled points (R. Hartley, "In defense of the eight-point
    algorithm", 1997). NaN points are left out; views of fewer than four are NaN.
    """
    seen = np.isfinite(xy).all(axis=-1)
    A_plane, plane = _centred(np.broadcast_to(plane, xy.shape), seen)
    A_xy, xy = _centred(xy, seen)
    point = np.concatenate([plane, np.ones((*seen.shape, 1))], axis=-1)
    zero = np.zeros_like(point)
    rows = np.concatenate(
        [
            np.concatenate([point, zero, -xy[..., :1] * point], axis=-1),
            np.concatenate([zero, point, -xy[..., 1:] * point], axis=-1),
        ],
        axis=1,
    )
    rows = rows * np.concatenate([seen, seen], axis=1)[..., None]
    H = np.linalg.eigh(np.swapaxes(rows, 1, 2) @ rows)[1][:, :, 0].reshape(-1, 3, 3)
    back: Array = np.linalg.inv(A_xy) @ H @ A_plane
    back[seen.sum(axis=1) < 4] = np.nan
    return back


def _centred(points: Array, seen: npt.NDArray[np.bool_]) -> tuple[Array, Array]:
    """Return the shift and scale (views, 3, 3) to middle 0 and mean distance sqrt(2), and the points so moved."""
    count = np.maximum(seen.sum(axis=1), 1)[:, None]
    points = np.where(seen[..., None], points, 0.0)
    middle = points.sum(axis=1) / count
    moved = (points - middle[:, None]) * seen[..., None]
    scale = np.sqrt(2) * count[:, 0] / np.maximum(np.linalg.norm(moved, axis=-1).sum(axis=1), 1e-12)
    A = np.zeros((len(points), 3, 3))
    A[:, 0, 0] = A[:, 1, 1] = scale
    A[:, :2, 2] = -scale[:, None] * middle
    A[:, 2, 2] = 1
    return A, moved * scale[:, None, None]
