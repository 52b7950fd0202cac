"""The stages of a take, one file a stage: people and keypoints, points in space, bones, files, pictures."""
