"""BVH as motion databases write it: any channel order, to the joints' positions.

`retarget.bvh` reads a BVH as a motion of bones for people; here only positions are wanted, of files that follow no
rest pose, and many of them. Position channels replace a joint's OFFSET.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from clapcap.errors import FileFormatError
from lift.mocap.posed import PosedJoints, numbers

Array = npt.NDArray[np.float64]


@dataclass
class _Joint:
    name: str
    parent: int
    offset: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    channels: list[str] = field(default_factory=list)


def read_bvh_joints(text: str, where: str, every: int = 1) -> PosedJoints:
    """Read the joints' paths.

    Parameters
    ----------
    text
        The file's content.
    where
        The file's name, for errors.
    every
        Keep each so-many-th frame only.

    Raises
    ------
    FileFormatError
        The file breaks the format or is cut.
    """
    try:
        head, found, motion = text.partition("MOTION")
        if not found:
            raise ValueError("there is no line MOTION")
        joints = _hierarchy(head.split())
        counts, found, table = motion.partition("Frame Time:")
        if not found:
            raise ValueError("there is no line 'Frame Time:'")
        frames = int(counts.split(":")[1])
        width = sum(len(joint.channels) for joint in joints)
        values = numbers(table, "the motion")[1:]  # the first is the frame time
        if len(values) != frames * width or frames < 1:
            raise ValueError(f"{len(values)} numbers for {frames} frames of {width}: the file is cut or damaged")
    except (ValueError, IndexError, StopIteration) as error:
        raise FileFormatError(f"{where}: no BVH that can be read: {error or 'it ends too early'}") from error
    return _pose(joints, values.reshape(frames, width)[::every])


def _hierarchy(tokens: list[str]) -> list[_Joint]:
    joints: list[_Joint] = []
    open_joints: list[int] = []
    words = iter(tokens)
    for word in words:
        match word.upper():
            case "HIERARCHY" | "{":
                continue
            case "ROOT" | "JOINT":
                joints.append(_Joint(next(words), open_joints[-1] if open_joints else -1))
                open_joints.append(len(joints) - 1)
            case "END":
                next(words)
                joints.append(_Joint(f"{joints[open_joints[-1]].name}_end", open_joints[-1]))
                open_joints.append(len(joints) - 1)
            case "OFFSET":
                joints[open_joints[-1]].offset = [float(next(words)) for _ in range(3)]
            case "CHANNELS":
                joints[open_joints[-1]].channels = [next(words).lower() for _ in range(int(next(words)))]
            case "}":
                open_joints.pop()
            case _:
                raise ValueError(f"{word!r} in the hierarchy")
    if not joints or open_joints:
        raise ValueError("the hierarchy is cut")
    return joints


def _pose(joints: list[_Joint], values: Array) -> PosedJoints:
    xyz = np.zeros((len(values), len(joints), 3))
    turns: list[Rotation] = []
    first = 0
    for place, joint in enumerate(joints):
        columns = values[:, first : first + len(joint.channels)]
        first += len(joint.channels)
        offset = np.tile(joint.offset, (len(values), 1))
        for channel, column in zip(joint.channels, columns.T, strict=True):
            if channel.endswith("position"):
                offset[:, "xyz".index(channel[0])] = column
        turning = [k for k, channel in enumerate(joint.channels) if channel.endswith("rotation")]
        order = "".join(joint.channels[k][0] for k in turning).upper()
        local = Rotation.from_euler(order, columns[:, turning], degrees=True) if order else None
        if joint.parent < 0:
            xyz[:, place] = offset
            turn = local if local is not None else Rotation.identity(len(values))
        else:
            parent = turns[joint.parent]
            xyz[:, place] = xyz[:, joint.parent] + parent.apply(offset)
            turn = parent if local is None else parent * local
        turns.append(turn)
    return PosedJoints(
        tuple(joint.name for joint in joints), xyz, np.stack([turn.as_matrix() for turn in turns], axis=1)
    )
