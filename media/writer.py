"""Writing videos: rendered examples, overlays, tiled checks; with sound where wanted."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import av.audio.stream
import av.container
import av.video.stream
import numpy as np
import numpy.typing as npt

from clapcap.errors import MediaError
from media.audio import Audio
from media.container import silence_libav

# Fine enough for all frame rates, and the clock that MP4 and MPEG use for pictures.
TIME_BASE = Fraction(1, 90_000)
# MP4 and MOV state a late start in ticks of the whole movie's clock, which libav otherwise sets to milliseconds.
MUXER_OPTIONS = {"movie_timescale": str(TIME_BASE.denominator)}
BT709 = 1
LIMITED_RANGE = 1
LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}

# By container: the codec of the pictures, its options, the codec of the sound.
CODECS = {
    ".mp4": ("libx264", {"preset": "medium"}, "aac"),
    ".mov": ("libx264", {"preset": "medium"}, "aac"),
    ".mkv": ("libx264", {"preset": "medium"}, "aac"),
    ".webm": ("libvpx-vp9", {"deadline": "good", "cpu-used": "4", "b": "0"}, "libopus"),
}

FAST = {"libx264": {"preset": "veryfast"}, "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"}}


class VideoWriter:
    """Write RGB frames, each at its own time, to MP4, MOV, MKV or WebM (not AVI, which stores no times).

    A context manager: the file gets its name only when the block ends without an error; otherwise nothing is left, and
    a file that was there before stays. MP4 and MOV keep times to 0.01 ms, MKV and WebM round them to milliseconds.

    Parameters
    ----------
    path
        The file; its suffix chooses the container and the codecs.
    size_px
        Width and height; an odd one is padded by repeating the last column or row, as H.264 needs even ones.
    rate_hz
        Frames per second, for frames that are written without a time.
    crf
        Constant rate factor: 18 looks lossless, 23 is usual, 28 is small.
    audio
        The sound; it begins at `audio.start_s` on the clock of the frames (what lies before 0 is left out).
    fast
        Spend a third of the time on compression, for larger files: what cameras deliver must be written as it comes.

    Raises
    ------
    MediaError
        If the container is unknown, or the file cannot be written (folder, permissions, full disk).
    """

    def __init__(
        self,
        path: str | Path,
        size_px: tuple[int, int],
        *,
        rate_hz: float = 30.0,
        crf: int = 23,
        audio: Audio | None = None,
        fast: bool = False,
    ) -> None:
        self.path = Path(path)
        self.size_px = (int(size_px[0]), int(size_px[1]))
        self._rate_hz = float(rate_hz)
        self._crf = crf
        self._fast = fast
        self._audio = audio
        self._audio_at = 0
        self._last_tick = -1
        self._count = 0
        if self.path.suffix.lower() not in CODECS:
            raise MediaError(f"{self.path}: cannot write this kind of video. Choose one of {', '.join(CODECS)}.")
        self._partial = self.path.with_name(f".{self.path.stem}.partial{self.path.suffix}")

    def __enter__(self) -> VideoWriter:
        silence_libav()
        video_codec, options, audio_codec = CODECS[self.path.suffix.lower()]
        options = {**options, **(FAST[video_codec] if self._fast else {})}
        try:
            self._container = av.open(
                str(self._partial), "w", options=MUXER_OPTIONS if self.path.suffix.lower() in (".mp4", ".mov") else {}
            )
            video = self._container.add_stream(
                video_codec,
                rate=Fraction(self._rate_hz).limit_denominator(1001),
                options={**options, "crf": str(self._crf)},
            )
            assert isinstance(video, av.video.stream.VideoStream)
            self._video = video
            self._video.width, self._video.height = (n + n % 2 for n in self.size_px)
            self._video.pix_fmt = "yuv420p"
            context = self._video.codec_context
            context.time_base = TIME_BASE
            context.colorspace = context.color_primaries = context.color_trc = BT709
            context.color_range = LIMITED_RANGE
            self._sound = self._add_sound(audio_codec, self._audio) if self._audio is not None else None
        except (av.FFmpegError, OSError) as error:
            raise self._failure(error) from error
        return self

    def _add_sound(self, codec: str, audio: Audio) -> av.audio.stream.AudioStream:
        channels = audio.samples.shape[1]
        if channels not in LAYOUTS:
            raise MediaError(f"{self.path}: cannot write {channels} channels of sound, needed {list(LAYOUTS)}.")
        sound = self._container.add_stream(codec, rate=audio.rate_hz)
        assert isinstance(sound, av.audio.stream.AudioStream)
        sound.codec_context.layout = LAYOUTS[channels]
        sound.codec_context.time_base = Fraction(1, audio.rate_hz)
        self._audio_at = max(0, -round(audio.start_s * audio.rate_hz))
        return sound

    def write(self, rgb: npt.NDArray[np.uint8], time_s: float | None = None) -> None:
        """Append a frame.

        Parameters
        ----------
        rgb
            (height, width, 3) uint8, of `size_px`.
        time_s
            When it is shown: later than the frame before, at least 0; None: its number / `rate_hz`.

        Raises
        ------
        MediaError
            If it cannot be written.
        """
        width, height = self.size_px
        if rgb.shape != (height, width, 3) or rgb.dtype != np.uint8:
            raise ValueError(f"frame {self._count} is {rgb.dtype} {rgb.shape}, needed uint8 {(height, width, 3)}")
        tick = round((self._count / self._rate_hz if time_s is None else time_s) / TIME_BASE)
        if tick <= self._last_tick:
            raise ValueError(f"frame {self._count} at {time_s} s is not after the one before, or before 0")
        if width % 2 or height % 2:
            rgb = np.pad(rgb, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        picture = av.VideoFrame.from_ndarray(rgb, format="rgb24")
        picture = picture.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
        picture.pts, picture.time_base = tick, TIME_BASE
        self._last_tick = tick
        self._count += 1
        try:
            # Sound goes along with the pictures: containers interleave the two only within some seconds.
            self._write_sound(float(tick * TIME_BASE))
            self._container.mux(self._video.encode(picture))
        except (av.FFmpegError, OSError) as error:
            raise self._failure(error) from error

    def _write_sound(self, until_s: float) -> None:
        if self._audio is None or self._sound is None:
            return
        rate, samples = self._audio.rate_hz, self._audio.samples
        start = round(self._audio.start_s * rate)
        size = self._sound.codec_context.frame_size or 1024
        while self._audio_at < len(samples) and start + self._audio_at < until_s * rate:
            block = samples[self._audio_at : self._audio_at + size]
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block.reshape(1, -1)), "flt", self._sound.layout)
            frame.pts = start + self._audio_at
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            self._audio_at += len(block)
            self._container.mux(self._sound.encode(frame))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            try:
                if error is None and self._count == 0:
                    raise MediaError(f"{self.path} cannot be written: there is no frame to write.")
                if error is None:
                    self._write_sound(float("inf"))
                    self._container.mux(self._video.encode(None))
                    if self._sound is not None:
                        self._container.mux(self._sound.encode(None))
            finally:
                self._container.close()
            if error is None:
                self._partial.replace(self.path)
        except (av.FFmpegError, OSError) as failure:
            if error is None:
                raise self._failure(failure) from failure
        finally:
            with suppress(OSError):
                self._partial.unlink(missing_ok=True)

    def _failure(self, error: Exception) -> MediaError:
        reason = getattr(error, "strerror", None) or str(error)
        return MediaError(
            f"{self.path} cannot be written ({reason}). Check that the folder exists, that it may be written to, and "
            "that the disk has room."
        )
