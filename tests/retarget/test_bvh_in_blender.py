"""Blender's own importer must find our joints where we put them."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest

from retarget.bvh import write_bvh
from skeleton.motion import Motion

# Run in a process of its own, which leaves by os._exit: Blender's module may crash when the interpreter ends.
IMPORT = """
import os, sys
import bpy, numpy as np
bpy.ops.import_anim.bvh(filepath=sys.argv[1])  # every setting as the user's dialog has it
armature = bpy.context.object
bones = sorted(bone.name for bone in armature.data.bones)
frames = int(armature.animation_data.action.frame_range[1])
heads, tails = np.empty((frames, len(bones), 3)), np.empty((frames, len(bones), 3))
for frame in range(frames):
    bpy.context.scene.frame_set(frame + 1)
    for k, name in enumerate(bones):
        bone = armature.pose.bones[name]
        heads[frame, k] = armature.matrix_world @ bone.head
        tails[frame, k] = armature.matrix_world @ bone.tail
np.savez(sys.argv[2], bones=bones, heads=heads, tails=tails)
os._exit(0)
"""


@pytest.mark.bpy
def test_blender_places_every_bone_where_we_do(actor, tmp_path):
    if importlib.util.find_spec("bpy") is None:
        pytest.skip("bpy is not installed: pip install clapcap[blender]")
    definition = actor.kinematics.skeleton
    frames = slice(0, 240, 4)
    motion = Motion(
        definition.joint_names,
        definition.parents,
        actor.shape.offset_m,
        actor.kinematics.local_quaternions(actor.poses)[frames],
        actor.poses.root_m[frames],
        actor.time_s[frames],
    )
    write_bvh(tmp_path / "person.bvh", motion)
    script = tmp_path / "import.py"
    script.write_text(IMPORT)
    command = [sys.executable, str(script), str(tmp_path / "person.bvh"), str(tmp_path / "found.npz")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    if "ImportError" in done.stderr and ".so" in done.stderr:
        pytest.skip(f"bpy cannot be loaded: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr[-2000:]
    found = np.load(tmp_path / "found.npz")
    bones = found["bones"].tolist()
    assert set(bones) == {n for n in motion.joint_names if not n.endswith("_end")}
    ours = motion.world_positions()
    names = motion.joint_names
    assert len(found["heads"]) == len(ours)
    for k, bone in enumerate(bones):
        joint = names.index(bone)
        # No mapping of axes is left: the importer's defaults (-Z forward, Y up) undo ours.
        assert np.abs(found["heads"][:, k] - ours[:, joint]).max() < 1e-4, bone
        children = np.flatnonzero(motion.parents == joint)
        if len(children) == 1:  # with several children Blender chooses a tail of its own
            assert np.abs(found["tails"][:, k] - ours[:, children[0]]).max() < 1e-4, bone
