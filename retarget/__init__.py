"""3D to bones: bone lengths, constrained inverse kinematics, BVH."""
