"""A second known length, to tell whether the calibration's scale agrees with a tape.

The scale of everything comes from the side of the board's squares, as stated. Printers shrink pages by some percent and
rulers are misread, and no residual tells: the whole world is then too large or too small by one factor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calib.cameras import CameraGroup
from clapcap.errors import CalibrationError

FLOOR = "floor"
"""Instead of a second camera: the height of the first one."""

TAPE_M = 0.03
"""How well a tape between two housings tells the distance of the cameras' centres, which lie 1 to 3 cm inside."""

WARN_SHARE = 0.01
REFUSE_SHARE = 0.05
"""Off by more than the first, and by more than `TAPE_M`: said. By more than the second and twice `TAPE_M`: refused. A
page printed "to fit" is off by 3 to 6 %, an A4 page on Letter paper by 6 %."""


@dataclass(frozen=True)
class KnownLength:
    """What a tape says.

    Attributes
    ----------
    first, second
        Two cameras, or a camera and `FLOOR`.
    length_m
        Between their lenses, metres; of the floor, straight down.
    """

    first: str
    second: str
    length_m: float

    def __str__(self) -> str:
        if self.second == FLOOR:
            return f"between {self.first} and the floor"
        return f"between {self.first} and {self.second}"


@dataclass(frozen=True)
class ScaleCheck:
    """How the calibration's scale agrees with the tape.

    Attributes
    ----------
    found_m
        Of each known length, what the calibration says.
    factor
        By what the world would have to be multiplied to agree best; only told, never applied.
    verdict
        "agrees", "off" or "refused".
    words
        What to tell, and what to do.
    """

    found_m: tuple[float, ...]
    factor: float
    verdict: str
    words: str


def parse_known_length(text: str, cameras: Sequence[str]) -> KnownLength:
    """Read "cam1-cam2=2.35" or "cam1-floor=1.42"; names may hold dashes.

    Raises
    ------
    CalibrationError
        If it cannot be read, or names something unknown.
    """
    ends, _, number = text.rpartition("=")
    try:
        length_m = float(number)
    except ValueError:
        length_m = np.nan
    names = [*cameras, FLOOR]
    pairs = [(ends[:at], ends[at + 1 :]) for at, letter in enumerate(ends) if letter == "-"]
    found = [(a, b) for a, b in pairs if a in names and b in names and a != b]
    if len(found) != 1 or not 0 < length_m < np.inf:
        first, last = (cameras[0], cameras[-1]) if cameras else ("cam1", "cam2")
        raise CalibrationError(
            f'The known length "{text}" cannot be read: needed two of {", ".join(names)} and metres, such as '
            f'"{first}-{last}=2.35" or "{first}-{FLOOR}=1.42".'
        )
    first, second = found[0] if found[0][0] != FLOOR else found[0][::-1]
    return KnownLength(first, second, length_m)


def check_scale(cameras: CameraGroup, known: Sequence[KnownLength], square_mm: float | None) -> ScaleCheck:
    """Compare the calibration with known lengths.

    Parameters
    ----------
    cameras
        Calibrated, Z up from the floor, metres.
    known
        At least one.
    square_mm
        The stated side of the board's squares; None: the scale is not the board's.
    """
    found = np.array([_found(cameras, length) for length in known])
    tape = np.array([length.length_m for length in known])
    factor = float(found @ tape / (found @ found))
    said = [
        f"the calibration says {f:.3f} m {length}, your tape {length.length_m:.3f} m ({100 * (f / t - 1):+.1f} %)"
        for f, t, length in zip(found, tape, known, strict=True)
    ]
    off = np.abs(found - tape)
    if (off <= np.maximum(TAPE_M, WARN_SHARE * tape)).all():
        return ScaleCheck(tuple(found.tolist()), factor, "agrees", f"Scale: {'; '.join(said)}.")
    refused = bool((off > np.maximum(2 * TAPE_M, REFUSE_SHARE * tape)).any())
    left = np.abs(factor * found - tape)
    one_factor = bool((left <= np.maximum(TAPE_M, WARN_SHARE * tape)).all())
    if len(known) > 1 and not one_factor:
        worst = known[int((left / tape).argmax())]
        cause = (
            f"No single scale explains these lengths: that {worst} fits worst. Measure again from lens to lens, and "
            "check that no camera was moved after the board was filmed"
        )
    elif square_mm is not None:
        cause = (
            f"The printed square is probably {square_mm * factor:.1f} mm instead of {square_mm:g}: measure several "
            "squares in a row with a ruler, and write the side of one under [board] in session.toml"
        )
    else:
        cause = (
            f"The calibration's lengths are probably off by one factor of {factor:.3f}: check the unit it was made in"
        )
    words = f"The scale is off: {'; '.join(said)}. {cause}. Nothing was rescaled."
    return ScaleCheck(tuple(found.tolist()), factor, "refused" if refused else "off", words)


def _found(cameras: CameraGroup, known: KnownLength) -> float:
    first = cameras[known.first].center_m
    return float(first[2] if known.second == FLOOR else np.linalg.norm(first - cameras[known.second].center_m))
