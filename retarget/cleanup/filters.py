"""The filters by name: another one is one more file, and one more line here.

A filter is a function of values (frames, ..., k), their time stamps (frames,) in seconds, and the deviations
(frames, ...) of the values or None; its parameters are keyword arguments with defaults, in seconds, hertz and metres.
It returns as many values, and leaves NaN what is NaN, unless it has a parameter `max_gap_s`: then it bridges gaps.

The defaults are those that did least harm over noises and motions: `python -m benchmarks.filters` measures.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from clapcap.errors import CleanupError
from retarget.cleanup.butterworth import butterworth
from retarget.cleanup.gaussian import gaussian
from retarget.cleanup.kalman import kalman
from retarget.cleanup.median import median
from retarget.cleanup.one_euro import one_euro
from retarget.cleanup.savitzky_golay import savitzky_golay

Array = npt.NDArray[np.float64]

NONE = "none"
"""The name of no filter."""

FILTERS: Mapping[str, Callable[..., Array]] = MappingProxyType(
    {
        "butterworth": butterworth,
        "savitzky-golay": savitzky_golay,
        "gaussian": gaussian,
        "median": median,
        "one-euro": one_euro,
        "kalman": kalman,
    }
)

_MAX_GAP = "max_gap_s"


def parameters_of(name: str) -> dict[str, float]:
    """Return the parameters of a filter that can be chosen, and their defaults; none of "none".

    Raises
    ------
    CleanupError
        If there is no such filter.
    """
    if name == NONE:
        return {}
    if name not in FILTERS:
        near = difflib.get_close_matches(name, FILTERS, 1)
        hint = f'Did you mean "{near[0]}"?' if near else f"Known are {', '.join((NONE, *FILTERS))}."
        raise CleanupError(f'There is no filter called "{name}". {hint}')
    keywords = inspect.signature(FILTERS[name]).parameters.values()
    return {p.name: float(p.default) for p in keywords if p.kind is p.KEYWORD_ONLY and p.name != _MAX_GAP}


def check_parameters(name: str, chosen: Mapping[str, float]) -> None:
    """Refuse an unknown filter, or a parameter that it does not have.

    Raises
    ------
    CleanupError
        With the names that there are.
    """
    known = parameters_of(name)
    for key, value in chosen.items():
        if key not in known:
            has = f"it has {', '.join(known)}" if known else "it has none"
            raise CleanupError(f'The filter "{name}" has no parameter {key}: {has}.')
        if not np.isfinite(value):
            raise CleanupError(f'The parameter {key} of the filter "{name}" is {value}, needed a finite number.')


def bridges_gaps(name: str) -> bool:
    """Return whether a filter fills gaps itself."""
    return name in FILTERS and _MAX_GAP in inspect.signature(FILTERS[name]).parameters
