"""The sound of a video on the same clock as its frames."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import av.audio.stream
import av.container
import numpy as np
import numpy.typing as npt

from clapcap.errors import MediaError
from media.container import open_media

Samples = npt.NDArray[np.float32]

# Time stamps of sound are rounded to milliseconds in MKV and WebM and jitter by some in phones; a block (1024 samples
# or so, 21 ms) that was lost moves all later ones by more than this.
GAP_S = 0.010


@dataclass(frozen=True, eq=False)
class Audio:
    """A stretch of sound.

    Attributes
    ----------
    samples
        (n, channels) float32, full scale is 1.
    rate_hz
        Samples per second.
    start_s
        Time of sample 0 in seconds on the clock of its file, the same as that of the frames' time stamps.
    """

    samples: Samples
    rate_hz: int
    start_s: float

    def __post_init__(self) -> None:
        if self.samples.ndim != 2 or self.samples.dtype != np.float32:
            raise ValueError(f"samples are {self.samples.dtype} {self.samples.shape}, needed float32 (n, channels)")
        if self.rate_hz <= 0:
            raise ValueError(f"rate_hz is {self.rate_hz}, needed more than 0")

    @property
    def duration_s(self) -> float:
        """Seconds of sound."""
        return len(self.samples) / self.rate_hz

    @property
    def end_s(self) -> float:
        """Time after the last sample."""
        return self.start_s + self.duration_s


def read_audio(path: str | Path, *, mono: bool = False) -> Audio | None:
    """Read the first sound track of a file, of any layout and rate.

    Parameters
    ----------
    path
        A video or sound file.
    mono
        Return the mean of the channels: a tenth of a gigabyte for ten minutes at 48 kHz.

    Returns
    -------
    audio
        The sound, gaps filled with zeros, or None where there is no sound track or nothing in it can be decoded.

    Notes
    -----
    Edit lists and the encoder's delay (AAC priming) are taken out, a late start is kept as `start_s`. Within a stretch
    without gaps the samples lie at their nominal rate, placed so that they agree with all of its time stamps in the
    mean: that averages the rounding of the container out, but it leaves a sound clock that drifts against the pictures.

    Raises
    ------
    MediaError
        If the file cannot be opened, or its sample rate changes in the middle.
    """
    path = Path(path)
    if path.is_dir():
        return None  # a folder of images
    with open_media(path) as container:
        if not container.streams.audio:
            return None
        blocks, times, rate_hz = _read_blocks(container, container.streams.audio[0], path, mono)
    return _place(blocks, times, rate_hz) if blocks else None


def _read_blocks(
    container: av.container.InputContainer, stream: av.audio.stream.AudioStream, path: Path, mono: bool
) -> tuple[deque[Samples], npt.NDArray[np.float64], int]:
    blocks: deque[Samples] = deque()
    times: list[float] = []
    rate_hz = channels = 0
    for frame in _decode(container, stream):
        block = _to_float(frame)
        if mono or (channels and block.shape[1] != channels):
            # A track may change its layout (HE-AAC finds its second channel late): it is then mixed to the first one.
            block = np.repeat(block.mean(axis=1, keepdims=True), 1 if mono else channels, axis=1)
        if not blocks:
            rate_hz, channels = frame.sample_rate, block.shape[1]
        elif frame.sample_rate != rate_hz:
            raise MediaError(
                f"{path}: the sound changes from {rate_hz} to {frame.sample_rate} Hz at {frame.time:.2f} s. "
                "Convert it to one rate."
            )
        if frame.pts is None or frame.time_base is None:
            times.append(times[-1] + len(blocks[-1]) / rate_hz if blocks else 0.0)
        else:
            times.append(float(frame.pts * frame.time_base))
        blocks.append(block)
    return blocks, np.array(times), rate_hz


def _decode(container: av.container.InputContainer, stream: av.audio.stream.AudioStream) -> Iterator[av.AudioFrame]:
    """Yield what can be decoded: a block that cannot becomes a gap; that a file is cut, its pictures tell."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError:
            return
        if packet is None:
            return
        try:
            frames = packet.decode()
        except av.FFmpegError:
            continue
        for frame in frames:
            if isinstance(frame, av.AudioFrame) and frame.samples:
                yield frame


def _to_float(frame: av.AudioFrame) -> Samples:
    """Return the samples of a block as (n, channels), full scale 1."""
    values = frame.to_ndarray()
    values = values.T if frame.format.is_planar else values.reshape(-1, frame.layout.nb_channels)
    if values.dtype.kind == "f":
        return np.ascontiguousarray(values, dtype=np.float32)
    middle = 128 if values.dtype == np.uint8 else 0
    scale = 2.0 ** (8 * values.dtype.itemsize - 1)
    return ((values.astype(np.float64) - middle) / scale).astype(np.float32)


def _place(blocks: deque[Samples], times: npt.NDArray[np.float64], rate_hz: int) -> Audio:
    """Lay the blocks end to end, apart where their time stamps jump; consumes `blocks` to spare memory."""
    lengths = np.array([len(block) for block in blocks])
    before = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    # When each block would put sample 0 if nothing was missing: constant but for rounding, it jumps at a gap.
    zero_s = times - before / rate_hz
    stretch = np.concatenate([[0], np.cumsum(np.abs(np.diff(zero_s)) > GAP_S)])
    mean_zero_s = (np.bincount(stretch, zero_s) / np.bincount(stretch))[stretch]
    start_s = float(mean_zero_s.min() if (mean_zero_s < mean_zero_s[0]).any() else mean_zero_s[0])
    first = before + np.rint((mean_zero_s - start_s) * rate_hz).astype(np.int64)
    samples = np.zeros((int((first + lengths).max()), blocks[0].shape[1]), dtype=np.float32)
    for position in first:
        block = blocks.popleft()
        samples[position : position + len(block)] = block
    return Audio(samples, rate_hz, start_s)
