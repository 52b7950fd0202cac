"""The shared vocabulary: joint sets and hierarchies, keypoints, motion, and one codec per file format."""
