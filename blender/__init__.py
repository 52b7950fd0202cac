"""Everything that touches bpy."""
