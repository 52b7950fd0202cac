"""The time map: how each camera's clock relates to session time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clapcap.errors import FileFormatError

Array = npt.NDArray[np.float64]

OK = "ok"


@dataclass(frozen=True)
class CameraClock:
    """One camera's clock: session time = offset_s + rate * camera time.

    Attributes
    ----------
    offset_s, rate
        Offset in seconds at camera time zero, and session seconds per camera second.
    offset_std_s, rate_std
        Their standard deviations.
    method
        Where they come from: "reference", "clap", "timestamps", "frames" or "manual".
    confidence
        In [0, 1].
    verdict
        "ok", or the reason why the estimate is refused.
    middle_s
        Camera time at which the errors of offset and rate are independent: where the clock is known best.
    """

    offset_s: float
    rate: float
    offset_std_s: float
    rate_std: float
    method: str
    confidence: float
    verdict: str = OK
    middle_s: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether the clock may be used."""
        return self.verdict == OK

    def to_session(self, camera_time_s: npt.ArrayLike) -> Array:
        """Map camera time to session time; both in seconds, any shape."""
        return self.offset_s + self.rate * np.asarray(camera_time_s, dtype=np.float64)

    def to_camera(self, session_time_s: npt.ArrayLike) -> Array:
        """Map session time to camera time; both in seconds, any shape."""
        return (np.asarray(session_time_s, dtype=np.float64) - self.offset_s) / self.rate

    def std_s(self, camera_time_s: npt.ArrayLike) -> Array:
        """Return the standard deviation of the session time at some camera times; both in seconds, any shape."""
        # `offset_std_s` is that at time 0, where the rate's error adds what it does between there and the middle.
        at_middle = max(self.offset_std_s**2 - (self.rate_std * self.middle_s) ** 2, 0.0)
        away_s = np.asarray(camera_time_s, dtype=np.float64) - self.middle_s
        return np.asarray(np.sqrt(at_middle + np.square(self.rate_std * away_s)))


@dataclass(frozen=True)
class TimeMap:
    """The clocks of all cameras, by the camera's name (its video's stem)."""

    cameras: Mapping[str, CameraClock]

    @property
    def refused(self) -> dict[str, str]:
        """The cameras whose clock must not be used, with the reason."""
        return {name: clock.verdict for name, clock in self.cameras.items() if not clock.ok}

    def save(self, path: Path) -> None:
        """Write `time_map.json`."""
        cameras = {name: asdict(clock) for name, clock in self.cameras.items()}
        document = {"format": "clapcap-time-map", "version": 1, "cameras": cameras}
        path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> TimeMap:
        """Read `time_map.json`; unknown keys are ignored.

        Raises
        ------
        FileFormatError
            If the file is not a time map.
        """
        fields = tuple(key for key in CameraClock.__dataclass_fields__ if key != "middle_s")
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            clocks = {
                str(name): CameraClock(
                    **{key: entry[key] for key in fields}, middle_s=float(entry.get("middle_s", 0.0))
                )
                for name, entry in document["cameras"].items()
            }
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise FileFormatError(
                f"{path} is not a time map ({error!r}): needed `cameras` with {', '.join(fields)} for each. "
                "Make it again with `clapcap sync`."
            ) from error
        return cls(clocks)
