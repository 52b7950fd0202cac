"""The Blender extension: takes into Blender, and onto any rig. Built into a zip by `make addon`."""

from __future__ import annotations

from typing import Any

import bpy
from bpy.props import EnumProperty, PointerProperty, StringProperty
from bpy.types import Context, Operator, Panel, PropertyGroup
from bpy_extras.io_utils import ImportHelper

from blender.addon.importing import SUFFIXES, import_take
from blender.addon.retargeting import CONNECTED, bake, connect, connected, disconnect, preset_items
from clapcap.errors import ClapcapError


def _is_armature(_self: Any, thing: Any) -> bool:
    return bool(thing.type == "ARMATURE")


class ClapcapSettings(PropertyGroup):
    """What the panel holds."""

    source: PointerProperty(  # type: ignore[valid-type]
        type=bpy.types.Object, poll=_is_armature, name="Motion", description="The armature that moves"
    )
    target: PointerProperty(  # type: ignore[valid-type]
        type=bpy.types.Object, poll=_is_armature, name="Rig", description="The armature that shall move alike"
    )
    preset: EnumProperty(  # type: ignore[valid-type]
        items=preset_items, name="Bone map", description="Which bones of the rig are which parts of the body"
    )


class CLAPCAP_OT_import_take(Operator, ImportHelper):
    """Import a take as an armature that moves (motion .npz, .json or .bvh) or as markers (keypoints .npz or .json)"""

    bl_idname = "clapcap.import_take"
    bl_label = "Import take"
    bl_options = {"REGISTER", "UNDO"}

    filter_glob: StringProperty(default=";".join(f"*{s}" for s in SUFFIXES), options={"HIDDEN"})  # type: ignore[valid-type]

    def execute(self, context: Context) -> set[str]:
        try:
            made = import_take(bpy, context, self.filepath)
        except ClapcapError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        if made.type == "ARMATURE":
            context.scene.clapcap.source = made
        self.report({"INFO"}, f"Imported {made.name}")
        return {"FINISHED"}


class CLAPCAP_OT_connect(Operator):
    """Move the rig as the motion's armature moves: helper bones and constraints, until it is baked"""

    bl_idname = "clapcap.connect"
    bl_label = "Retarget"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: Context) -> bool:
        settings = context.scene.clapcap
        return settings.source is not None and settings.target is not None and settings.source != settings.target

    def execute(self, context: Context) -> set[str]:
        settings = context.scene.clapcap
        try:
            said = connect(bpy, context, settings.source, settings.target, settings.preset)
        except ClapcapError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.report({"INFO"}, said)
        return {"FINISHED"}


class CLAPCAP_OT_bake(Operator):
    """Write keyframes onto the rig's own bones, and take the helpers away"""

    bl_idname = "clapcap.bake"
    bl_label = "Bake"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: Context) -> bool:
        target = context.scene.clapcap.target
        return target is not None and connected(target)

    def execute(self, context: Context) -> set[str]:
        bake(bpy, context, context.scene.clapcap.target)
        return {"FINISHED"}


class CLAPCAP_OT_disconnect(Operator):
    """Take the helpers and constraints away without keyframes"""

    bl_idname = "clapcap.disconnect"
    bl_label = "Let go"
    bl_options = {"REGISTER", "UNDO"}

    poll = CLAPCAP_OT_bake.poll

    def execute(self, context: Context) -> set[str]:
        disconnect(bpy, context.scene.clapcap.target)
        return {"FINISHED"}


class CLAPCAP_PT_panel(Panel):
    """The sidebar's tab"""

    bl_label = "clapcap"
    bl_idname = "CLAPCAP_PT_panel"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "clapcap"

    def draw(self, context: Context) -> None:
        settings = context.scene.clapcap
        layout = self.layout
        layout.operator(CLAPCAP_OT_import_take.bl_idname, icon="IMPORT")
        column = layout.column()
        column.prop(settings, "source")
        column.prop(settings, "target")
        column.prop(settings, "preset")
        column.operator(CLAPCAP_OT_connect.bl_idname, icon="CON_ARMATURE")
        if settings.target is not None and connected(settings.target):
            row = column.row(align=True)
            row.operator(CLAPCAP_OT_bake.bl_idname, icon="KEYFRAME")
            row.operator(CLAPCAP_OT_disconnect.bl_idname, icon="X")
            column.label(text=settings.target[CONNECTED])


CLASSES = (
    ClapcapSettings,
    CLAPCAP_OT_import_take,
    CLAPCAP_OT_connect,
    CLAPCAP_OT_bake,
    CLAPCAP_OT_disconnect,
    CLAPCAP_PT_panel,
)


def _in_menu(self: Any, _context: Context) -> None:
    self.layout.operator(CLAPCAP_OT_import_take.bl_idname, text="clapcap take (.npz, .json, .bvh)")


def register() -> None:
    """Make the operators and the panel known to Blender."""
    for made in CLASSES:
        bpy.utils.register_class(made)
    bpy.types.Scene.clapcap = PointerProperty(type=ClapcapSettings)
    bpy.types.TOPBAR_MT_file_import.append(_in_menu)


def unregister() -> None:
    """Take them away."""
    bpy.types.TOPBAR_MT_file_import.remove(_in_menu)
    del bpy.types.Scene.clapcap
    for made in reversed(CLASSES):
        bpy.utils.unregister_class(made)
