"""Lens models, one a file; `calib.lenses.catalogue` finds them by name."""
