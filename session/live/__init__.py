"""Filming the board with the cameras of this computer: what they see, what to do next, and the recording."""
