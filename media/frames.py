"""Frames with their own time stamps and the display rotation applied, from a video file or a folder of images."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import av.container
import av.video.stream
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorRange

from clapcap.errors import MediaError
from media.completeness import missing_bytes
from media.container import open_media, video_stream
from media.image_folder import list_images, read_image, read_times
from media.orientation import display_matrix, orient

DEFAULT_IMAGE_RATE_HZ = 30.0

# Formats whose first plane is brightness, a byte a pixel.
LUMA_FIRST = {f"yuv{j}{sampling}p" for j in ("", "j") for sampling in (420, 422, 444)} | {"nv12", "nv21"}
# Video brightness is 16 to 235, unless the file says that it is 0 to 255.
FULL_RANGE = np.clip(np.round((np.arange(256) - 16) * (255 / 219)), 0, 255).astype(np.uint8)

# Frames without a usable time stamp wait for the next one that has it, but no more of them than this: each is a whole
# picture in memory, and a file without any time stamps (raw streams in AVI) would otherwise be held as a whole.
MAX_WAITING = 16

# Single pictures that cannot be decoded (a bad sector, a cell lost in transfer) are left out as dropped frames, which
# time stamps bear. Beyond this share the file is refused as damaged.
MAX_DAMAGED_SHARE = 0.05


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture.

    Attributes
    ----------
    index
        Its number in display order, from 0.
    time_s
        Its presentation time in seconds on the clock of its file: zero is the container's zero, which sound shares
        (`media.audio`), so the first frame is often, but not always, at 0.
    image
        uint8, (height, width, 3) RGB or (height, width) gray, as displayed: rotation and mirroring are applied.
    """

    index: int
    time_s: float
    image: npt.NDArray[np.uint8]


def read_frames(
    path: str | Path,
    *,
    gray: bool = False,
    start: int = 0,
    stop: int | None = None,
    step: int = 1,
    image_rate_hz: float = DEFAULT_IMAGE_RATE_HZ,
    longest_px: int | None = None,
) -> Iterator[Frame]:
    """Yield the frames of a video (MP4, MOV, MKV, AVI, WebM) or of a folder of images, in display order.

    Parameters
    ----------
    path
        The video, or a folder of images (natural order; times from `timestamps.csv` or `times.csv` in it).
    gray
        Yield the luma (full range 0 to 255) instead of RGB: no colours are computed.
    start, stop, step
        The frames to yield, as in `range`; `stop` None: all. Frames before `start` are decoded but not converted: only
        counting from the first makes the index exact in every container.
    image_rate_hz
        Images per second of a folder without a table of times.
    longest_px
        The longest side that is wanted: larger pictures of a video are made smaller (`smaller_size`) as their colours
        are computed, in half the time. None: as they are. Images of a folder stay as they are.

    Notes
    -----
    A frame's time is its own time stamp, never index / rate. Times increase strictly: a frame without a time stamp, or
    with one that does not increase, gets one interpolated between its neighbours, at the ends of the file by the
    nominal rate.

    Raises
    ------
    MediaError
        If the file is missing, empty, no video or without pictures; after the last good frame, if the file is cut or
        damaged before the end of what was asked for.
    """
    if start < 0 or step < 1 or (stop is not None and stop < 0):
        raise ValueError(f"start={start}, stop={stop}, step={step}: needed start >= 0, stop >= 0 or None, step >= 1")
    path = Path(path)
    if path.is_dir():
        yield from _from_folder(path, gray, (start, stop, step), image_rate_hz)
    else:
        wanted = range(start, sys.maxsize if stop is None else stop, step)
        yield from decode_frames(path, gray, wanted, stop, longest_px)


def _from_folder(
    folder: Path, gray: bool, wanted: tuple[int, int | None, int], image_rate_hz: float
) -> Iterator[Frame]:
    images = list_images(folder)
    times = read_times(folder, images, image_rate_hz)
    for index in range(len(images))[slice(*wanted)]:
        yield Frame(index, float(times[index]), read_image(images[index], gray=gray))


def decode_frames(
    path: Path, gray: bool, wanted: Container[int], stop: int | None, longest_px: int | None = None
) -> Iterator[Frame]:
    """Yield the wanted frames of a video before number `stop`: all are decoded, only the wanted are converted."""
    if wanted == range(0):  # equal to every empty range
        return
    with open_media(path) as container:
        stream = video_stream(container, path)
        count = Count()
        time_s = 0.0
        for index, (picture, time_s) in enumerate(_timed(decode(container, stream, count), nominal_interval_s(stream))):
            if index in wanted:
                yield Frame(index, time_s, to_image(picture, gray, longest_px))
            if stop is not None and index + 1 >= stop:
                return
        _check_complete(path, container, stream, count, time_s)


def to_image(picture: av.VideoFrame, gray: bool, longest_px: int | None = None) -> npt.NDArray[np.uint8]:
    """Return a decoded picture as it is displayed, no larger than is wanted."""
    if longest_px is not None and max(picture.width, picture.height) > longest_px:
        width, height = smaller_size((picture.width, picture.height), longest_px)
        picture = picture.reformat(width, height, format="gray" if gray else "rgb24", interpolation="AREA")
    image = _luma(picture) if gray else picture.to_ndarray(format="rgb24")
    return orient(image.astype(np.uint8, copy=False), display_matrix(picture))


def smaller_size(size_px: tuple[int, int], longest_px: int) -> tuple[int, int]:
    """Return width and height, even, of a picture of `size_px` that is made at most so long; as it is if it is not."""
    scale = longest_px / max(size_px)
    if scale >= 1:
        return size_px
    width, height = (max(2, round(side * scale / 2) * 2) for side in size_px)
    return width, height


def _luma(picture: av.VideoFrame) -> npt.NDArray[np.uint8]:
    """Return the brightness (height, width), 0 to 255: what libswscale makes of it, in a third of the time."""
    if picture.format.name not in LUMA_FIRST:
        return picture.to_ndarray(format="gray").astype(np.uint8, copy=False)
    plane = picture.planes[0]
    rows = np.asarray(memoryview(plane), dtype=np.uint8).reshape(plane.height, plane.line_size)
    luma: npt.NDArray[np.uint8] = rows[:, : plane.width]
    full = picture.format.name.startswith("yuvj") or picture.color_range == ColorRange.JPEG
    if full:
        return luma.copy()
    import cv2

    return cv2.LUT(luma, FULL_RANGE).astype(np.uint8, copy=False)


def nominal_interval_s(stream: av.video.stream.VideoStream) -> float:
    """Return the seconds between frames by the rate that the file states; 1/30 where it states none."""
    rate = stream.average_rate or stream.guessed_rate
    return 1 / float(rate) if rate else 1 / 30


@dataclass
class Count:
    """What became of the packets of a stream; filled while it is decoded."""

    packets: int = 0
    pictures: int = 0
    damaged: int = 0
    reading_error: av.FFmpegError | None = None


def decode(
    container: av.container.InputContainer, stream: av.video.stream.VideoStream, count: Count
) -> Iterator[av.VideoFrame]:
    """Yield the pictures of a stream as far as they can be decoded, and count."""
    stream.thread_type = "AUTO"  # frame threads: 2 to 4 times as fast, a few frames of delay
    packets = container.demux(stream)
    last = False
    while not last:
        try:
            packet = next(packets, None)
        except av.FFmpegError as error:
            # What was read so far is good: get it out of the decoder.
            count.reading_error, packet = error, None
        last = packet is None
        if packet is not None:
            if packet.is_corrupt:  # the part of a picture that lies before a cut
                continue
            count.packets += packet.size > 0
        try:
            pictures = stream.decode(packet)
        except EOFError:  # demuxing to the end has emptied the decoder already
            return
        except av.FFmpegError:
            # Pictures before the first one that decodes (a clip cut out of a longer one) were never part of the video.
            count.damaged += count.pictures > 0
            continue
        count.pictures += len(pictures)
        yield from pictures


def _check_complete(
    path: Path,
    container: av.container.InputContainer,
    stream: av.video.stream.VideoStream,
    count: Count,
    last_s: float,
) -> None:
    """Raise MediaError where the file ends before its header says, or too much of it could not be decoded."""
    remedy = "Copy it from the camera again; if the original is the same, record again."
    lost = missing_bytes(path)
    if lost:
        # The index of an MP4 or MOV lists all frames even when the data behind it is missing.
        of = f" of {len(stream.index_entries)}" if "mp4" in container.format.name else ""
        duration = container.duration
        until = f" of {duration / av.time_base:.2f} s" if duration and duration / av.time_base > last_s else ""
        raise MediaError(
            f"{path} is cut short by {lost / 1e6:.2f} MB: {count.pictures}{of} frames can be read, the last at "
            f"{last_s:.2f} s{until}. {remedy}"
        )
    if count.reading_error is not None:
        raise MediaError(f"{path} cannot be read beyond {last_s:.2f} s ({count.reading_error}). {remedy}")
    if count.pictures == 0:
        raise MediaError(f"{path} holds no picture that can be decoded ({count.packets} tried). {remedy}")
    if count.damaged > MAX_DAMAGED_SHARE * count.packets:
        raise MediaError(
            f"{path} is damaged: {count.damaged} of {count.packets} pictures cannot be decoded (at most "
            f"{MAX_DAMAGED_SHARE:.0%} may). {remedy}"
        )


def _timed(pictures: Iterator[av.VideoFrame], interval_s: float) -> Iterator[tuple[av.VideoFrame, float]]:
    """Give every picture a time that is later than the one before; see the notes of `read_frames`."""
    waiting: deque[av.VideoFrame] = deque()
    last: float | None = None
    for picture in pictures:
        time_s = _time_stamp(picture)
        if time_s is None or (last is not None and time_s <= last):
            waiting.append(picture)
            if len(waiting) > MAX_WAITING:
                last = 0.0 if last is None else last + interval_s
                yield waiting.popleft(), last
            continue
        count = len(waiting)
        for i in range(count):
            if last is None:
                yield waiting.popleft(), time_s - (count - i) * interval_s
            else:
                yield waiting.popleft(), last + (time_s - last) * (i + 1) / (count + 1)
        yield picture, time_s
        last = time_s
    for picture in waiting:
        last = 0.0 if last is None else last + interval_s
        yield picture, last


def _time_stamp(picture: av.VideoFrame) -> float | None:
    # AVI stores no presentation times: libav's decoding time stamp is then all there is.
    stamp = picture.pts if picture.pts is not None else picture.dts
    return None if stamp is None or picture.time_base is None else float(stamp * picture.time_base)
