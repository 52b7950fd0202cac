"""A motion: a hierarchy of bones of constant length, its joint rotations and the path of its root."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:  # Blender's own Python, in which the add-on holds motions, has no scipy
    from scipy.spatial.transform import Rotation

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Motion:
    """Joint rotations over time.

    The frame of a joint in the world is that of its parent, moved by the joint's rest offset (in the parent's frame)
    and turned by the joint's rotation. The root (first joint) has no parent: its frame lies at `root_m` and is turned
    by its rotation. In the rest pose all rotations are the identity, so all joint frames are parallel to the world.

    Attributes
    ----------
    joint_names
        Parents before children; the root first. A joint called `<parent>_end` ends its parent's bone (BVH's End Site).
    parents
        (joints,) of int, -1 for the root.
    rest_offset_m
        (joints, 3): from the parent to the joint in the rest pose, metres; the root's is zero.
    rotation_xyzw
        (frames, joints, 4): rotation relative to the parent, unit quaternions x, y, z, w.
    root_m
        (frames, 3): the root in the world (right-handed, Z up), metres.
    time_s
        (frames,): session time, strictly increasing.
    sigma_m
        (frames, joints): standard deviation of each joint's position, the root of the mean over x, y and z, metres;
        None where nothing is known of it.
    inferred
        (frames, joints) of bool: nothing of the joint, or of what hangs on it, was seen; None likewise.
    contact_names, contact
        Points of the feet, and (frames, points) of bool: where each stands on the ground; None likewise.
    note
        What whoever uses it must know, in words: that depth was inferred from one view, say. Mostly empty.
    """

    joint_names: tuple[str, ...]
    parents: npt.NDArray[np.int64]
    rest_offset_m: Array
    rotation_xyzw: Array
    root_m: Array
    time_s: Array
    sigma_m: Array | None = None
    inferred: npt.NDArray[np.bool_] | None = None
    contact_names: tuple[str, ...] = ()
    contact: npt.NDArray[np.bool_] | None = None
    note: str = ""

    def __post_init__(self) -> None:
        names = tuple(str(n) for n in self.joint_names)
        joints = len(names)
        parents = np.array(self.parents, dtype=np.int64)
        time_s = np.array(self.time_s, dtype=np.float64)
        frames = len(time_s)
        arrays = {
            "rest_offset_m": ((joints, 3), np.array(self.rest_offset_m, dtype=np.float64)),
            "rotation_xyzw": ((frames, joints, 4), np.array(self.rotation_xyzw, dtype=np.float64)),
            "root_m": ((frames, 3), np.array(self.root_m, dtype=np.float64)),
            "time_s": ((frames,), time_s),
        }
        if len(set(names)) != joints:
            raise ValueError("joint names repeat")
        if parents.shape != (joints,) or parents[0] != -1 or (parents[1:] < 0).any():
            raise ValueError("parents must be (joints,), -1 for the first joint only")
        if (parents >= np.arange(joints)).any():
            raise ValueError("a joint comes before its parent")
        for what, (shape, array) in arrays.items():
            if array.shape != shape:
                raise ValueError(f"{what} has shape {array.shape}, needed {shape}")
            if not np.isfinite(array).all():
                raise ValueError(f"{what} holds values that are not finite")
        if (np.diff(time_s) <= 0).any():
            raise ValueError("time_s does not increase")
        set_ = object.__setattr__
        set_(self, "joint_names", names)
        parents.setflags(write=False)
        set_(self, "parents", parents)
        for what, (_, array) in arrays.items():
            array.setflags(write=False)
            set_(self, what, array)
        contacts = tuple(str(n) for n in self.contact_names)
        set_(self, "contact_names", contacts)
        self._keep_optional("sigma_m", (frames, joints), np.float64)
        self._keep_optional("inferred", (frames, joints), np.bool_)
        self._keep_optional("contact", (frames, len(contacts)), np.bool_)
        if self.sigma_m is not None and not (self.sigma_m >= 0).all():
            raise ValueError("sigma_m holds values that are negative or not finite")

    def _keep_optional(self, what: str, shape: tuple[int, ...], kind: npt.DTypeLike) -> None:
        """Replace an optional array by a read-only copy, refusing any other shape."""
        if getattr(self, what) is None:
            return
        array = np.array(getattr(self, what), dtype=kind)
        if array.shape != shape:
            raise ValueError(f"{what} has shape {array.shape}, needed {shape}")
        array.setflags(write=False)
        object.__setattr__(self, what, array)

    def world_positions(self) -> Array:
        """Return the joints in the world by forward kinematics: (frames, joints, 3), metres."""
        position, _ = self._forward()
        return position

    def world_rotations(self) -> list[Rotation]:
        """Return each joint's orientation in the world: one Rotation of (frames,) a joint."""
        _, rotation = self._forward()
        return rotation

    def _forward(self) -> tuple[Array, list[Rotation]]:
        from scipy.spatial.transform import Rotation

        frames, joints = self.rotation_xyzw.shape[:2]
        position = np.empty((frames, joints, 3))
        rotation: list[Rotation] = []
        for joint, parent in enumerate(self.parents):  # a loop over joints, each vectorised over frames
            local = Rotation.from_quat(self.rotation_xyzw[:, joint])
            if parent < 0:
                position[:, joint] = self.root_m
                rotation.append(local)
            else:
                position[:, joint] = position[:, parent] + rotation[parent].apply(self.rest_offset_m[joint].copy())
                rotation.append(rotation[parent] * local)
        return position, rotation
