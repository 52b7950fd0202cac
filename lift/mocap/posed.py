"""What every reader of recorded motion returns: joints in space, in the units and axes of the file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PosedJoints:
    """The joints of one sequence.

    Attributes
    ----------
    names
        The joints; of a BVH also its End Sites, `<parent>_end`; of an ASF the bones, each standing for its end.
    xyz
        (frames, joints, 3), units and axes of the file; NaN: not recorded.
    axes
        (frames, joints, 3, 3) or None: the rotation of each joint's own axes (of an ASF: the bone's) in the file's.
    """

    names: tuple[str, ...]
    xyz: Array
    axes: Array | None = None

    def of(self, joint: str) -> Array:
        """Return the path (frames, 3) of a joint."""
        return self.xyz[:, self.names.index(joint)]


def numbers(text: str, what: str) -> Array:
    """Return all numbers of a text that holds nothing else.

    Raises
    ------
    ValueError
        Something else is in it, or a number that is not finite.
    """
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # how numpy says that a word is no number
        try:
            values = np.fromstring(text, dtype=np.float64, sep=" ")
        except DeprecationWarning:
            raise ValueError(f"{what}: there is a word that is no number") from None
    if not np.isfinite(values).all():
        raise ValueError(f"{what}: there are numbers that are not finite")
    return values
