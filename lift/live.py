"""One view to 3D while it happens: a causal network, frame by frame.

Importing this module imports torch: do so inside functions.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from calib.cameras import Camera
from lift.geometry import centred, features, root_from_code
from lift.inference import LiftedBody
from lift.mocap.convert import RATE_HZ
from lift.model import Lifter, Memory
from lift.points import POINTS, STATURE_M, root

Array = npt.NDArray[np.float64]

LONGEST_GAP_S = 0.25
"""After a longer gap between pictures the past is forgotten: what lay between is not known."""


class LiveLifter:
    """Lifts the frames of a camera as they come; each answer rests on this frame and those before.

    Networks run at 60 frames a second. Between pictures that come more slowly, what was seen is interpolated, which
    needs no later picture; of pictures that come faster, those are skipped that no step falls on.
    """

    def __init__(self, model: Lifter, camera: Camera, height_m: float = STATURE_M) -> None:
        if not model.settings.causal:
            raise ValueError("the network looks at later frames too: needed a causal one")
        self.model, self.camera, self.scale = model, camera, height_m / STATURE_M
        self.forget()

    def forget(self) -> None:
        """Begin anew, as with the first frame."""
        self.memory: Memory = {}
        self.next_s: float | None = None
        self.last: tuple[float, Array] | None = None
        self.body: LiftedBody | None = None
        self.place: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]] | None = None

    def push(self, time_s: float, xy_px: Array, confidence: Array, world_m: Array | None = None) -> LiftedBody:
        """Lift a frame.

        Parameters
        ----------
        time_s
            When it was taken: later than the frame before.
        xy_px
            (points of body18, 2), pixels; NaN: not seen.
        confidence
            (points,), 0 where not seen.
        world_m
            (points, 3): the detector's own 3D, camera axes, for a network that takes it.

        Returns
        -------
        LiftedBody
            Of one frame.

        Raises
        ------
        ValueError
            The time does not go on.
        """
        if self.last is not None and time_s <= self.last[0]:
            raise ValueError(f"a frame at {time_s:.3f} s came after one at {self.last[0]:.3f} s")
        if self.last is not None and time_s - self.last[0] > LONGEST_GAP_S:
            self.forget()
        ray = self.camera.undistort(xy_px[None])[0]
        seen = np.where(np.isfinite(ray).all(axis=-1), confidence, 0)
        world = np.full((len(POINTS), 3), np.nan) if world_m is None else world_m - root(world_m)
        now = np.concatenate([ray, seen[:, None], world], axis=-1)
        before_s, before = self.last if self.last is not None else (time_s, now)
        if self.next_s is None:
            self.next_s = time_s
        while self.next_s <= time_s + 1e-6:
            part = 1.0 if time_s == before_s else (self.next_s - before_s) / (time_s - before_s)
            # What is NaN in one of the two frames stays so between them.
            self._step(now if part >= 1 - 1e-6 else (1 - part) * before + part * now)
            self.next_s += 1 / RATE_HZ
        self.last = (time_s, now)
        assert self.body is not None  # the first frame is always a step
        return LiftedBody(
            self.body.joints_m, self.body.root_m, self.body.sigma_m, self.body.contact, np.array([time_s])
        )

    def _step(self, values: Array) -> None:
        ray, confidence, world = (v[None, None].astype(np.float32) for v in np.split(values, [2, 3], axis=-1))
        if np.isfinite(ray).any() or self.place is None:
            view = centred(ray, confidence[..., 0])
            self.place = (view.middle, view.spread)
        else:  # nobody is seen: the middle and the size of the last frame are kept
            view = centred(ray, confidence[..., 0]).at(*self.place)
        inputs = features(view, confidence[..., 0], world if self.model.settings.world_landmarks else None)
        with torch.inference_mode():
            lifted = self.model.step(torch.from_numpy(inputs), self.memory)
        joints, code, contact, log_sigma = (value.numpy() for value in lifted)
        self.body = LiftedBody(
            self.scale * (joints @ view.turn)[0].astype(np.float64),
            self.scale * root_from_code(code, view)[0].astype(np.float64),
            self.scale * np.exp(log_sigma[0]).astype(np.float64),
            1 / (1 + np.exp(-contact[0].astype(np.float64))),
            np.zeros(1),
        )
