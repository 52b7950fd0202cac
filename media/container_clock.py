"""When a camera says that it started, in the tags of its file: the time of day, or a timecode.

Whole seconds of clocks that nobody set together; some telephones note when the recording ended. So it tells roughly
where to look, and syncs nothing.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path

from media.container import open_media, video_stream

# Of a note in whole seconds whose clock was set by a network.
CREATION_STD_S = 1.0
_DATES = ("com.apple.quicktime.creationdate", "creation_time", "date")


def recorded_at_s(path: str | Path) -> float | None:
    """Return when a video says that it began: seconds since 1970, or of the day by a timecode; None: it does not say.

    Raises
    ------
    MediaError
        If it cannot be opened.
    """
    path = Path(path)
    if path.is_dir():
        return None
    with open_media(path) as container:
        stream = video_stream(container, path)
        tags = {**container.metadata, **stream.metadata}
        rate = float(stream.average_rate or stream.guessed_rate or 0)
    for name in _DATES:
        told = _date_s(tags.get(name, ""))
        if told is not None:
            return told
    return timecode_s(tags.get("timecode", ""), rate)


def timecode_s(text: str, rate_hz: float) -> float | None:
    """Return the seconds of a SMPTE timecode (HH:MM:SS:FF, with ; before the frames where numbers are dropped).

    At 29.97 and 59.94 Hz a timecode counts 30 and 60 frames a second, and is slower than the clock by a thousandth
    unless it drops numbers: then two a minute are left out, four at 59.94 Hz, but for every tenth minute (SMPTE 12M).
    """
    match = re.fullmatch(r"(\d\d):(\d\d):(\d\d)([:;.])(\d\d)", text.strip())
    if match is None or rate_hz <= 0:
        return None
    hours, minutes, seconds, frames = (int(match[group]) for group in (1, 2, 3, 5))
    whole = round(rate_hz)
    count = ((hours * 60 + minutes) * 60 + seconds) * whole + frames
    if match[4] != ":":
        passed = hours * 60 + minutes
        count -= round(whole / 15) * (passed - passed // 10)
    return count / rate_hz


def _date_s(text: str) -> float | None:
    try:
        told = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        return None
    # The camera that never had its clock set says 1904 or 1970.
    if told.year < 2000:
        return None
    return (told if told.tzinfo else told.replace(tzinfo=timezone.utc)).timestamp()
