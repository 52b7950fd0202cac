"""Opening video and sound files: what libav says is turned into errors that name the file and the remedy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import av.container
import av.logging
import av.video.stream

from clapcap.errors import MediaError
from media.completeness import lacks_index

VIDEO_SUFFIXES = (".mp4", ".mov", ".m4v", ".mkv", ".avi", ".webm")


def silence_libav() -> None:
    """Keep libav's own messages off stderr: what matters in them reaches the user as a MediaError."""
    av.logging.set_level(None)
    av.logging.set_libav_level(av.logging.PANIC)


@contextmanager
def open_media(path: Path) -> Iterator[av.container.InputContainer]:
    """Open a video or sound file for reading.

    Raises
    ------
    MediaError
        If there is no such file, it is empty, cannot be read, or is no video.
    """
    if not path.exists():
        raise MediaError(f"{path} does not exist. Check the name and the folder.")
    if path.is_dir():
        raise MediaError(f"{path} is a folder, needed a video file ({', '.join(VIDEO_SUFFIXES)}).")
    try:
        size_bytes = path.stat().st_size
        with path.open("rb"):
            pass
    except OSError as error:
        raise MediaError(f"{path} cannot be read ({error.strerror}). Check the permissions of the file.") from error
    if size_bytes == 0:
        raise MediaError(f"{path} is empty (0 bytes). Copy it from the camera again.")
    if lacks_index(path):
        raise MediaError(
            f"{path} is cut short: it has {size_bytes / 1e6:.1f} MB of pictures or sound, but the index that the "
            "camera writes at the end of a recording is missing. Copy it from the camera again; if the recording "
            "itself was interrupted, the camera's or a repair program can often rebuild the index."
        )
    silence_libav()
    try:
        # Titles and other tags may be in any encoding: they must not stop the reading of the pictures.
        container = av.open(str(path), metadata_errors="replace")
    except (av.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise MediaError(
            f"{path} is not a video that can be read ({reason}). Needed: {', '.join(VIDEO_SUFFIXES)}. If it plays "
            "elsewhere, convert it to MP4; if it does not, copy it from the camera again."
        ) from error
    with container:
        yield container


def video_stream(container: av.container.InputContainer, path: Path) -> av.video.stream.VideoStream:
    """Return the first moving picture of a container.

    Raises
    ------
    MediaError
        If the file has none (sound only).
    """
    # A sound file's cover picture is a video stream too: it is no recording.
    streams = [s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
    if not streams:
        kinds = ", ".join(sorted({s.type for s in container.streams})) or "nothing"
        raise MediaError(f"{path} has no pictures (found: {kinds}). Choose the camera's video file.")
    return streams[0]
