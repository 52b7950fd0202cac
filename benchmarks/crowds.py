"""Made-up takes of several people, whose truth is exact: who is in which figure of which picture.

Every person is a body of `benchmarks.synthetic_take`, of a height of their own, that walks along a path. A camera does
not see whom a nearer person hides, shows the largest first as MediaPipe does, and may see figures that are nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from benchmarks.synthetic_take import SIZE_PX, detect, make_take, ring_of_cameras
from calib.cameras import CameraGroup
from skeleton.keypoints import Keypoints2D

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

NOBODY = -1
# Two people whose middles are this close, in metres at the nearer one: the farther one is hidden.
HIDDEN_M = 0.25


@dataclass(frozen=True, eq=False)
class Crowd:
    """A take of several people.

    Attributes
    ----------
    cameras
        Calibrated cameras around them.
    views
        By camera, with whom else it saw.
    who
        By camera: (frames, slots), which person the figure is, `NOBODY` for none or a figure that is no person.
    xyz_m
        (people, frames, points, 3): the truth, metres, at `time_s` (frames,).
    """

    cameras: CameraGroup
    views: dict[str, Keypoints2D]
    who: dict[str, Ints]
    xyz_m: Array
    time_s: Array


def crossing_paths(people: int, frames: int, rate_hz: float, radius_m: float = 1.6, apart_m: float = 0.55) -> Array:
    """Return paths (people, frames, 2): everybody walks from the edge through the middle and out, round each other."""
    time_s = np.arange(frames) / rate_hz
    angle = 2 * np.pi * np.arange(people) / people + 0.2
    start = radius_m * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    aside = np.stack([-np.sin(angle), np.cos(angle)], axis=1) * 0.30
    phase = np.pi * time_s[None] / time_s[-1] - 0.25 * (np.arange(people)[:, None] % 3)
    paths: Array = start[:, None] * np.cos(phase)[..., None] + aside[:, None]
    for _ in range(60):  # who comes too close gives way, a little each round and for a while before and after
        between = paths[:, None] - paths[None]
        distance = np.linalg.norm(between, axis=-1) + np.eye(people)[..., None] * 1e3
        push = np.maximum(1.1 * apart_m - distance, 0.0) / np.maximum(distance, 1e-3)
        paths = paths + gaussian_filter1d((0.5 * push[..., None] * between).sum(axis=1), 0.12 * rate_hz, axis=1)
    return paths


def make_crowd(
    rng: np.random.Generator,
    paths_m: Array,
    cameras: int = 4,
    rate_hz: float = 30.0,
    missed: float = 0.05,
    most: int = 8,
    absent: Sequence[tuple[int, float, float]] = (),
    late_s: Sequence[float] | None = None,
    heights: Array | None = None,
) -> Crowd:
    """Make a take of people who walk along paths (people, frames, 2).

    Parameters
    ----------
    rng
        Of bodies, noise and misses.
    paths_m
        On the floor, metres.
    missed
        Share of the figures that a camera misses, besides those that are hidden.
    most
        Figures a picture, at most: the largest.
    absent
        (person, from second, to second): whom no camera sees then.
    late_s
        By camera: how long after the first its pictures are taken (less than a frame); None: together.
    heights
        (people,): against the usual body; None: 0.88 to 1.1, in even steps.
    """
    count, frames = paths_m.shape[:2]
    heights = np.linspace(0.88, 1.10, count) if heights is None else heights
    group = ring_of_cameras(cameras)
    late = np.zeros(cameras) if late_s is None else np.asarray(late_s)
    time_s = np.arange(frames) / rate_hz
    bodies, takes = [], []
    for person in range(count):
        takes.append(make_take(rng, frames, cameras=2, rate_hz=rate_hz))
        still = takes[-1].xyz_m
        middle = still.mean(axis=1, keepdims=True) * np.array([1.0, 1.0, 0.0])
        bodies.append(
            heights[person] * (still - middle) + np.append(paths_m[person], np.zeros((frames, 1)), 1)[:, None]
        )
    xyz_m = np.stack(bodies)
    names = takes[0].names
    seen, depth = [], []
    velocity = np.gradient(xyz_m, time_s, axis=1)
    for person in range(count):
        moved = [xyz_m[person] + velocity[person] * late[c] for c in range(cameras)]
        xy_px = np.stack([camera.project(at) for camera, at in zip(group, moved, strict=True)])
        take = replace(takes[person], cameras=group, xyz_m=xyz_m[person], xy_px=xy_px)
        seen.append(detect(take, rng, correlation_s=0.1))
        depth.append(
            np.stack([camera.to_camera(at.mean(axis=1))[:, 2] for camera, at in zip(group, moved, strict=True)])
        )
    xy_px, confidence = np.stack([one.xy_px for one in seen]), np.stack([one.confidence for one in seen])
    shown = _shown(group, xyz_m, np.stack(depth)) & (rng.random(xy_px.shape[:3]) >= missed)
    for person, from_s, to_s in absent:
        shown[person, :, (time_s >= from_s) & (time_s < to_s)] = False
    size = np.array(SIZE_PX, dtype=np.float64)
    inside = ((xy_px >= 0) & (xy_px <= size - 1)).all(axis=-1)
    xy_px, confidence = np.where(inside[..., None], xy_px, np.nan), np.where(inside, confidence, 0.0)
    shown &= inside.sum(axis=-1) >= 10
    views, who = {}, {}
    for c, name in enumerate(group.names):
        rank = np.where(shown[:, c], np.stack(depth)[:, c], np.inf).argsort(axis=0).T[:, :most]  # (frames, slots)
        every = np.arange(frames)[:, None]
        there = shown[:, c].T[every, rank]
        figures_px = np.where(there[..., None, None], np.moveaxis(xy_px[:, c], 0, 1)[every, rank], np.nan)
        figures_confidence = np.where(there[..., None], np.moveaxis(confidence[:, c], 0, 1)[every, rank], 0.0)
        who[name] = np.where(there, rank, NOBODY)
        views[name] = as_view(names, figures_px, figures_confidence, time_s + late[c])
    return Crowd(group, views, who, xyz_m, time_s)


def as_view(names: tuple[str, ...], xy_px: Array, confidence: Array, time_s: Array) -> Keypoints2D:
    """Return a camera's keypoints from figures (frames, slots, points, 2), the first the main one."""
    others = xy_px.shape[1] > 1
    return Keypoints2D(
        names,
        xy_px[:, 0],
        confidence[:, 0],
        time_s,
        np.array(SIZE_PX, dtype=np.float64),
        others_xy_px=xy_px[:, 1:] if others else None,
        others_confidence=confidence[:, 1:] if others else None,
    )


def with_figure(view: Keypoints2D, who: Ints, xy_px: Array, first: bool) -> tuple[Keypoints2D, Ints]:
    """Add a figure that is nobody, (frames, points, 2), to a camera's: as the main one, or as the last."""
    assert view.others_xy_px is not None
    assert view.others_confidence is not None
    sure = np.where(np.isfinite(xy_px).all(axis=-1), 0.9, 0.0)[:, None]
    figures = [view.xy_px[:, None], view.others_xy_px, xy_px[:, None]]
    confidences = [view.confidence[:, None], view.others_confidence, sure]
    marks = [who, np.full((len(who), 1), NOBODY)]
    if first:
        figures, confidences, marks = ([parts[-1], *parts[:-1]] for parts in (figures, confidences, marks))
    added = as_view(view.names, np.concatenate(figures, 1), np.concatenate(confidences, 1), view.time_s)
    return added, np.concatenate(marks, 1)


def _shown(group: CameraGroup, xyz_m: Array, depth: Array) -> Bools:
    """Return (people, cameras, frames): not hidden by somebody nearer."""
    middle = xyz_m.mean(axis=2)
    shown = np.ones(depth.shape, dtype=bool)
    for c, camera in enumerate(group):
        local = camera.to_camera(middle)
        across = local[..., 0] / local[..., 2]
        for person in range(len(xyz_m)):
            for other in range(len(xyz_m)):
                nearer = depth[other, c] < depth[person, c]
                apart_m = np.abs(across[person] - across[other]) * depth[other, c]
                shown[person, c] &= ~(nearer & (apart_m < HIDDEN_M))
    return shown


@dataclass(frozen=True)
class Score:
    """How well figures were told apart.

    Attributes
    ----------
    switches
        Times that a person's figures pass from one identity to another, over all people.
    right
        Share of the people's figures that bear their person's identity.
    wrong
        Share of them that bear another's.
    found
        Identities.
    """

    switches: int
    right: float
    wrong: float
    found: int


def score(who: dict[str, Ints], slots: dict[str, Ints], people: int) -> Score:
    """Compare identities with the truth.

    Parameters
    ----------
    who
        By camera, (frames, slots): the truth, as in `Crowd`.
    slots
        By camera, (frames, persons): as in `triangulate.people.find.People`.
    people
        How many there are.
    """
    from scipy.optimize import linear_sum_assignment

    found = next(iter(slots.values())).shape[1]
    frames = max(len(value) for value in who.values())
    votes = np.zeros((frames, people, found + 1))  # the last: nobody
    for name, truth in who.items():
        given = np.full(truth.shape, found)
        for person in range(found):
            frame = np.flatnonzero(slots[name][:, person] >= 0)
            given[frame, slots[name][frame, person]] = person
        frame, slot = np.nonzero(truth >= 0)
        np.add.at(votes, (frame, truth[frame, slot], given[frame, slot]), 1)
    total = votes.sum(axis=0)
    mine = dict(zip(*linear_sum_assignment(-total[:, :found]), strict=True))
    right = sum(total[person, identity] for person, identity in mine.items())
    switches = 0
    for person in range(people):
        at = votes[:, person, :found]
        best = at.argmax(axis=1)[at.sum(axis=1) > 0]
        switches += int((np.diff(best) != 0).sum())
    every = max(total.sum(), 1.0)
    return Score(switches, float(right / every), float((total[:, :found].sum() - right) / every), found)
