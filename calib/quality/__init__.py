"""How good a calibration is, and what to film next."""
