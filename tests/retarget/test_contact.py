"""Contacts on paths that anybody can check: steps, slides, jumps, turns, boxes."""

import numpy as np
import pytest

from retarget.contact import find_contacts, runs

RATE_HZ = 60.0
NAMES = ("left_heel", "left_ball")


def path(*legs):
    """A point's path (frames, 3) of legs (seconds, place): it goes evenly to each place within the leg."""
    pieces, at = [], np.array(legs[0][1], dtype=float)
    for seconds, to in legs:
        frames = round(seconds * RATE_HZ)
        share = np.arange(1, frames + 1)[:, None] / frames
        pieces.append(at + share * (np.array(to, dtype=float) - at))
        at = np.array(to, dtype=float)
    return np.concatenate(pieces)


def contacts(*points, lowest=None, floor_m=0.0, shown=None):
    stacked = np.stack(points, axis=1)
    frames = len(stacked)
    low = stacked[..., 2].min(axis=1) if lowest is None else lowest
    seen = np.ones(stacked.shape[:2], dtype=bool) if shown is None else shown
    return find_contacts(NAMES[: len(points)], stacked, low, seen, np.arange(frames) / RATE_HZ, floor_m)


def spans(found, point=0):
    return [(round(begin / RATE_HZ, 1), round(end / RATE_HZ, 1)) for begin, end in runs(found.standing[:, point])]


def test_a_step_is_two_contacts_on_the_floor():
    stepping = path((1.0, (0, 0, 0)), (0.2, (0.3, 0, 0.15)), (0.2, (0.6, 0, 0)), (1.0, (0.6, 0, 0)))
    found = contacts(stepping)
    assert spans(found) == [(0.0, 1.0), (1.4, 2.4)]
    first, second = found.place_m[30, 0], found.place_m[110, 0]
    np.testing.assert_allclose(first, (0, 0, 0), atol=0.003)
    np.testing.assert_allclose(second, (0.6, 0, 0), atol=0.003)


def test_a_slide_is_no_contact():
    # 0.2 m/s: the contact ends before the foot has moved 2 cm, and begins again 2 cm before it rests.
    found = contacts(path((2.0, (0, 0, 0)), (2.0, (0.4, 0, 0)), (1.0, (0.4, 0, 0))))
    assert spans(found) == [(0.0, 2.1), (3.9, 5.0)]


def test_a_belt_that_carries_the_foot_is_no_contact():
    assert spans(contacts(path((0.1, (0, 0, 0)), (0.7, (0, -0.8, 0)), (0.3, (0, 0, 0.1)), (0.7, (0, -0.8, 0))))) == []


def test_the_top_of_a_jump_is_no_contact_even_without_a_floor():
    t = np.arange(36) / RATE_HZ
    flight = np.stack([0 * t, 0 * t, 9.81 / 2 * t * (0.6 - t)], axis=1)
    still = path((1.0, (0, 0, 0)))
    jump = np.concatenate([still, flight, still])
    for floor_m in (0.0, None):
        assert spans(contacts(jump, floor_m=floor_m)) == [(0.0, 1.0), (1.6, 2.6)]


def test_in_a_turn_on_the_ball_only_the_ball_stands():
    angle = np.concatenate([np.zeros(60), np.linspace(0, np.pi / 2, 30), np.full(60, np.pi / 2)])
    heel = 0.15 * np.stack([np.sin(angle), np.cos(angle), 0 * angle], axis=1)
    found = contacts(heel, np.zeros((150, 3)))
    assert spans(found, 1) == [(0.0, 2.5)]
    assert spans(found, 0) == [(0.0, 1.0), (1.5, 2.5)]


def test_on_a_box_a_foot_stands_above_the_floor():
    climb = path((1.0, (0, 0, 0)), (0.4, (0.4, 0, 0.3)), (1.5, (0.4, 0, 0.3)))
    found = contacts(climb, climb + np.array([0.1, 0, 0]))
    assert spans(found) == [(0.0, 1.0), (1.4, 2.9)]
    assert found.place_m[-10, 0, 2] == pytest.approx(0.3, abs=0.003)


def test_a_foot_held_in_the_air_stands_nowhere():
    held = path((1.0, (0, 0, 0)), (0.3, (0, 0, 0.4)), (2.0, (0, 0, 0.4)))
    assert spans(contacts(held, np.zeros_like(held))) == [(0.0, 1.0)]


def test_feet_in_a_handstand_stand_nowhere():
    up = path((3.0, (0, 0, 1.7)))
    assert spans(contacts(up, lowest=np.zeros(len(up)))) == []


def test_a_foot_that_nobody_sees_stands_nowhere():
    still = path((3.0, (0, 0, 0)))
    shown = np.ones((len(still), 1), dtype=bool)
    shown[60:120] = False
    assert spans(contacts(still, shown=shown)) == [(0.0, 1.0), (2.0, 3.0)]


def test_the_floor_is_found_under_the_feet_not_under_the_box():
    walk = path(
        (1.0, (0, 0, 0.42)), (0.3, (0.4, 0, 0.7)), (2.0, (0.4, 0, 0.7)), (0.3, (0.8, 0, 0.42)), (1.0, (0.8, 0, 0.42))
    )
    found = contacts(walk, floor_m=None)
    assert found.floor_from == "feet"
    assert found.floor_m == pytest.approx(0.42, abs=0.003)
    dangling = contacts(path((0.2, (0, 0, 1)), (0.2, (1, 0, 1)), (0.2, (0, 0, 1.0))), floor_m=None)
    assert dangling.floor_m is None
    assert dangling.floor_from == "nothing"


def test_noise_of_standing_feet_does_not_break_a_contact():
    rng = np.random.default_rng(3)
    wander = np.cumsum(rng.standard_normal((600, 3)), axis=0)
    wander = 0.006 * (wander - wander.mean(axis=0)) / wander.std(axis=0)
    found = contacts(wander)
    assert found.standing[:, 0].mean() > 0.95
    assert len(np.unique(found.place_m[found.standing[:, 0], 0].round(9), axis=0)) == 1
