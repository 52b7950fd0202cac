"""The world's frame: floor, axes, scale."""
