"""The sound of the clap: when each microphone hears it."""

import numpy as np
import pytest

from blender import clap_sound
from blender.shoot import CALIBRATION, CAMERAS, DANCE, RECORDINGS


def onset_s(samples: np.ndarray, rate_hz: int) -> float:
    """First moment at which the sound exceeds a fifth of its peak, seconds of the track."""
    return float(np.argmax(np.abs(samples) > 0.2 * np.abs(samples).max())) / rate_hz


def expected_s(recording, name: str) -> float:
    clock = recording.clocks[name]
    heard_s = recording.clap_s + clap_sound.travel_s(recording, CAMERAS[name])
    return (heard_s - clock.offset_s) / clock.rate - clap_sound.SOUND_START_S[name]


@pytest.mark.parametrize("recording", [CALIBRATION, DANCE], ids=lambda recording: recording.name)
@pytest.mark.parametrize("name", CAMERAS.names)
def test_the_clap_arrives_when_light_and_sound_say(recording, name):
    rate_hz = clap_sound.SAMPLE_RATE_HZ[name]
    samples = clap_sound.track(recording, name)
    # The clap rises within 0.1 ms of its filters' delay, and is sampled every 0.02 ms.
    assert 0 <= onset_s(samples, rate_hz) - expected_s(recording, name) < 0.2e-3
    assert 0.3 < np.abs(samples).max() < 0.9  # loud, and not clipped


def test_the_cameras_hear_it_at_nearly_the_same_time():
    for recording, within_s in ((DANCE, 2e-3), (CALIBRATION, 5e-6)):
        assert np.ptp([clap_sound.travel_s(recording, camera) for camera in CAMERAS]) < within_s


@pytest.mark.parametrize("name", CAMERAS.names)
def test_a_track_is_as_long_as_its_pictures(name):
    clock = DANCE.clocks[name]
    samples = clap_sound.track(DANCE, name)
    recorded_s = len(samples) / clap_sound.SAMPLE_RATE_HZ[name]
    assert clap_sound.SOUND_START_S[name] + recorded_s == pytest.approx(clock.frames / 30, abs=1e-4)


def test_the_clap_is_the_only_loud_sound():
    for recording in RECORDINGS.values():
        samples = clap_sound.track(recording, "cam1")
        at = round(expected_s(recording, "cam1") * 48_000)
        rest = np.concatenate([samples[: at - 100], samples[at + 24_000 :]])
        assert np.abs(rest).max() < 0.06 * np.abs(samples).max()


def test_the_same_code_makes_the_same_sound():
    np.testing.assert_array_equal(clap_sound.track(DANCE, "cam2"), clap_sound.track(DANCE, "cam2"))


def test_steps_sound_when_the_feet_land():
    samples = clap_sound.track(DANCE, "cam1").astype(np.float64)
    at = {when: round(when * 48_000) for when in (2.26, 2.88, 5.0)}
    loud = {when: np.sqrt((samples[i : i + 3000] ** 2).mean()) for when, i in at.items()}
    assert loud[2.26] > 5 * loud[5.0]
    assert loud[2.88] > 5 * loud[5.0]
