"""Keyframes in bulk, by the ways of Blender 4.2 (an action has curves) and of 5.0 (its slots have)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

LINEAR = 1
"""Blender's number for straight lines between keyframes: a motion has a keyframe a frame."""


class Action:
    """A new action of one object, assigned to it."""

    def __init__(self, bpy: Any, target: Any, name: str) -> None:
        self._action = bpy.data.actions.new(name)
        target.animation_data_create()
        target.animation_data.action = self._action
        if hasattr(self._action, "slots"):  # Blender 4.4 and later
            slot = self._action.slots.new(id_type="OBJECT", name=target.name)
            strip = self._action.layers.new("Layer").strips.new(type="KEYFRAME")
            self._curves = strip.channelbag(slot, ensure=True).fcurves
            target.animation_data.action_slot = slot
        else:
            self._curves = self._action.fcurves

    def key(self, path: str, frames: Array, values: Array) -> None:
        """Set keyframes of a property: `values` (keys, components) at `frames` (keys,)."""
        for component in range(values.shape[1]):
            curve = self._curves.new(path, index=component)
            curve.keyframe_points.add(len(frames))
            points = np.stack([frames, values[:, component]], axis=1).astype(np.float32)
            curve.keyframe_points.foreach_set("co", points.ravel())
            curve.keyframe_points.foreach_set("interpolation", np.full(len(frames), LINEAR, dtype=np.int32))
            curve.update()
