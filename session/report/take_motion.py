"""A take's movement as a browser plays it: joints and points in whole numbers, base64, and the scene around them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from session.report.page import camera_colour
from session.report.scene import camera_pyramid, floor_grid, nice_at_most
from session.report.take_findings import Sole, TakeFindings
from session.report.take_numbers import Joint, find_jumps, mended_jumps, side_of

if TYPE_CHECKING:
    from skeleton.motion import Motion

Array = npt.NDArray[np.float64]

MOST_FRAMES = 3600
"""A minute at 60 frames a second, in about 2 MB. Of longer takes every second frame is carried, every third and so on:
the numbers and the maps of the page are of all of them."""

MOST_OTHERS = 3
"""Other people who are carried, at 0.75 MB a minute each: with more the page would be too large."""

FRAMED = 600
"""Frames that decide what the first view holds."""

STEP_M = 1e-4
"""Least step of a coordinate; it grows where the space is larger than 6.5 m."""

SIGMA_LEAST_M, SIGMA_STEPS = 5e-4, 32.0
"""A deviation is 0.5 mm times e to the (code / 32), codes 1 to 255: to 3 %, up to 1.4 m."""

SURE, UNSURE, GUESSED, MISSING = range(4)
UNSURE_M = 0.03
"""Deviation from which on a limb is drawn as uncertain: half the width of a wrist."""

FRUSTUM_M = 0.45
"""Height of a camera's pyramid: seen, and not in the way."""


def take_scene(findings: TakeFindings) -> dict[str, Any]:
    """Build what stands still: floor and cameras, and what the first view holds.

    Returns
    -------
    dict
        What `templates/scene.js` draws.
    """
    some = findings.keypoints.xyz_m[:: -(-len(findings.keypoints.time_s) // FRAMED)]
    body = some[np.isfinite(some).all(axis=-1)]
    low, high = np.percentile(body, [0.5, 99.5], axis=0) if len(body) else (np.full(3, -1.0), np.full(3, 1.0))
    centers = np.array([camera.center_m for camera in findings.cameras])
    away = (centers.mean(axis=0) - (low + high) / 2)[:2]
    items = floor_grid(np.append(low[:2] - 1, 0.0), np.append(high[:2] + 1, 0.0))
    for place, camera in enumerate(findings.cameras):
        items += camera_pyramid(camera, FRUSTUM_M, camera_colour(place), "", "cameras")
    framed = _outermost(np.clip(body, low, high)) if len(body) else np.array([low, high])
    everything = np.concatenate([centers, framed])
    radius = float(np.linalg.norm(everything.max(axis=0) - everything.min(axis=0)) / 2)
    layers = [("body", "Body", True)] if findings.motion is not None else []
    layers += [
        ("points", "Points", findings.motion is None),
        *([("others", "Other people", True)] if findings.others else []),
        ("trail", "Trail", True),
        ("shadow", "Shadow", True),
        ("cameras", "Cameras", True),
        ("floor", "Floor and axes", True),
    ]
    return {
        "center": np.round((low + high) / 2, 4).tolist(),
        "radius": round(radius, 4),
        "azimuth": round(float(np.arctan2(away[1], away[0])) + 0.4 if len(centers) else -1.0, 3),
        "layers": [{"id": id_, "name": name, "on": on} for id_, name, on in layers],
        "items": items,
        "framed": np.round(framed, 3).tolist(),
        "step_m": nice_at_most(max(float((high - low)[:2].max()) + 2, 0.1) / 4),
    }


def _outermost(points_m: Array) -> Array:
    """Return the points (n, 3) that are furthest out in directions all around, and the floor under them."""
    steps = (-1.0, 0.0, 1.0)
    directions = np.array([[x, y, z] for x in steps for y in steps for z in steps if x or y or z])
    outer = points_m[np.unique((points_m @ directions.T).argmax(axis=0))]
    floor = outer * [1.0, 1.0, 0.0]
    return np.concatenate([outer, floor])


def take_motion(findings: TakeFindings, joints: list[Joint]) -> dict[str, Any]:
    """Return what moves, for `templates/take.js`: every array is base64 of whole numbers, little-endian."""
    keypoints = findings.keypoints
    frames = len(keypoints.time_s)
    stride = -(-frames // MOST_FRAMES)
    kept = slice(None, None, stride)
    jumps = find_jumps(keypoints)
    status = np.full(jumps.shape, MISSING)
    status[findings.guessed] = GUESSED
    status[findings.found] = np.where(keypoints.sigma_m[findings.found] > UNSURE_M, UNSURE, SURE)
    xyz, origin, step_m = _whole(keypoints.xyz_m[kept])
    moving: dict[str, Any] = {
        "frames": len(xyz),
        "stride": stride,
        "time_s": _base64((keypoints.time_s[kept] - keypoints.time_s[0]).astype("<f4")),
        "start_s": float(keypoints.time_s[0]),
        "shown": _widest(findings) // stride,
        "origin": origin,
        "step_m": step_m,
        "points": [
            {"name": joint.words, "side": side_of(joint.name), "limb": joint.limb, "place": joint.place}
            for joint in joints
        ],
        "xyz": _base64(xyz),
        "sigma": _base64(_log_codes(keypoints.sigma_m[kept])),
        "status": _base64((status[kept] + 4 * np.minimum(findings.views[kept], 63)).astype(np.uint8)),
        "edges": _edges(keypoints.names),
        "jumps": [[frame // stride, place] for frame, place in np.argwhere(jumps > 0).tolist()],
        "mended": [[frame // stride, place] for frame, place in np.argwhere(mended_jumps(findings) > 0).tolist()],
        "bones": None,
        "others": [_other(motion, keypoints.time_s[kept]) for motion in list(findings.others.values())[:MOST_OTHERS]],
    }
    if findings.motion is not None:
        moving["bones"] = _bones(findings, status, kept)
    return moving


def _widest(findings: TakeFindings) -> int:
    """Choose the frame to begin with: of those with the most points found, the one in which the body is widest."""
    xyz_m, found = findings.keypoints.xyz_m, findings.found
    best = np.flatnonzero(found.sum(axis=1) == found.sum(axis=1).max())
    flat = np.where(found[best][..., None], xyz_m[best][..., :2], np.nan)
    if not np.isfinite(flat).any():
        return 0
    return int(best[np.nan_to_num(np.nanstd(flat, axis=1).sum(axis=-1)).argmax()])


def _bones(findings: TakeFindings, status: npt.NDArray[np.int64], kept: slice) -> dict[str, Any]:
    motion = findings.motion
    assert motion is not None
    position, origin, step_m = _whole(_some(motion, kept).world_positions())
    return {
        "names": list(motion.joint_names),
        "parents": motion.parents.tolist(),
        "sides": [side_of(name) for name in motion.joint_names],
        "origin": origin,
        "step_m": step_m,
        "xyz": _base64(position),
        "status": _base64(_bone_status(findings, status)[kept].astype(np.uint8)),
        "soles": [_sole(sole, kept) for sole in findings.soles],
    }


def _some(motion: Motion, frames: slice | npt.NDArray[np.int64]) -> Motion:
    """Return the movement at some frames."""
    from skeleton.motion import Motion

    return Motion(
        motion.joint_names,
        motion.parents,
        motion.rest_offset_m,
        motion.rotation_xyzw[frames],
        motion.root_m[frames],
        motion.time_s[frames],
    )


def _sole(sole: Sole, kept: slice) -> dict[str, Any]:
    """Return where a point of a sole stands, at the frames in which it does."""
    path, origin, step_m = _whole(np.where(sole.standing[kept][:, None], sole.path_m[kept], np.nan))
    return {"origin": origin, "step_m": step_m, "xyz": _base64(path)}


def _other(motion: Motion, time_s: Array) -> dict[str, Any]:
    """Return somebody else's joints at the frames of this person; not there outside of their own time."""
    nearest = np.clip(np.searchsorted(motion.time_s, time_s), 0, len(motion.time_s) - 1)
    before = np.maximum(nearest - 1, 0)
    closer = np.abs(motion.time_s[before] - time_s) < np.abs(motion.time_s[nearest] - time_s)
    nearest = np.where(closer, before, nearest)
    step_s = float(np.median(np.diff(motion.time_s))) if len(motion.time_s) > 1 else np.inf
    there = np.abs(motion.time_s[nearest] - time_s) <= step_s
    needed, back = np.unique(nearest, return_inverse=True)
    position_m = _some(motion, needed).world_positions()[back]
    position, origin, step_m = _whole(np.where(there[:, None, None], position_m, np.nan))
    return {
        "names": list(motion.joint_names),
        "parents": motion.parents.tolist(),
        "origin": origin,
        "step_m": step_m,
        "xyz": _base64(position),
    }


def _bone_status(findings: TakeFindings, status: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return (frames, joints): how sure the bone that ends at a joint is.

    As the fit has found it. Where it says nothing, that of the surest point on the joint: with one of them seen, the
    bone's end is known; a joint without points is as sure as its parent.
    """
    motion, names = findings.motion, findings.keypoints.names
    assert motion is not None
    sure = np.zeros((len(status), len(motion.joint_names)), dtype=np.int64)
    if motion.inferred is not None:
        if motion.sigma_m is not None:
            sure[motion.sigma_m > UNSURE_M] = UNSURE
        sure[motion.inferred] = GUESSED
        return sure
    for joint, (name, parent) in enumerate(zip(motion.joint_names, motion.parents.tolist(), strict=True)):
        own = [names.index(point) for point in findings.landmarks.get(name, ()) if point in names]
        if own:
            sure[:, joint] = np.minimum(status[:, own].min(axis=1), GUESSED)
        elif parent >= 0:
            sure[:, joint] = sure[:, parent]
    return sure


def _edges(names: tuple[str, ...]) -> list[list[int]]:
    """Return (start, end) of the lines that draw a body of these points: those of the fullest set that fits."""
    from skeleton.joint_sets import available_joint_sets, load_joint_set

    fitting = [s for s in map(load_joint_set, available_joint_sets()) if set(s.points) <= set(names)]
    if not fitting:
        return []
    best = max(fitting, key=lambda s: len(s.points))
    return [[names.index(edge.start), names.index(edge.end)] for edge in best.edges]


def _whole(xyz_m: Array) -> tuple[npt.NDArray[np.int16], list[float], float]:
    """Return positions as 16-bit steps from an origin, the origin and the step; the least number is NaN."""
    known = xyz_m[np.isfinite(xyz_m).all(axis=-1)]
    low, high = (known.min(axis=0), known.max(axis=0)) if len(known) else (np.zeros(3), np.zeros(3))
    step_m = max(STEP_M, float((high - low).max()) / 65000)
    origin = (low + high) / 2
    codes = np.round((xyz_m - origin) / step_m)
    return np.nan_to_num(codes, nan=-32768).astype("<i2"), [round(float(v), 5) for v in origin], step_m


def _log_codes(sigma_m: Array) -> npt.NDArray[np.uint8]:
    """Return deviations as codes; 0: none."""
    with np.errstate(divide="ignore"):
        codes = np.round(SIGMA_STEPS * np.log(sigma_m / SIGMA_LEAST_M))
    return np.where(np.isfinite(sigma_m), np.clip(codes, 1, 255), 0).astype(np.uint8)


def _base64(array: npt.NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
