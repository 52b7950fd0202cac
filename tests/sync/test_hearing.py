"""What is kept of a track: nothing that depends on blocks, gains or sample rates."""

import numpy as np

from media.audio import Audio
from sync.hearing import hear


def test_blocks_leave_no_seams(hear_claps):
    claps, record = hear_claps(0, [10.0, 45.0])
    heard = hear(record(claps, np.random.default_rng(0), duration_s=65, noise=0.01, start_s=0.25))
    clear = heard.onsets.step_db > 5
    np.testing.assert_allclose(heard.onsets.time_s[clear], [10, 45], atol=0.002)
    assert len(heard.onsets.steps_db) == 65 * 200
    steps = heard.onsets.steps_db.mean(axis=1)
    seams = np.concatenate([steps[s * 200 - 4 : s * 200 + 4] for s in (30, 60)])
    assert seams.max() < np.percentile(steps, 99.9)


def test_gain_and_channels_do_not_matter(hear_claps):
    claps, record = hear_claps(1, [2.0])
    audio = record(claps, np.random.default_rng(1), duration_s=4, noise=0.01)
    stereo = Audio(np.repeat(0.25 * audio.samples, 2, axis=1), audio.rate_hz, audio.start_s)
    one, two = hear(audio), hear(stereo)
    np.testing.assert_allclose(two.sound, one.sound, atol=1e-3 * np.abs(one.sound).max())
    np.testing.assert_allclose(two.onsets.time_s, one.onsets.time_s, atol=1e-3)


def test_the_background_is_made_white():
    rng = np.random.default_rng(2)
    brown = np.cumsum(rng.normal(size=48_000 * 10))
    brown -= np.convolve(brown, np.full(4801, 1 / 4801), mode="same")
    heard = hear(Audio((0.01 * brown[:, None]).astype(np.float32), 48_000, 0.0))
    power = np.abs(np.fft.rfft(heard.sound[: 16_000 * 8].reshape(-1, 512))) ** 2
    frequency = np.fft.rfftfreq(512, 1 / 16_000)
    low, high = (power[:, (frequency > a) & (frequency < b)].mean() for a, b in ((600, 1200), (5000, 6500)))
    # Brown noise falls by 15 dB from 1 to 6 kHz.
    assert abs(10 * np.log10(low / high)) < 2


def test_digital_silence_before_the_sound_is_no_onset(hear_claps):
    _, record = hear_claps(3, [])
    audio = record([], np.random.default_rng(3), noise=0.001)
    loud = hear(audio).onsets.sharpest_db
    audio.samples[: 48_000 * 3] = 0
    heard = hear(audio)
    after = heard.onsets.time_s[heard.onsets.time_s > 3.05]
    assert len(after) <= 48
    assert heard.onsets.steps_db[650:].mean(axis=1).max() < loud + 1
