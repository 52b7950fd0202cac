"""Errors that a user can act on.

A message says what failed, where (camera, file, frame, time), the value measured against the value needed, and the
next thing to do. The command line prints it without a traceback and exits with 2.
"""


class ClapcapError(Exception):
    """Base of all errors that are about the user's input or machine, never about a bug."""


class MediaError(ClapcapError):
    """A video, image folder or sound cannot be read or written."""


class FileFormatError(ClapcapError):
    """A data file (TOML, npz, JSON, CSV, TRC, BVH, ...) does not follow its format."""


class SyncError(ClapcapError):
    """The cameras cannot be brought onto one time line."""


class CalibrationError(ClapcapError):
    """The cameras cannot be calibrated from what was recorded."""


class DetectionError(ClapcapError):
    """No usable keypoints were found, or the detector cannot run."""


class TriangulationError(ClapcapError):
    """The views do not determine the points in space."""


class CleanupError(ClapcapError):
    """A motion cannot be cleaned up as asked."""


class FitError(ClapcapError):
    """The bones cannot be fitted to the points."""


class SessionError(ClapcapError):
    """The session folder, its settings or the machine's disk stand in the way."""
