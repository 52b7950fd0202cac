"""The time stamps of all frames of a video, without decoding where its packets tell."""

from __future__ import annotations

from pathlib import Path

import av
import av.container
import av.video.stream
import numpy as np
import numpy.typing as npt

from media.container import open_media, video_stream
from media.frames import DEFAULT_IMAGE_RATE_HZ, read_frames
from media.image_folder import list_images, read_times


def frame_times_s(path: str | Path, *, image_rate_hz: float = DEFAULT_IMAGE_RATE_HZ) -> npt.NDArray[np.float64]:
    """Return the times (frames,) of the frames that `media.frames.read_frames` yields, seconds, strictly increasing.

    Reading the packets takes a hundredth of the time of decoding them; files whose packets leave any doubt are decoded.

    Raises
    ------
    MediaError
        As `read_frames`; damage inside of pictures is not noticed where the packets tell.
    """
    path = Path(path)
    if path.is_dir():
        return read_times(path, list_images(path), image_rate_hz)
    with open_media(path) as container:
        stream = video_stream(container, path)
        stamps = packet_stamps(container, stream)
        if stamps and stream.time_base is not None:
            return np.array(stamps, dtype=np.float64) * float(stream.time_base)
    return np.array([frame.time_s for frame in read_frames(path, gray=True)])


def packet_stamps(container: av.container.InputContainer, stream: av.video.stream.VideoStream) -> list[int]:
    """Return the time stamps of all frames in display order, in ticks; empty where packets leave any doubt about them.

    Packets that an edit list cuts off are decoded for the sake of those behind them, but never shown.
    """
    stamps: list[int] = []
    begun = False
    try:
        for packet in container.demux(stream):
            if packet.size == 0:  # the end of the stream
                continue
            if packet.pts is None or packet.is_corrupt or not (begun or packet.is_keyframe):
                return []
            begun = True
            if not packet.is_discard:
                stamps.append(packet.pts)
    except av.FFmpegError:
        return []
    return sorted(stamps) if len(set(stamps)) == len(stamps) else []
