"""Tracks: bodies followed through space, each camera's figures given to them picture by picture.

As in L. Chen et al., "Cross-view tracking for multi-human 3D pose estimation at over 100 FPS" (CVPR 2020): a camera's
figures are compared with where the known bodies are expected, not with the other cameras' figures, so that the cost is
linear in cameras and a person who is hidden from one camera is kept by the others. Every picture is taken at its own
moment; nothing is interpolated between figures.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from clapcap.progress import Progress, silent
from triangulate.people.births import find_births
from triangulate.people.distance import Geometry, capped_mean, distances_m, triangulated
from triangulate.people.figures import LEAST_POINTS, Figures

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

# A figure is a body's when it lies within this distance of where the body is expected: right ones are at 0.03 m in the
# median and 0.12 m at 95 %, those of somebody who walks past at 0.4 m and more at 95 % (rendered crossing of
# benchmarks.people); less is for somebody who was hidden for a while.
GATE_M = 0.35
# The gate opens while a body is not seen, by somebody who walks on otherwise than expected, up to this.
GATE_SPEED_M_S, GATE_MOST_M = 0.8, 0.7
# A figure that is this much nearer to somebody else is theirs, even if they have a better one: detectors see people
# twice.
OTHERS_RATIO, OTHERS_M = 2.0, 0.08
# What it counts, in metres, that the figure is clearly the one that the body had in the camera's last picture, and
# against it, that it is clearly one that nobody had.
LINKED_M, STRANGE_M = 0.08, 0.1
# Views of one body agree within this; the one that agrees least is taken back.
AGREE_M = 0.22
# Seen by one camera alone for so long, a body's depth is a guess: another camera's figure may then agree with this
# one's on another place.
GUESSED_S = 0.1
# After so long without any figure a track ends. Who comes back is known again by `identities`.
LOST_S = 0.7
# Births are looked for this often.
BIRTH_EVERY_S = 0.1
# How fast the speed follows what is seen, and forgets when nothing is.
SPEED_SHARE, SPEED_S, MOST_SPEED_M_S = 0.25, 0.3, 4.0
# Seen by one camera alone: how fast a body follows across the picture and, by its size, in depth.
FOLLOWED, ZOOMED, MOST_ZOOM = 0.5, 0.2, 1.2
# A point further than this from the middle of its body is a mistake.
REACH_M = 1.4


@dataclass(eq=False)
class Track:
    """A body that was followed.

    Attributes
    ----------
    number
        The mark that its figures bear.
    body_m
        (points, 3): where it is now, world, metres; NaN for points never seen by two cameras.
    velocity_m_s
        (3,).
    time_s, seen_s, solid_s
        Session time of `body_m`, of the last figure, and of the last moment at which two cameras agreed.
    moments, bodies_m, views
        Moments at which two cameras or more agreed, the bodies (points, 3) then, and how many cameras.
    """

    number: int
    body_m: Array
    velocity_m_s: Array
    time_s: float
    seen_s: float
    solid_s: float
    moments: list[int] = field(default_factory=list)
    bodies_m: list[Array] = field(default_factory=list)
    views: list[int] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Tracked:
    """All tracks of a take.

    Attributes
    ----------
    tracks
        In order of their beginning.
    owner
        (rows, slots): number of the track that has the figure, -1: nobody.
    refused
        (rows, slots): the figure was compared with a track that wanted it, and the other cameras spoke against.
    """

    tracks: tuple[Track, ...]
    owner: Ints
    refused: Bools


def follow_people(figures: Figures, progress: Progress = silent) -> Tracked:
    """Follow everybody through a take. Fragments of one person are not joined here."""
    follower = _Follower(figures)
    count = len(figures.moments_s)
    for moment in range(count):  # a recursion over time
        follower.step(moment)
        if moment % 100 == 99 or moment == count - 1:
            progress(moment + 1, count)
    return Tracked(tuple(follower.tracks), follower.owner, follower.refused)


class _Follower:
    """What is known up to a moment."""

    def __init__(self, figures: Figures) -> None:
        self.figures = figures
        self.geometry = Geometry.of(figures.cameras)
        self.tracks: list[Track] = []
        self.alive: list[Track] = []
        self.owner = np.full(figures.there.shape, -1)
        self.refused = np.zeros(figures.there.shape, dtype=bool)
        self.next_birth_s = -np.inf

    def step(self, moment: int) -> None:
        """Give the figures of a moment to tracks, move these, begin new ones."""
        figures = self.figures
        rows, now_s = figures.row_at[moment], float(figures.moments_s[moment])
        there = figures.there[rows] & (rows >= 0)[:, None]
        self.alive = [track for track in self.alive if now_s - track.seen_s <= LOST_S]
        if self.alive and there.any():
            self._update(moment, rows, there, self._assigned(rows, there))
        for track in self.alive:
            _coast(track, now_s)
        if now_s < self.next_birth_s or not there.any():
            return
        guessed = {track.number: track for track in self.alive if now_s - track.solid_s > GUESSED_S}
        free = [
            (int(rows[c]), int(k))
            for c, k in zip(*np.nonzero(there), strict=True)
            if self.owner[rows[c], k] < 0 or self.owner[rows[c], k] in guessed
        ]
        if all(self.owner[row, slot] in guessed for row, slot in free):
            return
        middles = [np.nanmedian(track.body_m, axis=0) for track in self.alive if track.number not in guessed]
        births = find_births(figures, self.geometry, moment, free, np.array(middles).reshape(-1, 3))
        self.next_birth_s = now_s + BIRTH_EVERY_S
        for birth in births:
            owners = [int(self.owner[row, slot]) for row, slot in birth.members if self.owner[row, slot] in guessed]
            if owners:
                # Somebody whom one camera followed alone: now two know where.
                track = guessed.pop(max(set(owners), key=owners.count))
                track.body_m, track.velocity_m_s = birth.body_m, np.zeros(3)
            else:
                track = Track(len(self.tracks), birth.body_m, np.zeros(3), now_s, now_s, now_s)
                self.tracks.append(track)
                self.alive.append(track)
            slots = np.full((len(rows), 1), -1)
            for row, slot in birth.members:
                slots[figures.camera[row], 0] = slot
            self._update(moment, rows, there, slots, [track])

    def _expected(self, tracks: list[Track], times_s: Array) -> Array:
        """Return where bodies are at the cameras' moments: (cameras, tracks, points, 3), metres."""
        body = np.stack([track.body_m for track in tracks])
        velocity = np.stack([track.velocity_m_s for track in tracks])
        ahead_s = times_s[:, None] - np.array([track.time_s for track in tracks])
        ahead_s = np.clip(ahead_s, -SPEED_S, SPEED_S)
        expected: Array = body + (velocity * ahead_s[..., None])[:, :, None]
        return expected

    def _assigned(self, rows: Ints, there: Bools) -> Ints:
        """Return each camera's figure of each living track: (cameras, tracks), -1: none."""
        figures, tracks = self.figures, self.alive
        expected = self._expected(tracks, figures.time_s[rows])
        weight = np.where(there[..., None], figures.weight[rows], 0.0)
        distance, _ = distances_m(self.geometry, expected, figures.xy[rows], weight, figures.mirror)
        unseen_s = figures.time_s[rows][:, None] - np.array([track.seen_s for track in tracks])
        gate = np.clip(GATE_M + GATE_SPEED_M_S * np.maximum(unseen_s - 0.1, 0), 0, GATE_MOST_M)
        before = figures.before[rows]
        previous = np.where(before >= 0, self.owner[rows[:, None] - 1, before], -1)  # (cameras, slots)
        numbers = np.array([track.number for track in tracks])
        linked = previous[:, None, :] == numbers[None, :, None]
        distance = distance + STRANGE_M * ((before >= 0) & (previous < 0))[:, None]
        nearest = distance.min(axis=1, keepdims=True)
        own = distance <= np.maximum(OTHERS_RATIO * nearest, nearest + OTHERS_M)
        cost = np.where((distance <= gate[..., None]) & own, distance - LINKED_M * linked, np.inf)
        slots = np.full((len(rows), len(tracks)), -1)
        for c in np.flatnonzero(np.isfinite(cost).any(axis=(1, 2))):
            # A figure left over costs as much as one at the gate.
            track, slot = linear_sum_assignment(np.where(np.isfinite(cost[c]), cost[c] - GATE_MOST_M, 0.0))
            good = np.isfinite(cost[c, track, slot])
            slots[c, track[good]] = slot[good]
        return slots

    def _update(self, moment: int, rows: Ints, there: Bools, slots: Ints, tracks: list[Track] | None = None) -> None:
        """Move tracks to what their figures say, and take back those that the others speak against."""
        figures, tracks = self.figures, self.alive if tracks is None else tracks
        times_s = figures.time_s[rows]
        expected = self._expected(tracks, times_s)
        at = np.broadcast_to(rows[:, None], slots.shape), np.maximum(slots, 0)
        xy, weight = figures.xy[at], np.where((slots >= 0)[..., None], figures.weight[at], 0.0)
        xy, weight = _sides(self.geometry, expected, xy, weight, figures.mirror)
        used = slots >= 0
        # Figures are brought to the moment of the track, by its own speed.
        now_s = float(figures.moments_s[moment])
        for _ in range(max(1, len(rows) - 1)):
            bodies = triangulated(self.geometry, xy, np.where(used[..., None], weight, 0.0))
            views, depth = self.geometry.seen(np.broadcast_to(bodies, (len(rows), *bodies.shape)))
            apart_m = np.linalg.norm(views - xy, axis=-1) * depth
            error_m = capped_mean(apart_m, weight)
            off = used & np.isfinite(error_m) & (error_m > AGREE_M)
            wrong = off.any(axis=0)
            if not wrong.any():
                break
            # Who agrees least with the others and with what was expected.
            views, depth = self.geometry.seen(expected)
            surprise_m = capped_mean(np.linalg.norm(views - xy, axis=-1) * depth, weight)
            blame = np.where(used, np.minimum(error_m, 10) + np.minimum(surprise_m, 10), -np.inf)
            worst = blame.argmax(axis=0)
            for t in np.flatnonzero(wrong):
                used[worst[t], t] = False
                self.refused[rows[worst[t]], slots[worst[t], t]] = True
        for t, track in enumerate(tracks):
            members = np.flatnonzero(used[:, t])
            for c in members:
                self.owner[rows[c], slots[c, t]] = track.number
            if len(members) >= 2 and np.isfinite(bodies[t]).all(axis=-1).sum() >= LEAST_POINTS:
                _move(track, bodies[t], now_s)
                track.solid_s = now_s
                track.moments.append(moment)
                track.bodies_m.append(track.body_m)
                track.views.append(len(members))
            elif len(members):
                c = members[np.argmax(weight[members, t].sum(axis=-1))]
                _shift(track, self.geometry, c, expected[c, t], xy[c, t], weight[c, t], now_s)
            if len(members):
                track.seen_s = now_s


def _sides(geometry: Geometry, expected: Array, xy: Array, weight: Array, mirror: Ints) -> tuple[Array, Array]:
    """Exchange left and right of figures (cameras, tracks, points, 2) that are nearer to their bodies that way."""
    views, depth = geometry.seen(expected)
    straight = capped_mean(np.linalg.norm(views - xy, axis=-1) * depth, weight)
    crossed_xy, crossed_weight = xy[:, :, mirror], weight[:, :, mirror]
    crossed = capped_mean(np.linalg.norm(views - crossed_xy, axis=-1) * depth, crossed_weight)
    swap = (crossed < straight)[..., None]
    return np.where(swap[..., None], crossed_xy, xy), np.where(swap, crossed_weight, weight)


def _move(track: Track, body_m: Array, now_s: float) -> None:
    """Put a track where its figures say it is."""
    middle = np.nanmedian(body_m, axis=0)
    body_m = np.where((np.linalg.norm(body_m - middle, axis=-1) <= REACH_M)[:, None], body_m, np.nan)
    elapsed_s = now_s - track.time_s
    moved = body_m - track.body_m
    both = np.isfinite(moved).all(axis=-1)
    if elapsed_s > 0 and both.any():
        step = np.median(moved[both], axis=0)
        share = 1 - (1 - SPEED_SHARE) ** min(elapsed_s / 0.033, 4)
        velocity = track.velocity_m_s + share * (step / elapsed_s - track.velocity_m_s)
        speed = float(np.linalg.norm(velocity))
        track.velocity_m_s = velocity * min(1.0, MOST_SPEED_M_S / max(speed, 1e-9))
    # Points that two cameras do not see now go with the body.
    carried = track.body_m + (np.median(moved[both], axis=0) if both.any() else 0.0)
    track.body_m = np.where(np.isfinite(body_m), body_m, carried)
    track.time_s = now_s


def _shift(
    track: Track, geometry: Geometry, camera: int, expected_m: Array, xy: Array, weight: Array, now_s: float
) -> None:
    """Move a body that one camera sees alone so that it stays on its rays, and as large as it is seen."""
    views, depth = geometry.seen(np.broadcast_to(expected_m, (len(geometry.R), 1, *expected_m.shape)))
    gap_m = (xy - views[camera, 0]) * depth[camera, 0][:, None]
    known = np.isfinite(gap_m).all(axis=-1) & (weight > 0)
    _coast(track, now_s)
    if not known.any():
        return
    along = np.append(np.median(gap_m[known], axis=0), 0.0)
    step_m = geometry.R[camera].T @ along
    track.body_m = track.body_m + FOLLOWED * step_m
    # Nearer to the camera along the ray of its middle, where it is larger in the picture.
    seen, wanted = xy[known], views[camera, 0][known]
    spread = [float(np.linalg.norm(at - np.median(at, axis=0), axis=-1).mean()) for at in (seen, wanted)]
    if known.sum() >= LEAST_POINTS and min(spread) > 0:
        nearer = np.clip(spread[1] / spread[0], 1 / MOST_ZOOM, MOST_ZOOM) - 1
        away_m = np.nanmedian(track.body_m, axis=0) - geometry.center_m[camera]
        track.body_m = track.body_m + ZOOMED * nearer * away_m


def _coast(track: Track, now_s: float) -> None:
    """Move a body on as it was moving; what it did is forgotten while nobody sees it."""
    elapsed_s = now_s - track.time_s
    if elapsed_s <= 0:
        return
    track.body_m = track.body_m + track.velocity_m_s * elapsed_s
    track.velocity_m_s = track.velocity_m_s * np.exp(-elapsed_s / SPEED_S)
    track.time_s = now_s
