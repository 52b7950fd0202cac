"""A take as a Blender scene: its armature moving, IK handles, the calibrated cameras; and FBX, GLB and USD of it."""
