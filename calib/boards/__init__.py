"""What was printed: ChArUco boards, checkerboards, AprilGrids."""
