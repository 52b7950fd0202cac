"""From a lifted body in a camera's frame to one that stands in a world: gravity, floor, path."""
