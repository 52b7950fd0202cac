"""Whether cameras were moved since."""
