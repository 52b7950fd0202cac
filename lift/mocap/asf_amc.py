"""Acclaim's ASF (skeleton) and AMC (motion), as the CMU database writes them.

Angles are in degrees, turned about x first, then y, then z. A bone's rotation is given in axes of its own, C = Rz Ry Rx
of its `axis`: in the world it is parent * C * R * C^T, and the bone's end lies `length` along `direction` from its
beginning (J. Lander, "Working with Motion Capture File Formats", Game Developer, January 1998).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from clapcap.errors import FileFormatError
from lift.mocap.posed import PosedJoints, numbers

Array = npt.NDArray[np.float64]

_ROOT_ORDER = ["TX", "TY", "TZ", "RX", "RY", "RZ"]
_NAME_AT_LINE_START = re.compile(r"^[ \t]*([A-Za-z_]\w*)", re.MULTILINE)


@dataclass(frozen=True, eq=False)
class Bone:
    """A bone: its parent's name, its offset (3,) in units of the file, its own axes, and which angles it has."""

    name: str
    parent: str
    offset: Array
    own_axes: Rotation
    dof: tuple[str, ...]


def read_asf(text: str, where: str) -> tuple[Bone, ...]:
    """Return the bones, parents first; the root is not among them.

    Parameters
    ----------
    text
        The file's content.
    where
        Its name, for errors.

    Raises
    ------
    FileFormatError
        The file is no ASF, or its bones do not form one tree below the root.
    """
    try:
        sections = _sections(text)
        root = dict(line.split(None, 1) for line in sections["root"])
        if root["order"].upper().split() != _ROOT_ORDER:
            raise ValueError(f"the root's order is {root['order']!r}, needed {' '.join(_ROOT_ORDER)}")
        parents = _parents(sections["hierarchy"])
        blocks = re.findall(r"\bbegin\b(.*?)\bend\b", "\n".join(sections["bonedata"]), re.DOTALL)
        bones = {bone.name: bone for bone in (_bone(block, parents) for block in blocks)}
        order = [name for name in parents if name in bones]
        if len(order) != len(bones):
            raise ValueError(f"bones without a parent: {sorted(set(bones) - set(order))}")
        return tuple(bones[name] for name in order)
    except (KeyError, ValueError, IndexError) as error:
        raise FileFormatError(f"{where}: no ASF skeleton that can be read: {error}") from error


def read_amc(text: str, bones: tuple[Bone, ...], where: str, every: int = 1) -> PosedJoints:
    """Read a motion and pose its skeleton.

    Parameters
    ----------
    text
        The file's content.
    bones
        Of its ASF.
    where
        The file's name, for errors.
    every
        Keep each so-many-th frame only.

    Returns
    -------
    PosedJoints
        "root" and each bone's end; the axes are those of the world at rest, turned with the bone.

    Raises
    ------
    FileFormatError
        The file is no AMC of this skeleton, or it was cut short.
    """
    try:
        angles = _channels(text, bones, every)
    except ValueError as error:
        raise FileFormatError(f"{where}: no AMC motion that can be read: {error}") from error
    root = angles["root"]
    position = {"root": root[:, :3]}
    turn = {"root": Rotation.from_euler("xyz", root[:, 3:], degrees=True)}
    for bone in bones:
        parent = turn[bone.parent]
        if bone.dof:
            euler = np.zeros((len(root), 3))
            euler[:, ["xyz".index(dof[1]) for dof in bone.dof]] = angles.get(bone.name, 0.0)
            local = Rotation.from_euler("xyz", euler, degrees=True)
            parent = parent * bone.own_axes * local * bone.own_axes.inv()
        turn[bone.name] = parent
        position[bone.name] = position[bone.parent] + parent.apply(bone.offset)
    names = ("root", *(bone.name for bone in bones))
    return PosedJoints(
        names,
        np.stack([position[name] for name in names], axis=1),
        np.stack([turn[name].as_matrix() for name in names], axis=1),
    )


def _sections(text: str) -> dict[str, list[str]]:
    """Return the lines behind each `:keyword`, without comments."""
    sections: dict[str, list[str]] = {}
    current: list[str] = []
    for raw in text.splitlines():
        line = raw.split("#", 1)[0].strip()
        if line.startswith(":"):
            keyword, *rest = line[1:].split(None, 1)
            current = sections.setdefault(keyword.lower(), [])
            current.extend(rest)
        elif line:
            current.append(line)
    return sections


def _parents(lines: list[str]) -> dict[str, str]:
    """Return each bone's parent, parents first, as the hierarchy's lines `parent child child ...` say."""
    parents: dict[str, str] = {}
    for line in lines:
        if line in ("begin", "end"):
            continue
        parent, *children = line.split()
        if parent != "root" and parent not in parents:
            raise ValueError(f"the hierarchy names {parent} as a parent before saying whose child it is")
        for child in children:
            if child in parents:
                raise ValueError(f"the bone {child} has two parents")
            parents[child] = parent
    return parents


def _bone(block: str, parents: Mapping[str, str]) -> Bone:
    fields = {words[0]: words[1:] for words in (line.split() for line in block.splitlines()) if words}
    name = fields["name"][0]
    if fields["axis"][3].upper() != "XYZ":
        raise ValueError(f"the axes of {name} are turned in the order {fields['axis'][3]}, needed XYZ")
    dof = tuple(word.lower() for word in fields.get("dof", []))
    if unknown := set(dof) - {"rx", "ry", "rz"}:
        raise ValueError(f"{name} has the degrees of freedom {sorted(unknown)}; rx, ry and rz are read")
    direction = np.array([float(word) for word in fields["direction"][:3]])
    own_axes = Rotation.from_euler("xyz", [float(word) for word in fields["axis"][:3]], degrees=True)
    return Bone(name, parents[name], direction * float(fields["length"][0]), own_axes, dof)


def _channels(text: str, bones: tuple[Bone, ...], every: int) -> dict[str, Array]:
    """Return each bone's channels (frames, channels).

    Each frame is a line with its number, then a line a bone in the same order in every frame; this is checked, and then
    the file is read as one table.
    """
    lines = re.sub(r"^[ \t]*[:#].*$", "", text, flags=re.MULTILINE)
    names = _NAME_AT_LINE_START.findall(lines)
    if "root" not in names:
        raise ValueError("there is no line of the root")
    count = names.count("root")
    per_frame = names[: len(names) // count]
    if per_frame * count != names:
        raise ValueError("the frames do not name the same bones in the same order: the file is cut or damaged")
    width_of = {"root": 6} | {bone.name: len(bone.dof) for bone in bones}
    if unknown := sorted(set(per_frame) - set(width_of)):
        raise ValueError(f"the skeleton has no bones {unknown}")
    width = 1 + sum(width_of[name] for name in per_frame)
    values = numbers(_NAME_AT_LINE_START.sub("", lines), "the motion")
    if len(values) != count * width:
        raise ValueError(
            f"{len(values)} numbers for {count} frames, needed {count * width}: the file is cut or damaged"
        )
    table = values.reshape(count, width)
    if (np.diff(table[:, 0]) != 1).any():
        raise ValueError("the frame numbers do not count up by one")
    table = table[::every]
    ends = np.cumsum([1, *(width_of[name] for name in per_frame)])
    return {name: table[:, ends[k] : ends[k + 1]] for k, name in enumerate(per_frame)}
