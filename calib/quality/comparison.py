"""What changed between two calibrations of the same cameras: which of them was moved, turned or zoomed.

The worlds of the two need not be the same: the board lay elsewhere. They are brought together by the cameras that stand
as they stood to each other; what is left over is what moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from calib.cameras import Camera, CameraGroup

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

AGREE_M, AGREE_DEG = 0.01, 1.0
"""Cameras within both stand where they stood. Two calibrations of cameras that nobody touched, from the even and
odd frames of one recording, differ by up to 1.9 mm and 0.44 degrees (four webcams 1 m apart, 23 shared views each) and
by 1.0 mm and 0.04 degrees (the embedded example, 7 m across); a tripod that is bumped moves by centimetres."""

AGREE_FOCAL = 0.02
"""Share of the focal length: the same calibrations differ by up to 0.6 %; a zoom that anybody would see is 5 %."""

LEVER = 0.5
"""A camera counts by its centre and by the tips of its three axes, this share of the distance between cameras long, so
that one turned by 0.1 rad weighs like one moved by a twentieth of that distance."""


@dataclass(frozen=True)
class CameraMove:
    """What changed about one camera.

    Attributes
    ----------
    name
        The camera.
    moved_m
        How far its centre is from where it was, metres.
    turned_deg
        By how much it was turned.
    focal_change
        Focal length now over that before, less 1.
    resized
        Whether its pictures have another size, in which case the focal length is compared in picture widths.
    """

    name: str
    moved_m: float
    turned_deg: float
    focal_change: float
    resized: bool

    @property
    def in_place(self) -> bool:
        """Whether its centre is where it was."""
        return self.moved_m <= AGREE_M

    @property
    def same_direction(self) -> bool:
        """Whether it looks where it looked."""
        return self.turned_deg <= AGREE_DEG

    @property
    def stands(self) -> bool:
        """Whether it was neither moved nor turned."""
        return self.in_place and self.same_direction

    @property
    def same_lens(self) -> bool:
        """Whether its lens is as it was."""
        return abs(self.focal_change) <= AGREE_FOCAL and not self.resized


@dataclass(frozen=True, eq=False)
class Comparison:
    """What changed.

    Attributes
    ----------
    moves
        The cameras that both have, in the order of the new calibration.
    gone, new
        Names of the cameras that only the previous one has, and only the new one.
    T_now_before
        (4, 4): from the previous world to the new one, metres; not known (NaN) with fewer than two cameras in common.
    scale
        Distances between the cameras that stand, now over before; 1 where there is but one or none. A square of another
        size than stated scales everything.
    """

    moves: tuple[CameraMove, ...]
    gone: tuple[str, ...]
    new: tuple[str, ...]
    T_now_before: Array
    scale: float

    @property
    def moved(self) -> tuple[CameraMove, ...]:
        """The cameras that do not stand where they stood."""
        return tuple(move for move in self.moves if not move.stands)

    @property
    def stand_together(self) -> int:
        """How many cameras stand to each other as they did; one alone always does."""
        return len(self.moves) - len(self.moved)


def same_cameras(before: CameraGroup, now: CameraGroup) -> bool:
    """Tell whether two calibrations say the same to all digits that files keep."""
    return before.names == now.names and all(
        a.size_px == b.size_px
        and a.lens == b.lens
        and np.allclose(a.matrix, b.matrix, rtol=1e-9)
        and np.allclose(a.distortion, b.distortion, rtol=1e-9)
        and np.allclose(a.T_cam_world, b.T_cam_world, atol=1e-9)
        for a, b in zip(before, now, strict=True)
    )


def compare(before: CameraGroup, now: CameraGroup) -> Comparison:
    """Compare two calibrations, camera by camera, by name.

    The rigid motion between the worlds is the one that fits any two cameras (three, if there are five or more to choose
    from) and leaves the least median distance over all (P. Rousseeuw, "Least median of squares regression", 1984); then
    the one that fits all cameras that stand by it. The cameras that were moved are found as long as they are fewer than
    half. Of two cameras that no longer stand to each other as they did, both are said to have moved.
    """
    names = tuple(name for name in now.names if name in before.names)
    gone = tuple(name for name in before.names if name not in names)
    new = tuple(name for name in now.names if name not in names)
    if len(names) < 2:
        return Comparison((), gone, new, np.full((4, 4), np.nan), 1.0)
    old, young = before.subset(names), now.subset(names)
    lever = LEVER * float(np.mean([_spread(old), _spread(young)]))
    old_points, young_points = _posed_points(old, lever), _posed_points(young, lever)
    best, T = np.inf, np.eye(4)
    for chosen in combinations(range(len(names)), 3 if len(names) >= 5 else 2):
        fit = _fit(old_points[list(chosen)], young_points[list(chosen)])
        distance = np.linalg.norm(_apply(fit, old_points) - young_points, axis=-1).max(axis=1)
        median = float(np.median(distance)) if len(names) > 2 else float(distance.max())
        if median < best:
            best, T = median, fit
    stands = _stands(old, young, T)
    for _ in range(len(names)):  # each time more of those that stand decide
        if stands.sum() < 2:
            break
        T = _fit(old_points[stands], young_points[stands])
        again = _stands(old, young, T)
        if (again == stands).all():
            break
        stands = again
    ratio = _spread(young.subset(_kept(names, stands))) / _spread(old.subset(_kept(names, stands)))
    moves = tuple(_move(a, b, T) for a, b in zip(old, young, strict=True))
    return Comparison(moves, gone, new, T, ratio if stands.sum() >= 2 else 1.0)


def _kept(names: tuple[str, ...], stands: Mask) -> tuple[str, ...]:
    """Return those that stand; all, where fewer than two do."""
    return tuple(name for name, own in zip(names, stands, strict=True) if own) if stands.sum() >= 2 else names


def _spread(group: CameraGroup) -> float:
    """Return the root mean square distance between the cameras' centres, metres."""
    centers = np.stack([camera.center_m for camera in group])
    distance = np.linalg.norm(centers[:, None] - centers[None], axis=-1)[np.triu_indices(len(centers), 1)]
    return max(float(np.sqrt(np.mean(distance**2))), 1e-6)


def _posed_points(group: CameraGroup, lever_m: float) -> Array:
    """Return (cameras, 4, 3): each camera's centre and the tips of its axes, in the world."""
    return np.stack(
        [camera.center_m + np.vstack([np.zeros(3), lever_m * camera.T_cam_world[:3, :3]]) for camera in group]
    )


def _fit(before: Array, now: Array) -> Array:
    """Return the rigid motion (4, 4) of points (..., 3) by least squares (W. Kabsch, 1976)."""
    a, b = before.reshape(-1, 3), now.reshape(-1, 3)
    turn, _ = Rotation.align_vectors(b - b.mean(axis=0), a - a.mean(axis=0))
    T = np.eye(4)
    T[:3, :3] = turn.as_matrix()
    T[:3, 3] = b.mean(axis=0) - T[:3, :3] @ a.mean(axis=0)
    return T


def _apply(T: Array, points: Array) -> Array:
    moved: Array = points @ T[:3, :3].T + T[:3, 3]
    return moved


def _stands(old: CameraGroup, young: CameraGroup, T: Array) -> Mask:
    return np.array([_move(a, b, T).stands for a, b in zip(old, young, strict=True)])


def _move(before: Camera, now: Camera, T_now_before: Array) -> CameraMove:
    turned = now.T_cam_world[:3, :3] @ T_now_before[:3, :3] @ before.T_cam_world[:3, :3].T
    resized = now.size_px != before.size_px
    unit = now.size_px[0] / before.size_px[0] if resized else 1.0
    return CameraMove(
        name=now.name,
        moved_m=float(np.linalg.norm(now.center_m - _apply(T_now_before, before.center_m))),
        turned_deg=float(np.degrees(Rotation.from_matrix(turned).magnitude())),
        focal_change=float(now.matrix[0, 0] / (unit * before.matrix[0, 0]) - 1),
        resized=resized,
    )
