"""Keypoints as every stage exchanges them: frozen, validated when made, NaN where nothing was observed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def _frozen(value: npt.ArrayLike, shape: tuple[int | None, ...], what: str) -> Array:
    """Return `value` as a read-only float64 array, refusing any other shape (None: any length)."""
    array = np.array(value, dtype=np.float64)
    if array.ndim != len(shape) or any(
        want is not None and want != have for want, have in zip(shape, array.shape, strict=True)
    ):
        wanted = tuple("any" if n is None else n for n in shape)
        raise ValueError(f"{what} has shape {array.shape}, needed {wanted}")
    array.setflags(write=False)
    return array


def _check_time(time_s: Array) -> None:
    if not np.isfinite(time_s).all():
        raise ValueError("time_s holds values that are not finite")
    if (np.diff(time_s) <= 0).any():
        first = int(np.argmax(np.diff(time_s) <= 0))
        raise ValueError(f"time_s does not increase after frame {first}: {time_s[first]} -> {time_s[first + 1]} s")


def _check_names(names: tuple[str, ...]) -> None:
    if len(set(names)) != len(names):
        raise ValueError(f"point names repeat: {sorted({n for n in names if names.count(n) > 1})}")


@dataclass(frozen=True, eq=False)
class Keypoints2D:
    """The keypoints of one person in one camera.

    Attributes
    ----------
    names
        The points, in the order of the arrays.
    xy_px
        (frames, points, 2), pixels of the displayed picture, (0, 0) the centre of its top-left pixel; NaN: not
        observed.
    confidence
        (frames, points), in [0, 1]; 0 where not observed.
    time_s
        (frames,), strictly increasing: the camera's own clock as it comes from a detector, session time once resampled.
    image_size_px
        (2,), width and height of the displayed picture.
    world_m
        (frames, points, 3) or None: the detector's own root-relative guess of 3D, camera axes, metres.
    others_xy_px, others_confidence
        (frames, others, points, 2) and (frames, others, points), or None: whom else a detector saw in each frame, most
        prominent first, NaN and 0 where nobody. Row k is not the same person from frame to frame.
    """

    names: tuple[str, ...]
    xy_px: Array
    confidence: Array
    time_s: Array
    image_size_px: Array
    world_m: Array | None = None
    others_xy_px: Array | None = None
    others_confidence: Array | None = None

    def __post_init__(self) -> None:
        names = tuple(str(n) for n in self.names)
        _check_names(names)
        object.__setattr__(self, "names", names)
        xy = _frozen(self.xy_px, (None, len(names), 2), "xy_px")
        frames = xy.shape[0]
        set_ = object.__setattr__
        set_(self, "xy_px", xy)
        set_(self, "confidence", _frozen(self.confidence, (frames, len(names)), "confidence"))
        set_(self, "time_s", _frozen(self.time_s, (frames,), "time_s"))
        set_(self, "image_size_px", _frozen(self.image_size_px, (2,), "image_size_px"))
        if self.world_m is not None:
            set_(self, "world_m", _frozen(self.world_m, (frames, len(names), 3), "world_m"))
        if (self.others_xy_px is None) != (self.others_confidence is None):
            raise ValueError("others_xy_px and others_confidence go together")
        if self.others_xy_px is not None and self.others_confidence is not None:
            set_(self, "others_xy_px", _frozen(self.others_xy_px, (frames, None, len(names), 2), "others_xy_px"))
            shape = (frames, self.others_xy_px.shape[1], len(names))
            set_(self, "others_confidence", _frozen(self.others_confidence, shape, "others_confidence"))
            if not ((self.others_confidence >= 0) & (self.others_confidence <= 1)).all():
                raise ValueError("others_confidence lies outside [0, 1]")
        _check_time(self.time_s)
        if not ((self.confidence >= 0) & (self.confidence <= 1)).all():
            raise ValueError("confidence lies outside [0, 1]")


@dataclass(frozen=True, eq=False)
class Keypoints3D:
    """The keypoints of one person in space.

    Attributes
    ----------
    names
        The points, in the order of the arrays.
    xyz_m
        (frames, points, 3), metres in the world (right-handed, Z up); NaN: not determined.
    sigma_m
        (frames, points), standard deviation of the position: root of the mean of the covariance's three variances.
    time_s
        (frames,), session time, strictly increasing.
    reprojection_px
        (cameras, frames, points), distance of the observation from the projected point; NaN: view not used.
    camera_names
        The cameras, in the order of `reprojection_px`; empty for a 3D that no camera saw.
    filled
        (frames, points) of bool: positions interpolated over a gap rather than observed.
    note
        What whoever uses them must know, in words: that depth was inferred from one view, say. Mostly empty.
    """

    names: tuple[str, ...]
    xyz_m: Array
    sigma_m: Array
    time_s: Array
    reprojection_px: Array
    camera_names: tuple[str, ...]
    filled: npt.NDArray[np.bool_]
    note: str = ""

    def __post_init__(self) -> None:
        names = tuple(str(n) for n in self.names)
        cameras = tuple(str(n) for n in self.camera_names)
        _check_names(names)
        _check_names(cameras)
        set_ = object.__setattr__
        set_(self, "names", names)
        set_(self, "camera_names", cameras)
        xyz = _frozen(self.xyz_m, (None, len(names), 3), "xyz_m")
        frames = xyz.shape[0]
        set_(self, "xyz_m", xyz)
        set_(self, "sigma_m", _frozen(self.sigma_m, (frames, len(names)), "sigma_m"))
        set_(self, "time_s", _frozen(self.time_s, (frames,), "time_s"))
        shape = (len(cameras), frames, len(names))
        set_(self, "reprojection_px", _frozen(self.reprojection_px, shape, "reprojection_px"))
        filled = np.array(self.filled, dtype=bool)
        if filled.shape != (frames, len(names)):
            raise ValueError(f"filled has shape {filled.shape}, needed {(frames, len(names))}")
        filled.setflags(write=False)
        set_(self, "filled", filled)
        _check_time(self.time_s)
        if (self.sigma_m < 0).any():
            raise ValueError("sigma_m holds negative values")

    def index(self, name: str) -> int:
        """Return the place of the point called `name`."""
        return self.names.index(name)


@dataclass(frozen=True, eq=False)
class Observations2D:
    """What all views of one person hold, as triangulation used it: left and right mended, wrong views switched off.

    Attributes
    ----------
    camera_names, names
        The cameras and the points, in the order of the arrays.
    xy_px
        (cameras, frames, points, 2), pixels of each camera's displayed picture; NaN: not observed.
    sigma_px
        (cameras, frames, points), standard deviation of a coordinate; infinity: not observed, or found wrong.
    time_s
        (frames,), session time, strictly increasing.
    """

    camera_names: tuple[str, ...]
    names: tuple[str, ...]
    xy_px: Array
    sigma_px: Array
    time_s: Array

    def __post_init__(self) -> None:
        names = tuple(str(n) for n in self.names)
        cameras = tuple(str(n) for n in self.camera_names)
        _check_names(names)
        _check_names(cameras)
        set_ = object.__setattr__
        set_(self, "names", names)
        set_(self, "camera_names", cameras)
        xy = _frozen(self.xy_px, (len(cameras), None, len(names), 2), "xy_px")
        frames = xy.shape[1]
        set_(self, "xy_px", xy)
        set_(self, "sigma_px", _frozen(self.sigma_px, (len(cameras), frames, len(names)), "sigma_px"))
        set_(self, "time_s", _frozen(self.time_s, (frames,), "time_s"))
        _check_time(self.time_s)
        if not (self.sigma_px > 0).all():
            raise ValueError("sigma_px holds values that are not positive")
        if (np.isfinite(self.sigma_px) & ~np.isfinite(self.xy_px).all(axis=-1)).any():
            raise ValueError("sigma_px is finite where xy_px is not observed")
