"""Which joint plays which part: presets as data, and a proposal for a rig that nobody has named."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clapcap.errors import FileFormatError
from retarget.rigs.rig import NEEDED, ROLES
from skeleton.motion import Motion

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Array = npt.NDArray[np.float64]

PREFIXES = ("DEF-", "ORG-")
TWINS = (("left", "right"), ("Left", "Right"), (".L", ".R"), ("_l", "_r"), ("_L", "_R"), ("L", "R"))
"""How names tell the sides, the likelier first."""


@dataclass(frozen=True)
class Preset:
    """A bone map.

    Attributes
    ----------
    name
        What it is called.
    bones
        By part: the names that its joint may have, the preferred first. Parts of the right are there.
    """

    name: str
    bones: Mapping[str, tuple[str, ...]]

    def match(self, joint_names: Sequence[str]) -> dict[str, str]:
        """Return by part the joint that plays it; prefixes such as "mixamorig:" and "DEF-" do not matter."""
        plain = {_plain(name): name for name in reversed(joint_names)}
        found = {}
        for role, names in self.bones.items():
            for name in names:
                if name in joint_names or name in plain:
                    found[role] = name if name in joint_names else plain[name]
                    break
        return found


def preset_names() -> tuple[str, ...]:
    """Return the names of the presets that ship."""
    folder = resources.files(__package__) / "presets"
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml")))


def load_preset(name: str | Path) -> Preset:
    """Load a preset by name, or one's own from a TOML file.

    Raises
    ------
    FileFormatError
        If there is no such preset, or the file is none; the message says what is wrong.
    """
    path = Path(name)
    if path.suffix == ".toml":
        where = str(path)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise FileFormatError(f"{path}: cannot read the preset: {error}") from error
    else:
        if name not in preset_names():
            raise FileFormatError(
                f'no preset is called "{name}": needed one of {", ".join(preset_names())}, or a TOML file of your own.'
            )
        where = f"preset {name}"
        text = (resources.files(__package__) / "presets" / f"{name}.toml").read_text(encoding="utf-8")
    try:
        table = tomllib.loads(text)
        bones = {str(role): _names(value) for role, value in table["bones"].items()}
        label = str(table.get("name", path.stem))
    except (tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError) as error:
        raise FileFormatError(f"{where} is no preset: {error}. It needs a table [bones]: part = joint.") from error
    unknown = [role for role in bones if role not in ROLES]
    if unknown:
        raise FileFormatError(f"{where}: no part of a body is called {', '.join(unknown)}; known: {', '.join(ROLES)}.")
    for role, names in list(bones.items()):
        if role.startswith("left_"):
            bones.setdefault(role.replace("left_", "right_"), tuple(_twin(name) for name in names))
    return Preset(label, bones)


def _names(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and value and all(isinstance(name, str) for name in value):
        return tuple(value)
    raise TypeError(f"{value!r} is no joint's name")


def _plain(name: str) -> str:
    name = name.rsplit(":", 1)[-1]
    for prefix in PREFIXES:
        name = name.removeprefix(prefix)
    return name


def _twin(name: str) -> str:
    """Return the right's name for a left one."""
    for left, right in TWINS:
        if left in name and (len(left) > 1 or name.startswith(left)):
            if left.startswith((".", "_")):
                if name.endswith(left):
                    return name.removesuffix(left) + right
                continue
            return name.replace(left, right, 1)
    return name


def propose(motion: Motion) -> tuple[str, dict[str, str]]:
    """Propose which joint of a rig plays which part.

    The preset that knows most of the joints, if it knows all that a body needs; otherwise by the shape of the rest pose
    (`by_shape`).

    Returns
    -------
    tuple
        What the proposal rests on (a preset's name, or "shape"), and by part the joint's name.
    """
    best: tuple[str, dict[str, str]] = ("", {})
    for name in preset_names():
        found = load_preset(name).match(motion.joint_names)
        if len(found) > len(best[1]) and all(role in found for role in NEEDED):
            best = name, found
    if best[0]:
        return best
    return "shape", by_shape(motion)


def by_shape(motion: Motion) -> dict[str, str]:
    """Guess the parts from a rest pose that stands upright, arms off the body: legs reach down, arms to the sides.

    The feet are the lowest tips on either side, the hands the tips farthest to the sides, the head the highest; hips
    are where the legs part, the chest is where the arms do. A leg's knee and ankle are the joints of its chain that
    leave the longest bones.
    """
    joints = len(motion.joint_names)
    rest = np.zeros((joints, 3))
    chain: list[list[int]] = [[0]]
    for joint in range(1, joints):
        parent = int(motion.parents[joint])
        rest[joint] = rest[parent] + motion.rest_offset_m[joint]
        chain.append([*chain[parent], joint])
    tips = [joint for joint in range(joints) if not (motion.parents == joint).any()]
    height = float(np.ptp(rest[:, 2])) or 1.0
    lateral = _lateral(rest, tips)
    side_m = rest @ lateral
    middle_m = float(rest[0] @ lateral)
    found: dict[str, int] = {}
    limbs: dict[str, list[int]] = {}
    low = [t for t in tips if rest[t, 2] < rest[:, 2].min() + 0.25 * height]
    high = [t for t in tips if t not in low]
    for side, sign in (("left", 1.0), ("right", -1.0)):
        feet = [t for t in low if sign * (side_m[t] - middle_m) > 0]
        hands = [t for t in high if sign * (side_m[t] - middle_m) > 0.15 * height]
        if not feet or not hands:
            return {}
        limbs[f"{side} leg"] = chain[min(feet, key=lambda t: (rest[t, 2], t))]
        limbs[f"{side} arm"] = chain[max(hands, key=lambda t: (sign * side_m[t], -t))]
    hips = _parting(limbs["left leg"], limbs["right leg"])
    chest = _parting(limbs["left arm"], limbs["right arm"])
    found["hips"] = hips
    for side in ("left", "right"):
        leg = _long_bones(limbs[f"{side} leg"][limbs[f"{side} leg"].index(hips) + 1 :], rest, 2)
        found |= dict(zip((f"{side}_thigh", f"{side}_shin", f"{side}_foot"), leg, strict=False))
        after = limbs[f"{side} leg"][limbs[f"{side} leg"].index(leg[-1]) + 1 :] if len(leg) == 3 else []
        if len(after) > 1 or (after and not motion.joint_names[after[0]].endswith("_end")):
            found[f"{side}_toe"] = after[0]
        whole = limbs[f"{side} arm"][limbs[f"{side} arm"].index(chest) + 1 :]
        arm = _long_bones(whole, rest, 2)
        found |= dict(zip((f"{side}_upper_arm", f"{side}_forearm", f"{side}_hand"), arm, strict=False))
        if whole and arm and whole[0] != arm[0]:
            found[f"{side}_clavicle"] = whole[0]
    trunk = [joint for joint in chain[chest] if joint not in chain[hips]]
    if trunk:
        found["chest"] = trunk[-1]
        if len(trunk) > 1:
            found["spine"] = trunk[0]
    upper = [t for t in high if abs(side_m[t] - middle_m) <= 0.15 * height and chest in chain[t]]
    if upper:
        above = [j for j in chain[max(upper, key=lambda t: rest[t, 2])] if j not in chain[chest]]
        above = [j for j in above if not motion.joint_names[j].endswith("_end")] or above
        found |= dict(zip(("neck", "head"), above[:1] + above[-1:] if len(above) > 1 else above, strict=False))
    return {role: motion.joint_names[joint] for role, joint in found.items()}


def _lateral(rest: Array, tips: list[int]) -> Array:
    """Return the direction to the left, (3,), level: the line along which the tips spread most.

    Which way along it is left shows in the feet, which point to the front; without a hint, left is +x, as most rigs
    face -y.
    """
    spread = rest[tips, :2] - rest[tips, :2].mean(axis=0)
    _, _, axes = np.linalg.svd(spread, full_matrices=False)
    lateral = np.array([axes[0, 0], axes[0, 1], 0.0])
    if lateral[np.abs(lateral).argmax()] < 0:
        lateral = -lateral
    low = [t for t in tips if rest[t, 2] < rest[:, 2].min() + 0.25 * float(np.ptp(rest[:, 2]))]
    forward = np.mean(rest[low], axis=0) - rest[0] if low else np.zeros(3)
    # Facing f, left is up x f.
    if np.cross([0.0, 0.0, 1.0], forward) @ lateral < 0:
        lateral = -lateral
    return lateral


def _parting(first: list[int], second: list[int]) -> int:
    """Return the last joint that two chains share."""
    return [a for a, b in zip(first, second, strict=False) if a == b][-1]


def _long_bones(chain: list[int], rest: Array, count: int) -> list[int]:
    """Return the joints at which the `count` longest bones of a chain start, and where the last of them ends."""
    if len(chain) < count + 1:
        return chain
    length = np.linalg.norm(np.diff(rest[chain], axis=0), axis=1)
    starts = sorted(np.argsort(-length, kind="stable")[:count].tolist())
    return [chain[k] for k in starts] + [chain[starts[-1] + 1]]
