"""2D keypoints per view: detectors behind one protocol."""
