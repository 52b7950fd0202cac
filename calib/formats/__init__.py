"""One codec per calibration file format."""
