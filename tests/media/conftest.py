"""Videos with known content, written with libav directly so that the code under test is not its own witness."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

SIZE = (96, 64)  # width, height
TICKS = 600  # per second
CODECS = {".mp4": "libx264", ".mov": "libx264", ".mkv": "libx264", ".avi": "mpeg4", ".webm": "libvpx-vp9"}


def level(index: int) -> int:
    """Return the gray level by which frame `index` is recognised; neighbours differ by 7, far above coding errors."""
    return 30 + 7 * (index % 28)


def picture(index: int) -> np.ndarray:
    """Return frame `index`: gray, with a red patch at the top left and a green one at the top right."""
    image = np.full((SIZE[1], SIZE[0], 3), level(index), dtype=np.uint8)
    image[:16, :16] = (250, 20, 20)
    image[:16, -16:] = (20, 220, 20)
    return image


@pytest.fixture
def write_video(tmp_path: Path) -> Callable[..., Path]:
    def write(
        name: str,
        ticks: Sequence[int],
        *,
        rotation: int | None = None,
        hflip: bool = False,
        sound: np.ndarray | None = None,
        sound_rate: int = 48_000,
        sound_layout: str = "mono",
        sound_codec: str = "aac",
        codec_options: dict[str, str] | None = None,
        **options: str,
    ) -> Path:
        path = tmp_path / name
        codec = CODECS[path.suffix]
        fast = {"deadline": "realtime", "cpu-used": "8"} if "vp9" in codec else {}
        with av.open(str(path), "w", options=options) as container:
            stream = container.add_stream(codec, rate=30, options={**fast, **(codec_options or {})})
            stream.width, stream.height = SIZE
            stream.pix_fmt = "yuv420p"
            stream.bit_rate = 4_000_000
            stream.codec_context.time_base = Fraction(1, 30 if path.suffix == ".avi" else TICKS)
            if rotation is not None:
                stream.set_display_rotation(rotation, hflip=hflip)
            audio = None
            if sound is not None:
                audio = container.add_stream(sound_codec, rate=sound_rate)
                audio.codec_context.layout = sound_layout
            for index, tick in enumerate(ticks):
                frame = av.VideoFrame.from_ndarray(picture(index))
                frame.pts, frame.time_base = tick, Fraction(1, TICKS)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
            if audio is not None:
                for start in range(0, len(sound), 1024):
                    block = np.ascontiguousarray(sound[start : start + 1024].T, dtype=np.float32)
                    chunk = av.AudioFrame.from_ndarray(block, "fltp", sound_layout)
                    chunk.pts, chunk.sample_rate, chunk.time_base = start, sound_rate, Fraction(1, sound_rate)
                    container.mux(audio.encode(chunk))
                container.mux(audio.encode(None))
        return path

    return write
