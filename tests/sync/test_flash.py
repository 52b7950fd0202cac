"""Clocks from a light that changes, by brightness as a camera integrates it."""

import numpy as np
import pytest

from media.brightness import Brightness
from sync.flash import light_changes, sync_by_flash


def film(lights, start_s, rng, rate_hz=30.0, seconds=10.0, exposed=0.5, gain=1.0):
    """Return the brightness of a camera that starts at `start_s` and exposes each frame for a share of its interval.

    `lights`: (from, to, levels) in session time.
    """
    stamps_s = np.arange(int(seconds * rate_hz)) / rate_hz
    open_s = exposed / rate_hz
    blocks = np.full((len(stamps_s), 64), 90.0) + rng.normal(0, 0.4, (len(stamps_s), 64))
    for on_s, off_s, levels in lights:
        shone = np.minimum(stamps_s + start_s + open_s / 2, off_s) - np.maximum(stamps_s + start_s - open_s / 2, on_s)
        blocks += gain * levels * (np.clip(shone, 0, None) / open_s)[:, None] * rng.uniform(0.6, 1.4, 64)
    return Brightness(stamps_s, np.clip(blocks, 0, 255))


@pytest.fixture
def rng():
    return np.random.default_rng(20250611)


LAMP = ((4.0123, 5.2071, 60.0),)


@pytest.mark.parametrize("exposed", [0.1, 0.5, 1.0])
def test_a_lamp_switched_on_and_off_is_two_changes_within_half_a_frame(exposed, rng):
    for start_s in np.linspace(0, 0.033, 12):
        found = light_changes(film(LAMP, start_s, rng, exposed=exposed))
        assert [np.sign(change.step) for change in found] == [1, -1]
        for change, true_s in zip(found, LAMP[0], strict=False):
            assert change.time_s == pytest.approx(true_s - start_s, abs=0.5 / 30 + 1e-3)


def test_deviations_are_honest(rng):
    z = []
    for start_s in rng.uniform(0, 0.033, 200):
        exposed = rng.uniform(0.1, 1.0)
        for change, true_s in zip(light_changes(film(LAMP, start_s, rng, exposed=exposed)), LAMP[0], strict=False):
            z.append((change.time_s - true_s + start_s) / change.std_s)
    # Uniform errors have no tails; 400 of them give their root mean square to 3 %.
    assert 0.5 < np.sqrt(np.mean(np.square(z))) < 1.05
    assert np.abs(z).max() < 2.0


def test_cameras_with_different_rates_are_synced_within_half_a_frame(rng):
    start_s = {"cam1": 0.0, "cam2": -1.317, "cam3": 2.204}
    rates = {"cam1": 30.0, "cam2": 60.0, "cam3": 25.0}
    changes = {
        name: light_changes(film(LAMP, start, rng, rate_hz=rates[name], gain=0.5 + 0.4 * i))
        for i, (name, start) in enumerate(start_s.items())
    }
    clocks = sync_by_flash(changes).cameras
    for name in ("cam2", "cam3"):
        assert clocks[name].method == "flash"
        assert clocks[name].offset_s == pytest.approx(start_s[name], abs=0.5 / 25)
        assert clocks[name].std_s(clocks[name].middle_s) < 0.02


def test_a_flash_shorter_than_a_frame_is_enough(rng):
    flash = ((4.0, 4.004, 900.0),)
    changes = {f"cam{i}": light_changes(film(flash, 0.7 * i, rng, exposed=0.9)) for i in range(2)}
    clock = sync_by_flash(changes).cameras["cam1"]
    assert clock.ok
    assert clock.offset_s == pytest.approx(0.7, abs=1 / 30)


def test_somebody_who_walks_through_the_picture_is_no_light(rng):
    brightness = film((), 0.0, rng)
    blocks = brightness.blocks.copy()
    for frame in range(100, 200):  # a dark coat over a quarter of the picture that jumps from frame to frame
        start = rng.integers(0, 48)
        blocks[frame, start : start + 16] -= 60
    assert light_changes(Brightness(brightness.time_s, blocks)) == ()


def test_exposure_that_adapts_slowly_is_no_light(rng):
    brightness = film((), 0.0, rng)
    ramp = 80 / (1 + np.exp(-(brightness.time_s - 5) / 0.3))
    assert light_changes(Brightness(brightness.time_s, brightness.blocks + ramp[:, None])) == ()


def test_lights_that_blink_regularly_are_refused(rng):
    blinking = tuple((on, on + 0.5, 50.0) for on in np.arange(1.0, 9.0))
    changes = {f"cam{i}": light_changes(film(blinking, 0.3 * i, rng)) for i in range(2)}
    refused = sync_by_flash(changes).refused
    assert "ambiguous" in refused["cam1"]


def test_a_camera_that_saw_no_light_is_named(rng):
    changes = {f"cam{i}": light_changes(film(LAMP, 0.3 * i, rng)) for i in range(2)}
    changes["cam2"] = light_changes(film((), 0.0, rng))
    time_map = sync_by_flash(changes)
    assert list(time_map.refused) == ["cam2"]
    assert "no flash" in time_map.refused["cam2"]


def test_one_change_each_is_not_believed(rng):
    changes = {f"cam{i}": light_changes(film(((3.0 + i, 99.0, 60.0),), 0.0, rng)) for i in range(2)}
    refused = sync_by_flash(changes).refused
    assert "needed 2" in refused["cam1"]
