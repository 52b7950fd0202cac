"""Boards, corners, intrinsics, extrinsics, bundle adjustment, the world frame and the exchange of calibrations."""
