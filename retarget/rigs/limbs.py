"""Two-bone inverse kinematics of a limb, in all frames at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from retarget.rigs.rig import Rig
from retarget.rigs.transfer import reach
from retarget.rigs.turns import from_vectors, shortest, turned

Array = npt.NDArray[np.float64]


def bend_limb(
    rig: Rig, rotations: Array, chain: tuple[int, ...], root_m: Array, correction: Array, points_m: Array
) -> None:
    """Move a limb's end by a correction: the middle joint opens or closes, then the limb turns to the place.

    The middle joint stays in its plane but for the limb's own turn, and what hangs at the end keeps its direction. A
    place out of reach is approached along the straight limb.

    Parameters
    ----------
    rig
        What moves.
    rotations
        (joints, frames, 3, 3), in the world; the limb's two bones are changed in place.
    chain
        The limb's three joints, such as thigh, shin and foot.
    root_m
        (frames, 3): the root's path, metres.
    correction
        (frames, 3), metres; frames of nothing stay exactly as they are.
    points_m
        (3,): where the middle joint points at rest, for limbs that are straight and have no plane.
    """
    thigh, shin, foot = chain
    hip = root_m + reach(rig, rotations, thigh)
    knee = root_m + reach(rig, rotations, shin)
    ankle = root_m + reach(rig, rotations, foot)
    wanted = ankle + correction
    upper, lower = np.linalg.norm(knee - hip, axis=1), np.linalg.norm(ankle - knee, axis=1)
    now = np.linalg.norm(ankle - hip, axis=1)
    length = np.linalg.norm(wanted - hip, axis=1)
    longest = 0.9999 * (upper + lower)
    length = np.clip(length, np.abs(upper - lower) + 1e-4, np.maximum(longest, now))
    axis = np.cross(ankle - hip, knee - hip)
    size = np.linalg.norm(axis, axis=1, keepdims=True)
    front = np.cross(ankle - hip, turned(rotations[thigh], points_m))
    axis = np.where(size > 1e-5, axis / np.maximum(size, 1e-12), front / np.linalg.norm(front, axis=1, keepdims=True))

    def at_hip(distance: Array) -> Array:
        return np.asarray(np.arccos(np.clip((upper**2 + distance**2 - lower**2) / (2 * upper * distance), -1, 1)))

    def at_knee(distance: Array) -> Array:
        return np.asarray(np.arccos(np.clip((upper**2 + lower**2 - distance**2) / (2 * upper * lower), -1, 1)))

    # About the axis, the knee lies on the positive side of the line from hip to ankle.
    hip_turn = from_vectors(axis * (at_hip(length) - at_hip(now))[:, None])
    knee_turn = from_vectors(axis * (at_knee(length) - at_knee(now))[:, None])
    line = (ankle - hip) / now[:, None]
    towards = (wanted - hip) / np.linalg.norm(wanted - hip, axis=1, keepdims=True)
    swing = shortest(line, towards)
    moved = np.linalg.norm(correction, axis=1) > 0
    for joint, turn in ((thigh, swing @ hip_turn), (shin, swing @ hip_turn @ knee_turn)):
        rotations[joint, moved] = (turn @ rotations[joint])[moved]
