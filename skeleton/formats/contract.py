"""What every codec of this folder keeps to: which names it takes, how it fails, what stands for what a file lacks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clapcap.errors import FileFormatError
from skeleton.keypoints import Keypoints3D

Array = npt.NDArray[np.float64]


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Turn whatever goes wrong while `path` is read as `what` into a FileFormatError that names both."""
    try:
        yield
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read: {error.strerror or error}.") from error
    except KeyError as error:
        raise FileFormatError(f"{path} is not {what}: {error} is missing.") from error
    except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, EOFError) as error:
        raise FileFormatError(f"{path} is not {what}: {error}.") from error


def check_names(path: Path, names: Sequence[str]) -> None:
    """Refuse names that do not survive in every text format: the rule is one for all codecs.

    Any printable Unicode is kept; empty names, control characters and spaces at either end are refused.
    """
    for name in names:
        if not name or not name.isprintable() or name != name.strip():
            raise FileFormatError(
                f"{path}: the name {name!r} cannot be written: it is empty, begins or ends with a space, or holds "
                "a character that cannot be printed. Rename it."
            )


def check_frames(path: Path, keypoints: Keypoints3D) -> None:
    """Refuse takes without a frame or without a point: text formats would lose the rest."""
    if not keypoints.xyz_m.shape[0] or not keypoints.names:
        raise FileFormatError(
            f"{path}: there is nothing to write: {keypoints.xyz_m.shape[0]} frames of {len(keypoints.names)} points, "
            "needed one of each. Look for the reason in the stage that made these keypoints."
        )


def keypoints3d(
    names: Sequence[str],
    xyz_m: npt.ArrayLike,
    time_s: npt.ArrayLike,
    sigma_m: npt.ArrayLike | None = None,
    filled: npt.ArrayLike | None = None,
) -> Keypoints3D:
    """Make keypoints of what a foreign format holds: sigma NaN, nothing filled, no cameras unless it says otherwise."""
    xyz = np.asarray(xyz_m, dtype=np.float64)
    if len(xyz) == 0 or not names:
        raise ValueError(f"it holds {len(xyz)} frames of {len(names)} points, needed at least one of each")
    shape = xyz.shape[:2]
    return Keypoints3D(
        names=tuple(names),
        xyz_m=xyz,
        sigma_m=np.full(shape, np.nan) if sigma_m is None else np.asarray(sigma_m, dtype=np.float64),
        time_s=np.asarray(time_s, dtype=np.float64),
        reprojection_px=np.empty((0, *shape)),
        camera_names=(),
        filled=np.zeros(shape, dtype=bool) if filled is None else np.asarray(filled, dtype=bool),
    )


def frame_rate_hz(time_s: Array) -> float:
    """Return the mean frame rate; 1 Hz for a single frame, which has none."""
    if len(time_s) < 2:
        return 1.0
    return float((len(time_s) - 1) / (time_s[-1] - time_s[0]))
