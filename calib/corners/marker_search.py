"""Where the markers of a board are in a picture: in all of it quickly, in a part of it thoroughly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from calib.boards.board import to_cv2_dictionary

Array = npt.NDArray[np.float64]
Image = npt.NDArray[np.uint8]

MIN_MARKER_PX = 9.0
"""The smallest marker looked for, side in pixels: its bits are then 1.5 px wide. OpenCV's own limit is 0.0075 of the
picture's longer side: 9.6 px at 1280, but 29 px at 3840, where markers of half that size are read without trouble."""

QUICK_WINDOW_PX = 23
"""Of the adaptive threshold in the whole picture. On four recordings (444 frames of 1280 x 720) windows of 9 to 23 px
find markers in 233 to 237 frames, all three of OpenCV's windows together in 237, in three times the time."""

TOUCHING_WINDOW_PX = 5
TOUCHING_WINDOWS_PX = (9, 2)
"""Largest window and step, from 3, where markers touch: wider windows than 9 px join them to one shape (drawn AprilGrid
of 75 px a tag: all tags are found with 3 and 5, five of six with 9, none with 13 to 45)."""

PX_PER_BIT = 8
"""Markers are read at this resolution: with 8 instead of OpenCV's 4, 2 % more of them are read (same recordings)."""


COARSE = (16, 4)
"""The picture is first looked at at these parts of its size: that costs a sixteenth, and large markers (whose borders
are wider than `QUICK_WINDOW_PX`) are found there only."""

SMALLEST_COARSE_PX = 100
ENOUGH_MARKERS = 3
"""So many markers are no chance finds: they tell where the board is, and smaller ones need not be looked for."""

LARGEST_READ_PX = 60
"""Boards with larger markers are looked at at a smaller size: a border wider than the thresholds' windows is lost."""


@dataclass(frozen=True, eq=False)
class Markers:
    """Markers seen in a picture.

    Attributes
    ----------
    ids
        (markers,).
    quads
        (markers, 4, 2): their corners in the order in which they are printed (clockwise from the top left), pixels.
    """

    ids: npt.NDArray[np.int64]
    quads: Array


NO_MARKERS = Markers(np.zeros(0, dtype=np.int64), np.zeros((0, 4, 2)))


class MarkerSearch:
    """Finds the first markers of a dictionary.

    Parameters
    ----------
    dictionary
        OpenCV's name.
    count
        How many markers of it the board has: others are not looked for.
    border_bits
        Width of the black border, in bits.
    touching
        Whether something black touches the markers' corners.
    """

    def __init__(self, dictionary: str, count: int, border_bits: int = 1, *, touching: bool = False) -> None:
        import cv2

        whole = to_cv2_dictionary(dictionary)
        plain = whole.bytesList[:count]
        mirrored = np.concatenate([_mirrored(marker, whole.markerSize) for marker in plain])
        self._count = count
        both = cv2.aruco.Dictionary(np.concatenate([plain, mirrored]), whole.markerSize, whole.maxCorrectionBits)
        own = cv2.aruco.Dictionary(plain, whole.markerSize, whole.maxCorrectionBits)
        self._quick = _detector(both, border_bits)
        self._once = _detector(own, border_bits)
        for detector in (self._quick, self._once):
            parameters = detector.getDetectorParameters()
            window_px = TOUCHING_WINDOW_PX if touching else QUICK_WINDOW_PX
            parameters.adaptiveThreshWinSizeMin = parameters.adaptiveThreshWinSizeMax = window_px
            parameters.detectInvertedMarker = detector is self._quick
            detector.setDetectorParameters(parameters)
        self._thorough = _detector(own, border_bits)
        if touching:
            parameters = self._thorough.getDetectorParameters()
            parameters.adaptiveThreshWinSizeMax, parameters.adaptiveThreshWinSizeStep = TOUCHING_WINDOWS_PX
            self._thorough.setDetectorParameters(parameters)

    def quick(self, picture: Image) -> tuple[Markers, bool]:
        """Look at all of a picture for markers that tell where the board is, printed dark on light or inversely.

        Returns the markers, and whether they are seen mirrored (their corners are then in no useful order).
        """
        import cv2

        seen = NO_MARKERS
        for shrink in (*COARSE, 1):
            small = picture
            if shrink > 1:
                if min(picture.shape) < shrink * SMALLEST_COARSE_PX:
                    continue
                smaller = cv2.resize(picture, None, fx=1 / shrink, fy=1 / shrink, interpolation=cv2.INTER_AREA)
                small = smaller.astype(np.uint8, copy=False)
            found = _detect(self._quick, small)
            quads = np.concatenate([seen.quads, (found.quads + 0.5) * shrink - 0.5])
            seen = Markers(np.concatenate([seen.ids, found.ids]), quads)
            if len(seen.ids) >= ENOUGH_MARKERS:
                break
        flipped = seen.ids >= self._count
        mirrored = int(flipped.sum()) > len(flipped) / 2
        here = flipped if mirrored else ~flipped
        return Markers(seen.ids[here] % self._count, seen.quads[here]), mirrored

    def once(self, picture: Image) -> Markers:
        """Look at a picture with one threshold, for markers printed dark on light: most of them."""
        return _detect(self._once, picture)

    def thorough(self, picture: Image) -> Markers:
        """Look at a picture with all of OpenCV's thresholds, for markers printed dark on light."""
        return _detect(self._thorough, picture)


def _mirrored(marker: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    """Return the bytes (1, bytes, 4) of a marker seen in a mirror."""
    import cv2

    bits = cv2.aruco.Dictionary.getBitsFromByteList(marker[None], size)
    flipped = cv2.aruco.Dictionary.getByteListFromBits(np.ascontiguousarray(bits[:, ::-1]))
    return flipped.astype(np.uint8, copy=False)


def _detector(dictionary: Any, border_bits: int) -> Any:
    import cv2

    parameters = cv2.aruco.DetectorParameters()
    parameters.markerBorderBits = border_bits
    parameters.perspectiveRemovePixelPerCell = PX_PER_BIT
    return cv2.aruco.ArucoDetector(dictionary, parameters)


def _detect(detector: Any, picture: Image) -> Markers:
    parameters = detector.getDetectorParameters()
    # Rates of the longer side: so that the smallest marker is the same in a picture and in a part of it.
    parameters.minMarkerPerimeterRate = 4 * MIN_MARKER_PX / max(picture.shape)
    detector.setDetectorParameters(parameters)
    quads, ids, _ = detector.detectMarkers(picture)
    if ids is None or not len(ids):
        return NO_MARKERS
    return Markers(np.ravel(ids).astype(np.int64), np.reshape(quads, (-1, 4, 2)).astype(np.float64))
