"""The sound's way taken out: cameras at 1, 3, 5 and 8 m."""

import numpy as np
import pytest

from clapcap.errors import SyncError
from sync.clap import sync_by_clap
from sync.travel import sound_speed_m_per_s, without_travel

PLACES = {
    "a": np.array([1.0, 0, 0]),
    "b": np.array([0, 3.0, 0]),
    "c": np.array([-5.0, 0, 0]),
    "d": np.array([0, -8.0, 0]),
}
OFFSETS = {"a": 0.0, "b": 1.25, "c": -0.5, "d": 2.0}
# The hands are 2 m nearer to a at the last clap.
HANDS = np.array([[0.0, 0, 0], [0, 0, 0], [2.0, 0, 0]])


@pytest.fixture
def far_cameras(hear_claps):
    claps, record = hear_claps(0, [4.0, 7.5, 11.0])
    rng = np.random.default_rng(0)
    tracks = {}
    for name, place in PLACES.items():
        late_s = np.linalg.norm(place - HANDS, axis=1) / 343
        heard = [(time_s + late, clap) for (time_s, clap), late in zip(claps, late_s, strict=True)]
        tracks[name] = record(heard, rng, offset_s=OFFSETS[name])
    return sync_by_clap(tracks)


def errors_s(time_map, at_s=7.0):
    return {name: float(clock.to_session(at_s)) - at_s - OFFSETS[name] for name, clock in time_map.cameras.items()}


def test_before_the_calibration_the_way_is_in_the_deviation(far_cameras):
    assert far_cameras.time_map.refused == {}
    for name, error in errors_s(far_cameras.time_map).items():
        # d hears 20 ms later than a. No error is four deviations of 2 m.
        assert abs(error) < 4 * float(far_cameras.time_map.cameras[name].std_s(7.0)) or name == "a"
    assert abs(errors_s(far_cameras.time_map)["d"]) > 0.015


def test_with_known_places_half_a_millisecond_is_held_by_far(far_cameras):
    time_map = without_travel(far_cameras, PLACES, HANDS)
    for name, error in errors_s(time_map).items():
        assert abs(error) < 2e-5
        # 5 cm of each clap, over the root of three, and the rate, which claps 7 s apart do not tell.
        assert name == "a" or 5e-5 < float(time_map.cameras[name].std_s(7.0)) < 4e-4


def test_one_place_for_all_and_unknown_ones(far_cameras):
    hands = HANDS.copy()
    hands[2] = np.nan
    time_map = without_travel(far_cameras, PLACES, hands)
    assert max(abs(error) for error in errors_s(time_map).values()) < 1e-4
    # That the last clap was elsewhere is an outlier or 6 ms: a mean of three would be off by 2 ms.
    assert abs(errors_s(without_travel(far_cameras, PLACES, np.zeros(3)))["b"]) < 3e-3


def test_places_that_are_missing(far_cameras):
    with pytest.raises(SyncError, match="No place of d"):
        without_travel(far_cameras, {name: PLACES[name] for name in "abc"}, np.zeros(3))
    with pytest.raises(SyncError, match="2 places for 3 sounds"):
        without_travel(far_cameras, PLACES, HANDS[:2])


def test_the_speed_of_sound():
    assert sound_speed_m_per_s(20) == pytest.approx(343.2, abs=0.1)
    assert sound_speed_m_per_s(0) == pytest.approx(331.3)
