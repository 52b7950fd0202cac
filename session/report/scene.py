"""The scene in 3D as plain values, which `templates/scene.js` draws: lines, faces, pictures and names in the world."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from calib.cameras import Camera, CameraGroup
from session.report.page import camera_colour

Array = npt.NDArray[np.float64]
Item = dict[str, Any]

MOST_BOARDS = 60
"""More outlines than that cannot be told apart."""

LYING_M, LYING_DEG = 0.02, 5.0
"""A board this close to the floor, and this level, lies on it."""


def nice_at_most(value: float) -> float:
    """Return the largest of 1, 2, 5 times a power of ten that is at most `value` (> 0)."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(max(step * power for step in (1, 2, 5) if step * power <= value * (1 + 1e-9)))


def calibration_scene(
    cameras: CameraGroup, boards_m: Array, center_covariance_m2: Array | None, before: CameraGroup | None
) -> dict[str, Any]:
    """Build the scene of a calibration.

    Parameters
    ----------
    cameras
        In the world.
    boards_m
        (places, 4, 3): outlines of the board where it was, metres in the world.
    center_covariance_m2
        (cameras, 3, 3); None where not known.
    before
        Where the cameras stood before, in the same world; None without a comparison.
    """
    centers = np.stack([camera.center_m for camera in cameras])
    everything = np.concatenate([centers, boards_m.reshape(-1, 3), np.zeros((1, 3))])
    low, high = everything.min(axis=0), everything.max(axis=0)
    radius = float(np.linalg.norm(high - low) / 2)
    depth = 0.18 * radius
    items = floor_grid(low, high)
    for place, camera in enumerate(cameras):
        items += camera_pyramid(camera, depth, camera_colour(place), f"picture-{place}", "cameras")
    for camera in before or ():
        items += camera_pyramid(camera, depth, "--muted", "", "before")
    chosen = np.unique(np.linspace(0, len(boards_m) - 1, min(MOST_BOARDS, len(boards_m))).round().astype(int))
    for outline in boards_m[chosen]:
        colour = "--floor-board" if _lies(outline) else "--board"
        items += [_face(outline, colour, "boards", 0.14), _line(_closed(outline), colour, "boards", 1)]
    layers = [
        ("cameras", "Cameras", True),
        ("pictures", "Their pictures", True),
        ("boards", "Places of the board", True),
    ]
    magnified = None
    if center_covariance_m2 is not None and np.any(center_covariance_m2):
        root = np.sqrt(np.linalg.eigvalsh(center_covariance_m2).max())
        magnified = nice_at_most(0.15 * radius / float(root))
        for place, (center, covariance) in enumerate(zip(centers, center_covariance_m2, strict=True)):
            items += _ellipsoid(center, covariance, magnified, camera_colour(place))
        layers.append(("ellipsoids", f"Their uncertainty, {magnified:g} times as large", True))
    if before is not None:
        layers.append(("before", "Where they stood before", True))
    layers.append(("floor", "Floor and axes", True))
    return {
        "center": _rounded((low + high) / 2),
        "radius": round(radius, 4),
        "azimuth": round(_azimuth(centers, boards_m), 3),
        "layers": [{"id": id_, "name": name, "on": on} for id_, name, on in layers],
        "items": items,
        "step_m": _grid_step(low, high),
        "magnified": magnified,
    }


def _azimuth(centers: Array, boards_m: Array) -> float:
    """Choose from where to look at first, radians from x: from behind most cameras, and a little from the side."""
    middle = boards_m.reshape(-1, 3).mean(axis=0) if len(boards_m) else centers.mean(axis=0)
    away = (centers - middle)[:, :2].mean(axis=0)
    return float(np.arctan2(away[1], away[0])) + 0.5


def outlines(T_world_board: Array, corners_m: Array) -> Array:
    """Return (places, 4, 3): the rectangle around the board's corners, in the world, for the places that are known."""
    known = T_world_board[np.isfinite(T_world_board).all(axis=(1, 2))]
    low, high = corners_m.min(axis=0), corners_m.max(axis=0)
    rectangle = np.array([[low[0], low[1], 0], [high[0], low[1], 0], [high[0], high[1], 0], [low[0], high[1], 0]])
    places: Array = rectangle @ np.swapaxes(known[:, :3, :3], 1, 2) + known[:, None, :3, 3]
    return places


def _lies(outline: Array) -> bool:
    normal = np.cross(outline[1] - outline[0], outline[3] - outline[0])
    level = abs(normal[2]) >= np.cos(np.radians(LYING_DEG)) * np.linalg.norm(normal)
    return bool(level and np.abs(outline[:, 2]).max() <= LYING_M)


def _grid_step(low: Array, high: Array) -> float:
    return nice_at_most(max(float((high - low)[:2].max()), 0.1) / 4)


def floor_grid(low: Array, high: Array) -> list[Item]:
    """Draw a grid on the floor under the box from `low` to `high` (3,), and the axes at the origin."""
    step = _grid_step(low, high)
    x0, y0 = np.floor(low[:2] / step) * step
    x1, y1 = np.ceil(high[:2] / step) * step
    lines = [np.array([[x, y0, 0], [x, y1, 0]]) for x in np.arange(x0, x1 + step / 2, step)]
    lines += [np.array([[x0, y, 0], [x1, y, 0]]) for y in np.arange(y0, y1 + step / 2, step)]
    items = [_line(line, "--grid", "floor", 1) | {"floor": True} for line in lines]
    for name, direction in zip("xyz", np.eye(3), strict=True):
        end = direction * step * 0.8
        items.append(_line(np.stack([np.zeros(3), end]), f"--axis-{name}", "floor", 3))
        items.append(_name(end * 1.12, name, f"--axis-{name}", "floor"))
    return items


def camera_pyramid(camera: Camera, depth_m: float, colour: str, picture: str, layer: str) -> list[Item]:
    """Draw the pyramid from a camera's centre to its picture, held up before it."""
    corners = _picture_corners(camera, depth_m)
    items = [_line(np.stack([camera.center_m, corner]), colour, layer, 1.5) for corner in corners]
    items.append(_line(_closed(corners), colour, layer, 2))
    items += [_face(np.stack([camera.center_m, a, b]), colour, layer, 0.08) for a, b in _sides(corners)]
    if picture:
        items.append({"kind": "picture", "layer": "pictures", "points": _rounded(corners), "image": picture})
    # The triangle over the picture tells which way is up.
    top, bottom = (corners[0] + corners[1]) / 2, (corners[2] + corners[3]) / 2
    tip = top + 0.18 * (top - bottom)
    across = 0.15 * (corners[1] - corners[0])
    items.append(_face(np.stack([top - across, tip, top + across]), colour, layer, 0.9))
    items.append(_name(camera.center_m, camera.name, colour, layer))
    return items


def _sides(corners: Array) -> list[tuple[Array, Array]]:
    return [(corners[place], corners[(place + 1) % 4]) for place in range(4)]


def _picture_corners(camera: Camera, depth_m: float) -> Array:
    """Return (4, 3): the picture's corners from the left upper one clockwise, at that depth, in the world."""
    width, height = camera.size_px
    pixels = np.array([[-0.5, -0.5], [width - 0.5, -0.5], [width - 0.5, height - 0.5], [-0.5, height - 0.5]])
    K = camera.matrix
    pinhole = (pixels - K[:2, 2]) / np.diag(K)[:2]  # what the lens does to the corners does not matter for a drawing
    rays = np.concatenate([pinhole * depth_m, np.full((4, 1), depth_m)], axis=1)
    corners: Array = (rays - camera.T_cam_world[:3, 3]) @ camera.T_cam_world[:3, :3]
    return corners


def _ellipsoid(center: Array, covariance: Array, magnified: float, colour: str) -> list[Item]:
    """Draw the three ellipses of one standard deviation in the planes of its axes."""
    variance, axes = np.linalg.eigh(covariance)
    arms = axes * np.sqrt(np.maximum(variance, 0)) * magnified
    turn = np.linspace(0, 2 * np.pi, 33)
    rings = []
    for a, b in ((0, 1), (0, 2), (1, 2)):
        ring = center + np.cos(turn)[:, None] * arms[:, a] + np.sin(turn)[:, None] * arms[:, b]
        rings.append(_line(ring, colour, "ellipsoids", 1))
    return rings


def _closed(points: Array) -> Array:
    return np.concatenate([points, points[:1]])


def _line(points: Array, colour: str, layer: str, width: float) -> Item:
    return {"kind": "line", "layer": layer, "points": _rounded(points), "colour": colour, "width": width}


def _face(points: Array, colour: str, layer: str, opacity: float) -> Item:
    return {"kind": "face", "layer": layer, "points": _rounded(points), "colour": colour, "opacity": opacity}


def _name(at: Array, text: str, colour: str, layer: str) -> Item:
    return {"kind": "text", "layer": layer, "points": [_rounded(at)], "text": text, "colour": colour}


def _rounded(points: Array | Sequence[float]) -> Any:
    """To a tenth of a millimetre."""
    return np.round(np.asarray(points), 4).tolist()
