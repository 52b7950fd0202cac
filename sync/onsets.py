"""Where sounds begin: the onset envelope of a whole track, and the claps in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from media.audio import Audio

Array = npt.NDArray[np.float64]

HOP_S = 0.005
# 16 kHz, windows of 16 ms, bands from 500 Hz: below that lie hum, wind and handling; above 7.5 kHz phones differ.
RATE_HZ = 16_000
HOP = round(HOP_S * RATE_HZ)
WINDOW = 256
BANDS = 24
LOWEST_HZ, HIGHEST_HZ = 500.0, 7500.0
# A rise is measured over 10 ms: an attack that falls between two windows is then still seen as a whole.
LAG = 2
# Ten minutes at once would need gigabytes of spectrogram. Whole seconds are whole samples at every rate.
BLOCK_S, MARGIN_S = 30, 1

# A clap a few metres away rises by 10 to 40 dB in the mean of the bands, the sharpest moment of ten minutes of steady
# noise by 3.2 dB, of speech by 6 to 9 dB. Between noise and speech: what is not a clap but common to the tracks serves
# as well, and whether it is common is for the match to say.
CLAP_RISE_DB = 5.0
CLAP_SPACING_S = 0.25
MAX_CLAPS = 12


@dataclass(frozen=True, eq=False)
class Onsets:
    """The onset envelope of a track.

    Attributes
    ----------
    rise_db
        (n,), by how much the sound rises within 10 ms, mean over the bands; one value every `HOP_S`.
    start_s
        Time of the first value on the camera's clock.
    """

    rise_db: Array
    start_s: float

    @property
    def sharpest_db(self) -> float:
        """The largest rise of the track."""
        return float(self.rise_db.max(initial=0.0))

    def claps(self) -> dict[float, float]:
        """Return time (s) and rise (dB) of the sharpest onsets: at most `MAX_CLAPS`, `CLAP_SPACING_S` apart or more."""
        claps: dict[float, float] = {}
        for index in np.argsort(-self.rise_db):
            time_s = self.start_s + float(index) * HOP_S
            if self.rise_db[index] < CLAP_RISE_DB or len(claps) == MAX_CLAPS:
                break
            if all(abs(time_s - other) >= CLAP_SPACING_S for other in claps):
                claps[time_s] = float(self.rise_db[index])
        return dict(sorted(claps.items()))


def onset_envelope(audio: Audio) -> Onsets:
    """Measure where the sounds of a track begin.

    The logarithm of the mel spectrum, above a floor at the track's own background, rises: `librosa.onset` takes the
    mean of the positive differences over the bands (spectral flux; Böck and Widmer 2013).
    """
    import librosa

    duration_s = int(np.ceil(audio.duration_s))
    blocks = [_mel_power(audio, second) for second in range(0, duration_s, BLOCK_S)]
    power = np.concatenate(blocks, axis=1) if blocks else np.zeros((BANDS, 0), dtype=np.float32)
    if power.shape[1] <= LAG:
        return Onsets(np.zeros(0), audio.start_s)
    # Digital silence has no background: a floor far below the loudest moment keeps its first faint noise from counting
    # as an onset.
    floor = max(float(np.median(power)), 1e-5 * float(power.max()), 1e-12)
    level_db = 10 * np.log10(1 + power / floor)
    rise = librosa.onset.onset_strength(S=level_db, sr=RATE_HZ, hop_length=HOP, lag=LAG, center=False)
    return Onsets(rise.astype(np.float64), audio.start_s)


def _mel_power(audio: Audio, second: int) -> npt.NDArray[np.float32]:
    """Return the mel spectrum (bands, frames) of `BLOCK_S` from a second of the track on; frame k is at k * `HOP_S`."""
    import librosa

    # The margins keep the seams between blocks from sounding like onsets.
    margin_s = min(MARGIN_S, second)
    first = (second - margin_s) * audio.rate_hz
    last = min((second + BLOCK_S + MARGIN_S) * audio.rate_hz, len(audio.samples))
    mono = audio.samples[first:last].mean(axis=1)
    sound = librosa.resample(mono, orig_sr=audio.rate_hz, target_sr=RATE_HZ)
    padded = np.pad(sound, (WINDOW // 2, WINDOW))
    power: npt.NDArray[np.float32] = librosa.feature.melspectrogram(
        y=padded,
        sr=RATE_HZ,
        n_fft=WINDOW,
        hop_length=HOP,
        center=False,
        n_mels=BANDS,
        fmin=LOWEST_HZ,
        fmax=HIGHEST_HZ,
    )
    start = round(margin_s / HOP_S)
    remaining_s = audio.duration_s - second
    return power[:, start : start + round(min(BLOCK_S, remaining_s) / HOP_S)]
