"""Animation skeletons from TOML: `data/humanoid.toml`, or one's own file like it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from clapcap.errors import FileFormatError
from skeleton.hierarchy import (
    LOCKED,
    USUAL_LENGTH_STD,
    Contact,
    Joint,
    Landmark,
    LandmarkSet,
    SkeletonDefinition,
    Vector,
    twin_name,
)

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def load_skeleton(name: str | Path) -> SkeletonDefinition:
    """Read a skeleton definition.

    Parameters
    ----------
    name
        One that clapcap brings ("humanoid"), or the path of a TOML file of the same form.

    Raises
    ------
    FileFormatError
        There is no such skeleton, or its file breaks the form; the message names file, joint and value.
    """
    path = Path(name)
    if path.suffix == ".toml":
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise FileFormatError(f"{path}: cannot read the skeleton definition: {error}") from error
    else:
        folder = resources.files("skeleton") / "data"
        source = folder / f"{name}.toml"
        if not source.is_file():
            raise FileFormatError(f"no skeleton called {str(name)!r}: name a .toml file, or use 'humanoid'")
        text = source.read_text(encoding="utf-8")
    try:
        return _parse(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, ValueError, KeyError, TypeError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise FileFormatError(f"{name}: not a skeleton definition: {what}") from error


def _parse(table: Mapping[str, Any]) -> SkeletonDefinition:
    if not np.allclose(table.get("up", (0, 0, 1)), (0, 0, 1)):
        raise ValueError(f"up is {table['up']}, needed [0, 0, 1]")
    joints = _with_twins([_joint(entry) for entry in table["joint"]])
    children: dict[str | None, list[str]] = {}
    for joint in joints:
        children.setdefault(joint.parent, []).append(joint.name)
    joints = [
        replace(j, tail=children[j.name][0]) if j.tail is None and len(children.get(j.name, ())) == 1 else j
        for j in joints
    ]
    sets = {}
    for set_name, entry in table.get("landmarks", {}).items():
        points = _landmarks_with_twins([_landmark(point) for point in entry["points"]])
        sets[set_name] = LandmarkSet(set_name, tuple(points), tuple(entry["torso"]))
    return SkeletonDefinition(
        name=str(table["name"]),
        height_m=float(table["height_m"]),
        front=_vector(table["front"]),
        joints=tuple(joints),
        landmark_sets=sets,
        contacts=tuple(_contacts_with_twins([_contact(entry) for entry in table.get("contact", [])])),
    )


def _joint(entry: Mapping[str, Any]) -> Joint:
    known = set(Joint.__dataclass_fields__)
    if set(entry) - known:
        raise ValueError(f"joint {entry.get('name')}: unknown {sorted(set(entry) - known)}")
    name = str(entry["name"])
    limits = tuple((float(low), float(high)) for low, high in entry.get("limits_deg", LOCKED))
    if len(limits) != 3:
        raise ValueError(f"joint {name}: limits_deg has {len(limits)} ranges, needed 3")
    return Joint(
        name=name,
        parent=entry.get("parent"),
        offset_m=_vector(entry.get("offset_m", (0, 0, 0))),
        tail=entry.get("tail"),
        roll_axis=_vector(entry.get("roll_axis", (0, 0, 0))),
        limits_deg=limits,
        neutral_deg=_vector(entry.get("neutral_deg", (0, 0, 0))),
        rest_std_deg=_vector(entry.get("rest_std_deg", (45, 45, 45))),
        length_group=str(entry.get("length_group", name.removeprefix("left_").removeprefix("right_"))),
        length_std=float(entry.get("length_std", USUAL_LENGTH_STD)),
    )


def _landmark(entry: Mapping[str, Any]) -> Landmark:
    known = set(Landmark.__dataclass_fields__)
    if set(entry) - known:
        raise ValueError(f"landmark {entry.get('name')}: unknown {sorted(set(entry) - known)}")
    return Landmark(
        name=str(entry["name"]),
        joint=str(entry["joint"]),
        offset_m=_vector(entry.get("offset_m", (0, 0, 0))),
        offset_std_m=float(entry.get("offset_std_m", 0)),
        std_m=float(entry.get("std_m", 0.01)),
        axes=entry.get("axes"),
    )


def _contact(entry: Mapping[str, Any]) -> Contact:
    known = set(Contact.__dataclass_fields__)
    if set(entry) - known:
        raise ValueError(f"contact {entry.get('name')}: unknown {sorted(set(entry) - known)}")
    return Contact(str(entry["name"]), str(entry["joint"]), _vector(entry.get("offset_m", (0, 0, 0))))


def _vector(value: Iterable[float]) -> Vector:
    x, y, z = (float(v) for v in value)
    return x, y, z


def _mirrored(v: Vector) -> Vector:
    return -v[0] + 0.0, v[1], v[2]


def _with_twins(joints: list[Joint]) -> list[Joint]:
    """Add the right twin of every left joint that has none; a mirrored bone's twist and swing z change sign."""
    named = {j.name for j in joints}
    twins = []
    for joint in joints:
        if not joint.name.startswith("left_") or twin_name(joint.name) in named:
            continue
        x, twist, z = joint.limits_deg
        twins.append(
            replace(
                joint,
                name=twin_name(joint.name),
                parent=None if joint.parent is None else twin_name(joint.parent),
                tail=None if joint.tail is None else twin_name(joint.tail),
                offset_m=_mirrored(joint.offset_m),
                roll_axis=_mirrored(joint.roll_axis),
                limits_deg=(x, (-twist[1] + 0.0, -twist[0] + 0.0), (-z[1] + 0.0, -z[0] + 0.0)),
                neutral_deg=(joint.neutral_deg[0], -joint.neutral_deg[1] + 0.0, -joint.neutral_deg[2] + 0.0),
            )
        )
    return joints + twins


def _landmarks_with_twins(landmarks: list[Landmark]) -> list[Landmark]:
    named = {m.name for m in landmarks}
    twins = [
        replace(
            m,
            name=twin_name(m.name),
            joint=twin_name(m.joint),
            offset_m=_mirrored(m.offset_m),
            axes=None if m.axes is None else twin_name(m.axes),
        )
        for m in landmarks
        if m.name.startswith("left_") and twin_name(m.name) not in named
    ]
    return landmarks + twins


def _contacts_with_twins(contacts: list[Contact]) -> list[Contact]:
    named = {c.name for c in contacts}
    twins = [
        Contact(twin_name(c.name), twin_name(c.joint), _mirrored(c.offset_m))
        for c in contacts
        if c.name.startswith("left_") and twin_name(c.name) not in named
    ]
    return contacts + twins
