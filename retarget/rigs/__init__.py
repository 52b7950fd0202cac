"""A motion onto another rig: other names, other proportions, another rest pose."""
