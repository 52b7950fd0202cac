"""BVH: the writer of our motions, and a reader for everybody's. docs/bvh.md tells users axes, units and rest pose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation, Slerp

from clapcap.errors import FileFormatError
from skeleton.motion import Motion

Array = npt.NDArray[np.float64]

Z_UP_TO_Y_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
"""BVH vector = this @ world vector: (x, y, z) becomes (x, z, -y). A rest pose that faces -Y then faces +Z."""

_UNIFORM_SHARE = 1e-3
"""Time stamps within this share of a frame of an even time line count as even."""

_LOCKED = 1e-7
"""With the cosine of x below this, z and y turn about the same axis, and y is set to 0."""

_STILL_SHARE = 1e-4
"""Position channels of a joint that move by less than this share of the skeleton's size are a constant offset."""


def write_bvh(path: str | Path, motion: Motion, *, scale: float = 1.0) -> None:
    """Write a motion as BVH.

    Y up; a rest pose that faces -Y faces +Z in the file, with its left at +X. Lengths in metres times `scale`. The root
    has the channels X, Y, Z position, all joints Z, X, Y rotation in degrees (R = Rz Rx Ry). The rest pose is the
    motion's, all angles zero. Joints called `<parent>_end` that have no children become End Sites; another joint
    without children gets an End Site of length 0.

    BVH knows one frame time only. A motion whose time stamps are not even is resampled onto an even time line of as
    many frames a second as its median step says: rotations by slerp, the root linearly. The start time is lost.

    Parameters
    ----------
    path
        Where to.
    motion
        World with Z up, metres.
    scale
        Units of the file per metre; 100 writes centimetres.
    """
    motion = _even(motion)
    names, parents = motion.joint_names, motion.parents
    children = [np.flatnonzero(parents == j).tolist() for j in range(len(names))]
    ends = {j for j in range(1, len(names)) if not children[j] and names[j] == f"{names[parents[j]]}_end"}
    offset = motion.rest_offset_m @ Z_UP_TO_Y_UP.T * scale
    lines = ["HIERARCHY"]
    order: list[int] = []

    def write_joint(joint: int, depth: int) -> None:
        indent = "\t" * depth
        if joint in ends:
            lines.extend(
                [f"{indent}End Site", f"{indent}{{", f"{indent}\tOFFSET {_numbers(offset[joint])}", f"{indent}}}"]
            )
            return
        order.append(joint)
        lines.extend([f"{indent}{'JOINT' if depth else 'ROOT'} {_token(names[joint])}", f"{indent}{{"])
        lines.append(f"{indent}\tOFFSET {_numbers(offset[joint])}")
        position = "" if depth else "Xposition Yposition Zposition "
        lines.append(f"{indent}\tCHANNELS {3 if depth else 6} {position}Zrotation Xrotation Yrotation")
        for child in children[joint]:
            write_joint(child, depth + 1)
        if not children[joint]:
            lines.extend(
                [f"{indent}\tEnd Site", f"{indent}\t{{", f"{indent}\t\tOFFSET {_numbers(np.zeros(3))}", f"{indent}\t}}"]
            )
        lines.append(f"{indent}}}")

    write_joint(0, 0)
    frames = len(motion.time_s)
    frame_time = (motion.time_s[-1] - motion.time_s[0]) / (frames - 1) if frames > 1 else 1 / 30
    lines.extend(["MOTION", f"Frames: {frames}", f"Frame Time: {frame_time:.10f}"])
    turn = Rotation.from_matrix(Z_UP_TO_Y_UP)
    local = np.stack(
        [(turn * Rotation.from_quat(motion.rotation_xyzw[:, j]) * turn.inv()).as_matrix() for j in order], axis=1
    )
    angles = np.degrees(euler_zxy(local)).reshape(frames, -1)
    root = motion.root_m @ Z_UP_TO_Y_UP.T * scale
    form = " ".join(["%.6f"] * (3 + angles.shape[1]))
    lines.extend(form % tuple(row) for row in np.concatenate([root, angles], axis=1) + 0.0)
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _numbers(values: Array) -> str:
    return " ".join(f"{v:.8f}" for v in values + 0.0)


def _token(name: str) -> str:
    """Return a joint's name without the spaces that would end it in a BVH file."""
    return "_".join(name.split())


def _even(motion: Motion) -> Motion:
    """Return the motion on an even time line, itself if that is what it has."""
    time_s = motion.time_s
    frames = len(time_s)
    if frames < 3:
        return motion
    even = np.linspace(time_s[0], time_s[-1], frames)
    step = np.diff(time_s)
    if np.abs(time_s - even).max() <= _UNIFORM_SHARE * np.median(step):
        return motion
    frames = 1 + int(np.floor((time_s[-1] - time_s[0]) / np.median(step) + 1e-6))
    even = time_s[0] + np.median(step) * np.arange(frames)
    even[-1] = min(even[-1], time_s[-1])
    rotation = [Slerp(time_s, Rotation.from_quat(q))(even).as_quat() for q in motion.rotation_xyzw.swapaxes(0, 1)]
    root_m = np.stack([np.interp(even, time_s, column) for column in motion.root_m.T], axis=1)
    return Motion(motion.joint_names, motion.parents, motion.rest_offset_m, np.stack(rotation, axis=1), root_m, even)


def euler_zxy(matrices: Array) -> Array:
    """Return z, x, y in radians (frames, joints, 3) of matrices (frames, joints, 3, 3), with R = Rz Rx Ry.

    Of the two triples that give a rotation the one nearer to the frame before is taken, and whole turns are added: so a
    curve does not jump, also where an importer interpolates between frames.
    """
    # Contiguous: numpy 1.26's arctan2 of strided arrays now and then differs in the last bit from run to run.
    m = np.ascontiguousarray(np.moveaxis(matrices, (-2, -1), (0, 1)))
    cosine = np.hypot(m[0, 1], m[1, 1])
    x = np.arctan2(m[2, 1], cosine)
    locked = cosine < _LOCKED
    z = np.where(locked, np.arctan2(m[1, 0], m[0, 0]), np.arctan2(-m[0, 1], m[1, 1]))
    y = np.where(locked, 0.0, np.arctan2(-m[2, 0], m[2, 2]))
    triples = np.stack([np.stack([z, x, y], axis=-1), np.stack([z + np.pi, np.pi - x, y + np.pi], axis=-1)])
    angles: Array = triples[0].copy()
    for frame in range(1, len(angles)):  # each choice depends on the one before
        before = angles[frame - 1]
        near = triples[:, frame] - 2 * np.pi * np.round((triples[:, frame] - before) / (2 * np.pi))
        second_is_nearer = np.abs(near[1] - before).sum(axis=-1) < np.abs(near[0] - before).sum(axis=-1)
        angles[frame] = np.where(second_is_nearer[:, None], near[1], near[0])
    return angles


@dataclass
class _Node:
    """A joint while its file is read; `line` is where it starts."""

    name: str
    parent: int
    line: int
    offset: Array = field(default_factory=lambda: np.zeros(3))
    channels: list[str] = field(default_factory=list)
    is_end: bool = False


class _Words:
    """The words of a BVH's hierarchy with their lines."""

    def __init__(self, path: Path, lines: list[str]) -> None:
        self.path = path
        self.last_line = max(len(lines), 1)
        self._words: Iterator[tuple[int, str]] = (
            (number, word) for number, line in enumerate(lines, start=1) for word in line.split()
        )

    def next(self, wanted: str) -> tuple[int, str]:
        word = next(self._words, None)
        if word is None:
            raise FileFormatError(f"{self.path}, line {self.last_line}: the file ends where {wanted} was expected")
        return word

    def number(self, wanted: str) -> float:
        line, word = self.next(wanted)
        try:
            value = float(word)
        except ValueError:
            value = np.nan
        if not np.isfinite(value):
            raise FileFormatError(f"{self.path}, line {line}: {word!r} where {wanted} was expected")
        return value

    def name(self, wanted: str) -> tuple[int, str]:
        """Return a name, which may hold spaces, and go past the brace behind it."""
        line, word = self.next(wanted)
        words = []
        while word != "{":
            words.append(word)
            _, word = self.next("{")
        return line, "_".join(words)

    def end(self) -> None:
        for line, word in self._words:
            raise FileFormatError(f"{self.path}, line {line}: {word!r} where MOTION was expected (one ROOT is read)")

    def expect(self, wanted: str) -> None:
        line, word = self.next(wanted)
        if word.upper() != wanted.upper():
            raise FileFormatError(f"{self.path}, line {line}: {word!r} where {wanted} was expected")


_POSITIONS = ("XPOSITION", "YPOSITION", "ZPOSITION")
_ROTATIONS = ("XROTATION", "YROTATION", "ZROTATION")


def read_bvh(path: str | Path, *, scale: float = 1.0, up: Literal["Y", "Z"] = "Y") -> Motion:
    """Read a BVH file, of any channel order, as a motion in a world with Z up.

    Position channels replace the joint's OFFSET (as Blender reads them); a root without any stands at its OFFSET. End
    Sites become joints called `<parent>_end`; those of length 0 are left out. The first frame has time 0.

    Parameters
    ----------
    path
        The file.
    scale
        Units of the file per metre: 100 for a file in centimetres.
    up
        The file's upward axis. With Y, (x, y, z) is read as (x, -z, y); with Z, as it stands.

    Raises
    ------
    FileFormatError
        The file cannot be read or breaks the format, with the line; or a joint other than the root moves against its
        parent, which a motion of constant bones cannot hold.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        raise FileFormatError(f"{path}: cannot read the BVH file: {error}") from error
    start = next((k for k, line in enumerate(lines) if line.strip().upper() == "MOTION"), None)
    if start is None:
        raise FileFormatError(f"{path}, line {max(len(lines), 1)}: no line MOTION, so no frames; is this a BVH file?")
    nodes = _read_hierarchy(_Words(path, lines[:start]))
    width = sum(len(node.channels) for node in nodes)
    values, frame_time = _read_frames(path, lines, start, width)
    return _motion(path, nodes, values, frame_time, scale, np.eye(3) if up == "Z" else Z_UP_TO_Y_UP.T)


def _read_hierarchy(words: _Words) -> list[_Node]:
    words.expect("HIERARCHY")
    words.expect("ROOT")
    nodes: list[_Node] = []
    stack: list[int] = []
    line, name = words.name("the root's name")
    nodes.append(_Node(name, -1, line))
    stack.append(0)
    while stack:
        node = nodes[stack[-1]]
        line, word = words.next("OFFSET, CHANNELS, JOINT, End Site or }")
        match word.upper():
            case "OFFSET":
                node.offset = np.array([words.number("a number of OFFSET") for _ in range(3)])
            case "CHANNELS" if not node.is_end:
                node.channels = [
                    words.next("a channel")[1].upper() for _ in range(int(words.number("a channel count")))
                ]
                wrong = [c for c in node.channels if c not in _POSITIONS + _ROTATIONS or node.channels.count(c) > 1]
                if wrong:
                    raise FileFormatError(
                        f"{words.path}, line {line}: {node.name} has unknown or repeated channels {wrong}"
                    )
            case "JOINT" if not node.is_end:
                line, name = words.name("a joint's name")
                stack.append(len(nodes))
                nodes.append(_Node(name, stack[-2], line))
            case "END" if not node.is_end:
                words.expect("Site")
                stack.append(len(nodes))
                nodes.append(_Node(f"{node.name}_end", stack[-2], line, is_end=True))
                words.expect("{")
            case "}":
                stack.pop()
            case _:
                raise FileFormatError(
                    f"{words.path}, line {line}: {word!r} where OFFSET, CHANNELS, JOINT, End Site or }} was expected"
                )
    words.end()
    return nodes


def _read_frames(path: Path, lines: list[str], start: int, width: int) -> tuple[Array, float]:
    """Return the channels (frames, width) and the frame time of the lines after MOTION (at `start`)."""
    filled = [
        (k, line.replace(":", ": ").split())
        for k, line in enumerate(lines[start + 1 :], start=start + 2)
        if line.strip()
    ]
    counts = []
    for what, place in (("Frames:", 0), ("Frame Time:", 1)):
        number, words = filled[place] if len(filled) > place else (len(lines), [])
        try:
            if " ".join(words[:-1]).upper() != what.upper():
                raise ValueError
            counts.append(float(words[-1]) if place else int(words[-1]))
        except (ValueError, IndexError):
            raise FileFormatError(
                f"{path}, line {number}: {' '.join(words)[:40]!r} where '{what} <number>' was expected"
            ) from None
    frames, frame_time = int(counts[0]), float(counts[1])
    if not (np.isfinite(frame_time) and frame_time > 0):
        raise FileFormatError(f"{path}, line {filled[1][0]}: the frame time is {frame_time} s, needed more than 0")
    rows = filled[2:]
    if len(rows) != frames or frames < 1:
        raise FileFormatError(
            f"{path}, line {filled[0][0]}: {frames} frames are announced, but {len(rows)} follow (at least 1 is "
            "needed): the file is cut or damaged"
        )
    for number, words in rows:
        if len(words) != width:
            raise FileFormatError(f"{path}, line {number}: {len(words)} numbers, needed {width}, one a channel")
    try:
        values = np.array([words for _, words in rows], dtype=np.float64).reshape(frames, width)
    except ValueError:
        values = np.full((frames, width), np.nan)
    if not np.isfinite(values).all():
        number, word = next((n, w) for n, words in rows for w in words if not _is_finite(w))
        raise FileFormatError(f"{path}, line {number}: {word!r} is no finite number")
    return values, frame_time


def _is_finite(word: str) -> bool:
    try:
        return bool(np.isfinite(float(word)))
    except ValueError:
        return False


def _motion(path: Path, nodes: list[_Node], values: Array, frame_time: float, scale: float, axes: Array) -> Motion:
    """Build the motion; `axes` takes the file's vectors into the world."""
    turn = Rotation.from_matrix(axes)
    size = sum(float(np.linalg.norm(node.offset)) for node in nodes)
    kept = [k for k, node in enumerate(nodes) if not (node.is_end and np.linalg.norm(node.offset) <= 1e-12 * size)]
    place = {k: n for n, k in enumerate(kept)}
    frames = len(values)
    offset, rotation = np.zeros((len(kept), 3)), np.zeros((frames, len(kept), 4))
    rotation[..., 3] = 1.0
    root = np.broadcast_to(nodes[0].offset, (frames, 3))
    first = 0
    for k, node in enumerate(nodes):
        columns = values[:, first : first + len(node.channels)]
        first += len(node.channels)
        if k not in place:
            continue
        position = np.broadcast_to(node.offset, (frames, 3)).copy()
        for channel, column in zip(node.channels, columns.T, strict=True):
            if channel in _POSITIONS:
                position[:, _POSITIONS.index(channel)] = column
        order = [c for c in node.channels if c in _ROTATIONS]
        if k == 0:
            root = position
        else:
            offset[place[k]] = position.mean(axis=0)
            strays = float(np.abs(position - offset[place[k]]).max())
            if strays > _STILL_SHARE * size:
                raise FileFormatError(
                    f"{path}, line {node.line}: joint {node.name} moves by {strays / scale:.4g} m against its parent; "
                    "a motion's bones are constant: export it with rotations only, or with another joint as the root"
                )
        if order:
            angles = columns[:, [node.channels.index(c) for c in order]]
            local = Rotation.identity(frames)
            for channel, column in zip(order, angles.T, strict=True):
                vector = np.zeros((frames, 3))
                vector[:, _ROTATIONS.index(channel)] = np.radians(column)
                local = local * Rotation.from_rotvec(vector)
            rotation[:, place[k]] = (turn * local * turn.inv()).as_quat()
    return Motion(
        joint_names=_unique([nodes[k].name for k in kept]),
        parents=np.array([-1 if nodes[k].parent < 0 else place[nodes[k].parent] for k in kept]),
        rest_offset_m=offset @ axes.T / scale,
        rotation_xyzw=rotation,
        root_m=root @ axes.T / scale,
        time_s=np.arange(frames) * frame_time,
    )


def _unique(names: list[str]) -> tuple[str, ...]:
    """Return the names, repeated ones numbered."""
    seen: dict[str, int] = {}
    unique = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        unique.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return tuple(unique)
