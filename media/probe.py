"""What a video is, without decoding more than its first picture.

MKV and WebM have no index of all frames: their packets are read through once.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
import av.container
import av.video.stream
import numpy as np
import numpy.typing as npt

from clapcap.errors import MediaError
from media.container import open_media, video_stream
from media.frame_times import packet_stamps
from media.frames import DEFAULT_IMAGE_RATE_HZ
from media.image_folder import list_images, read_image, read_times
from media.orientation import display_matrix, rotation_deg

# Frame intervals of a constant rate differ by the rounding of time stamps only: two ticks of the coarsest clock (1 ms).
CONSTANT_INTERVAL_S = 0.002


@dataclass(frozen=True)
class AudioInfo:
    """A sound track: samples per second, channels, time of its first sample, codec."""

    rate_hz: int
    channels: int
    start_s: float
    codec: str


@dataclass(frozen=True)
class VideoInfo:
    """A video.

    Attributes
    ----------
    path
        The file, or the folder of images.
    size_px
        Width and height as displayed, after rotation.
    rotation_deg
        By how many degrees clockwise (0, 90, 180, 270) the stored pictures are turned for display.
    frame_count
        Frames that are shown, by the container's index or its packets; None where these leave any doubt.
    nominal_fps
        Frames per second in the mean, as the container states it.
    duration_s, start_s
        Length of the pictures, and the time of the first one; duration None where the container does not say.
    variable_rate
        Whether the intervals between frames differ; None where only decoding would tell.
    codec
        Of the pictures, as libav names it; "images" for a folder.
    audio
        The first sound track, or None.
    """

    path: Path
    size_px: tuple[int, int]
    rotation_deg: int
    frame_count: int | None
    nominal_fps: float
    duration_s: float | None
    start_s: float
    variable_rate: bool | None
    codec: str
    audio: AudioInfo | None


def probe(path: str | Path, *, image_rate_hz: float = DEFAULT_IMAGE_RATE_HZ) -> VideoInfo:
    """Describe a video or a folder of images.

    Raises
    ------
    MediaError
        If the file is missing, empty, no video, or not even its first picture can be decoded.
    """
    path = Path(path)
    if path.is_dir():
        return _probe_folder(path, image_rate_hz)
    with open_media(path) as container:
        stream = video_stream(container, path)
        times_s = _index_times_s(container, stream)
        if not len(times_s) and not stream.frames:
            times_s = _packet_times_s(path)
        audio = _audio_info(container)
        try:
            picture = next(container.decode(stream), None)
        except av.FFmpegError as error:
            raise MediaError(f"{path}: the first picture cannot be decoded ({error}). Copy the file again.") from error
        if picture is None:
            raise MediaError(f"{path} holds no picture that can be decoded. Copy it from the camera again.")
        matrix = display_matrix(picture)
        size = (picture.width, picture.height) if matrix[0, 0] else (picture.height, picture.width)
        rate = stream.average_rate or stream.guessed_rate
        start_s = float((stream.start_time or 0) * stream.time_base) if stream.time_base else 0.0
        duration_s = None
        if stream.duration and stream.time_base:
            duration_s = float(stream.duration * stream.time_base)
        elif container.duration:
            duration_s = container.duration / av.time_base - start_s
        return VideoInfo(
            path=path,
            size_px=size,
            rotation_deg=rotation_deg(matrix),
            frame_count=len(times_s) or stream.frames or None,
            nominal_fps=float(rate) if rate else 0.0,
            duration_s=duration_s,
            start_s=start_s,
            variable_rate=bool(np.ptp(np.diff(times_s)) > CONSTANT_INTERVAL_S) if len(times_s) > 2 else None,
            codec=stream.codec_context.name,
            audio=audio,
        )


def _probe_folder(folder: Path, image_rate_hz: float) -> VideoInfo:
    images = list_images(folder)
    times = read_times(folder, images, image_rate_hz)
    height, width = read_image(images[0], gray=True).shape
    interval_s = (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 1 / image_rate_hz
    return VideoInfo(
        path=folder,
        size_px=(width, height),
        rotation_deg=0,
        frame_count=len(images),
        nominal_fps=1 / interval_s,
        duration_s=float(times[-1] - times[0] + interval_s),
        start_s=float(times[0]),
        variable_rate=bool(np.ptp(np.diff(times)) > CONSTANT_INTERVAL_S) if len(times) > 2 else None,
        codec="images",
        audio=None,
    )


def _index_times_s(
    container: av.container.InputContainer, stream: av.video.stream.VideoStream
) -> npt.NDArray[np.float64]:
    """Return the (decoding) times of all frames where the container has an index of all: MP4 and MOV."""
    if "mp4" not in container.format.name or stream.time_base is None:
        return np.zeros(0)
    ticks = [entry.timestamp for entry in stream.index_entries if not entry.is_discard]
    return np.array(ticks, dtype=np.float64) * float(stream.time_base)


def _packet_times_s(path: Path) -> npt.NDArray[np.float64]:
    """Return the times of all frames by the packets, which takes as long as reading the file."""
    with open_media(path) as container:
        stream = video_stream(container, path)
        ticks = packet_stamps(container, stream)
        return np.array(ticks, dtype=np.float64) * float(stream.time_base or 0)


def _audio_info(container: av.container.InputContainer) -> AudioInfo | None:
    if not container.streams.audio:
        return None
    stream = container.streams.audio[0]
    start_s = float(stream.start_time * stream.time_base) if stream.start_time and stream.time_base else 0.0
    return AudioInfo(stream.rate or 0, stream.channels, start_s, stream.codec_context.name)
