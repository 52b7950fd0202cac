"""Whether pairs of cameras agree which arrival is the direct one: by hand, and a reflection that all sounds have."""

import numpy as np
import pytest

from media.audio import Audio
from sync.agreement import RISEN_S, UNCONFIRMED_S, by_camera, confirmed, doubt_s
from sync.clap import sync_by_clap
from sync.joint_fit import SharedMoments

CAMERAS = ["a", "b", "c"]


def moments(rows):
    """Rows of first camera, second camera, sound, time on the first's clock, on the second's."""
    first, second, sound, first_s, second_s = (np.array(column) for column in zip(*rows, strict=True))
    n = len(rows)
    return SharedMoments(first, second, sound, first_s, second_s, np.full(n, 3e-6), np.ones(n), np.zeros(n, dtype=bool))


def test_values_by_camera_from_their_differences():
    # The way from a to c is wrong; a to b, b to c and back are not.
    between = {("a", "b"): 1.0, ("b", "c"): 2.0, ("c", "b"): -2.0, ("a", "c"): 9.0, ("c", "a"): -3.0}
    late = by_camera(CAMERAS, between, dict.fromkeys(between, 1.0))
    assert late["b"] - late["a"] == pytest.approx(1, abs=1e-3)
    assert late["c"] - late["a"] == pytest.approx(3, abs=1e-3)


def test_what_the_other_direction_says_is_in_the_deviation():
    # Sound 0: 10 us apart in the two directions, 4 more than the 6 that their 3 explain; sound 1 in one only.
    found = confirmed(moments([(0, 1, 0, 5.0, 7.0), (1, 0, 0, 7.0, 5.00001), (0, 1, 1, 6.0, 8.0)]))
    np.testing.assert_allclose(found.std_s, [5e-6, 5e-6, np.hypot(3e-6, UNCONFIRMED_S)], rtol=1e-6)


def test_sounds_that_few_pairs_confirm_are_left_out_where_there_are_others():
    both = [(0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1)]
    rows = [(first, second, sound, 5.0 + sound, 5.0 + sound) for sound in range(3) for first, second in both]
    by_chance = [(0, 1, 3, 9.0, 9.0006), (1, 0, 3, 9.0006, 9.0)]
    assert set(confirmed(moments(rows + by_chance)).sound) == {0, 1, 2}
    # Where they are all there is, they stay.
    assert set(confirmed(moments(by_chance)).sound) == {3}


def test_doubt_where_clear_sounds_rise_elsewhere():
    agreed = {("a", "b"): 0.0, ("b", "c"): 0.0, ("a", "c"): 0.0}
    strength = dict.fromkeys(agreed, 1.0)
    # At c clear sounds rise 1.7 ms before they are taken to arrive, as both other cameras say.
    risen = {("a", "b"): (0.0001, 4), ("b", "c"): (-0.0018, 3), ("a", "c"): (-0.0017, 4)}
    doubt = doubt_s(CAMERAS, "a", strength, agreed, risen)
    assert doubt["a"] == doubt["b"] == 0
    assert doubt["c"] == pytest.approx(0.0017, abs=1e-4)
    # If the reference is the one, all others are in doubt against it.
    doubt = doubt_s(CAMERAS, "c", strength, agreed, risen)
    assert doubt["c"] == 0
    assert min(doubt["a"], doubt["b"]) > RISEN_S


def test_a_reflection_that_drowns_the_direct_sound_is_in_the_deviation(hear_claps):
    claps, record = hear_claps(2, [3.0, 4.2, 5.1])
    rng = np.random.default_rng(2)
    tracks = {name: record(claps, rng, duration_s=8, noise=0.001) for name in "abc"}
    # 8 dB above the direct sound and 1.7 ms after it: in the part that is compared, and in every sound.
    clean = tracks["c"].samples
    drowned = (clean + 2.5 * np.roll(clean, round(0.0017 * 48_000), axis=0)).astype(np.float32)
    result = sync_by_clap(tracks | {"c": Audio(drowned, 48_000, 0.0)})
    sound = result.report["c"].sound
    error_s = abs(sound.offset_s + sound.rate * 4 - 4)
    # Off by the reflection, and the deviation says so; b is not concerned.
    assert sound.middle_std_s > error_s / 3
    assert result.report["b"].sound.middle_std_s < 5e-6
