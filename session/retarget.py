"""Bringing a motion onto another rig, on files."""

from __future__ import annotations

from pathlib import Path

from clapcap.errors import SessionError
from session.atomic import written_whole
from session.export import find_take
from session.terminal import Terminal


def retarget_file(
    source: Path, rig: Path, output: Path | None, preset: str | None, source_preset: str | None, terminal: Terminal
) -> Path:
    """Retarget a motion onto the rig of a BVH file; write BVH in the rig's own unit, and return the file.

    Raises
    ------
    SessionError
        If the output exists or is no BVH.
    FileFormatError, FitError
        If a file cannot be read, or a rig lacks parts of a body.
    """
    from retarget.bvh import write_bvh
    from retarget.motion_file import load_motion_file
    from retarget.rigs.files import load_rig
    from retarget.rigs.presets import load_preset, propose
    from retarget.rigs.retarget import retarget_motion

    found = find_take(source)
    output = output or found.folder / f"{found.name}-{rig.stem}.bvh"
    if output.suffix.lower() != ".bvh":
        raise SessionError(f"{output}: a retargeted motion is written as .bvh.")
    if output.exists():
        raise SessionError(f"{output} is there already and is not written over. Give another name: -o NAME.bvh")
    motion = load_rig(found.motion).motion if found.motion.suffix == ".bvh" else load_motion_file(found.motion)
    target = load_rig(rig)
    chosen = []
    for moved, name in ((motion, source_preset), (target.motion, preset)):
        if name is None:
            chosen.append(propose(moved))
        else:
            loaded = load_preset(name)
            chosen.append((loaded.name, loaded.match(moved.joint_names)))
    (source_by, source_names), (target_by, target_names) = chosen
    result, report = retarget_motion(motion, target.motion, source_names, target_names)
    terminal.say(f"{found.motion.name}: parts by {_by(source_by)}; {rig.name}: by {_by(target_by)}, in {target.unit}.")
    if report.unmoved:
        terminal.say(f"Not moved, they follow their parents: {', '.join(report.unmoved)}")
    with written_whole(output) as partial:
        write_bvh(partial, result, scale=target.scale)
    terminal.done(
        f"{found.name}: retarget",
        f"{len(report.parts)} parts onto {rig.name}, path scaled by {report.scale:.2f}, {report.stands} stands of the "
        f"feet kept to {report.drift_mm:.1f} mm: {output}",
    )
    return output


def _by(what: str) -> str:
    return "the shape of the rest pose" if what == "shape" else f"the preset {what}"
