"""Single frames of a video by their numbers, without decoding everything before them.

The numbers are those of `media.frames.read_frames`, in display order. Where all packets have time stamps, their order
tells each frame's time stamp without decoding; a jump to the key frame before it then costs a second of video or less.
Files in which anything about that is doubtful are read from the start.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator
from pathlib import Path

import av
import av.container
import av.video.stream

from media.container import open_media, video_stream
from media.frame_times import packet_stamps
from media.frames import Frame, decode_frames, read_frames, to_image


def read_frames_at(path: str | Path, indices: Collection[int], *, gray: bool = False) -> Iterator[Frame]:
    """Yield the frames of those numbers, in display order; numbers that the file does not have are passed over.

    Raises
    ------
    MediaError
        As `read_frames`; damage in parts that are jumped over is not noticed.
    """
    path = Path(path)
    wanted = sorted(set(indices))
    if path.is_dir():
        for index in wanted:
            yield from read_frames(path, gray=gray, start=index, stop=index + 1)
        return
    done = 0
    for frame in _jumping(path, wanted, gray):
        done += 1
        yield frame
    if done < len(wanted):
        yield from decode_frames(path, gray, frozenset(wanted[done:]), wanted[-1] + 1)


def read_stretch(path: str | Path, start: int, stop: int, *, gray: bool = False) -> Generator[Frame, None, None]:
    """Yield the frames from number `start` up to, but without, `stop`, jumping once.

    Raises
    ------
    MediaError
        As `read_frames`; damage before the stretch is not noticed.
    """
    path = Path(path)
    done = start
    if not path.is_dir() and start > 0:
        for frame in _from_jump(path, start, stop, gray):
            done = frame.index + 1
            yield frame
    if done < stop:
        yield from read_frames(path, gray=gray, start=done, stop=stop)


def _from_jump(path: Path, start: int, stop: int, gray: bool) -> Iterator[Frame]:
    """Yield the frames of a stretch as long as they are the ones that the packets promise."""
    with open_media(path) as container:
        stream = video_stream(container, path)
        stamps = packet_stamps(container, stream)[:stop]
        if start >= len(stamps) or stream.time_base is None:
            return
        stream.thread_type = "AUTO"
        index = start
        try:
            container.seek(stamps[start], stream=stream, backward=True)
            for picture in container.decode(stream):
                if picture.pts is None or picture.pts > stamps[index]:
                    return
                if picture.pts == stamps[index]:
                    yield Frame(index, float(stamps[index] * stream.time_base), to_image(picture, gray))
                    index += 1
                if index == len(stamps):
                    return
        except av.FFmpegError:
            return


def _jumping(path: Path, wanted: list[int], gray: bool) -> Iterator[Frame]:
    """Yield the first of the wanted frames, up to one that cannot be jumped to."""
    with open_media(path) as container:
        stream = video_stream(container, path)
        stamps = packet_stamps(container, stream)
        stream.thread_type = "AUTO"
        for index in wanted:
            if index >= len(stamps) or stream.time_base is None:
                return
            picture = _decode_at(container, stream, stamps[index])
            if picture is None:
                return
            yield Frame(index, float(stamps[index] * stream.time_base), to_image(picture, gray))


def _decode_at(
    container: av.container.InputContainer, stream: av.video.stream.VideoStream, stamp: int
) -> av.VideoFrame | None:
    """Return the picture with that time stamp; None if jumping does not lead to it."""
    try:
        container.seek(stamp, stream=stream, backward=True)
        for picture in container.decode(stream):
            if picture.pts is None or picture.pts > stamp:
                return None
            if picture.pts == stamp:
                return picture
    except av.FFmpegError:
        return None
    return None
