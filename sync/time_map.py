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
    """

    offset_s: float
    rate: float
    offset_std_s: float
    rate_std: float
    method: str
    confidence: float
    verdict: str = OK

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
        fields = tuple(CameraClock.__dataclass_fields__)
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            clocks = {
                str(name): CameraClock(**{key: entry[key] for key in fields})
                for name, entry in document["cameras"].items()
            }
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise FileFormatError(
                f"{path} is not a time map ({error!r}): needed `cameras` with {', '.join(fields)} for each. "
                "Make it again with `clapcap sync`."
            ) from error
        return cls(clocks)
