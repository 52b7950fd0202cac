"""The board's corners in pictures."""
