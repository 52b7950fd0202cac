"""One view to 3D: training data, virtual cameras, the detector's errors, networks, training and evaluation."""
