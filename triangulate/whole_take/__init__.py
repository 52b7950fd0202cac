"""Refinement of all points of a take at once: reprojection, constant bones and smooth motion in one problem."""
