"""What the bones look like: rings, and boxes for the handles; and a plain body for viewers without bones."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from blender.export.armature import Bones
from blender.export.handles import HANDLES

Array = npt.NDArray[np.float64]

RING_POINTS = 24
RING_RADIUS = 0.25
"""Of a bone's length."""

THICKNESS = 0.12
"""Of a bone's length: half the width of the body's octahedra."""

COLOURS = {"left": "THEME02", "right": "THEME04"}
"""Blender's own bone colours by side: orange and blue; the middle keeps the theme's."""


def dress(bpy: Any, armature: Any) -> None:
    """Give every bone a shape and its side's colour; the shapes are kept in a collection that is not shown."""
    store = bpy.data.collections.new("bone shapes")
    ring = _wire(bpy, store, "ring", *_ring())
    box = _wire(bpy, store, "box", *_box())
    handles = {bone.name for bone in armature.data.collections[HANDLES].bones} if _has_handles(armature) else set()
    for bone in armature.pose.bones:
        bone.custom_shape = box if bone.name in handles else ring
        if bone.name.endswith("_pole"):
            bone.custom_shape_scale_xyz = (0.4, 0.4, 0.4)
        bone.color.palette = COLOURS.get(bone.name.split("_")[0], "DEFAULT")
    armature.show_in_front = True


def _has_handles(armature: Any) -> bool:
    return HANDLES in armature.data.collections


def build_body(bpy: Any, armature: Any, bones: Bones, name: str) -> Any:
    """Make a mesh of an octahedron a bone, each moved by its bone alone, and return it.

    FBX, GLB and USD are read by viewers that show no bones, and USD's skeletons need a mesh to belong to.
    """
    points: list[list[float]] = []
    faces: list[list[int]] = []
    groups: list[tuple[str, list[int]]] = []
    for bone in bones.joint:
        first = len(points)
        octahedron, triangles = _octahedron(bones.head_m[bone], bones.tail_m[bone], bones.axes[bone])
        points += octahedron.tolist()
        faces += (triangles + first).tolist()
        groups.append((bone, list(range(first, len(points)))))
    data = bpy.data.meshes.new(name)
    data.from_pydata(points, [], faces)
    body = bpy.data.objects.new(name, data)
    bpy.context.scene.collection.objects.link(body)
    for bone, members in groups:
        body.vertex_groups.new(name=bone).add(members, 1.0, "REPLACE")
    body.parent = armature
    modifier = body.modifiers.new("Armature", "ARMATURE")
    modifier.object = armature
    return body


def _octahedron(head: Array, tail: Array, axes: Array) -> tuple[Array, npt.NDArray[np.int64]]:
    """Return the six corners and eight triangles of Blender's own picture of a bone."""
    length = float(np.linalg.norm(tail - head))
    waist = head + 0.15 * (tail - head)
    around = [
        waist + THICKNESS * length * (x * axes[:, 0] + z * axes[:, 2]) for x, z in ((1, 0), (0, 1), (-1, 0), (0, -1))
    ]
    corners = np.stack([head, *around, tail])
    ring = [1, 2, 3, 4]
    triangles = [(0, ring[(k + 1) % 4], ring[k]) for k in range(4)] + [
        (5, ring[k], ring[(k + 1) % 4]) for k in range(4)
    ]
    return corners, np.array(triangles, dtype=np.int64)


def _wire(
    bpy: Any, store: Any, name: str, points: list[tuple[float, float, float]], edges: list[tuple[int, int]]
) -> Any:
    data = bpy.data.meshes.new(f"shape {name}")
    data.from_pydata(points, edges, [])
    shape = bpy.data.objects.new(f"shape {name}", data)
    store.objects.link(shape)
    shape.use_fake_user = True
    return shape


def _ring() -> tuple[list[tuple[float, float, float]], list[tuple[int, int]]]:
    """Return a circle about the bone's middle, in units of its length."""
    angle = 2 * np.pi * np.arange(RING_POINTS) / RING_POINTS
    points = [(RING_RADIUS * float(np.cos(a)), 0.5, RING_RADIUS * float(np.sin(a))) for a in angle]
    return points, [(k, (k + 1) % RING_POINTS) for k in range(RING_POINTS)]


def _box() -> tuple[list[tuple[float, float, float]], list[tuple[int, int]]]:
    """Return the edges of a box about a bone."""
    points = [(x, y, z) for x in (-0.3, 0.3) for y in (-0.1, 1.1) for z in (-0.3, 0.3)]
    edges = [
        (a, b)
        for a in range(8)
        for b in range(a + 1, 8)
        if sum(p != q for p, q in zip(points[a], points[b], strict=True)) == 1
    ]
    return points, edges
